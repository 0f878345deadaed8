"""The activations as modules: PyTorch's names and arguments, on NumPy arrays.

`m(x)` is the value; `m.backward(gy)` is the gradient for the x of the last call. Activations alone are here: no layers,
losses or `Sequential`.

>>> from fastact import nn
>>> m = nn.LeakyReLU(0.1)
>>> m([-2.0, 3.0])
array([-0.2,  3. ])
>>> m.backward([1.0, 1.0])
array([0.1, 1. ])
>>> m
LeakyReLU(negative_slope=0.1)
"""

import inspect
import operator
import re
import sys
from numbers import Real

import numpy as np

import fastact
from fastact._arguments import bool_of, int_of
from fastact._documentation import public_names
from fastact._formulas import ACTIVATIONS
from fastact._gates import GATES
from fastact._table import SOFTMAXES, SPARSE, module_name

__all__ = ["Module", "PReLU", "Softmax2d"]
__dir__ = public_names(globals())


class Module:
    """What all modules have in common: an activation, its parameters, and what the last call left for `backward`.

    Notes
    -----
    Parameters are attributes, and may be changed between calls.

    What is used twice on the way is two modules: `backward` belongs to the last call, and each call has one.

    A call keeps `x` itself for `backward`, or its result where the gradient takes that, as softmax's does; neither may
    be written to before then. With `inplace=True` a call keeps a copy of `x`, unless the result tells the derivative
    (ReLU, ReLU6, Hardtanh, and LeakyReLU and Threshold with usual parameters). Pickling and copying leave all that out.

    A subclass of your own defines `forward` and `backward`, and leaves what the one needs of the other in `_kept`.

    `train()` and `eval()` switch to training and to evaluation, as in PyTorch; `RReLU` alone differs in them.

    `backward` raises RuntimeError where no call of the module is left for it, and ValueError where `gy` does not have
    the result's shape.

    Threads may share a module for calls; `backward` belongs to the last call in any thread, so that for gradients
    each thread needs its own: `copy.copy(m)`.

    Examples
    --------
    >>> import pickle, fastact
    >>> m = pickle.loads(pickle.dumps(fastact.nn.ELU(alpha=2)))
    >>> m([-1.0, 1.0])
    array([-1.26424112,  1.        ])
    >>> m.alpha = 1.0
    >>> m([-1.0, 1.0])
    array([-0.63212056,  1.        ])
    """

    training = True

    def __call__(self, x):
        """The activation of `x`: `forward(x)`."""
        return self.forward(x)

    def forward(self, x):
        """The activation of `x`."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def train(self, mode=True):
        """Switch to training, or to evaluation; only `RReLU` differs in them.

        Returns
        -------
        Module
            This one.
        """
        self.training = bool(mode)
        return self

    def eval(self):
        """Go over to evaluation: `train(False)`."""
        return self.train(False)

    def backward(self, gy):
        """The gradient with respect to the `x` of the last call.

        Parameters
        ----------
        gy : array_like
            The gradient with respect to the result of that call.

        Returns
        -------
        ndarray or scalar
            Of the shape of `x`.

        Raises
        ------
        RuntimeError
            Without a call of the module for it: before the first one, and after another `backward`.
        ValueError
            Where `gy` does not have the result's shape; for elementwise modules, where it does not broadcast to it.
        """
        raise NotImplementedError(f"{type(self).__name__} has no backward: nothing is differentiated by itself here")

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "_kept"}

    def __repr__(self):
        return f"{type(self).__name__}()"


def _number_of(argument, value):
    """An int or a float: these leave the dtype of x as it is."""
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, Real):
        raise TypeError(f"{argument} must be a real number, got {value!r}")
    try:
        number = float(value)
    except OverflowError:
        raise ValueError(f"{argument} must be within the range of float64") from None
    return value if isinstance(value, int) else number


def _checked(name, check):
    """An attribute that is checked whenever it is set."""

    def get(self):
        return vars(self)[name]

    def set(self, value):
        vars(self)[name] = check(f"{type(self).__name__}: {name}", value)

    return property(get, set)


class _WithGradient(Module):
    """A module that defines `_backward(gy, kept)`, the gradient from what the last call has kept."""

    def backward(self, gy):
        try:
            kept = self._kept
        except AttributeError:
            name = type(self).__name__
            raise RuntimeError(
                f"{name}.backward needs a call of the module before it, and each call has one: "
                f"what is used twice on the way is two modules"
            ) from None
        gx = self._backward(gy, kept)
        vars(self).pop("_kept", None)  # another thread may have done so
        return gx

    def _check(self, gy, y, may_broadcast=True):
        """Raise where gy cannot be the gradient for a result of y's shape."""
        given, shape = np.shape(gy), np.shape(y)
        fits = may_broadcast and len(given) <= len(shape)
        if given != shape and not (fits and all(a in (1, b) for a, b in zip(given[::-1], shape[::-1], strict=False))):
            raise ValueError(f"{type(self).__name__}: gy must have the shape of the result, {shape}, got {given}")


