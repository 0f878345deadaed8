"""The pictures: what is drawn is what the functions give; the formulas; the command; the gallery."""

import re
import struct
from pathlib import Path

import numpy as np
import pytest
from processes import run

import fastact
from fastact import _mathtext, _plot
from fastact.__main__ import main
from fastact._table import ACTIVATIONS, SOFTMAXES

INF = np.inf
DOCS = Path(__file__).parents[1] / "docs"

FORMULAS = {
    "max(0, x)": r"\max(0, x)",
    "min(max(x, min_val), 6)": r"\min(\max(x, \mathrm{min\_val}), 6)",
    "x if x > 0, else alpha * (exp(x) - 1)": r"x\mathrm{\ if\ }x > 0\mathrm{,\ else\ }\alpha\,(e^{x} - 1)",
    "0 if x <= -3, 1 if x >= 3, else x": r"0\mathrm{\ if\ }x \leq -3,\ 1\mathrm{\ if\ }x \geq 3\mathrm{,\ else\ }x",
    "1 / (1 + exp(-beta * x))": r"\frac{1}{1 + e^{-\beta\,x}}",
    "(x + sqrt(x**2 + b)) / 2": r"\frac{x + \sqrt{x^{2} + b}}{2}",
    "(1 + x)**2 - (x - 1) * abs(x)": r"(1 + x)^{2} - (x - 1)\,|x|",
    "a - (b - c) + (d - e)": "a - (b - c) + (d - e)",
    "x * Phi(x)": r"x\,\Phi(x)",
    "the larger half": r"\mathrm{the\ larger\ half}",
}


@pytest.mark.parametrize("text", FORMULAS)
def test_mathtext(text):
    assert _mathtext.mathtext(text) == FORMULAS[text]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_formula_is_understood(name):
    formula = _mathtext.formula_of(ACTIVATIONS[name].doc)
    words = re.findall(r"\\mathrm\{(.*?)\}", formula)
    known = {r"\ if\ ", r",\ else\ ", r"\ else\ ", *(p.replace("_", r"\_") for p in ACTIVATIONS[name].parameters)}
    assert formula.startswith("$") and set(words) <= known | {"scale"}


def test_without_matplotlib(tmp_path):
    code = "import sys; sys.modules['matplotlib'] = None; "
    done = run("-W", "error", "-c", code + "from fastact import *; plot('elus', nonsense=1)")
    assert done.stderr.endswith("ImportError: fastact's pictures need Matplotlib: pip install 'fastact[plot]'\n")
    out = str(tmp_path / "relu.svg")
    arguments = ["plot", "relu", "--out", out]
    done = run("-c", code + f"from fastact.__main__ import main; main({arguments!r})")
    assert done.returncode == 1 and not done.stdout and not Path(out).exists()
    assert done.stderr == "fastact's pictures need Matplotlib: pip install 'fastact[plot]'\n"


def test_the_gallery_is_complete():
    assert {path.stem for path in (DOCS / "gallery").glob("*.svg")} == set(_plot.NAMES)
    page = (DOCS / "gallery.md").read_text(encoding="utf-8")
    assert re.findall(r"\(gallery/(.*).svg\)", page) == _plot.NAMES
    for path in [*(DOCS / "gallery").glob("*.svg"), DOCS / "activations.svg"]:
        text = path.read_text(encoding="utf-8")
        assert "<dc:date>" not in text and len(text) < (600_000 if path.stem == "activations" else 60_000)


@pytest.fixture
def axes():
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    return Figure(layout="constrained").subplots()


def lines(ax, style):
    """The long curves, as x and y."""
    return [line.get_xydata().T for line in ax.lines if line.get_linestyle() == style and len(line.get_xdata()) > 2]


def texts(ax):
    return [text.get_text() for text in ax.texts]


def slope_of(name, x, **parameters):
    """Of the first result for x, 1, 0 and -1, as a difference."""
    step = 1e-5
    scores = [np.stack([v, 0 * v + 1, 0 * v, 0 * v - 1]) for v in (x - step, x + step)]
    low, high = (getattr(fastact, name)(s, axis=0, **parameters)[0] for s in scores)
    return (high - low) / (2 * step)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_curves(name, axes):
    assert fastact.plot(name, axes) is axes
    arguments = _plot._curves(_plot._drawable(name), {})[0]
    kinks = ACTIVATIONS[name].kinks(*arguments.values())
    functions = {
        "-": getattr(fastact, name),
        "--": lambda x, **keywords: getattr(fastact.grad, name)(1.0, x, **keywords),
    }
    for style, function in functions.items():
        ((x, y),) = lines(axes, style)
        drawn = np.isfinite(y)
        assert np.array_equal(y[drawn], function(x[drawn], **arguments))
        assert x[0] < -4.9 and x[-1] > 4.9 and all(x[0] < kink < x[-1] for kink in kinks)
        # nothing joins the two sides of a jump
        assert np.nanmax(np.abs(np.diff(y))) < 0.3 * max(1, np.nanmax(np.abs(y)) / 5)
    axes.figure.draw_without_rendering()
    assert axes.get_title() == _mathtext.formula_of(ACTIVATIONS[name].doc)


