"""Pictures of the activations and their derivatives, by Matplotlib (the extra `fastact[plot]`)."""

import inspect
import itertools
from pathlib import Path

import numpy as np

import fastact
from fastact._expressions import ARGUMENTS
from fastact._formulas import ACTIVATIONS
from fastact._mathtext import formula_of
from fastact._table import REDUCTIONS, REQUIRED, SPARSE

NAMES = [*ACTIVATIONS, *REDUCTIONS, *SPARSE[1:]]  # those that have a derivative
FUNCTION, DERIVATIVE = "#0072B2", "#D55E00"  # two that also the colour-blind tell apart (Okabe and Ito, 2008)
BANDS = ["#0072B2", "#56B4E9", "#009E73", "#E69F00"]
AXIS, GRID = "#444444", "#E4E4E4"
SIZE = (5, 4)  # inches
POINTS = 101  # on each smooth piece
SCORES = {"x": None, "1": 1.0, "0": 0.0, "-1": -1.0}  # what softmax and its kin are drawn for, by their labels
# Files are the same, byte for byte, whenever they are written.
REPRODUCIBLE = {"svg.hashsalt": "fastact"}
METADATA = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}


def check():
    """Matplotlib is imported where it is used, and only then: here is what those who lack it are told."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise ImportError("fastact's pictures need Matplotlib: pip install 'fastact[plot]'") from None


def plot(name, ax=None, **parameters):
    """Draw an activation and its derivative.

    The formula is the title. At kinks, a dot is the value that `fastact.grad` gives, circles are the limits from
    either side. softmax and its kin are drawn for four scores, of which the first varies, with its own derivative.

    Parameters
    ----------
    name : str
        An activation: "elu".
    ax : matplotlib.axes.Axes, optional
        Where it is drawn; by default in a new figure.
    **parameters
        Those of the function, each a number or a sequence of numbers, which give a curve each.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        Without Matplotlib: it comes with the extra `fastact[plot]`.
    ValueError
        For an unknown name, and sequences of different lengths.
    TypeError
        For unknown parameters.

    Notes
    -----
    float64, from -5 to 5 or as far as there are kinks to be seen. NaN and ±inf among the parameters are not drawn.

    Examples
    --------
    >>> import fastact
    >>> ax = fastact.plot("elu", alpha=[0.5, 1, 2])  # doctest: +SKIP
    >>> ax.figure.savefig("elu.svg")  # doctest: +SKIP
    """
    check()
    curves = _curves(name, parameters)
    if ax is None:
        from matplotlib import pyplot

        _, ax = pyplot.subplots(figsize=SIZE, layout="constrained")
    _draw(ax, name, curves)
    return ax


def figure(names, parameters=None, make=None):
    """A figure of one activation, or of several side by side, then without legends; made by Figure or `make`."""
    from matplotlib.figure import Figure

    curves = [_curves(name, parameters or {}) for name in names]
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    width, height = SIZE if len(names) == 1 else (2.6, 2.6)
    drawn = (make or Figure)(figsize=(width * columns, height * rows), layout="constrained")
    axes = drawn.subplots(rows, columns, squeeze=False).ravel()
    for name, curve, ax in zip(names, curves, axes, strict=False):
        _draw(ax, name, curve, legend=len(names) == 1 or len(curve) > 1)
    for ax in axes[len(names) :]:
        ax.remove()
    return drawn


def save(drawn, to):
    """Write a figure to a file, in the format that the file's name ends in."""
    from matplotlib import rc_context

    kind = Path(to).suffix.removeprefix(".").lower()
    known = drawn.canvas.get_supported_filetypes()
    if kind not in known:
        raise ValueError(f"the file's name must end in one of {', '.join(f'.{k}' for k in known)}, got {str(to)!r}")
    with rc_context(REPRODUCIBLE):
        drawn.savefig(to, format=kind, dpi=150, metadata=METADATA.get(kind))


def run(options):
    """The command `fastact plot`."""
    check()
    names, parameters = [], {}
    for given in options.names:
        key, is_parameter, values = given.partition("=")
        if is_parameter:
            parameters[key] = _parsed(values)
        else:
            names.append(given)
    if bool(names) == options.all:
        raise ValueError("name the activations to be drawn, or say --all")
    if options.all:
        names = NAMES
    if options.out is None:
        from matplotlib import pyplot

        drawn = figure(names, parameters, pyplot.figure)
        if drawn.canvas.required_interactive_framework:  # there is a display
            return pyplot.show()
    else:
        drawn = figure(names, parameters)
    to = options.out or "fastact.svg"
    save(drawn, to)
    print(f"written: {Path(to).absolute()}")


def _parsed(values):
    """`0.5,1,2` as numbers, and other things as strings."""
    try:
        parsed = [float(value) for value in values.split(",")]
    except ValueError:
        parsed = values.split(",")
    return parsed if len(parsed) > 1 else parsed[0]


def _curves(name, parameters):
    """The parameters of each curve, as dictionaries."""
    if name not in NAMES:
        raise ValueError(f"unknown activation {name!r}; there are: {', '.join(NAMES)}")
    known = ACTIVATIONS[name].parameters if name in ACTIVATIONS else {}
    unknown = parameters.keys() - known.keys()
    if unknown:
        raise TypeError(f"{name} has no parameter {sorted(unknown)[0]!r}; it has {', '.join(known) or 'none'}")
    required = dict(zip(known, ARGUMENTS.get(name, ()), strict=False))
    values = {key: required.get(key) if value is REQUIRED else value for key, value in known.items()} | parameters
    several = {key: list(value) for key, value in values.items() if np.ndim(value)}
    lengths = {len(value) for value in several.values()}
    if len(lengths) > 1 or 0 in lengths:
        raise ValueError(f"{' and '.join(several)} must have one value or equally many, got {sorted(lengths)}")
    return [
        {key: several[key][k] if key in several else value for key, value in values.items()}
        for k in range(lengths.pop() if lengths else 1)
    ]