class _Elementwise(_WithGradient):
    """A module with the parameters of a row of the table. Made by `_elementwise`."""

    inplace = _checked("inplace", bool_of)

    def forward(self, x):
        out, kept = self._destination(x)
        y = self._function(x, *self._arguments(), **out)
        self._kept = kept
        return y

    def _destination(self, x):
        """The keyword for where the result goes, and what to keep of `x`."""
        if not self.inplace:
            return {}, x
        if not isinstance(x, np.ndarray):
            raise TypeError(f"{type(self).__name__}(inplace=True): x must be an ndarray, got {type(x).__name__}")
        return {"out": x}, x if self._result_tells(*self._values()) else x.copy()

    def _backward(self, gy, x):
        self._check(gy, x)
        return self._gradient(gy, x, *self._arguments())

    def _arguments(self):
        """The parameters; none where all are at their defaults, for which the loops are faster."""
        values = self._values()
        return () if values == self._defaults else values

    def __repr__(self):
        # as PyTorch, which leaves out this one name
        shown = ["" if parameter == "lambd" else f"{parameter}=" for parameter in self._row.parameters]
        shown = [label + repr(value) for label, value in zip(shown, self._values(), strict=True)]
        if self.inplace:
            shown.append("inplace=True")
        return f"{type(self).__name__}({', '.join(shown)})"


# What parameters must fulfil, beyond being numbers.
_CONDITIONS = {
    "hardtanh": (lambda min_val, max_val: not max_val <= min_val, "max_val must be greater than min_val"),
    "softshrink": (lambda lambd: not lambd < 0, "lambd must not be negative"),
    "celu": (lambda alpha: alpha != 0, "alpha must not be 0"),
    "rrelu": (lambda lower, upper: not lower > upper, "upper must not be less than lower"),
}

# Where the derivative at the result is that at x, so that nothing is lost with an x that the result overwrites.
_RESULT_TELLS = {
    "relu": lambda: True,
    "relu6": lambda: True,
    "hardtanh": lambda min_val, max_val: True,
    "leaky_relu": lambda negative_slope: 2**-24 <= negative_slope <= 65504,  # in float16, too, neither 0 nor inf
    "threshold": lambda threshold, value: value <= threshold,
}

INPLACE = """inplace : bool, default False
    Whether `x` is overwritten with the result, which then is `x` itself."""

MODULE = """{head}

A module for `fastact.{function}` and `fastact.grad.{function}`: `m(x)` is the value, `m.backward(gy)` the gradient.
What they have in common: `fastact.nn.Module`.

Parameters
----------
{parameters}

Raises
------
TypeError
    Where a parameter is {wrong}; in a call, as `fastact.{function}`.{condition}

Notes
-----
{notes}

Examples
--------
>>> import fastact
>>> m = fastact.nn.{name}({arguments})
>>> m({x})
{y}
"""


