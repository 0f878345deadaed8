"""What fastact is compared with, as far as it is installed.

A peer makes a call without arguments from a Job, or None where it has no such function, dtype or layout.
Its packages are imported by the first call that is made.
"""

import importlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from importlib.util import find_spec
from operator import attrgetter
from typing import NamedTuple

import numpy as np

import fastact
from fastact._bench import cuda
from fastact._bench.cells import ROWS, Job, library_of
from fastact._expressions import EXPRESSIONS, RRELU_SLOPE, SELU_ALPHA, SELU_SCALE
from fastact._gates import GATES


def fastact_call(job):
    library = library_of(job.device)
    if job.threads:
        fastact.set_num_threads(job.threads)
    keywords = {} if job.out is None else {"out": job.out}
    if job.gradient is None:
        return partial(getattr(library, job.function), job.x, *job.arguments, **keywords)
    start = job.y if job.function in ROWS and job.function not in GATES else job.x
    return partial(getattr(library.grad, job.function), job.gradient, start, *job.arguments, **keywords)


def numpy_call(job):
    axis = (job.axis,) if job.function in ROWS else ()
    return partial(EXPRESSIONS[job.function], job.x, *axis)


def scipy_call(job):
    special = importlib.import_module("scipy.special")
    ufunc = {"sigmoid": special.expit, "log_sigmoid": special.log_expit}.get(job.function)
    if ufunc:
        return partial(ufunc, job.x) if job.out is None else partial(ufunc, job.x, out=job.out)
    if job.function in ("softmax", "log_softmax", "logsumexp") and job.out is None:
        return partial(getattr(special, job.function), job.x, job.axis)
    return None


# PyTorch. Not all of torch.nn.functional can write into a tensor that is there; what lies beneath it can.
# name -> function, arguments after x; or a function of torch, x and the output
TORCH_OUT = {
    "relu": ("clamp_min", 0),
    "relu6": ("_C._nn.hardtanh", 0, 6),
    "elu": ("_C._nn.elu",),
    "leaky_relu": ("_C._nn.leaky_relu",),
    "threshold": ("threshold", 0, -1),
    "hardtanh": ("_C._nn.hardtanh",),
    "sigmoid": ("sigmoid",),
    "tanh": ("tanh",),
    "log_sigmoid": ("_C._nn.log_sigmoid",),
    "softplus": ("_C._nn.softplus",),
    "softshrink": ("_C._nn.softshrink",),
    "softsign": lambda torch, x, out: torch.div(x, torch.abs(x, out=out).add_(1), out=out),
    "tanhshrink": lambda torch, x, out: torch.sub(x, torch.tanh(x, out=out), out=out),
    "selu": ("_C._nn.elu", SELU_ALPHA, SELU_SCALE),
    "celu": ("_C._nn.elu",),
    "hardswish": ("_C._nn.hardswish",),
    "hardsigmoid": ("_C._nn.hardsigmoid",),
    "hardshrink": ("hardshrink",),
    "silu": ("_C._nn.silu",),
    "swish": ("_C._nn.silu",),
    "mish": ("_C._nn.mish",),
    "gelu": ("_C._nn.gelu",),
    "gelu_tanh": lambda torch, x, out: torch._C._nn.gelu(x, approximate="tanh", out=out),
    "rrelu": ("_C._nn.leaky_relu", RRELU_SLOPE),
    "softmin": lambda torch, x, out, axis: torch.softmax(torch.neg(x, out=out), axis, out=out),
    "softmax": ("softmax",),
    "log_softmax": ("log_softmax",),
    "logsumexp": ("logsumexp",),
    "glu": ("_C._nn.glu",),
}
# What one would write with it.
TORCH_COMPOSED = {
    "swiglu": lambda torch, a, b: a * torch.nn.functional.silu(b),
    "geglu": lambda torch, a, b: a * torch.nn.functional.gelu(b),
    "reglu": lambda torch, a, b: a * torch.relu(b),
}

