"""The CUDA kernels of hardmax, sparsemax and entmax15, and of the gradients of the last two: as `_cuda_rows.py`.

How tau is found is told in `_simplex.pyx`. All is in pairs of the kernel's dtype here.
"""

import numpy as np

from fastact import _cuda_rows
from fastact._cuda_rows import (
    beside_infinity,
    defined,
    indented,
    over_lanes,
    read_element,
    through_row,
    write_element,
)
from fastact._math import INF, add, divide, fma, multiply, normalise, product_error, sqrt, two_sum
from fastact._specialise import Primitive
from fastact._table import REDUCTIONS

PASSES = 64  # suffice; see `_simplex.pyx`
FAR = -4.0  # from the maximum on: nothing there is above tau

number = Primitive("number", "an integer as a number of the kernel's dtype")
SCALE = Primitive("SCALE", "what z is multiplied with")
moment = Primitive("moment", "moment(d, d_low): what is summed beside the distances from tau, as a pair")
newton = Primitive("newton", "newton(count, linear, linear_low, square, square_low): the exact step, and a safe one")
finish = Primitive("finish", "finish(d, d_low): the result")
weight = Primitive("weight", "of a y in the gradient's mean, as a pair")


def of_all(rows, names, lines_of):
    """Lines that do those of each element that a lane has."""

    def body(elements, read):
        return [*read, *(line for j in elements for line in lines_of(j))]

    return body(range(rows.each), []) if rows.each else through_row(rows, body, names)


def results(rows, names, result):
    """Lines that write what `result` says of each element."""

    def body(elements, read, all_there):
        written = (write_element(rows, j, result(j), place, all_there) for j in elements)
        return [*read, "if writes:", *indented(written)]

    place = "" if rows.each else "place + "
    if rows.each:
        return body(range(rows.each), [], rows.at_least)
    return through_row(rows, body, (*names, "out"))


def held(rows, names):
    return [line for j in range(rows.each) for line in read_element(rows, names, j, all_there=rows.at_least)]


def peak_of_all(rows):
    """Lines that find the maximum, and whether the row has a NaN."""
    lines_of = "peak = maximum(peak, x{0})", "bad = bad if x{0} == x{0} else NAN"
    return [
        *held(rows, ("x",)),
        "peak, bad = -INF, 0.0",
        *of_all(rows, ("x",), lambda j: [line.format(j) for line in lines_of]),
        *over_lanes(rows, ("peak", "bad"), "maximum(peak, other_peak), bad + other_bad"),
    ]


# ---- hardmax: the first element in the order of (turn, lane) that is the maximum


def hardmax(rows):
    """`turn` is the number of a lane's element."""

    def searched(j):
        found = f"first, by = sooner(first, by, turn, me_of_row) if x{j} == peak else (first, by)"
        return [found, "turn = turn + 1.0"]

    def body(elements, read, all_there):
        lines = list(read)
        for j in elements:
            lines.append("y = 1.0 if turn == first and me_of_row == by else 0.0")
            lines += ["if writes:", *indented([write_element(rows, j, "y + bad", place, all_there)])]
            lines.append("turn = turn + 1.0")
        return lines

    place = "" if rows.each else "place + "
    lines = [*peak_of_all(rows), "first, by, turn, me_of_row = INF, INF, 0.0, number(lane)"]
    lines += of_all(rows, ("x",), searched)
    lines += [*over_lanes(rows, ("first", "by"), "sooner(first, by, other_first, other_by)"), "turn = 0.0"]
    if rows.each:
        return lines + body(range(rows.each), [], rows.at_least)
    return lines + through_row(rows, body, ("x", "out"))


def sooner(turn, lane, other_turn, other_lane):
    other = other_turn < turn or (other_turn == turn and other_lane < lane)
    return other_turn if other else turn, other_lane if other else lane


# ---- sparsemax and entmax15

SUMS = ("count", "smallest", "linear", "linear_low", "square", "square_low")