def _sections(doc):
    """What is before the sections of a docstring, and these."""
    head, *parts = re.split(r"\n\n(\w+)\n-+\n", doc)
    return head, dict(zip(parts[::2], parts[1::2], strict=True))


def _notes(sections):
    references = f"\n\nReferences\n----------\n{sections['References']}" if "References" in sections else ""
    return sections["Notes"] + references


DOCUMENTED = sys.flags.optimize < 2  # `python -OO` leaves nothing to make docstrings of


def _documentation(row):
    """Made from the function's docstring, whose example becomes the module's."""
    head, sections = _sections(row.doc)
    first, *_ = sections["Examples"].removeprefix(">>> ").split("\n>>> ")[1:]  # after the import
    example = re.fullmatch(rf"fastact\.{row.name}\((\[.*?\])(?:, (.*))?\)\n(?s:(.*))", first)
    x, arguments, y = example.groups(default="")
    own = re.match(r"x : .*\n(?:    .*\n)*((?s:.*?))out : ", sections["Parameters"])[1]
    own = own.replace(" : array_like", " : float")
    own = re.sub(r"\s*Broadcasts?\s+against `x`\.", "", own)
    _, condition = _CONDITIONS.get(row.name, (None, ""))
    wrong = "not a real number" if row.parameters else "unknown"
    value_error = 'Where `approximate` is neither "none" nor "tanh".' if row.options else ""
    if condition:
        value_error = f"For parameters outside their range: {condition}."
    return MODULE.format(
        head=head,
        function=row.name,
        parameters=own + INPLACE,
        wrong=f"{wrong}, or `inplace` not a bool",
        condition=value_error and f"\nValueError\n    {value_error}",
        notes=_notes(sections),
        name=row.module,
        arguments=arguments,
        x=x,
        y=y,
    )


def _elementwise(row):
    holds, condition = _CONDITIONS.get(row.name, (lambda *values: True, ""))
    kind, names = inspect.Parameter.POSITIONAL_OR_KEYWORD, tuple(row.parameters)
    arguments = (row.parameters | {"inplace": False}).items()
    signature = inspect.Signature([inspect.Parameter(name, kind, default=default) for name, default in arguments])

    def __init__(self, *args, **kwargs):
        try:
            given = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{row.module}: {error}") from None
        given.apply_defaults()
        for parameter, value in given.arguments.items():
            setattr(self, parameter, value)
        if not holds(*self._values()):
            raise ValueError(f"{type(self).__name__}: {condition}, got {', '.join(map(repr, self._values()))}")

    __init__.__signature__ = signature.replace(
        parameters=[inspect.Parameter("self", kind), *signature.parameters.values()]
    )
    body = {
        "__doc__": _documentation(row) if DOCUMENTED else "",
        "__module__": __name__,
        "__init__": __init__,
        "_row": row,
        "_defaults": tuple(row.parameters.values()),
        "_result_tells": staticmethod(_RESULT_TELLS.get(row.name, lambda *values: False)),
        "_values": lambda self: tuple([vars(self)[name] for name in names]),  # of the parameters
        "_function": staticmethod(getattr(fastact, row.name)),
        "_gradient": staticmethod(getattr(fastact.grad, row.name)),
    }
    return type(row.module, (_Elementwise,), body | {name: _checked(name, _number_of) for name in names})


