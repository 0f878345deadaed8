"""Pictures of the activations and their derivatives, by Matplotlib (the extra `fastact[plot]`)."""

import inspect
import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import fastact
from fastact._activation import Activation
from fastact._expressions import arguments_of
from fastact._formulas import ACTIVATIONS
from fastact._mathtext import formula_of
from fastact._table import REDUCTIONS, REQUIRED, WITH_GRADIENT

NAMES = [*ACTIVATIONS, *WITH_GRADIENT]
FUNCTION, DERIVATIVE = "#0072B2", "#D55E00"  # two that also the colour-blind tell apart (Okabe and Ito, 2008)
BANDS = ["#0072B2", "#56B4E9", "#009E73", "#E69F00"]
COLOURS = [FUNCTION, DERIVATIVE, "#009E73", "#CC79A7", "#56B4E9", "#000000"]  # of functions in the same axes
AXIS, GRID = "#444444", "#E4E4E4"
SIZE = (5, 4)  # inches
LEGEND = {"fontsize": 8, "columnspacing": 1.2, "frameon": False}
POINTS = 101  # on each smooth piece
LARGEST = 1e300  # Matplotlib computes the limits of axes from sums and products of what is drawn
NAMED = 8  # so many of many curves are in the legend; the others' colours lie between theirs
FINE = 1001  # likewise, where the range is given, or where the kinks are is not known
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


class Drawable(NamedTuple):
    """An activation, as it is drawn."""

    name: str
    function: Callable  # of x, with the parameters as keywords
    derivative: Callable  # likewise
    parameters: dict  # name -> default, or REQUIRED
    keywords: tuple = ()  # further parameters, which are shown only where they are given
    kinks: Callable | None = None  # as in the table, if that is known
    formula: str = ""
    scores: str = ""  # what softmax and its kin are drawn for


class Shown(NamedTuple):
    """What a line shows, kept as its `fastact`: for when another function is drawn into the same axes."""

    name: str
    label: str  # what it is called beside other functions; "" if it is not in the legend
    colour: Any  # what it has beside other functions


def plot(function, /, ax=None, xlim=None, **parameters):
    """Draw an activation and its derivative.

    The formula is in the title, where there is room for it. At kinks, a dot is the value that `fastact.grad` gives,
    circles are the limits from either side. Functions over axes are drawn for four scores, of which the first varies,
    with its own derivative; at several temperatures, and beside other functions, the result for the first.

    Parameters
    ----------
    function : str or callable
        An activation: "elu", `fastact.elu`, its ufunc, or one made by `fastact.activation`.
    ax : matplotlib.axes.Axes, optional
        Where it is drawn; by default in a new figure. To compare functions, draw them into the same one: each has a
        colour, and the legend names them all.
    xlim : tuple of two floats, optional
        From where to where, at most 1e300; by default from -5 to 5, or as far as there are kinks to be seen, or as the
        function that `ax` has already.
    **parameters
        Those of the function, each a value or a sequence of values, which give a curve each. Of `softmax`, `softmin`
        and `log_softmax` it is `temperature`.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        Without Matplotlib: it comes with the extra `fastact[plot]`.
    ValueError
        For a name that is unknown or cannot be drawn, sequences of different lengths or several dimensions, and a wrong
        `xlim`.
    TypeError
        For other functions, an `ax` that is none, and parameters that are unknown, missing or cannot be drawn.

    Notes
    -----
    In float64. NaN, ±inf and what is larger than 1e300 are not drawn. Of many curves, the legend names eight. Where
    functions of your own have kinks is not known: their jumps are drawn as steep lines.

    Examples
    --------
    >>> import fastact
    >>> ax = fastact.plot("elu", alpha=[0.5, 1, 2])  # doctest: +SKIP
    >>> ax.figure.savefig("elu.svg")  # doctest: +SKIP
    """
    check()
    from matplotlib.axes import Axes

    drawn = _drawable(function)
    curves, xlim = _curves(drawn, parameters), _checked(xlim)
    if not isinstance(ax, Axes | None):
        raise TypeError(f"ax must be Matplotlib's Axes or None, got {type(ax).__name__}")
    if ax is None:
        from matplotlib import pyplot

        _, ax = pyplot.subplots(figsize=SIZE, layout="constrained")
    _draw(ax, drawn, curves, xlim)
    return ax