def sparse(rows):
    sums = ", ".join(SUMS)
    others = ", ".join(f"other_{name}" for name in SUMS)
    distance = "above(x{0}, peak, top, tau, tau_low)"

    def summed(j):
        return [f"d, d_low = {distance.format(j)}", f"{sums} = include(d, d_low, {sums})"]

    search = [
        f"{sums} = 0.0, INF, 0.0, 0.0, 0.0, 0.0",
        *of_all(rows, ("x",), summed),
        *over_lanes(rows, SUMS, f"join({sums}, {others})"),
        f"tau, tau_low, settled = advance(tau, tau_low, settled, {sums})",
    ]
    return [
        *peak_of_all(rows),
        "top = 0.0 if peak == INF else at_least_finite(peak)",
        "bad = NAN if peak == -INF else bad",
        "tau, tau_low, settled, left = -1.0, 0.0, 2.0 if bad != bad else 0.0, PASSES",
        f"while {rows.any}(settled < 2.0 and left > 0):",
        *indented([*search, "left = left - 1"]),
        "bad = NAN if peak == INF and tau != -1.0 else bad",  # several of them
        *results(rows, ("x",), lambda j: f"finish_pair({distance.format(j)}, bad)"),
    ]


def above(x, peak, top, tau, tau_low):
    """(x - top) * SCALE - tau as a pair, if that is positive, else 0."""
    x = beside_infinity(x) if peak == INF else x
    z, z_low = two_sum(x, -top)
    far = not z > FAR
    z, z_low = 0.0 if far else z * SCALE, 0.0 if far else z_low * SCALE
    d, d_low = two_sum(z, -tau)
    d, d_low = normalise(d, d_low + (z_low - tau_low))
    none = far or not d > 0.0
    return 0.0 if none else d, 0.0 if none else d_low


def include(d, d_low, count, smallest, linear, linear_low, square, square_low):
    count = count + 1.0 if d > 0.0 else count
    smallest = d if 0.0 < d and d < smallest else smallest
    linear, linear_low = add(linear, linear_low, d, d_low)
    m, m_low = moment(d, d_low)
    square, square_low = add(square, square_low, m, m_low)
    return count, smallest, linear, linear_low, square, square_low


def join(count, smallest, a, a_low, b, b_low, other_count, other_smallest, c, c_low, d, d_low):
    least = other_smallest if other_smallest < smallest else smallest
    a, a_low, b, b_low = join_pairs(a, a_low, b, b_low, c, c_low, d, d_low)
    return count + other_count, least, a, a_low, b, b_low


def advance(tau, tau_low, settled, count, smallest, linear, linear_low, square, square_low):
    """The next tau, from the distances of the elements above this one; `settled` is 2 where it is right, 1 but for
    rounding."""
    exact, step = newton(count, linear, linear_low, square, square_low)
    last = exact <= smallest
    step = exact if last else step
    total, rest = two_sum(tau, step)
    now = 2.0 if total == tau else (settled + 1.0 if last else 0.0)
    moving = settled < 2.0
    return total if moving else tau, tau_low + rest if moving else tau_low, now if moving else settled


def finish_pair(pair, bad):
    d, d_low = pair
    return finish(d, d_low) + bad


def no_moment(d, d_low):
    return 0.0, 0.0


def excess(high, low):
    """high + low - 1"""
    high, low = add(high, low, -1.0, 0.0)
    return high + low


def sparsemax_step(count, linear, linear_low, square, square_low):
    step = excess(linear, linear_low) / count
    return step, step


def entmax15_step(count, linear, linear_low, square, square_low):
    """The smaller root of count t**2 - 2 linear t + excess, if there is one; and Newton's step for the 2-norm."""
    over = excess(square, square_low)
    norm = sqrt(1.0 + over)
    square_of_root = linear * linear - count * over
    root = sqrt(square_of_root if square_of_root > 0.0 else 0.0)
    exact = over / (linear + root)
    return exact if square_of_root >= 0.0 else INF, over * norm / ((1.0 + norm) * linear)


def square_of(d, d_low):
    return multiply(d, d_low, d, d_low)