def _draw(ax, name, curves, legend=True):
    if name not in ACTIVATIONS:
        doc, given = inspect.getdoc(getattr(fastact, name)), f" of ({', '.join(SCORES)})"
        entries = _draw_scores(ax, name)
    else:
        doc = ACTIVATIONS[name].doc
        same = {key: value for key, value in curves[0].items() if all(str(c[key]) == str(value) for c in curves)}
        given = f", {_text(same)}" if same else ""
        entries = _draw_curves(ax, name, curves, [key for key in curves[0] if key not in same])
    formula = formula_of(doc)
    middle, above = (21, 42) if "dfrac" in formula or "sum" in formula else (12, 24)  # points
    ax.set_title(formula, fontsize=10, pad=middle, va="center", math_fontfamily="stix")
    over = {"xytext": (0, above), "xycoords": "axes fraction", "textcoords": "offset points", "ha": "center"}
    ax.annotate(name + given * legend, (0.5, 1), **over, fontsize=10, color=AXIS)
    if legend:
        under = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.08), "ncols": len(entries)}
        ax.legend(*zip(*entries, strict=True), **under, fontsize=8, frameon=False, columnspacing=1.2)


def _draw_curves(ax, name, curves, varied):
    """A curve for each set of parameters. Returns the legend."""
    from matplotlib import colormaps
    from matplotlib.lines import Line2D

    row = ACTIVATIONS[name]
    kinks = [sorted({float(kink) for kink in row.kinks(*values.values())}) for values in curves]
    reach = max([5.0, *(1.4 * abs(kink) for places in kinks for kink in places)])
    colours = colormaps["viridis"](np.linspace(0, 0.75, len(curves))) if varied else [FUNCTION]
    entries = []
    for values, places, colour in zip(curves, kinks, colours, strict=True):
        function, derivative = _with(getattr(fastact, name), values), _with(getattr(fastact.grad, name), values, 1.0)
        _draw_pieces(ax, derivative, places, reach, color=colour if varied else DERIVATIVE, ls="--", lw=1.5)
        _draw_pieces(ax, function, places, reach, color=colour, lw=2)
        text = _text({key: values[key] for key in varied}) if varied else name
        entries.append((Line2D([], [], color=colour, lw=2), text))
    _draw_axes(ax, reach)
    of_derivative = Line2D([], [], color=AXIS if varied else DERIVATIVE, lw=1.5, ls="--")
    return [*entries, (of_derivative, "derivative")]


def _with(function, parameters, *before):
    return lambda x: function(*before, x, **parameters)


def _text(parameters):
    """`threshold = 0, value = -1`"""
    return ", ".join(f"{key} = {v if isinstance(v, str) else f'{v:g}'}" for key, v in parameters.items())


def _draw_pieces(ax, function, kinks, reach, color, **style):
    """Each smooth piece of a function by itself, so that nothing joins the two sides of a jump: there, a dot is the
    value, and circles are the limits."""
    ends = [-reach, *kinks, reach]
    x = [np.linspace(left, right, POINTS) for left, right in itertools.pairwise(ends)]
    for piece in x:
        piece[0], piece[-1] = np.nextafter(piece[0], piece[-1]), np.nextafter(piece[-1], piece[0])
    y = [function(piece) for piece in x]
    for k, kink in enumerate(kinks):
        before, at, after = y[k][-1], function(kink), y[k + 1][0]
        if np.allclose([before, after], at):
            continue
        for limit in (before, after):
            if not np.isclose(limit, at):
                ax.plot(kink, limit, "o", ms=4.5, mfc="white", mec=color, mew=1.2, zorder=4)
        ax.plot(kink, at, "o", ms=4.5, color=color, zorder=4)
        y[k][-1] = np.nan  # the gap
    ax.plot(np.concatenate(x), np.concatenate(y), color=color, zorder=3, **style)


def _draw_axes(ax, reach):
    """Axes through the origin, their numbers at the edges, and a light grid."""
    ax.set_xlim(-reach, reach)
    ax.axhline(0, color=AXIS, lw=0.9, zorder=2)
    ax.axvline(0, color=AXIS, lw=0.9, zorder=2)
    ax.grid(color=GRID, lw=0.8)
    ax.set_axisbelow(True)
    ax.spines[:].set_visible(False)
    ax.tick_params(colors=AXIS, labelsize=8, length=0)
    ax.locator_params(nbins=6, steps=[1, 2, 5, 10])


def _draw_scores(ax, name):
    """The result for SCORES: as bands on each other where these share 1, else as curves. Returns the legend."""
    reach = 6.0
    x = np.linspace(-reach, reach, 121)  # with the kinks of sparsemax among them
    scores = np.stack([x if score is None else np.full_like(x, score) for score in SCORES.values()])
    y = getattr(fastact, name)(scores, axis=0)
    gy = np.zeros_like(y)
    gy[0] = 1
    derivative = getattr(fastact.grad, name)(gy, y, axis=0)[0]
    if np.allclose(y.sum(axis=0), 1):
        drawn = ax.stackplot(x, y, colors=BANDS, alpha=0.6, lw=0)
    else:
        drawn = [ax.plot(x, row, color=colour, lw=2, zorder=3)[0] for row, colour in zip(y, BANDS, strict=True)]
    drawn += ax.plot(x, derivative, "--", color=DERIVATIVE, lw=1.5, zorder=4)
    _draw_axes(ax, reach)
    return list(zip(drawn, [*SCORES, "derivative for x"], strict=True))
