"""The kernels of `_cuda_elementwise.py`, `_cuda_rows.py` and `_cuda_sparse.py`, made into PTX by numba-cuda and into
machine code by cuda.core, which needs no GPU; `_cuda_launch.py` does."""

import math
from collections import defaultdict
from functools import cache

import numpy as np
from cuda.core import ObjectCode, Program, ProgramOptions
from llvmlite import ir
from numba import cuda
from numba.cuda import types
from numba.cuda.compiler import compile_cuda, kernel_fixup
from numba.cuda.core.targetconfig import ConfigStack
from numba.cuda.cudadrv.nvvm import set_launch_bounds
from numba.cuda.dispatcher import CUDADispatcher
from numba.cuda.extending import intrinsic

from fastact import _cuda_cache, _cuda_elementwise, _cuda_halves, _cuda_rows, _math
from fastact._cuda_arrays import itemsize
from fastact._cuda_device import OLDEST
from fastact._cuda_elementwise import FIXED, SCALAR
from fastact._cuda_launch import allow_much_shared
from fastact._cuda_sparse import kernel_over_axes
from fastact._specialise import specialise

# Storage -> how LLVM sees it. bfloat16 is the upper half of a float32.
STORAGE = {
    "float16": ir.HalfType(),
    "bfloat16": ir.IntType(16),
    "float32": ir.FloatType(),
    "float64": ir.DoubleType(),
    "bool": ir.IntType(8),
    **{f"{sign}int{bits}": ir.IntType(bits) for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
VECTOR_BYTES = 16
GLOBAL, SHARED = 1, 3  # address spaces


ENTRY = "fastact"  # the name of each kernel in its code

# Contraction off: each product, sum and quotient is rounded as it is written.
NVVM_OPTIONS = {"opt": 3, "fma": 0, "ftz": 0, "prec_div": 1, "prec_sqrt": 1}


class DeviceFunction(CUDADispatcher):
    """A part of a kernel, inlined in it. As Numba's own, but no device needs to be there to compile it."""

    def __init__(self, function):
        super().__init__(function, targetoptions={"device": True})

    def compile_device(self, args, return_type=None):
        if args not in self.overloads:
            result = compile_cuda(
                self.py_func, return_type, args, forceinline=True, nvvm_options=NVVM_OPTIONS, cc=OLDEST
            )
            self.overloads[args] = result
            result.target_context.insert_user_function(result.entry_point, result.fndesc, [result.library])
        return self.overloads[args]


@intrinsic
def fma(typing_context, a, b, c):
    def generate(context, builder, signature, values):
        return builder.fma(*values)

    return a(a, a, a), generate


@intrinsic
def maximum(typing_context, a, b):
    def generate(context, builder, signature, values):
        kind = values[0].type
        function = builder.module.declare_intrinsic("llvm.maxnum", (kind,), ir.FunctionType(kind, [kind, kind]))
        return builder.call(function, values)

    return a(a, a), generate


@intrinsic
def power_of_two(typing_context, t):
    mantissa, width = {32: (23, 32), 64: (52, 64)}[t.bitwidth]

    def generate(context, builder, signature, values):
        integer = ir.IntType(width)
        bits = builder.bitcast(values[0], integer)
        return builder.bitcast(builder.shl(bits, integer(mantissa)), values[0].type)

    return t(t), generate


@intrinsic
def half_octave(typing_context, a):
    def generate(context, builder, signature, values):
        integer = ir.IntType(32)
        return builder.bitcast(builder.lshr(builder.bitcast(values[0], integer), integer(22)), values[0].type)

    return types.float32(types.float32), generate


@cache
def lookup(rows, k):
    """A function of a float32 index, whose low three bits say which of the eight numbers of row k it is. All rows are
    one table in memory, which the first cache holds, so that an element's lookups share an address."""
    name = f"fastact_pieces_{hash(rows) & (2**64 - 1):x}"

    @intrinsic
    def function(typing_context, index):
        def generate(context, builder, signature, values):
            integer, number = ir.IntType(32), ir.FloatType()
            if name not in builder.module.globals:
                kind = ir.ArrayType(number, 8 * len(rows))
                table = ir.GlobalVariable(builder.module, kind, name, GLOBAL)
                table.linkage, table.global_constant, table.align = "internal", True, 32
                table.initializer = kind([number(float(np.float32(value))) for row in rows for value in row])
            piece = builder.and_(builder.bitcast(values[0], integer), integer(7))
            place = builder.gep(builder.module.globals[name], [integer(0), piece])
            return builder.load(builder.gep(place, [integer(8 * k)]), align=4)

        return types.float32(types.float32), generate

    return function


def assembly(builder, code, registers, result, *values):
    """One instruction's result, of that type."""
    kind = ir.FunctionType(result, [value.type for value in values])
    return builder.call(ir.InlineAsm(kind, code, registers), values)


@intrinsic
def reciprocal(typing_context, b):
    """As the division does it, but without that branch for large and small numbers which keeps elements from being
    worked on together."""

    def generate(context, builder, signature, values):
        (value,) = values
        registers = "=f,f" if b.bitwidth == 32 else "=d,d"
        near = assembly(builder, f"rcp.approx.ftz.f{b.bitwidth} $0, $1;", registers, value.type, value)
        rest = builder.fma(builder.fsub(value.type(-0.0), value), near, value.type(1.0))
        if b.bitwidth == 64:  # of which only 20 bits are right so far
            rest = builder.fma(rest, rest, rest)
        return builder.fma(rest, near, near)

    return b(b), generate


def approximation(instruction):
    @intrinsic
    def function(typing_context, x):
        def generate(context, builder, signature, values):
            (value,) = values
            return assembly(builder, f"{instruction} $0, $1;", "=f,f", value.type, value)

        return x(x), generate

    return function


@intrinsic
def root_and_inverse(typing_context, u):
    """In float32 without the branches of root and division, by one approximation."""

    def generate(context, builder, signature, values):
        (value,) = values
        if u.bitwidth == 64:
            root = assembly(builder, "sqrt.rn.f64 $0, $1;", "=d,d", value.type, value)
            both = root, builder.fdiv(value.type(1.0), root)
        else:
            inverse = assembly(builder, "rsqrt.approx.f32 $0, $1;", "=f,f", value.type, value)
            both = builder.fmul(value, inverse), inverse
        return context.make_tuple(builder, signature.return_type, both)

    return types.UniTuple(u, 2)(u), generate


@cache
def numbers_of(dtype):
    """An integer as a number of the dtype."""
    kind = getattr(types, dtype)

    @intrinsic
    def number(typing_context, i):
        def generate(context, builder, signature, values):
            return context.cast(builder, values[0], signature.args[0], kind)

        return kind(i), generate

    return number


@intrinsic
def quotient(typing_context, a, b):
    def generate(context, builder, signature, values):
        return builder.udiv(
            *(context.cast(builder, v, t, types.int64) for v, t in zip(values, signature.args, strict=True))
        )

    return types.int64(a, b), generate


def of_32_bits(operation, result=types.int64):
    """An intrinsic of integers whose values have that many."""

    @intrinsic
    def function(typing_context, a, b):
        def generate(context, builder, signature, values):
            value = operation(builder, *(builder.trunc(value, ir.IntType(32)) for value in values))
            return builder.sext(value, ir.IntType(64)) if result is types.int64 else value

        return result(types.int64, types.int64), generate

    return function


few_sum = of_32_bits(ir.IRBuilder.add)
few_difference = of_32_bits(ir.IRBuilder.sub)
few_product = of_32_bits(ir.IRBuilder.mul)
few_below = of_32_bits(lambda builder, a, b: builder.icmp_signed("<", a, b), types.boolean)


@intrinsic
def few_steps(typing_context, address, k, step):
    """address + k * step: one instruction, which the compiler does not find by itself."""

    def generate(context, builder, signature, values):
        k, step = (builder.trunc(value, ir.IntType(32)) for value in values[1:])
        return assembly(builder, "mad.wide.s32 $0, $2, $3, $1;", "=l,l,r,r", ir.IntType(64), values[0], k, step)

    return types.int64(types.int64, types.int64, types.int64), generate


@intrinsic
def few_quotient(typing_context, i, m, shift):
    """i // n, by the `multiplier` of n."""

    def generate(context, builder, signature, values):
        integer = ir.IntType(32)
        i, m, shift = (builder.trunc(value, integer) for value in values)
        high = assembly(builder, "mul.hi.u32 $0, $1, $2;", "=r,r,r", integer, builder.shl(i, integer(1)), m)
        return builder.zext(builder.lshr(high, shift), ir.IntType(64))

    return types.int64(types.int64, types.int64, types.int64), generate


def thread():
    return types.int64(cuda.threadIdx.x)


def block():
    return types.int64(cuda.blockIdx.x)


def shuffle(value, distance):
    return cuda.shfl_xor_sync(0xFFFFFFFF, value, distance)


def barrier():
    cuda.syncthreads()


def any_in_block(condition):
    return cuda.syncthreads_or(1 if condition else 0) != 0


def any_in_warp(condition):
    return cuda.any_sync(0xFFFFFFFF, condition)


FORMULA_PRIMITIVES = {
    "fma": fma,
    "fabs": math.fabs,
    "sqrt": math.sqrt,
    "copysign": math.copysign,
    "power_of_two": power_of_two,
    "half_octave": half_octave,
    "lookup": lookup,
    "either": _cuda_elementwise.either,
    "product_error": _math.product_error_by_fma,
    "reciprocal": reciprocal,
    "root_and_inverse": root_and_inverse,
}
# of 16 bits -> approximations; what is subnormal in float32 is 0 in float16
APPROXIMATIONS = {
    storage: {
        "exp2": approximation(f"ex2.approx{flush}.f32"),
        "log2": approximation("lg2.approx.ftz.f32"),
        "reciprocal": approximation("rcp.approx.ftz.f32"),
    }
    for storage, flush in (("float16", ".ftz"), ("bfloat16", ""))
}


def _widened(context, builder, value, storage, dtype):
    """A stored number in the dtype of the kernel."""
    kind = getattr(types, dtype)
    if storage == "float16":
        value = builder.fpext(value, ir.FloatType())
        return context.cast(builder, value, types.float32, kind)
    if storage == "bfloat16":
        bits = builder.shl(builder.zext(value, ir.IntType(32)), ir.IntType(32)(16))
        return context.cast(builder, builder.bitcast(bits, ir.FloatType()), types.float32, kind)
    stored = types.uint8 if storage == "bool" else getattr(types, storage)
    return context.cast(builder, value, stored, kind)


def _narrowed(context, builder, value, storage, dtype):
    """A number of the kernel's dtype, rounded to what is stored; to nearest, ties to even."""
    kind = getattr(types, dtype)
    if storage == "float16":
        return builder.fptrunc(value, ir.HalfType())
    if storage == "bfloat16":
        value = context.cast(builder, value, kind, types.float32)
        if ConfigStack().top().compute_capability >= (8, 0):
            return assembly(builder, "cvt.rn.bf16.f32 $0, $1;", "=h,f", ir.IntType(16), value)
        # add half a unit, less 1 where the lower half of the bits is exactly that and the last bit that stays is even
        integer = ir.IntType(32)
        bits = builder.bitcast(value, integer)
        last = builder.and_(builder.lshr(bits, integer(16)), integer(1))
        rounded = builder.lshr(builder.add(builder.add(bits, integer(0x7FFF)), last), integer(16))
        nan = builder.fcmp_unordered("uno", value, value)
        return builder.trunc(builder.select(nan, integer(0x7FC0), rounded), ir.IntType(16))
    return context.cast(builder, value, kind, getattr(types, storage))


def shared_memory(storage, dtype, start=0):
    """`put` and `get` for an array in shared memory, which begins with this byte; its size is given at each launch."""
    element, size = STORAGE[storage], itemsize(storage)
    kind = getattr(types, dtype)

    def place(builder, index):
        name = "fastact_shared"
        if name not in builder.module.globals:
            variable = ir.GlobalVariable(builder.module, ir.ArrayType(ir.IntType(8), 0), name, SHARED)
            variable.linkage, variable.align = "external", VECTOR_BYTES
        first = builder.gep(builder.module.globals[name], [ir.IntType(64)(0), ir.IntType(64)(start)])
        return builder.gep(builder.bitcast(first, ir.PointerType(element, SHARED)), [index])

    @intrinsic
    def put(typing_context, index, value):
        def generate(context, builder, signature, values):
            value = _narrowed(context, builder, values[1], storage, dtype)
            builder.store(value, place(builder, values[0]), align=size)
            return context.get_dummy_value()

        return types.void(types.int64, kind), generate

    @intrinsic
    def get(typing_context, index):
        def generate(context, builder, signature, values):
            value = builder.load(place(builder, values[0]), align=size)
            return _widened(context, builder, value, storage, dtype)

        return kind(types.int64), generate

    return put, get


def _pointer(builder, address, kind):
    return builder.inttoptr(address, ir.PointerType(kind, GLOBAL))


@cache
def loader(storage, dtype, width=1):
    """Reads one number, or a tuple of `width` neighbours, aligned as a whole, at an address."""
    element, size = STORAGE[storage], itemsize(storage)
    kind = getattr(types, dtype)

    @intrinsic
    def load(typing_context, address):
        def generate(context, builder, signature, values):
            if width == 1:
                value = builder.load(_pointer(builder, values[0], element), align=size)
                return _widened(context, builder, value, storage, dtype)
            vector = builder.load(_pointer(builder, values[0], ir.VectorType(element, width)), align=size * width)
            each = [builder.extract_element(vector, ir.IntType(32)(k)) for k in range(width)]
            each = [_widened(context, builder, value, storage, dtype) for value in each]
            return context.make_tuple(builder, signature.return_type, each)

        return (kind if width == 1 else types.UniTuple(kind, width))(types.int64), generate

    return load


@cache
def storer(storage, dtype, width=1):
    """Writes one number, or `width` neighbours."""
    element, size = STORAGE[storage], itemsize(storage)
    kind = getattr(types, dtype)

    def generate(context, builder, signature, values):
        address, *values = values
        values = [_narrowed(context, builder, value, storage, dtype) for value in values]
        if width == 1:
            builder.store(values[0], _pointer(builder, address, element), align=size)
        else:
            vector = ir.Constant(ir.VectorType(element, width), ir.Undefined)
            for k, value in enumerate(values):
                vector = builder.insert_element(vector, value, ir.IntType(32)(k))
            builder.store(vector, _pointer(builder, address, vector.type), align=size * width)
        return context.get_dummy_value()

    if width == 1:

        @intrinsic
        def store(typing_context, address, value):
            return types.void(types.int64, kind), generate

    elif width == 2:

        @intrinsic
        def store(typing_context, address, a, b):
            return types.void(types.int64, kind, kind), generate

    else:

        @intrinsic
        def store(typing_context, address, a, b, c, d):
            return types.void(types.int64, kind, kind, kind, kind), generate

    return store


def assembled(text, capability):
    """PTX as a cubin, which works with drivers older than the compiler, too."""
    major, minor = capability[:2]
    options = ProgramOptions(arch=f"sm_{major}{minor}", fma=False)
    return Program(text, "ptx", options).compile("cubin").code


class Kernel:
    """A kernel with its types. Its machine code is made when it is asked for."""

    def __init__(self, description, function, arguments, *bounds, much_shared=False):
        """`description`: all that the function depends on. `bounds`: the number of threads in a block, and maybe of
        blocks on a multiprocessor. `much_shared`: a block may take all shared memory there is."""
        self.description, self.function, self.arguments = description, function, arguments
        self.bounds, self.much_shared = bounds, much_shared
        self._loaded = {}

    def ptx(self, capability):
        result = compile_cuda(self.function, types.void, self.arguments, nvvm_options=NVVM_OPTIONS, cc=capability)
        library, name = result.library, result.fndesc.llvm_func_name
        entry = library.get_function(name)
        library._entry_name = name
        kernel_fixup(entry, False)
        set_launch_bounds(entry, self.bounds)
        return library.get_asm_str(cc=capability).replace(name, ENTRY)

    def on(self, device):
        """The kernel loaded on a device, ready to be launched."""
        if device.device_id not in self._loaded:
            capability = tuple(device.compute_capability)
            code = _cuda_cache.kept((self.description, capability), lambda: assembled(self.ptx(capability), capability))
            kernel = ObjectCode.from_cubin(code).get_kernel(ENTRY)
            if self.much_shared:
                allow_much_shared(kernel, device.device_id)
            self._loaded[device.device_id] = kernel
        return self._loaded[device.device_id]


# (dtype, storage if it has approximations) -> what `specialise` has compiled, by function, for all elementwise formulas
HELPERS: dict = defaultdict(dict)


def elementwise(name, formula, storages, modes, out_storage, dtype, ndim, width, fixed=(), few=True):
    """The kernel of a formula of that name; see `_cuda_elementwise.source`. `fixed` are the values of FIXED inputs."""
    sizes = [itemsize(storage) for storage in (*storages, out_storage)]
    primitives = FORMULA_PRIMITIVES | _cuda_halves.primitives_for(out_storage, dtype, APPROXIMATIONS)
    done = HELPERS[dtype, out_storage if out_storage in APPROXIMATIONS and dtype == "float32" else None]
    scope = {
        "formula": DeviceFunction(specialise(formula, dtype, primitives, DeviceFunction, done)),
        "thread": DeviceFunction(thread),
        "block": DeviceFunction(block),
        "quotient": quotient,
        "few_sum": few_sum,
        "few_difference": few_difference,
        "few_product": few_product,
        "few_below": few_below,
        "few_steps": few_steps,
        "few_quotient": few_quotient,
        "store": storer(out_storage, dtype),
        "store_vector": storer(out_storage, dtype, width),
    }
    for k, storage in enumerate(storages):
        scope |= {f"load{k}": loader(storage, dtype), f"load_vector{k}": loader(storage, dtype, width)}
    places = (k for k, mode in enumerate(modes) if mode == FIXED)
    scope |= {f"c{k}": np.dtype(dtype).type(value) for k, value in zip(places, fixed, strict=True)}
    exec(_cuda_elementwise.source(modes, ndim, width, sizes, few), scope)
    kind = getattr(types, dtype)
    inputs = [kind if mode == SCALAR else types.int64 for mode in modes if mode != FIXED]
    arrays = 1 + sum(mode not in (FIXED, SCALAR) for mode in modes)
    rest = [types.int64] * ((3 if few else 1) * (ndim - 1) + ndim * arrays)
    blocks = _cuda_elementwise.BLOCKS // (2 if kind.bitwidth == 64 else 1)  # a number takes two registers
    arguments = (types.int64, types.int64, *inputs, *rest)
    description = name, storages, modes, out_storage, dtype, ndim, width, fixed, few
    return Kernel(description, scope["elementwise"], arguments, _cuda_elementwise.THREADS, blocks)


def reduction(name, rows, storages, out_storage, dtype, scaled=False):
    """The kernel of softmax and its kin, or, with the two storages of gy and y, of their gradients, for `Rows`;
    `scaled`: with a temperature."""
    sizes = [itemsize(storage) for storage in (*storages, out_storage)]
    of_halves = _cuda_halves.primitives_for(out_storage, dtype, APPROXIMATIONS)
    function, parts = kernel_over_axes(name, rows, sizes, dtype, scaled, of_halves)
    put, get = shared_memory(dtype, dtype)
    keep, kept = shared_memory(storages[-1], dtype, _cuda_rows.EXCHANGED * rows.slots * itemsize(dtype))
    primitives = (
        FORMULA_PRIMITIVES
        | parts
        | {
            "thread": thread,
            "block": block,
            "quotient": quotient,
            "number": numbers_of(dtype),
            "maximum": maximum,
            "load": loader(storages[-1], dtype),
            "load_gradient": loader(storages[0], dtype),
            "store": storer(out_storage, dtype),
            "shuffle": shuffle,
            "barrier": barrier,
            "any_in_block": any_in_block,
            "any_in_warp": any_in_warp,
            "put": put,
            "get": get,
            "keep": keep,
            "kept": kept,
            "approximate_log": math.log,
        }
    )
    kept, reduced = types.UniTuple(types.int64, rows.n_kept), types.UniTuple(types.int64, rows.n_reduced)
    arguments = [types.int64] * len(sizes) + [getattr(types, dtype)] * (2 * scaled) + [types.int64] * 2
    arguments += [kept] * (len(sizes) + 1) + [reduced] * (len(sizes) + 1)
    resident = rows.resident // (2 if dtype == "float64" else 1)  # a number takes two registers
    blocks = -(-resident // rows.threads)
    function = specialise(function, dtype, primitives, DeviceFunction)
    description = name, rows, storages, out_storage, dtype, scaled
    return Kernel(description, function, tuple(arguments), rows.threads, blocks, much_shared=rows.shared)