def figure(names, parameters=None, xlim=None, make=None):
    """A figure of one activation, or of several side by side, which share a legend if none has several curves; made by
    Figure or `make`. For each name there may be a dictionary of parameters."""
    from matplotlib.figure import Figure

    activations, parameters = [_drawable(name) for name in names], parameters or [{}] * len(names)
    curves, xlim = list(map(_curves, activations, parameters)), _checked(xlim)
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    alone = len(names) == 1
    sharing = not alone and all(len(curve) == 1 for curve in curves)
    width, height = SIZE if alone else (2.6, 2.6) if sharing else (2.6, 3.2)
    drawn = (make or Figure)(figsize=(width * columns, height * rows), layout="constrained")
    axes = drawn.subplots(rows, columns, squeeze=False).ravel()
    shared = {}
    for activation, given, curve, ax in zip(activations, parameters, curves, axes, strict=False):
        details = alone or bool(given or activation.scores)
        for handle, label in _draw(ax, activation, curve, xlim, details, legend=not sharing):
            shared.setdefault("function" if label == activation.name else label.removesuffix(" for x"), handle)
    if sharing:
        drawn.legend(shared.values(), shared, loc="outside lower center", ncols=len(shared), **LEGEND)
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
    names, parameters = [], []
    for given in options.names:
        key, is_parameter, values = given.partition("=")
        if not is_parameter:
            names.append(given)
            parameters.append({})
        elif not names:
            raise ValueError(f"{given} must come after the name that it belongs to")
        elif key in parameters[-1]:
            raise ValueError(f"{names[-1]} is given {key} twice")
        else:
            parameters[-1][key] = _parsed(values)
    if bool(names) == options.all:
        raise ValueError("name the activations to be drawn, or say --all")
    if options.all:
        names = NAMES
    if options.out is None:
        from matplotlib import pyplot

        drawn = figure(names, parameters, options.xlim, pyplot.figure)
        if drawn.canvas.required_interactive_framework:  # there is a display
            return pyplot.show()
    else:
        drawn = figure(names, parameters, options.xlim)
    to = "fastact.svg" if options.out is None else options.out
    save(drawn, to)
    print(f"written: {Path(to).absolute()}")


def _parsed(values):
    """`0.5,1,2` as numbers, and other things as strings."""
    try:
        parsed = [float(value) for value in values.split(",")]
    except ValueError:
        parsed = values.split(",")
    return parsed if len(parsed) > 1 else parsed[0]


def _checked(xlim):
    """None, or two numbers."""
    if xlim is None:
        return None
    try:
        left, right = map(float, xlim)
    except (TypeError, ValueError):
        left = right = np.nan
    if not -LARGEST <= left < right <= LARGEST:
        raise ValueError(f"xlim must be two numbers, the smaller first, of at most {LARGEST:g}, got {xlim!r}")
    return left, right


def _drawable(function):
    """What a name or a function stands for."""
    if isinstance(function, Activation):
        return Drawable(function.__name__, function, partial(function.grad, 1.0), function._parameters)
    name = function if isinstance(function, str) else getattr(function, "__name__", None)
    known = name in fastact.__all__
    is_ours = known and any(getattr(module, name, None) is function for module in (fastact, fastact.ufuncs))
    if not isinstance(function, str) and not is_ours:
        raise TypeError(f"{function!r} is neither a name, nor a function of fastact, nor made by fastact.activation")
    if name not in NAMES:
        problem = f"{name} cannot be drawn; those that can" if known else f"unknown activation {name!r}; there"
        raise ValueError(f"{problem} are: {', '.join(NAMES)}")
    if name not in ACTIVATIONS:
        return Drawable(
            name,
            lambda x, **temperature: _results(name, x, **temperature)[0],
            lambda x, **temperature: _slope(name, x, **temperature),
            {},
            ("temperature",) if REDUCTIONS[name].temperature else (),
            formula=formula_of(inspect.getdoc(getattr(fastact, name))),
            scores=f" of ({', '.join(SCORES)})",
        )
    row = ACTIVATIONS[name]
    return Drawable(
        name,
        getattr(fastact, name),
        partial(getattr(fastact.grad, name), 1.0),
        dict(zip(row.parameters, arguments_of(name), strict=True)),
        ("approximate",) if row.options else (),
        row.kinks,
        formula_of(row.doc),
    )


def _curves(drawn, parameters):
    """The parameters of each curve, as dictionaries."""
    known = [*drawn.parameters, *drawn.keywords]
    for key in parameters:
        if key not in known:
            only = f"with {', '.join(known)}" if known else "without parameters"
            raise TypeError(f"{drawn.name} cannot be drawn with {key!r}, only {only}")
    values = drawn.parameters | parameters
    for key, value in values.items():
        if value is REQUIRED:
            raise TypeError(f"{drawn.name} needs a value for {key}")
    several = {key: list(value) for key, value in values.items() if _is_sequence(key, value)}
    for key in drawn.parameters:
        if np.asarray(values[key]).dtype.kind not in "biuf":
            raise TypeError(f"{drawn.name}: {key} must be a number, or a sequence of numbers, got {values[key]!r}")
    lengths = {len(value) for value in several.values()}
    if len(lengths) > 1 or 0 in lengths:
        raise ValueError(f"{' and '.join(several)} must have one value or equally many, got {sorted(lengths)}")
    return [
        {key: several[key][k] if key in several else value for key, value in values.items()}
        for k in range(lengths.pop() if lengths else 1)
    ]