# name -> operator in torch.ops.aten, and from the gradient, x and y its arguments
TORCH_BACKWARD = {
    "relu": ("threshold_backward", lambda g, x, y: (g, x, 0)),
    "relu6": ("hardtanh_backward", lambda g, x, y: (g, x, 0, 6)),
    "elu": ("elu_backward", lambda g, x, y: (g, 1, 1, 1, False, x)),
    "prelu": ("_prelu_kernel_backward", lambda g, x, y, weight: (g, x, weight)),
    "leaky_relu": ("leaky_relu_backward", lambda g, x, y: (g, x, 0.01, False)),
    "threshold": ("threshold_backward", lambda g, x, y, threshold, value: (g, x, threshold)),
    "hardtanh": ("hardtanh_backward", lambda g, x, y: (g, x, -1, 1)),
    "sigmoid": ("sigmoid_backward", lambda g, x, y: (g, y)),
    "tanh": ("tanh_backward", lambda g, x, y: (g, y)),
    "log_sigmoid": ("log_sigmoid_backward", lambda g, x, y: (g, x, (-x.abs()).exp())),
    "softplus": ("softplus_backward", lambda g, x, y: (g, x, 1, 20)),
    "softshrink": ("softshrink_backward", lambda g, x, y: (g, x, 0.5)),
    "selu": ("elu_backward", lambda g, x, y: (g, SELU_ALPHA, SELU_SCALE, 1, False, x)),
    "celu": ("elu_backward", lambda g, x, y: (g, 1, 1, 1, False, x)),
    "hardswish": ("hardswish_backward", lambda g, x, y: (g, x)),
    "hardsigmoid": ("hardsigmoid_backward", lambda g, x, y: (g, x)),
    "hardshrink": ("hardshrink_backward", lambda g, x, y: (g, x, 0.5)),
    "silu": ("silu_backward", lambda g, x, y: (g, x)),
    "swish": ("silu_backward", lambda g, x, y: (g, x)),
    "mish": ("mish_backward", lambda g, x, y: (g, x)),
    "gelu": ("gelu_backward", lambda g, x, y: (g, x)),
    "rrelu": ("leaky_relu_backward", lambda g, x, y: (g, x, RRELU_SLOPE, False)),
    "softmax": ("_softmax_backward_data", lambda g, x, y, axis: (g, y, axis, y.dtype)),
    "log_softmax": ("_log_softmax_backward_data", lambda g, x, y, axis: (g, y, axis, y.dtype)),
    "glu": ("glu_backward", lambda g, x, y, axis: (g, x, axis)),
}
# What autograd makes of several operators, or of an option.
TORCH_BACKWARD_COMPOSED = {
    "gelu_tanh": lambda torch, g, x, y: torch.ops.aten.gelu_backward.default(g, x, approximate="tanh"),
    "softsign": lambda torch, g, x, y: g / (1 + x.abs()).square_(),
    "tanhshrink": lambda torch, g, x, y: g - torch.ops.aten.tanh_backward.default(g, x - y),
    "softmin": lambda torch, g, x, y, axis: torch.ops.aten._softmax_backward_data.default(g, y, axis, y.dtype).neg_(),
}


@cache
def load_torch():
    torch = importlib.import_module("torch")
    mode = torch.inference_mode()
    mode.__enter__()  # for good: nothing here needs a graph
    return torch, mode


def torch_call(job):
    torch, _ = load_torch()
    if job.threads:
        torch.set_num_threads(job.threads)
    x = torch.as_tensor(job.x)
    out = job.out if job.out is None else torch.as_tensor(job.out)
    arguments = job.arguments
    if job.function == "prelu":
        arguments = (torch.tensor(arguments, dtype=x.dtype, device=x.device),)
    if job.gradient is not None:
        return torch_backward_call(torch, job, x, arguments, out)
    if out is None and job.function in TORCH_COMPOSED:
        return lambda: TORCH_COMPOSED[job.function](torch, *x.chunk(2, *arguments))
    if out is None:
        name = {"log_sigmoid": "logsigmoid", "swish": "silu", "gelu_tanh": "gelu"}.get(job.function, job.function)
        function = getattr(torch.nn.functional, name, None) or getattr(torch, name, None)
        options = {"approximate": "tanh"} if job.function == "gelu_tanh" else {}
        return function and partial(function, x, *arguments, **options)
    into = TORCH_OUT.get(job.function)
    if callable(into):
        return partial(into, torch, x, out, *(arguments if job.function in ROWS else ()))
    if into:
        name, *given = into
        return partial(attrgetter(name)(torch), x, *(arguments if job.function in ROWS else given), out=out)
    return None