class PReLU(_WithGradient):
    """Parametric rectified linear unit: x if x > 0, else weight * x, with a weight for each channel or for all.

    A module for `fastact.prelu`: `m(x)` is the value, `m.backward(gy)` the gradient for `x`, and afterwards
    `m.weight_grad` that for `m.weight`. See `fastact.nn.Module`.

    Parameters
    ----------
    num_parameters : int, default 1
        The number of weights: 1, or the number of channels, which lie along axis 1 of `x`.
    init : float, default 0.25
        What each weight is at first.
    dtype : dtype, default float32
        Of the weights.

    Attributes
    ----------
    weight : ndarray
        Of shape (num_parameters,): to be updated in place, or replaced.
    weight_grad : ndarray or None
        Of the same shape; each `backward` replaces it.

    Raises
    ------
    TypeError
        Where a parameter has the wrong type; in a call, as `fastact.prelu`.
    ValueError
        Where num_parameters < 1, or `init` is out of the range of `dtype`; in a call, where `x` has not so many
        channels.

    Notes
    -----
    NaN stays NaN; m(inf) = inf and m(-inf) = -inf * weight. At 0 the derivative is taken as the weight. float32 and
    float64 `x` keep their dtype.

    References
    ----------
    K. He, X. Zhang, S. Ren and J. Sun, Delving deep into rectifiers: surpassing human-level performance
    on ImageNet classification, ICCV 2015.

    Examples
    --------
    >>> import fastact
    >>> m = fastact.nn.PReLU(2)
    >>> m([[-1.0, 2.0], [3.0, -4.0]])
    array([[-0.25,  2.  ],
           [ 3.  , -1.  ]])
    >>> m.backward([[1.0, 1.0], [1.0, 1.0]])
    array([[0.25, 1.  ],
           [1.  , 0.25]])
    >>> m.weight -= 0.1 * m.weight_grad
    >>> m.weight
    array([0.35, 0.65], dtype=float32)
    """

    def __init__(self, num_parameters=1, init=0.25, *, dtype=np.float32):
        try:
            self.num_parameters = operator.index(num_parameters)
        except TypeError:
            raise TypeError(f"PReLU: num_parameters must be an int, got {num_parameters!r}") from None
        if self.num_parameters < 1:
            raise ValueError(f"PReLU: num_parameters must be at least 1, got {num_parameters}")
        dtype = np.dtype(np.float32 if dtype is None else dtype)
        if dtype.char not in "efd":
            raise TypeError(f"PReLU: dtype must be float16, float32 or float64, got {dtype}")
        self.init = float(_number_of("PReLU: init", init))
        with np.errstate(all="ignore"):
            self.weight = np.full(self.num_parameters, self.init, dtype)
        if np.isinf(self.weight[0]) and not np.isinf(self.init):
            raise ValueError(f"PReLU: init must be within the range of {dtype}, got {init!r}")
        self.weight_grad = None

    @property
    def weight(self):
        return self._weight

    @weight.setter
    def weight(self, weight):
        if not isinstance(weight, np.ndarray):
            raise TypeError(f"PReLU: weight must be an ndarray, got {type(weight).__name__}")
        if weight.shape != (self.num_parameters,):
            raise ValueError(f"PReLU: weight must have the shape {(self.num_parameters,)}, got {weight.shape}")
        self._weight = weight

    def forward(self, x):
        y = fastact.prelu(x, self._weight_for(np.shape(x)))
        self._kept = x
        return y

    def _backward(self, gy, x):
        self._check(gy, x)
        weight = self._weight_for(np.shape(x))
        gx = fastact.grad.prelu(gy, x, weight)
        self.weight_grad = np.reshape(fastact.grad.prelu_weight(gy, x, weight), self.weight.shape)
        return gx

    def _weight_for(self, shape):
        if self.weight.size == 1:
            return self.weight.reshape(())
        if len(shape) < 2 or shape[1] != self.weight.size:
            raise ValueError(f"PReLU: x must have {self.weight.size} channels along axis 1, got the shape {shape}")
        return self.weight.reshape(-1, *[1] * (len(shape) - 2))

    def __repr__(self):
        return f"{type(self).__name__}(num_parameters={self.num_parameters})"