# Function, parameters; the dots at jumps, and the circles.
JUMPS = [
    ("relu", {}, {(0, 0)}, {(0, 1)}),
    ("relu6", {}, {(0, 0), (6, 0)}, {(0, 1), (6, 1)}),
    ("elu", {}, set(), set()),
    ("elu", {"alpha": 2}, {(0, 2)}, {(0, 1)}),
    ("threshold", {"threshold": 1, "value": -2}, {(1, -2), (1, 0)}, {(1, 1)}),
    ("hardtanh", {}, {(-1, 0), (1, 0)}, {(-1, 1), (1, 1)}),
    ("softshrink", {"lambd": 0}, {(0, 0)}, {(0, 1)}),
]


@pytest.mark.parametrize("name, parameters, dots, circles", JUMPS)
def test_kinks(name, parameters, dots, circles, axes):
    fastact.plot(name, axes, **parameters)
    got = {"white": set(), "": set()}
    for line in axes.lines:
        if line.get_marker() == "o":
            ((x, y),) = line.get_xydata()
            got["white" if line.get_markerfacecolor() == "white" else ""].add((round(x, 6), round(y, 6)))
    assert got["white"] == circles and got[""] == dots


def test_several_parameters(axes):
    fastact.plot("softplus", axes, beta=[0.5, 1, 2])
    x = np.linspace(-4, 4, 9)
    for beta, (at, y) in zip([0.5, 1, 2], lines(axes, "-"), strict=True):
        assert np.allclose(np.interp(x, at, y), fastact.softplus(x, beta), atol=1e-2)
    assert len(lines(axes, "--")) == 3
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "beta = 0.5",
        "beta = 1",
        "beta = 2",
        "derivative",
    ]


@pytest.mark.parametrize("name", SOFTMAXES)
def test_over_an_axis(name, axes):
    fastact.plot(name, axes)
    ((x, slope),) = lines(axes, "--")
    assert np.allclose(slope, slope_of(name, x), atol=1e-6)
    assert len(axes.get_legend().get_texts()) == 5
    axes.figure.draw_without_rendering()


def test_parameters_that_are_all_the_same(axes):
    fastact.plot("elu", axes, alpha=[1, 1])
    assert len(lines(axes, "-")) == len(lines(axes, "--")) == 2
    assert texts(axes) == ["elu, alpha = 1"]


def test_approximate(axes):
    fastact.plot("gelu", axes, approximate="tanh")
    ((x, y),) = lines(axes, "-")
    assert np.array_equal(y, fastact.gelu_tanh(x))
    assert texts(axes) == ["gelu, approximate = tanh"]
    axes.clear()
    fastact.plot("gelu", axes, approximate=["none", "tanh"])
    assert len(lines(axes, "-")) == 2 and texts(axes) == ["gelu"]


@pytest.mark.parametrize("name", SOFTMAXES)
def test_temperature(name, axes):
    fastact.plot(name, axes, temperature=0.5)
    ((x, slope),) = lines(axes, "--")
    assert np.allclose(slope, slope_of(name, x, temperature=0.5), atol=1e-6)
    assert texts(axes) == [f"{name} of (x, 1, 0, -1), temperature = 0.5"]
    axes.clear()
    fastact.plot(name, axes, temperature=[0.5, 1])
    for temperature, (x, y), (_, slope) in zip([0.5, 1], lines(axes, "-"), lines(axes, "--"), strict=True):
        scores = np.stack([x, 0 * x + 1, 0 * x, 0 * x - 1])
        assert np.array_equal(y, getattr(fastact, name)(scores, axis=0, temperature=temperature)[0])
        assert np.allclose(slope, slope_of(name, x, temperature=temperature), atol=1e-6)
    assert texts(axes) == [f"{name} of (x, 1, 0, -1)"]
    assert axes.get_legend().get_texts()[0].get_text() == "temperature = 0.5"


