"""The picture of a run: ratios as points in rows, or, where there are several sizes, curves of the cost of an element.

Needs matplotlib.
"""

from pathlib import Path

from matplotlib import rc_context
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from fastact._bench.peers import PEERS
from fastact._bench.report import Table, geometric_mean, groups

WIDTH = 9.0  # inches
ROW = 0.2  # height of a row of points
PANEL = 1.8  # height of a panel of curves
COLUMNS = 4  # of panels
MANY = 60  # rows; more cells than that are drawn together, a row for each function
CURVES = 3  # sizes that make a curve
# Okabe and Ito's colours, which most people can tell apart
COLOURS = dict(
    zip(PEERS, ["#999999", "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#B8AE00"], strict=True)
)
OWN = "black"
STYLE = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e5e5e5",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "svg.hashsalt": "fastact",  # the same file from the same figures
}


def check_format(path):
    """Raise ValueError for a name that does not tell a format matplotlib knows."""
    kinds = FigureCanvasBase.get_supported_filetypes()
    if Path(path).suffix[1:].lower() not in kinds:
        raise ValueError(f"--out: expected a name that ends in one of .{', .'.join(sorted(kinds))}, got {path!r}")


def draw(path, results, peers, about):
    with rc_context(STYLE):
        parts = [part_of(group, members, peers) for group, members in groups(results).items()]
        heights = [height for height, _ in parts]
        figure = Figure((WIDTH, sum(heights) + 0.9), layout="constrained")
        subfigures = figure.subfigures(len(parts), 1, height_ratios=heights, squeeze=False)[:, 0]
        for subfigure, (_, fill) in zip(subfigures, parts, strict=True):
            fill(subfigure)
        table = Table([r.cell for r in results], peers)
        versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
        place = about.get("device") or about["CPU"]
        first = results[0].cell
        kind = f"{'backward' if first.backward else 'forward'}, {'given' if first.preallocated else 'new'} arrays"
        figure.suptitle(
            f"fastact {about['fastact']} ({about['backend']}) on {place}: {', '.join([kind, *table.shared])}"
            f"\n{versions}",
            fontsize=9,
        )
        figure.savefig(path, metadata={"Date": None} if str(path).lower().endswith(".svg") else None)


def part_of(group, results, peers):
    """Height of one group's part of the picture, and what draws it there."""
    peers = [peer for peer in peers if any(peer in r.times for r in results)]
    if group == "elementwise" and len({r.cell.size for r in results}) >= CURVES:
        panels = {}
        for r in results:
            panels.setdefault((r.cell.function, r.cell.dtype, r.cell.layout, r.cell.threads), []).append(r)
        height = PANEL * -(-len(panels) // COLUMNS) + 0.6
        return height, lambda figure: curves(figure, panels, peers)
    rows = points(results, peers)
    return ROW * len(rows) + 1.0, lambda figure: dots(figure, group, rows, peers)


def points(results, peers):
    """Label -> {peer: (ratio, from, to)}; many cells become one row for each function."""
    table = Table([r.cell for r in results], peers)
    rows = {}
    if len(results) <= MANY:
        for r in results:
            measured = [peer for peer in peers if peer in r.times]
            rows["  ".join(table.labels(r.cell))] = {
                p: (r.ratio(p), min(r.ratios(p)), max(r.ratios(p))) for p in measured
            }
        return rows
    for r in results:
        for peer in peers:
            rows.setdefault(r.cell.function, {}).setdefault(peer, []).extend([r.ratio(peer)] * (peer in r.times))
    return {
        name: {peer: (geometric_mean(v), min(v), max(v)) for peer, v in row.items() if v} for name, row in rows.items()
    }


def dots(figure, group, rows, peers):
    axes = figure.subplots()
    axes.axvline(1, color=OWN, linewidth=1.2)
    for k, peer in enumerate(peers):
        offset = (k - (len(peers) - 1) / 2) * 0.5 / max(1, len(peers))  # so that whiskers do not hide each other
        at = [(y + offset, *row[peer]) for y, row in enumerate(rows.values()) if peer in row]
        if at:
            ys, ratios, lows, highs = zip(*at, strict=True)
            axes.hlines(ys, lows, highs, color=COLOURS[peer], linewidth=1, alpha=0.6)
            axes.plot(ratios, ys, "o", color=COLOURS[peer], markersize=4, label=peer)
    axes.set_xscale("log")
    ratios = [1.0] + [ratio for row in rows.values() for ratio, _, _ in row.values()]
    axes.set_xlim(min(ratios) / 1.2, max(ratios) * 1.2)  # whiskers may go beyond
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    plain_numbers(axes.xaxis)
    axes.set_xlabel("times as long as fastact (the line at 1)")
    axes.set_title(group, loc="left", fontweight="bold")
    if peers:
        figure.legend(loc="outside right upper")


def curves(figure, panels, peers):
    columns = min(COLUMNS, len(panels))
    grid = figure.subplots(-(-len(panels) // columns), columns, squeeze=False, sharex=True, sharey=True)
    titles = Table([members[0].cell for members in panels.values()], peers)
    for axes, members in zip(grid.flat, panels.values(), strict=False):
        members = sorted(members, key=lambda r: r.cell.elements)
        for name in [*peers, "fastact"]:
            found = [r for r in members if name in r.times]
            own = name == "fastact"
            axes.plot(
                [r.cell.elements for r in found],
                [r.times[name].minimum / r.cell.elements * 1e9 for r in found],
                ".-",
                color=OWN if own else COLOURS[name],
                linewidth=1.6 if own else 1.0,
                markersize=4,
                label=name,
            )
        axes.set(xscale="log", yscale="log")
        axes.set_title(
            "  ".join(t for t in titles.labels(members[0].cell) if t != members[0].cell.size_text), loc="left"
        )
        if members[0].cell.device == "cpu":
            mark_caches(axes, members[0].cell)
        plain_numbers(axes.yaxis)
    for k in range(len(panels), grid.size):
        grid.flat[k].set_visible(False)
        grid.flat[k - columns].tick_params(labelbottom=True)  # it is the lowest of its column now
    figure.supxlabel("elements", fontsize=8)
    figure.supylabel("nanoseconds an element", fontsize=8)
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside right upper")


def plain_numbers(axis):
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 1000 * low else (1,), numticks=20))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def mark_caches(axes, cell):
    """Lines where the arrays outgrow a cache."""
    low, high = axes.get_xlim()
    for level, size in cache_sizes().items():
        elements = size * (cell.threads if level < 3 else 1) / (cell.bytes_moved / cell.elements)
        if low < elements < high:
            axes.axvline(elements, color="#bbbbbb", linewidth=0.8, linestyle=":")
            axes.annotate(
                f"L{level}", (elements, 1), xycoords=("data", "axes fraction"), color="#888888", fontsize=6, ha="center"
            )
    axes.set_xlim(low, high)


def cache_sizes():
    """Level -> bytes, of the caches for data, where the system tells."""
    sizes = {}
    for folder in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        try:
            level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
        except OSError:
            continue
        if kind != "Instruction" and size.endswith("K"):
            sizes[int(level)] = int(size[:-1]) * 1024
    return sizes