class _OverAxis(_WithGradient):
    """A module for a function of x and an axis. Made by `_over_axis`."""

    def forward(self, x):
        y = self._function(x, self.dim)
        self._kept = x if self._gradient_takes_x else y
        return y

    def _backward(self, gy, kept):
        if not self._gradient_takes_x:
            self._check(gy, kept, may_broadcast=False)
        return self._gradient(gy, kept, self.dim)

    def __repr__(self):
        return f"{type(self).__name__}(dim={self.dim})"


def _zero_gradient(gy, y, axis):
    """That of hardmax, which is constant but for jumps: as of a result that is 0 everywhere."""
    return fastact.grad.sparsemax(gy, np.zeros_like(y), axis)


OVER_AXIS = """{head}

A module for `fastact.{function}`{and_gradient}: `m(x)` is the value, `m.backward(gy)` the gradient{which}.
What they have in common: `fastact.nn.Module`.

Parameters
----------
{dim}

Raises
------
TypeError
    {wrong}; in a call, as `fastact.{function}`.
numpy.exceptions.AxisError
    In a call, where `x` has no such axis.{condition}

Notes
-----
{notes}

Examples
--------
>>> import fastact
>>> m = fastact.nn.{name}({arguments})
>>> m({x})
{y}
"""


OF_NORMALISED = {
    "dim": """dim : int
    The axis. It has no default: PyTorch guesses one from the number of dimensions, with a warning, and for NumPy
    None would be all axes.""",
    "wrong": "Without `dim`, or where it is not an int",
    "condition": "",
    "arguments": "dim=-1",
}
OF_SPARSE = {
    "dim": "dim : int, default -1\n    The axis.",
    "wrong": "Where `dim` is not an int",
    "condition": "",
    "arguments": "",
}
OF_GATED = OF_SPARSE | {
    "dim": "dim : int, default -1\n    The axis of `x` that is split in two.",
    "condition": "\nValueError\n    In a call, where `x` has an odd size along the axis.",
}


def _documentation_over_axis(name, gradient, texts):
    head, sections = _sections(inspect.getdoc(getattr(fastact, name)))
    head = head.replace(" over one axis, several, or all", " over one axis")
    x, y = re.search(rf">>> fastact\.{name}\((\[.*\]).*\)\n(?s:(.*))$", sections["Examples"]).groups()
    return OVER_AXIS.format(
        head=head,
        function=name,
        and_gradient=f" and `fastact.grad.{name}`" if gradient else "",
        which="" if gradient else ", which is 0: the\nresult is constant but for jumps",
        notes=_notes(sections),
        name=module_name(name),
        x=x,
        y=y.rstrip(),
        **texts,
    )


def _over_axis(name, texts, default=-1):
    """`default`: None where `dim` must be given."""
    function, gradient = getattr(fastact, name), getattr(fastact.grad, name, None)

    def __init__(self, dim=default):
        if dim is None and default is None:
            raise TypeError(f"{type(self).__name__} needs dim, the axis that is to be normalised: -1 for the last")
        try:
            self.dim = int_of(dim)
        except TypeError:
            raise TypeError(f"{type(self).__name__}: dim must be an int, got {dim!r}") from None

    __init__.__qualname__ = f"{module_name(name)}.__init__"  # which Python names where arguments are wrong
    if default is None:
        __init__.__signature__ = inspect.signature(lambda self, dim: None)  # it is there for the message's sake
    body = {
        "__init__": __init__,
        "__doc__": _documentation_over_axis(name, gradient, texts) if DOCUMENTED else "",
        "__module__": __name__,
        "_function": staticmethod(function),
        "_gradient": staticmethod(gradient or _zero_gradient),
        "_gradient_takes_x": name in GATES,  # and not the result
    }
    return type(module_name(name), (_OverAxis,), body)


_MODULES = {row.module: _elementwise(row) for row in ACTIVATIONS.values() if row.name != "prelu"}
_MODULES |= {module_name(name): _over_axis(name, OF_NORMALISED, default=None) for name in SOFTMAXES}
_MODULES |= {module_name(name): _over_axis(name, OF_SPARSE) for name in SPARSE}
_MODULES |= {module_name(name): _over_axis(name, OF_GATED) for name in GATES}
globals().update(_MODULES)
__all__ += _MODULES