def entries(drawn):
    return [text.get_text() for text in drawn.get_texts()]


SCORES = ["x", "1", "0", "-1"]
PANELS = [
    (["gelu", "silu", "mish", "relu", "elu"], {}, ["function", "derivative"]),
    (["relu", "softmax", "log_softmax"], {}, ["function", "derivative", *SCORES]),
    (["softmax", "sparsemax"], {}, [*SCORES, "derivative"]),
    (["relu", "elu"], {"alpha": 2}, ["function", "derivative"]),
]


@pytest.mark.parametrize("names, of_the_last, legend", PANELS)
def test_panels_share_a_legend(names, of_the_last, legend, axes):
    drawn = _plot.figure(names, [{}] * (len(names) - 1) + [of_the_last])
    drawn.draw_without_rendering()
    assert [entries(one) for one in drawn.legends] == [legend]
    assert [ax.get_legend() for ax in drawn.axes] == [None] * len(names)
    numbers = [label.get_window_extent() for ax in drawn.axes for label in ax.get_xticklabels()]
    assert not any(number.overlaps(drawn.legends[0].get_window_extent()) for number in numbers)


def test_panels_with_several_curves_have_legends_of_their_own(axes):
    drawn = _plot.figure(["softmax", "log_softmax", "gelu"], [{"temperature": [0.5, 1]}, {}, {}])
    assert not drawn.legends
    assert [entries(ax.get_legend()) for ax in drawn.axes] == [
        ["temperature = 0.5", "temperature = 1", "derivative"],
        [*SCORES, "derivative for x"],
        ["gelu", "derivative"],
    ]
    assert texts(drawn.axes[1]) == ["log_softmax of (x, 1, 0, -1)"]


def colours(ax, style):
    from matplotlib.colors import to_hex

    return [to_hex(line.get_color()) for line in ax.lines if line.get_linestyle() == style and line.get_zorder() > 2]


def test_functions_in_the_same_axes(axes):
    fastact.plot("relu6", axes)
    xlim = axes.get_xlim()
    fastact.plot("silu", axes)
    assert axes.get_title() == "relu6, silu" and not texts(axes) and axes.get_xlim() == xlim
    assert entries(axes.get_legend()) == ["relu6", "silu", "derivative"]
    fastact.plot("elu", axes, alpha=[1, 2])
    assert axes.get_title() == "relu6, silu, elu"
    assert entries(axes.get_legend()) == ["relu6", "silu", "elu, alpha = 1", "elu, alpha = 2", "derivative"]
    assert len(set(colours(axes, "-"))) == 4 and colours(axes, "--") == colours(axes, "-")
    dots = {line.get_markeredgecolor().lower() for line in axes.lines if line.get_marker() == "o"}
    assert dots == {_plot.FUNCTION.lower(), colours(axes, "-")[3]}  # elu's derivative jumps where alpha is 2
    axes.figure.draw_without_rendering()


def test_the_same_function_in_the_same_axes(axes):
    fastact.plot("elu", axes, alpha=[0.5, 1])
    fastact.plot("elu", axes, alpha=2)
    assert axes.get_title() == _mathtext.formula_of(ACTIVATIONS["elu"].doc) and texts(axes) == ["elu"]
    assert entries(axes.get_legend()) == ["elu, alpha = 0.5", "elu, alpha = 1", "elu, alpha = 2", "derivative"]
    axes.clear()
    fastact.plot("elu", axes, alpha=2)
    assert entries(axes.get_legend()) == ["elu", "derivative"] and texts(axes) == ["elu, alpha = 2"]


def test_softmax_and_another_in_the_same_axes(axes):
    fastact.plot("softmax", axes)
    fastact.plot("sparsemax", axes)
    assert entries(axes.get_legend()) == [*SCORES, "derivative for x", "sparsemax", "derivative"]
    assert colours(axes, "-")[0] not in {_plot.DERIVATIVE.lower(), *(band.lower() for band in _plot.BANDS)}
    axes.clear()
    fastact.plot("softmax", axes, temperature=[0.5, 1])
    fastact.plot("log_softmax", axes)
    assert axes.get_title() == "softmax, log_softmax"
    labels = ["softmax, temperature = 0.5", "softmax, temperature = 1", "log_softmax", "derivative"]
    assert entries(axes.get_legend()) == labels