def _is_sequence(key, value):
    try:
        dimensions = np.ndim(value)
    except ValueError:  # lists of different lengths
        dimensions = 2
    if dimensions > 1:
        raise ValueError(f"{key} must be a value or a sequence of values, not of several dimensions")
    return dimensions == 1


def _draw(ax, drawn, curves, xlim=None, details=True, legend=True):
    """Returns the entries of the legend, whether or not it is drawn."""
    earlier = [artist for artist in ax.get_children() if hasattr(artist, "fastact")]
    names = dict.fromkeys([*(artist.fastact.name for artist in earlier), drawn.name])
    for artist in earlier:
        if artist in ax.texts:
            artist.remove()
        else:
            artist.set(color=artist.fastact.colour, label=artist.fastact.label)
    if earlier:
        xlim = xlim or ax.get_xlim()
    same = {key: value for key, value in curves[0].items() if all(str(c[key]) == str(value) for c in curves)}
    if drawn.scores and len(curves) == 1 and not ax.has_data():
        derivative = _draw_scores(ax, drawn, same, xlim)
    else:
        derivative = _draw_curves(ax, drawn, curves, [key for key in curves[0] if key not in same], xlim)
    title = ", ".join(names)
    if details and not earlier:
        title += drawn.scores + (f", {_text(same)}" if same else "")
    _draw_title(ax, drawn, title, drawn.formula if len(names) == 1 else "")
    entries = [*zip(*ax.get_legend_handles_labels(), strict=True), derivative]
    if legend:
        _draw_legend(ax, entries)
    return entries


def _draw_title(ax, drawn, title, formula):
    """The name, and the formula under it; where nothing makes room, after it, if it fits into the line that
    `pyplot.subplots` has space for."""
    if formula and _is_arranged(ax):
        middle, above = (21, 42) if "dfrac" in formula or "sum" in formula else (12, 24)  # points
        ax.set_title(formula, fontsize=10, pad=middle, va="center", math_fontfamily="stix")
        over = {"xytext": (0, above), "xycoords": "axes fraction", "textcoords": "offset points", "ha": "center"}
        ax.annotate(title, (0.5, 1), **over, fontsize=10, color=AXIS).fastact = Shown(drawn.name, "", AXIS)
        return
    style = {"fontsize": 10, "color": AXIS, "va": "bottom", "pad": 3, "math_fontfamily": "stix"}
    size = ax.set_title(f"{title}:  {formula}", **style).get_window_extent()
    if not formula or size.width > 1.1 * ax.bbox.width or size.height > 24 * ax.figure.dpi / 72:
        ax.set_title(title, **style)


def _is_arranged(ax):
    """Whether the figure makes room for what is around the axes."""
    return ax.figure.get_layout_engine() is not None


def _draw_legend(ax, entries):
    """Under the axes, in as many columns as there is room for, or inside where nothing makes room."""
    if not _is_arranged(ax):
        ax.legend(*zip(*entries, strict=True), loc="best", **LEGEND | {"frameon": True, "edgecolor": "none"})
        return
    place = ax.get_subplotspec()
    room = ax.figure.bbox.width / (place.get_gridspec().ncols if place else 1)
    columns, fits = len(entries), False
    while not fits:
        under = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.08), "ncols": columns}
        width = ax.legend(*zip(*entries, strict=True), **under, **LEGEND).get_window_extent().width
        fits = width <= room or columns == 1
        columns = max(1, min(columns - 1, int(columns * room / width)))


def _draw_curves(ax, drawn, curves, varied, xlim):
    """A curve for each set of parameters. Returns the legend's entry for the derivatives."""
    from matplotlib.lines import Line2D

    kinks = [drawn.kinks(*values.values()) if drawn.kinks else () for values in curves]
    kinks = [sorted({float(kink) for kink in places if abs(kink) <= LARGEST}) for places in kinks]
    reach = max([5.0, *(1.4 * abs(kink) for places in kinks for kink in places)])
    points = POINTS if drawn.kinks and not xlim else FINE
    xlim = xlim or (-reach, reach)
    beside = ax.has_data()
    several = beside or len(curves) > 1
    named = np.linspace(0, len(curves) - 1, min(len(curves), NAMED)).round()
    for k, (values, places, colour) in enumerate(zip(curves, kinks, _colours(ax, len(curves)), strict=True)):
        ends = [xlim[0], *(kink for kink in places if xlim[0] < kink < xlim[1]), xlim[1]]
        second = colour if several else DERIVATIVE
        dashed = _draw_pieces(ax, partial(drawn.derivative, **values), ends, points, color=second, ls="--", lw=1.5)
        *dots, solid = _draw_pieces(ax, partial(drawn.function, **values), ends, points, color=colour, lw=2)
        for line in [*dashed, *dots]:
            line.fastact = Shown(drawn.name, "", colour)
        label = f"{drawn.name}, {_text(values)}" if values else drawn.name
        solid.fastact = Shown(drawn.name, label if k in named else "", colour)
        short = _text({key: values[key] for key in varied}) or drawn.name
        solid.set_label(solid.fastact.label and (label if beside else short))
    _draw_axes(ax, xlim)
    return Line2D([], [], color=AXIS if several else DERIVATIVE, lw=1.5, ls="--"), "derivative"