def torch_backward_call(torch, job, x, arguments, out):
    gradient, y = torch.as_tensor(job.gradient), torch.as_tensor(job.y)
    if job.function in TORCH_BACKWARD_COMPOSED and out is None:
        return partial(TORCH_BACKWARD_COMPOSED[job.function], torch, gradient, x, y, *arguments)
    if job.function not in TORCH_BACKWARD:
        return None
    name, order = TORCH_BACKWARD[job.function]
    operator = getattr(torch.ops.aten, name)
    arguments = order(gradient, x, y, *arguments)
    if out is None:
        return partial(operator.default, *arguments)
    for overload in ("grad_input", "out"):
        if overload in operator.overloads():
            function = getattr(operator, overload)
            return partial(function, *arguments, **{function._schema.arguments[-1].name: out})
    return None


JAX = {"hardtanh": "hard_tanh", "softsign": "soft_sign", "hardswish": "hard_swish", "hardsigmoid": "hard_sigmoid"}


def jax_call(job):
    if job.threads != cores() or not job.contiguous:
        return None  # the number of its threads is the machine's, and its arrays have no strides
    jax = importlib.import_module("jax")
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_x64", True)
    name = JAX.get(job.function, job.function)
    if job.function in ("gelu", "gelu_tanh"):
        function = partial(jax.nn.gelu, approximate=job.function == "gelu_tanh")
    else:
        function = getattr(jax.nn, name, None) or {"tanhshrink": lambda x: x - jax.numpy.tanh(x)}.get(name)
    if not function:
        return None
    x = jax.numpy.asarray(job.x)
    compiled = jax.jit(lambda x: function(x, *job.arguments))
    return lambda: compiled(x).block_until_ready()


def cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


# Constants with a point would be float64.
NUMEXPR = {
    "relu": "where(x > 0, x, 0)",
    "relu6": "where(x > 6, 6, where(x > 0, x, 0))",
    "elu": "where(x > 0, x, expm1(x))",
    "prelu": "where(x > 0, x, x / 4)",
    "leaky_relu": "where(x > 0, x, x / 100)",
    "threshold": "where(x > 0, x, -1)",
    "hardtanh": "where(x > 1, 1, where(x < -1, -1, x))",
    "sigmoid": "1 / (1 + exp(-x))",
    "tanh": "tanh(x)",
    "log_sigmoid": "-log1p(exp(-x))",
    "softplus": "log1p(exp(x))",
    "softshrink": "where(2 * x > 1, x - half, where(2 * x < -1, x + half, 0))",
    "softsign": "x / (1 + abs(x))",
    "tanhshrink": "x - tanh(x)",
    "relu_squared": "where(x > 0, x * x, 0)",
    "squareplus": "(x + sqrt(x * x + 4)) / 2",
    "silu": "x / (1 + exp(-x))",
    "swish": "x / (1 + exp(-x))",
}


def numexpr_call(job):
    if job.function not in NUMEXPR:
        return None
    numexpr = importlib.import_module("numexpr")
    numexpr.set_num_threads(min(job.threads, numexpr.MAX_THREADS))
    names = {"x": job.x, "half": job.x.dtype.type(0.5)}
    return partial(numexpr.evaluate, NUMEXPR[job.function], local_dict=names, global_dict={}, out=job.out)


# Inference engines: a model of one node.
ONNX = {
    "relu": ("Relu", {}),
    "elu": ("Elu", {"alpha": 1.0}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.01}),
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("Tanh", {}),
    "softplus": ("Softplus", {}),
    "softsign": ("Softsign", {}),
    "selu": ("Selu", {"alpha": SELU_ALPHA, "gamma": SELU_SCALE}),
    "celu": ("Celu", {"alpha": 1.0}),
    "hardswish": ("HardSwish", {}),
    "hardsigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "hardshrink": ("Shrink", {"bias": 0.0, "lambd": 0.5}),
    "mish": ("Mish", {}),
    "gelu": ("Gelu", {"approximate": "none"}),
    "gelu_tanh": ("Gelu", {"approximate": "tanh"}),
    "softmax": ("Softmax", {}),
    "log_softmax": ("LogSoftmax", {}),
}