def test_many_functions_in_the_same_axes(axes):
    for count, name in enumerate(_plot.NAMES[::3], 1):  # more than there are colours, log_softmax among them
        fastact.plot(name, axes)
        assert len(lines(axes, "--")) == count
    fastact.plot("elu", axes, alpha=list(range(20)))
    axes.figure.draw_without_rendering()


def test_beside_lines_of_the_caller(axes):
    axes.plot([0, 1], [0, 1], color="#0070B0", label="mine")
    fastact.plot("gelu", axes)
    assert entries(axes.get_legend()) == ["mine", "gelu", "derivative"]
    assert len(set(colours(axes, "-"))) == 1 and _plot.FUNCTION.lower() not in colours(axes, "-")


def test_subplots_without_a_layout(axes):
    """Nothing makes room there: legends are inside, and titles keep off the numbers of the axes above."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(10, 8))
    (above, _), (below, _) = drawn.subplots(2, 2)
    fastact.plot("relu", above)
    drawn.draw_without_rendering()
    numbers = [label.get_window_extent() for label in above.get_xticklabels()]
    point, formulas = drawn.dpi / 72, 0
    for name in _plot.NAMES:
        below.clear()
        fastact.plot(name, below)
        title, legend = below.title.get_window_extent(), below.get_legend().get_window_extent()
        assert not texts(below) and below.get_title().startswith(name)
        assert title.y1 < min(number.y0 for number in numbers) + 4 * point  # digits do not reach below their line
        assert title.width < 1.2 * below.bbox.width and title.y0 > below.bbox.y1
        assert below.bbox.x0 < legend.x0 < legend.x1 < below.bbox.x1
        assert below.bbox.y0 < legend.y0 < legend.y1 < below.bbox.y1
        formulas += "$" in below.get_title()
    assert formulas > 20


@pytest.mark.parametrize(
    "function", [fastact.relu, fastact.elu, fastact.ufuncs.elu, fastact.gelu, fastact.ufuncs.gelu, fastact.softmax]
)
def test_functions_of_fastact(function, axes):
    by_name = axes.figure.add_subplot()
    fastact.plot(function.__name__, by_name)
    fastact.plot(function, axes)
    assert texts(axes) == texts(by_name) and axes.get_title() == by_name.get_title()
    for line, other in zip(axes.lines, by_name.lines, strict=True):
        assert np.array_equal(line.get_xydata(), other.get_xydata(), equal_nan=True)


def test_functions_of_ones_own(axes):
    pytest.importorskip("numba")

    @fastact.activation
    def elu(x, b, a=2.0):  # a name that fastact has, too
        return x / (a + fastact.math.fabs(b * x))

    fastact.plot(elu, axes, b=3)
    ((x, y),), ((_, slope),) = lines(axes, "-"), lines(axes, "--")
    assert np.array_equal(y, elu(x, 3)) and np.array_equal(slope, elu.grad(1.0, x, 3))
    assert axes.get_title() == "elu, b = 3, a = 2"
    axes.clear()
    fastact.plot(elu, axes, b=3, a=[1, 2])
    assert len(lines(axes, "-")) == 2 and axes.get_title() == "elu, b = 3"
    axes.figure.draw_without_rendering()


@pytest.mark.parametrize("name", ["relu", "gelu", "hardtanh", "softmax", "log_softmax"])
@pytest.mark.parametrize("xlim", [(-4, 4), (-0.5, 100), (0, 1), (2, 2.5)])
def test_xlim(name, xlim, axes):
    fastact.plot(name, axes, xlim=xlim)
    assert axes.get_xlim() == xlim
    ((x, _),) = lines(axes, "--")
    assert np.allclose([x[0], x[-1]], xlim)
    dots = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"]
    assert all(xlim[0] < x < xlim[1] for x in dots)


def draw(names, parameters):
    """Warnings are errors."""
    drawn = _plot.figure(names, parameters)
    drawn.draw_without_rendering()
    return drawn.axes


@pytest.mark.parametrize("count", [9, 30])
@pytest.mark.parametrize("names", [["hardtanh"], ["hardtanh", "elu", "relu"]])
def test_legend_of_many_curves(names, count, axes):
    values = (np.arange(count) / 3).tolist()
    parameters = [{"max_val": values, "min_val": [-v - 1 for v in values]}, {"alpha": values}, {}]
    ax, *_ = draw(names, parameters[: len(names)])
    first, *_, last, derivative = (text.get_text() for text in ax.get_legend().get_texts())
    assert first == "min_val = -1, max_val = 0" and derivative == "derivative"
    assert last == f"min_val = {-values[-1] - 1:g}, max_val = {values[-1]:g}"
    assert len(ax.get_legend().get_texts()) == 9 and len(lines(ax, "-")) == count


HUGE = [(name, dict.fromkeys(row.parameters, 1e308)) for name, row in ACTIVATIONS.items() if row.parameters]
HUGE += [("elu", {"alpha": -1e308}), ("hardtanh", {"min_val": -1e308, "max_val": 1e308})]
HUGE += [("hardtanh", {"min_val": -INF, "max_val": INF}), ("softplus", {"beta": 1e-308})]
HUGE += [(name, {"temperature": t}) for name in SOFTMAXES for t in (1e308, 1e-308)]


@pytest.mark.parametrize("name, parameters", HUGE)
def test_numbers_too_large_to_be_drawn(name, parameters, axes):
    (ax,) = draw([name], [parameters])
    assert np.all(np.abs([ax.get_xlim(), ax.get_ylim()]) < 1e301)
    draw([name], [{key: [value, 1.5] for key, value in parameters.items()}])


ERRORS = [
    ("elus", {}, ValueError, "unknown activation 'elus'; there are: relu, "),
    ("glu", {}, ValueError, "^glu cannot be drawn; those that can are: relu, "),
    ("logsumexp", {}, ValueError, "^logsumexp cannot be drawn; those that can are: relu, "),
    (fastact.hardmax, {}, ValueError, "^hardmax cannot be drawn; those that can are: relu, "),
    (fastact.grad.elu, {}, TypeError, "is neither a name, nor a function of fastact, nor made by fastact.activation"),
    (np.tanh, {}, TypeError, "is neither a name"),
    (None, {}, TypeError, "^None is neither a name"),
    (fastact.activation(lambda x, a: a * x), {}, TypeError, "<lambda> needs a value for a"),
    (fastact.activation(lambda x, a: a * x), {"b": 1}, TypeError, "<lambda> cannot be drawn with 'b', only with a"),
    ("elu", {"beta": 1}, TypeError, "elu cannot be drawn with 'beta', only with alpha"),
    ("relu", {"beta": 1}, TypeError, "relu cannot be drawn with 'beta', only without parameters"),
    ("softmax", {"axis": 1}, TypeError, "softmax cannot be drawn with 'axis', only with temperature"),
    ("softmax", {"temperature": 0}, ValueError, "temperature must be positive"),
    ("gelu", {"approximate": "tan"}, ValueError, "approximate must be 'none' or 'tanh', got 'tan'"),
    *(
        ("elu", {"xlim": xlim}, ValueError, r"xlim must be two numbers, the smaller first, of at most 1e\+300, got ")
        for xlim in [4, (4,), (4, -4), (1, 1), (0, 1, 2), ("a", "b"), (0, np.inf), (np.nan, 1), (-1e308, 1e308)]
    ),
    ("hardtanh", {"min_val": [-1, -2], "max_val": [1, 2, 3]}, ValueError, "min_val and max_val must have"),
    ("elu", {"alpha": []}, ValueError, "alpha must have"),
    ("elu", {"alpha": np.ones((2, 2))}, ValueError, "^alpha must be a value or a sequence of values, not of several"),
    ("elu", {"alpha": [[1, 2], [3]]}, ValueError, "^alpha must be a value or a sequence of values, not of several"),
    (fastact.ufuncs.glu, {}, ValueError, "^glu cannot be drawn; those that can are: relu, "),
    (fastact.ufuncs.elu_grad, {}, TypeError, "is neither a name, nor a function of fastact"),
    ("elu", {"alpha": "a"}, TypeError, "elu: alpha must be a number, or a sequence of numbers, got 'a'"),
]


@pytest.mark.parametrize("name, parameters, error, message", ERRORS)
def test_errors(name, parameters, error, message, axes):
    with pytest.raises(error, match=message):
        fastact.plot(name, axes, **parameters)
    assert not axes.lines


def test_wrong_axes(axes):
    for wrong in ("relu", axes.figure, [axes]):
        with pytest.raises(TypeError, match=r"^ax must be Matplotlib's Axes or None, got "):
            fastact.plot("elu", wrong)


def test_a_new_figure(axes):
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    drawn = fastact.plot("gelu")
    assert drawn.figure is not axes.figure and drawn.lines
    pyplot.close(drawn.figure)


@pytest.mark.parametrize("suffix, start", [(".svg", b"<?xml"), (".png", b"\x89PNG"), (".pdf", b"%PDF")])
def test_command(suffix, start, tmp_path, axes):
    path, again = (tmp_path / f"{name}{suffix}" for name in ("by_command", "here"))
    done = run("-W", "error", "-m", "fastact", "plot", "elu", "alpha=0.5,1", "--out", str(path))
    assert done.returncode == 0 and done.stdout == f"written: {path}\n", done.stderr
    assert path.read_bytes().startswith(start)
    if suffix == ".png":
        size = struct.unpack(">2I", path.read_bytes()[16:24])
        assert size == tuple(150 * inches for inches in _plot.SIZE)
    if suffix != ".pdf":
        _plot.save(_plot.figure(["elu"], [{"alpha": [0.5, 1]}]), again)
        assert path.read_bytes() == again.read_bytes()


def test_command_without_a_display(tmp_path, axes):
    code = f"import os; os.chdir({str(tmp_path)!r}); from fastact.__main__ import main; main(['plot', 'relu'])"
    done = run("-W", "error", "-c", code, MPLBACKEND="agg")
    assert done.stdout == f"written: {tmp_path.resolve() / 'fastact.svg'}\n", done.stderr
    assert (tmp_path / "fastact.svg").exists()


def test_command_with_a_display(axes, monkeypatch, capsys):
    from matplotlib import pyplot
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    shown = []
    pyplot.switch_backend("agg")
    monkeypatch.setattr(FigureCanvasAgg, "required_interactive_framework", "a window")
    monkeypatch.setattr(pyplot, "show", lambda: shown.append(len(pyplot.gcf().axes)))
    assert main(["plot", "relu", "tanh"]) == 0
    pyplot.close()
    assert shown == [2] and capsys.readouterr().out == ""


def test_parameters_belong_to_the_name_before_them(axes, monkeypatch):
    drawn = []
    monkeypatch.setattr(_plot, "save", lambda figure, to: drawn.append(figure))
    main("plot elu alpha=2 celu relu elu alpha=3 hardtanh max_val=2 --xlim -4 .5 --out some.svg".split())
    main("plot elu --xlim -1e3 -.5e1 --out some.svg".split())
    main("plot --all --out some.svg".split())
    assert drawn[1].axes[0].get_xlim() == (-1000, -5) and len(drawn[2].axes) == len(_plot.NAMES)
    axes = drawn[0].axes
    assert axes[0].get_gridspec().get_geometry() == (2, 4)
    titles = ["elu, alpha = 2", "celu", "relu", "elu, alpha = 3", "hardtanh, min_val = -1, max_val = 2"]
    assert [texts(ax) for ax in axes] == [[title] for title in titles]
    for ax, function in zip(axes, [lambda x: fastact.elu(x, 2), fastact.celu], strict=False):
        ((x, y),) = lines(ax, "-")
        assert np.array_equal(y, function(x)) and ax.get_xlim() == (-4, 0.5)


def test_help(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["plot", "--help"])
    assert "without a display, by default ./fastact.svg" in " ".join(capsys.readouterr().out.split())


WRONG = [
    ([], "name the activations"),
    (["relu", "--all"], "name the activations"),
    (["elus"], "unknown activation"),
    (["relu", "alpha=1"], "relu cannot be drawn with 'alpha'"),
    (["elu", "alpha=1", "relu", "alpha=1"], "relu cannot be drawn with 'alpha'"),
    (["alpha=1", "elu"], "alpha=1 must come after the name that it belongs to"),
    (["alpha=1", "--all"], "alpha=1 must come after the name that it belongs to"),
    (["elu", "alpha=1", "alpha=2"], "elu is given alpha twice"),
    (["glu"], "glu cannot be drawn"),
    (["relu", "--xlim", "4", "-4"], "xlim must be two numbers, the smaller first"),
    (["relu", "--out", "relu.txt"], "must end in one of"),
    (["relu", "--out", ""], "must end in one of"),
    (["elu", "alpha=a"], "elu: alpha must be a number, or a sequence of numbers, got 'a'"),
    (["elu", "alpha=1,"], "elu: alpha must be a number, or a sequence of numbers, got ['1', '']"),
    (["elu", "alpha="], "elu: alpha must be a number, or a sequence of numbers, got ''"),
    (["relu", "--out", "not/there/relu.svg"], "No such file or directory"),
]


@pytest.mark.parametrize("arguments, message", WRONG)
def test_wrong_commands(arguments, message, axes, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["plot", *arguments])
    printed = capsys.readouterr()
    assert message in printed.err and not printed.out