def itself(d, d_low):
    return d + d_low


def squared(d, d_low):
    p, p_low = square_of(d, d_low)
    return p + p_low


# ---- their gradients


def sparse_gradient(rows):
    names, sums = ("gy", "y"), ("linear", "linear_low", "square", "square_low")

    def summed(j):
        return [f"{', '.join(sums)} = include_weighted(gy{j}, y{j}, {', '.join(sums)})"]

    return [
        *held(rows, names),
        f"{', '.join(sums)} = 0.0, 0.0, 0.0, 0.0",
        *of_all(rows, names, summed),
        *over_lanes(rows, sums, f"join_pairs({', '.join(sums)}, {', '.join(f'other_{name}' for name in sums)})"),
        f"mean, mean_low = mean_of({', '.join(sums)})",
        *results(rows, names, lambda j: f"finish_gradient(gy{j}, y{j}, mean, mean_low)"),
    ]


def include_weighted(gy, y, linear, linear_low, square, square_low):
    w, w_low = weight(y)
    none = w == 0.0
    p = 0.0 if none else w * gy
    rest = 0.0 if none else fma(w_low, gy, product_error(w, gy, p))
    linear, linear_low = add(linear, linear_low, p, rest)
    square, square_low = add(square, square_low, w, w_low)
    return linear, linear_low, square, square_low


def join_pairs(a, a_low, b, b_low, c, c_low, d, d_low):
    a, a_low = add(a, a_low, c, c_low)
    b, b_low = add(b, b_low, d, d_low)
    return a, a_low, b, b_low


def mean_of(linear, linear_low, square, square_low):
    linear_low = linear_low if linear_low == linear_low else 0.0
    q, rest, inverse = divide(linear, linear_low, square, square_low)
    low = rest * inverse
    return q, low if low == low else 0.0


def finish_gradient(gy, y, mean, mean_low):
    w, w_low = weight(y)
    d, d_low = two_sum(gy, -mean)
    rest = fma(w, d_low - mean_low, w_low * d)
    y = fma(w, d, rest if rest == rest else 0.0)
    return 0.0 if w == 0.0 else y


def one_where_positive(y):
    return (1.0 if y > 0.0 else 0.0) if y == y else y, 0.0


def root(y):
    w = sqrt(y)
    usual = 0.0 < w and w < INF
    return w, fma(-w, w, y) / (w + w) if usual else 0.0


# ----------------------------------------------------------------------------------------------------

BODIES = {"hardmax": hardmax, "sparsemax": sparse, "entmax15": sparse}
PARTS = {
    "hardmax": {},
    "sparsemax": {"SCALE": 1.0, "moment": no_moment, "newton": sparsemax_step, "finish": itself},
    "entmax15": {"SCALE": 0.5, "moment": square_of, "newton": entmax15_step, "finish": squared},
}
GRADIENT_PARTS = {"sparsemax": {"weight": one_where_positive}, "entmax15": {"weight": root}}


def kernel_of(name, rows, sizes, dtype):
    """As that of `_cuda_rows.py`; there is no temperature."""
    gradient = len(sizes) == 3
    body = sparse_gradient(rows) if gradient else BODIES[name](rows)
    parts = GRADIENT_PARTS[name] if gradient else PARTS[name]
    kind = np.dtype(dtype).type
    parts = {key: kind(part) if isinstance(part, float) else part for key, part in parts.items()}
    names = ("gy", "y") if gradient else ("x",)
    return defined(rows, names, sizes, body, vars(_cuda_rows) | globals()), parts | {"SIGN": kind(1)}


def kernel_over_axes(name, rows, sizes, dtype, scaled, of_halves):
    """The kernel for any function over axes and its parts: of this file, or of `_cuda_rows.py`, which for results of 16
    bits takes parts `of_halves`."""
    if REDUCTIONS[name].sparse:
        return kernel_of(name, rows, sizes, dtype)
    function, parts = _cuda_rows.kernel_of(name, rows, sizes, dtype, scaled)
    return function, of_halves | parts