def has_onnx_model(job):
    in_standard = job.function != "celu" or job.x.dtype == np.float32  # Celu has no other dtype
    return job.function in ONNX and in_standard and job.contiguous


def onnx_model(job):
    helper = importlib.import_module("onnx.helper")
    operator, attributes = ONNX[job.function]
    if job.function in ROWS:
        attributes = {"axis": job.axis}
    element = helper.np_dtype_to_tensor_dtype(job.x.dtype)
    x, y = (helper.make_tensor_value_info(name, element, job.x.shape) for name in "xy")
    graph = helper.make_graph([helper.make_node(operator, ["x"], ["y"], **attributes)], job.function, [x], [y])
    # the first versions with all of these
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    return model.SerializeToString()


def onnxruntime_call(job):
    if not has_onnx_model(job):
        return None
    onnxruntime = importlib.import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job.threads
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(onnx_model(job), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the class has no public name
        if type(error).__name__ == "NotImplemented":
            return None  # not in this dtype
        raise
    binding = session.io_binding()
    binding.bind_cpu_input("x", job.x)
    binding.bind_output("y", "cpu", 0, job.x.dtype, job.x.shape, job.out.ctypes.data)
    return partial(session.run_with_iobinding, binding)


def openvino_call(job):
    if not has_onnx_model(job) or job.x.dtype == np.float64:  # which it computes in float32
        return None
    openvino = importlib.import_module("openvino")
    core = openvino.Core()
    model = core.read_model(onnx_model(job))
    # else it computes in bfloat16 where the CPU can, and binds threads, this one too, to cores
    settings = {
        "INFERENCE_NUM_THREADS": job.threads,
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    request.set_input_tensor(openvino.Tensor(job.x, shared_memory=True))
    request.set_output_tensor(openvino.Tensor(job.out, shared_memory=True))
    return partial(request.infer, share_outputs=True)


def copy_call(job):
    """No peer, but the limit beyond the caches: `x` copied into `out`."""
    if job.out.shape != job.x.shape:
        return None
    if job.threads == 1:
        return partial(np.copyto, job.out, job.x)
    pool = ThreadPoolExecutor(job.threads)
    parts = [np.array_split(a, job.threads) for a in (job.out, job.x)]
    return lambda: list(pool.map(np.copyto, *parts))


class Peer(NamedTuple):
    call: Callable
    packages: tuple[str, ...]
    modes: str = "new"  # what it can do: return a new array, write into one (out), compute gradients (backward)
    usual: bool = True  # else only when asked for


PEERS = {
    "numpy": Peer(numpy_call, ("numpy",)),
    "scipy": Peer(scipy_call, ("scipy",), "new out"),
    "torch": Peer(torch_call, ("torch",), "new out backward"),
    "jax": Peer(jax_call, ("jax",)),
    "numexpr": Peer(numexpr_call, ("numexpr",), "new out"),
    "onnxruntime": Peer(onnxruntime_call, ("onnxruntime", "onnx"), "out"),
    "openvino": Peer(openvino_call, ("openvino", "onnx"), "out"),
    "copy": Peer(copy_call, ("numpy",), "out", usual=False),
}
PEERS_ON = {
    "cpu": PEERS,
    "cuda": {"torch": PEERS["torch"], "copy": Peer(cuda.copy_call, ("numba_cuda",), "new out backward")},
}


def missing(peer, device="cpu"):
    """The packages that it would need."""
    return [package for package in PEERS_ON[device][peer].packages if not find_spec(package)]


def suits(peer, preallocated, backward, device="cpu"):
    """Whether it has calls of that kind at all."""
    wanted = "backward" if backward else "out" if preallocated else "new"
    return wanted in PEERS_ON[device][peer].modes.split()


def calls(job, peers):
    """name -> call, of fastact and those of the peers that have it."""
    made = {"fastact": fastact_call(job)} | {name: PEERS_ON[job.device][name].call(job) for name in peers}
    return {name: call for name, call in made.items() if call}


def evaluate(library, function, x):
    """The function at `x` as that library computes it on one thread, in a new array, or None."""
    call = calls(Job(function, x), [library] if library != "fastact" else []).get(library)
    return np.asarray(call()) if call else None
