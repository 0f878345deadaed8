"""The tables of elementwise functions and of functions over axes, and the decorators that fill the first of them.

Ufuncs, signatures, documentation, type stubs, tests, benchmarks and plots are made from their rows.
"""

import inspect
import re
from collections.abc import Callable
from math import inf
from typing import NamedTuple

FLOAT_TYPES = "efd"  # float16 is computed in float32
INTEGER_TYPES = "bBhHiIlLqQ"
REQUIRED = inspect.Parameter.empty


class Elementwise(NamedTuple):
    """A row of the table: an activation, or its gradient."""

    name: str
    formula: Callable
    arrays: tuple  # names of the inputs before the parameters: x, or gy and x
    parameters: dict  # name -> default, or REQUIRED
    types: str  # NumPy type characters, in the order in which NumPy tries them
    max_ulp: float
    monotone: bool  # whether a larger input never gives a smaller result
    kinks: Callable  # from the parameters to where the derivative jumps
    doc: str
    options: dict  # of a keyword that chooses among functions: value -> name, the default first
    special_case: Callable | None = None  # a formula of the arrays alone, for the defaults, if there is a simpler one

    @property
    def module(self):
        """The name of its class in `fastact.nn`."""
        return module_name(self.name)

    @property
    def nin(self):
        """The number of inputs."""
        return len(self.arrays) + len(self.parameters)

    @property
    def has_defaults(self):
        """Whether there are parameters, and all of them may be left out."""
        return bool(self.parameters) and REQUIRED not in self.parameters.values()


class Reduction(NamedTuple):
    """A row of the table of functions over axes: softmax and its kin."""

    temperature: bool = False  # whether that is an argument, of the gradient, too
    gradient: bool = True  # whether there is one, which takes the result
    sparse: bool = False  # whether most results are 0, as none but the largest elements count
    single: bool = False  # whether there is one result for a row, and `keepdims` an argument
    left_out: float = -inf  # what is in the place of an element that takes no part
    result_left_out: float = 0.0  # its result


REDUCTIONS = {
    "softmin": Reduction(temperature=True, left_out=inf),
    "softmax": Reduction(temperature=True),
    "log_softmax": Reduction(temperature=True, result_left_out=-inf),
    "hardmax": Reduction(sparse=True, gradient=False),
    "sparsemax": Reduction(sparse=True),
    "entmax15": Reduction(sparse=True),
    "logsumexp": Reduction(single=True, gradient=False),
}
SOFTMAXES = [name for name, row in REDUCTIONS.items() if not (row.sparse or row.single)]
WITH_GRADIENT = [name for name, row in REDUCTIONS.items() if row.gradient]
SPARSE = [name for name, row in REDUCTIONS.items() if row.sparse]

_SPELLED = {
    "relu": "ReLU",
    "relu6": "ReLU6",
    "prelu": "PReLU",
    "rrelu": "RReLU",
    "silu": "SiLU",
    "swiglu": "SwiGLU",
    "reglu": "ReGLU",
}


def module_name(name):
    """How PyTorch spells it: LeakyReLU for leaky_relu, LogSoftmax for log_softmax, GELU for gelu."""
    words = name.split("_")
    return "".join(_SPELLED.get(word) or (word.upper() if word.endswith("lu") else word.capitalize()) for word in words)


ACTIVATIONS: dict[str, Elementwise] = {}
GRADIENTS: dict[str, Elementwise] = {}  # of each activation NAME, as NAME_grad

X = """Parameters
----------
x : array_like
    Real numbers, of any shape."""

PROMOTED = "integers are promoted as by `numpy.exp`"
GIVEN = ",\n    together with parameters that are given"
WRONG_OPTION = """, `approximate` is neither "none" nor "tanh\""""

OUT = """out : ndarray or tuple of one ndarray, optional
    Where the result goes; may be an input itself.
where : array_like of bool, optional
    Elements to compute; the others of `out` are left as they are.
casting, order, dtype, subok : optional
    As for every `numpy.ufunc`.

Returns
-------
ndarray or scalar
    Of the inputs' broadcast shape. float16, float32 and float64 are kept, {integers}.

Raises
------
TypeError
    For complex and long double numbers, objects, strings and dates, and where `out` cannot hold the result.
ValueError
    Where the shapes do not broadcast{wrong_option}, or `out` is read-only."""

GRADIENT = """The gradient of `fastact.{name}`: gy * {formula}.

Parameters
----------
gy : array_like
    The gradient with respect to the result of `fastact.{name}`.
x : array_like
    What `fastact.{name}` was given. Broadcasts against `gy`.
{parameters}{{out}}

Notes
-----
{accuracy}
The product with `gy` rounds once more, and follows IEEE 754 where 0 meets inf.

{notes}

Examples
--------
{example}
"""

