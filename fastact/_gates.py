"""The table of gated linear units a * g(b), where the gate g is an activation; their formulas come from its own."""

from typing import NamedTuple

from fastact._formulas import ACTIVATIONS, GRADIENTS
from fastact._table import FLOAT_TYPES, OUT, PROMOTED, Elementwise, times


class Gate(NamedTuple):
    """A row of the table."""

    activation: str  # g
    math: str  # g(b)
    kink: str
    paper: str
    value: str  # for a = [1, 2] and b = [1, -1], as NumPy prints it
    gradient: str  # for a and b there, where gy is 1
    gradient_of_gate: str  # for b alone


DAUPHIN = """Y. N. Dauphin, A. Fan, M. Auli and D. Grangier, Language modeling with gated convolutional networks,
ICML 2017."""
SHAZEER = "N. Shazeer, GLU variants improve Transformer, arXiv:2002.05202, 2020."

GATES = {
    "glu": Gate(
        "sigmoid",
        "1 / (1 + exp(-b))",
        "",
        DAUPHIN,
        "[0.73105858, 0.53788284]",
        "[0.73105858, 0.26894142, 0.19661193, 0.39322387]",
        "[0.19661193, 0.39322387]",
    ),
    "swiglu": Gate(
        "silu",
        "b / (1 + exp(-b))",
        "",
        SHAZEER,
        "[ 0.73105858, -0.53788284]",
        "[ 0.73105858, -0.26894142,  0.92767051,  0.14465898]",
        "[0.92767051, 0.14465898]",
    ),
    "geglu": Gate(
        "gelu",
        "b * Phi(b), Phi the normal distribution",
        "",
        SHAZEER,
        "[ 0.84134475, -0.31731051]",
        "[ 0.84134475, -0.15865525,  1.08331547, -0.16663094]",
        "[ 1.08331547, -0.16663094]",
    ),
    "reglu": Gate(
        "relu",
        "max(0, b)",
        " Its derivative at 0 is 0.",
        SHAZEER,
        "[1., 0.]",
        "[1., 0., 1., 0.]",
        "[1., 0.]",
    ),
}

NOTES = """The error is that of `fastact.{activation}`, times a, and half a unit in the last place more for the product.

NaN stays NaN, and the product follows IEEE 754 where 0 meets inf."""

GRADIENT_NOTES = """The errors are those of `fastact.{activation}` and its derivative; each product rounds once.{kink}

NaN stays NaN, and products follow IEEE 754 where 0 meets inf."""

UFUNC = """Gated linear unit: a * {activation}(b), of two arrays; {activation}(b) is {math}.

`fastact.{name}` takes a and b as the halves of one array.

Parameters
----------
a : array_like
    What goes through the gate: real numbers, of any shape.
b : array_like
    What opens the gate. Broadcasts against `a`.
{out}

Notes
-----
{notes}

References
----------
{paper}

Examples
--------
>>> import fastact
>>> fastact.ufuncs.{name}([1.0, 2.0], [1.0, -1.0])
array({value})"""

GRADIENT_UFUNC = """The gradient of `fastact.ufuncs.{name}` for b: gy * a * {activation}'(b).

That for a is `fastact.ufuncs.{name}(gy, b)`.

Parameters
----------
gy : array_like
    The gradient with respect to the result of `fastact.ufuncs.{name}`.
a : array_like
    What it was given to go through the gate. Broadcasts against `gy`.
b : array_like
    What it was given to open the gate. Broadcasts against `gy`.
{out}

Notes
-----
{notes}

Examples
--------
>>> import fastact
>>> fastact.ufuncs.{name}_grad(1.0, [1.0, 2.0], [1.0, -1.0])
array({gradient_of_gate})"""


def docstring_for(name, template, notes, **others):
    """A docstring, or more of it, for a row of the table."""
    fields = GATES[name]._asdict() | {"name": name} | others
    return template.format(**fields, notes=notes.format(**fields).rstrip())


def _row(name, gate, arrays, doc):
    return gate._replace(
        name=name,
        formula=times(gate.formula, name),
        arrays=arrays,
        types=FLOAT_TYPES,
        monotone=False,
        doc=doc,
        options={},
        special_case=None,
    )


GATED: dict[str, Elementwise] = {}  # the ufuncs of each NAME, and NAME_grad, of its gradient for b
_out = OUT.format(integers=PROMOTED, wrong_option="")

for _name, _gate in GATES.items():
    GATED[_name] = _row(_name, ACTIVATIONS[_gate.activation], ("a", "b"), docstring_for(_name, UFUNC, NOTES, out=_out))
    GATED[f"{_name}_grad"] = _row(
        f"{_name}_grad",
        GRADIENTS[f"{_gate.activation}_grad"],  # which is a * g'(b), too
        ("gy", "a", "b"),
        docstring_for(_name, GRADIENT_UFUNC, GRADIENT_NOTES, out=_out),
    )

UFUNCS = ACTIVATIONS | GRADIENTS | GATED  # all of them