class GELU(_MODULES["GELU"]):
    __doc__ = _MODULES["GELU"].__doc__

    def __init__(self, approximate="none", inplace=False):
        options = ACTIVATIONS["gelu"].options
        if not isinstance(approximate, str) or approximate not in options:
            raise ValueError(f"GELU: approximate must be 'none' or 'tanh', got {approximate!r}")
        super().__init__(inplace)
        self.approximate = approximate

    def _function(self, x, **out):
        return fastact.gelu(x, approximate=self.approximate, **out)

    def _gradient(self, gy, x):
        return fastact.grad.gelu(gy, x, approximate=self.approximate)

    def __repr__(self):
        return f"{type(self).__name__}(approximate={self.approximate!r}{', inplace=True' if self.inplace else ''})"


class RReLU(_MODULES["RReLU"]):
    __doc__ = (
        _MODULES["RReLU"]
        .__doc__.replace(
            "\n\nRaises\n",
            """
rng : numpy.random.Generator or None, default None
    For training: each call draws a slope for each element, which `backward` uses. None is evaluation, with one slope
    for all, as is every call after `eval()`.

Raises
""",
            1,
        )
        .replace("`inplace` not a bool", "`inplace` not a bool,\n    or `rng` neither a Generator nor None", 1)
        .replace(
            "draw slopes, and use them in `prelu` and its gradient, as in the example;\n"
            "`fastact.nn.RReLU(rng=...)` does that.",
            "give it an `rng`: it draws the slopes and keeps them for the gradient.",
        )
    )

    def __init__(self, lower=1 / 8, upper=1 / 3, inplace=False, *, rng=None):
        super().__init__(lower, upper, inplace)
        if not isinstance(rng, np.random.Generator | None):
            raise TypeError(f"RReLU: rng must be a numpy.random.Generator or None, got {rng!r}")
        self.rng = rng

    def forward(self, x):
        draws = self.training and self.rng is not None
        slopes = fastact.rrelu_slopes(x, self.lower, self.upper, rng=self.rng) if draws else None
        out, kept = self._destination(x)
        y = self._function(x, *self._arguments(), **out) if slopes is None else fastact.prelu(x, slopes, **out)
        self._kept = kept, slopes
        return y

    def _backward(self, gy, kept):
        x, slopes = kept
        if slopes is None:
            return super()._backward(gy, x)
        self._check(gy, x)
        return fastact.grad.prelu(gy, x, slopes)


class Softmax2d(_MODULES["Softmax"]):
    """Softmax over the channels of images: axis -3 of an `x` of shape (N, C, H, W) or (C, H, W).

    A module for `fastact.softmax`: `m(x)` is the value, `m.backward(gy)` the gradient. See `fastact.nn.Module`.

    Raises
    ------
    ValueError
        In a call, where `x` has other than three or four dimensions.
    TypeError
        In a call, as `fastact.softmax`.

    Notes
    -----
    A NaN makes its pixel NaN, ±inf are as for `fastact.softmax`. float32 and float64 are kept.

    Examples
    --------
    >>> import numpy as np, fastact
    >>> m = fastact.nn.Softmax2d()
    >>> m(np.zeros((4, 1, 2)))
    array([[[0.25, 0.25]],
    <BLANKLINE>
           [[0.25, 0.25]],
    <BLANKLINE>
           [[0.25, 0.25]],
    <BLANKLINE>
           [[0.25, 0.25]]])
    """

    def __init__(self):
        super().__init__(-3)

    def forward(self, x):
        if np.ndim(x) not in (3, 4):
            raise ValueError(f"Softmax2d: x must have 3 or 4 dimensions, got {np.ndim(x)}")
        return super().forward(x)

    __repr__ = Module.__repr__  # without dim