ACCURACY = """At most {units} in the last place from the exact result for every float32{where}{monotone};
at most {float64} in float64 (measured; without fused multiply-add 4{not_quite})."""
ACCURACY_OF_DERIVATIVE = {
    0.5: "The derivative is exact.",
    2.0: """The derivative is at most 2 units in the last place from the exact one for every float32, and 3 in
float64 (measured; without fused multiply-add 4).""",
}


def accuracy(max_ulp, monotone, parameters):
    """What the documentation of an activation says about its error."""
    if max_ulp == 0.5:
        return "Correctly rounded."
    return ACCURACY.format(
        units="1 unit" if max_ulp == 1.0 else f"{max_ulp:g} units",
        where=" at the default parameters" if parameters else "",
        monotone=", and monotone" if monotone else "",
        float64=f"{max(max_ulp, 1.5):g}",
        not_quite=", and not quite monotone" if monotone else "",
    )


def no_kinks(*parameters):
    return ()


def parameters_of(formula):
    _, *parameters = inspect.signature(formula).parameters.values()
    return {p.name: p.default for p in parameters}


def documentation(function):
    return inspect.cleandoc(function.__doc__ or "")  # there is none under `python -OO`


def activation(
    formula=None, *, integers=False, max_ulp=1.0, monotone=True, kinks=no_kinks, options=None, special_case=None
):
    """Enter a formula into the table. With `integers`, integers are kept as they are; `max_ulp` is how far a
    float32 may be from the exact result, as bench/accuracy.py shows: 0.5 for what is rounded once. `monotone` is
    whether a larger input never gives a smaller result, and `kinks` makes of the parameters a tuple of where the
    derivative jumps. `options` are the functions that the keyword `approximate` chooses from, and `special_case` is a
    simpler formula for where all parameters have their defaults."""
    promotion = "and so are integers; bool becomes int8" if integers else f"{PROMOTED}{{given}}"
    types = (INTEGER_TYPES if integers else "") + FLOAT_TYPES

    def enter(formula):
        doc = documentation(formula)
        doc = doc.replace("{x}", X).replace("{out}", OUT).replace("{integers}", promotion)
        doc = doc.replace("Notes\n-----\n", f"Notes\n-----\n{accuracy(max_ulp, monotone, parameters_of(formula))}\n\n")
        name = formula.__name__
        parameters = parameters_of(formula)
        doc = doc.replace("{given}", GIVEN if parameters else "")
        doc = doc.replace("{wrong_option}", WRONG_OPTION * bool(options))
        ACTIVATIONS[name] = Elementwise(
            name, formula, ("x",), parameters, types, max_ulp, monotone, kinks, doc, options or {}, special_case
        )
        return formula

    return enter(formula) if formula else enter


def derivative(formula, *, max_ulp=2.0, special_case=None):
    """Enter the gradient of an activation, given its derivative: a function of the same parameters, whose
    docstring is the formula, what there is to note, and an example. `max_ulp` is 0.5 or 2; `special_case` is as for
    `activation`, the simpler derivative."""

    def enter(derived):
        row = ACTIVATIONS[formula.__name__]
        assert parameters_of(derived) == row.parameters, f"{derived.__name__} must take what {row.name} does"
        _, _, rest = documentation(formula).partition("{x}\n")
        parameters, _, _ = rest.partition("{out}")
        # what the activation's documentation says of them is of its value, as limits are
        parameters = re.sub(r"(?m)^(\w.*)(\n    .*)+", rf"\1\n    What `fastact.{row.name}` was given.", parameters)
        text, _, example = documentation(derived).partition("\n\n>>> ")
        first, _, notes = text.partition("\n\n")
        doc = GRADIENT.format(
            name=row.name,
            formula=first,
            parameters=parameters,
            accuracy=ACCURACY_OF_DERIVATIVE[max_ulp],
            notes=notes,
            example=">>> " + example,
        ).rstrip()
        doc = doc.replace("{out}", OUT).replace("{integers}", PROMOTED + (GIVEN if row.parameters else ""))
        doc = doc.replace("{wrong_option}", WRONG_OPTION * bool(row.options))
        name = f"{row.name}_grad"
        gradient = times(derived, name)
        options = {option: f"{chosen}_grad" for option, chosen in row.options.items()}
        special = special_case and times(special_case, name)
        GRADIENTS[name] = row._replace(
            name=name,
            formula=gradient,
            arrays=("gy", "x"),
            types=FLOAT_TYPES,
            max_ulp=max_ulp,
            monotone=False,
            doc=doc,
            options=options,
            special_case=special,
        )
        return derived

    return enter


def times(formula, name):
    """factor * formula(...), as a formula of the factor and what that one takes."""
    names = list(inspect.signature(formula).parameters)
    factor, arguments = f"factor_{len(names)}", ", ".join(names)  # a factor may come before another
    scope = {"formula": formula}
    exec(f"def {name}({factor}, {arguments}): return {factor} * formula({arguments})", scope)
    return scope[name]