def _colours(ax, count):
    """One for each curve, unlike those that the axes have already."""
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb

    used = [line.get_color() for line in ax.lines]
    used += [colour for shape in ax.collections for colour in shape.get_facecolor()]
    new = [c for c in COLOURS if all(np.abs(np.subtract(to_rgb(c), to_rgb(old))).sum() > 0.4 for old in used)]
    if count <= len(new) and (count == 1 or ax.has_data()):
        return new[:count]
    return colormaps["viridis"](np.linspace(0, 0.75, count))


def _text(parameters):
    """`threshold = 0, value = -1`"""
    return ", ".join(f"{key} = {v if isinstance(v, str) else f'{v:g}'}" for key, v in parameters.items())


def _draw_pieces(ax, function, ends, points, color, **style):
    """Each smooth piece of a function by itself, so that nothing joins the two sides of a jump: there, a dot is the
    value, and circles are the limits. Returns them, and last the line."""
    x = [np.linspace(left, right, points) for left, right in itertools.pairwise(ends)]
    for piece in x:
        piece[0], piece[-1] = np.nextafter(piece[0], piece[-1]), np.nextafter(piece[-1], piece[0])
    y = [_shown(function(piece)) for piece in x]
    drawn = []
    for k, kink in enumerate(ends[1:-1]):
        before, at, after = y[k][-1], _shown(function(kink)), y[k + 1][0]
        if np.allclose([before, after], at):
            continue
        for limit in (before, after):
            if not np.isclose(limit, at):
                drawn += ax.plot(kink, limit, "o", ms=4.5, mfc="white", color=color, mew=1.2, zorder=4)
        drawn += ax.plot(kink, at, "o", ms=4.5, color=color, zorder=4)
        y[k][-1] = np.nan  # the gap
    return drawn + ax.plot(np.concatenate(x), np.concatenate(y), color=color, zorder=3, **style)


def _shown(y):
    """NaN where numbers are too large to be drawn."""
    return np.where(np.abs(y) <= LARGEST, y, np.nan)


def _draw_axes(ax, xlim):
    """Axes through the origin, their numbers at the edges, and a light grid."""
    ax.set_xlim(xlim)
    ax.axhline(0, color=AXIS, lw=0.9, zorder=2)
    ax.axvline(0, color=AXIS, lw=0.9, zorder=2)
    ax.grid(color=GRID, lw=0.8)
    ax.set_axisbelow(True)
    ax.spines[:].set_visible(False)
    ax.tick_params(colors=AXIS, labelsize=8, length=0)
    ax.locator_params(nbins=6, steps=[1, 2, 5, 10])


def _results(name, x, **temperature):
    """What softmax or its like gives for SCORES, one a row."""
    scores = [x if score is None else np.full_like(x, score) for score in SCORES.values()]
    return getattr(fastact, name)(np.stack(scores), axis=0, **temperature)


def _slope(name, x, **temperature):
    """The derivative of the first result for x."""
    y = _results(name, x, **temperature)
    gy = np.zeros_like(y)
    gy[0] = 1
    return getattr(fastact.grad, name)(gy, y, axis=0, **temperature)[0]


def _draw_scores(ax, drawn, parameters, xlim):
    """The result for SCORES: as bands on each other where these share 1, else as curves. Returns the legend's entry for
    the derivative."""
    points = FINE if xlim else 121  # with the kinks of sparsemax among them
    xlim = xlim or (-6.0, 6.0)
    x = np.linspace(*xlim, points)
    y = _shown(_results(drawn.name, x, **parameters))
    derivative = _shown(drawn.derivative(x, **parameters))
    if np.allclose(y.sum(axis=0), 1):
        ax.stackplot(x, y, labels=SCORES, colors=BANDS, alpha=0.6, lw=0)
    else:
        for row, label, colour in zip(y, SCORES, BANDS, strict=True):
            ax.plot(x, row, label=label, color=colour, lw=2, zorder=3)
    (line,) = ax.plot(x, derivative, "--", color=DERIVATIVE, lw=1.5, zorder=4)
    line.fastact = Shown(drawn.name, "derivative for x", DERIVATIVE)
    _draw_axes(ax, xlim)
    return line, line.fastact.label
