"""The CUDA kernels of softmax and its kin, and of their gradients: generated text, in terms of plain functions for
`specialise`, which are in terms of `_math.py`.

Addresses, offsets and steps are bytes, in 64-bit integers. A row is worked on by a number of threads, its lanes, each
of which takes one element in so many. Threads beyond the last row work on that one again, and write nothing: all take
part in every exchange.
"""

from fractions import Fraction
from typing import NamedTuple

import numpy as np

from fastact._math import (
    DOWN,
    EXP_LOW,
    LARGEST,
    MAGIC_UP,
    NAN,
    UP,
    add,
    divide,
    exp_parts,
    exp_tail,
    fabs,
    fma,
    log1p_remainder,
    multiply,
    normalise,
    not_below,
    product_error,
    reduce_exp,
    two_sum,
)
from fastact._specialise import Constant, Primitive

WARP = 32
THREADS = 128  # in a block of several rows
MAX_LANES = 512  # for one row
# (lanes, elements): up to so many lanes a lane has no more than so many elements, if more lanes help. With few lanes
# neighbouring threads are far apart in memory; with many they exchange more often.
LIMITS = ((4, 5), (32, 12))
MOST = 20  # elements of 4 bytes that a lane can hold
HELD = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32)  # so many elements: each is a kernel of its own
UNROLL = 16  # elements that a lane has under way together, of a row that is read twice
MANY = 2**17  # threads keep a device busy

thread = Primitive("thread", "the number of this thread in its block")
block = Primitive("block", "the number of this block")
quotient = Primitive("quotient", "of two integers that are not negative")
maximum = Primitive("maximum", "of two numbers; that one which is not NaN, if one is")
load = Primitive("load", "the number at an address, in the dtype of the kernel")
load_gradient = Primitive("load_gradient", "the same for gy, which may be stored in another dtype")
store = Primitive("store", "store(address, value)")
shuffle = Primitive("shuffle", "shuffle(value, distance): the value of the thread `thread() ^ distance`, in this warp")
put = Primitive("put", "put(k, value): into the block's shared memory")
get = Primitive("get", "get(k): out of it")
barrier = Primitive("barrier", "wait for all threads of the block")
approximate_log = Primitive("approximate_log", "the logarithm, to a few units in the last place")

SIGN = Primitive("SIGN", "1.0; -1.0 for softmin")
difference = Primitive("difference", "difference(x, m, r, r_low): (x - m) / temperature, as a pair")
include = Primitive("include", "include(x, m, p, ones, high, low): the sums with the term of x")
normaliser = Primitive("normaliser", "normaliser(ones, high, low, m, peak): what `finish` needs of a row, as a pair")
finish = Primitive("finish", "finish(x, m, p, q, q_low, r, r_low): the result, from an element or its term")
summand = Primitive("summand", "summand(gy, y): what the gradient's sum is over, as a pair")
finish_gradient = Primitive("finish_gradient", "finish_gradient(gy, y, high, low, r, r_low): the result")

INF = Constant(float("inf"), float("inf"))
SMALL = Constant(0.34, 0.34)  # within the interval of log1p_remainder


class Rows(NamedTuple):
    """How the rows of a reduction are worked on, as far as it is known when a kernel is compiled.

    A row has `lanes` threads, and a block `block_rows` rows; both are powers of two. `across`: neighbouring threads are
    of different rows, as neighbours in memory are; otherwise of one row. `each`: so many elements of a row are held in
    registers by a lane, from one reading to the writing; 0: the row is too long for that, and is read twice.
    `at_least`: those that no lane lacks. `adjacent`: a row's elements are neighbours in memory.
    """

    lanes: int
    block_rows: int
    across: bool
    each: int
    at_least: int
    adjacent: bool
    n_kept: int  # dimensions that rows are in
    n_reduced: int  # dimensions of a row

    @property
    def threads(self):
        return self.lanes * self.block_rows

    @property
    def slots(self):
        """What lanes exchange by way of shared memory: so many threads or warps have something to say."""
        if self.across:
            return self.threads if self.lanes > 1 else 0
        return self.lanes // WARP if self.lanes > WARP else 0


def arranged(count, length, across, adjacent, most, n_kept, n_reduced):
    """The Rows for `count` of them, of this length, of which a lane can hold `most` elements."""

    def each(lanes):
        return -(-length // lanes)

    def more(lanes, limit, most_lanes):
        while lanes < most_lanes and (each(lanes) > limit or (count * lanes < MANY and each(lanes) > LIMITS[0][1])):
            lanes *= 2
        return lanes

    if across:
        lanes = more(1, most, MAX_LANES // WARP)
        if each(lanes) > most:
            lanes = more(1, length, MAX_LANES // WARP)
        block_rows = max(WARP, THREADS // lanes)
    else:
        lanes = 1
        for most_lanes, limit in (*LIMITS, (MAX_LANES, most)):
            lanes = more(lanes, min(limit, most), most_lanes)
        block_rows = THREADS // lanes if lanes <= WARP else 1
    if each(lanes) > most:
        return Rows(lanes, block_rows, across, 0, 0, adjacent, n_kept, n_reduced)
    held = min(n for n in HELD if n >= each(lanes))
    fewer = max((n for n in HELD if n < held), default=0)
    at_least = held if length == held * lanes else fewer
    return Rows(lanes, block_rows, across, held, at_least, adjacent, n_kept, n_reduced)


def offset(index, sizes, steps):
    """Where element number `index` of an array of these sizes is."""
    result = 0
    for k in range(len(sizes) - 1, 0, -1):
        rest = quotient(index, sizes[k])
        result += (index - rest * sizes[k]) * steps[k]
        index = rest
    return result + index * steps[0]


# A row's sum of e**(x - m) is `ones`, terms that are exactly 1 and are counted apart where their number matters,
# and (high + low) / UP, all others.


def exp(x, x_low):
    """e**(x + x_low) * UP, to three quarters of a unit in the last place, for x <= 0."""
    s, n, r = reduce_exp(EXP_LOW if x < EXP_LOW else x, MAGIC_UP)
    return (1.0 + (r + exp_tail(n, r, x_low))) * s


def difference_itself(x, m, r, r_low):
    return two_sum(x, -m)


def scaled_difference(x, m, r, r_low):
    d, d_low = two_sum(x, -m)
    return multiply(d, d_low, r, r_low)


def term(x, m, r, r_low):
    """e**((x - m) / temperature) * UP, for x <= m; the difference's rounding error is carried along."""
    d, d_low = difference(x, m, r, r_low)
    return exp(d, d_low if d > EXP_LOW else 0.0)


def with_every(x, m, p, ones, high, low):
    """The sum with the term of x added."""
    high, rest = two_sum(high, p)
    return ones, high, low + rest


def with_ones_apart(x, m, p, ones, high, low):
    same = x == m
    high, rest = two_sum(high, 0.0 if same else p)
    return (ones + 1.0 if same else ones), high, low + rest


def raised(m, ones, high, low, top, r, r_low):
    """The same sum for a maximum `top` that is more than m."""
    d, d_low = difference(m, top, r, r_low)
    factor, factor_low, s = exp_parts(not_below(d, EXP_LOW), d_low if d > EXP_LOW else 0.0)
    total, total_low = two_sum(high, ones * UP)
    total_low = total_low + low
    p = total * factor
    p_low = product_error(total, factor, p) + fma(total, factor_low, total_low * factor)
    power = s * DOWN
    return 0.0, p * power, p_low * power


def at_least_finite(m):
    return -LARGEST if m < -LARGEST else m


def beside_infinity(x):
    """Where a row has inf: 0 for that, -inf for all else, which has the same softmax."""
    return 0.0 if x == INF else x - INF


def _indented(lines):
    return ["    " + line for line in lines]


def _over_lanes(rows, values, combine):
    """Lines that make `values`, names of variables, those of all lanes together: the same, to the bit, for each lane.
    `combine` is the text of what makes one of two, with `other_` before the names of the second."""
    others = [f"other_{name}" for name in values]
    both = f"{', '.join(values)} = {combine}"

    def butterfly(count):
        distance = 1
        while distance < count:
            yield from (f"{other} = shuffle({name}, {distance})" for name, other in zip(values, others, strict=True))
            yield both
            distance *= 2

    def put_all(place):
        return [f"put({k * rows.slots} + {place}, {name})" for k, name in enumerate(values)] + ["barrier()"]

    def get_all(names, place):
        return [f"{name} = get({k * rows.slots} + {place})" for k, name in enumerate(names)]

    if rows.across:
        if rows.lanes == 1:
            return []
        lines = put_all("me") + get_all(values, "column")
        for k in range(1, rows.lanes):
            lines += [*get_all(others, f"{k * rows.block_rows} + column"), both]
        return [*lines, "barrier()"]
    lines = list(butterfly(min(rows.lanes, WARP)))
    if rows.lanes > WARP:
        lines += put_all(f"quotient(me, {WARP})")
        lines += [*get_all(values, f"(me & {rows.slots - 1})"), "barrier()", *butterfly(rows.slots)]
    return lines


def _place(rows, arrays, steps_of):
    """Lines that find a thread's row and lane, and where its first element is, in the arrays that have steps there."""
    if rows.across:
        lines = [f"column = me & {rows.block_rows - 1}", f"lane = quotient(me, {rows.block_rows})"]
    else:
        lines = [f"column = quotient(me, {rows.lanes})", f"lane = me & {rows.lanes - 1}"]
    lines = ["me = thread()", *lines, f"row = block() * {rows.block_rows} + column", "writes = row < rows"]
    lines.append("row = row if writes else rows - 1")
    lines += [f"{name} = {name} + offset(row, row_sizes, {name}_row_steps)" for name in arrays]
    if rows.n_reduced == 1:
        for name, size in steps_of.items():
            lines.append(f"{name}_step = {size if rows.adjacent else f'{name}_steps[0]'}")
            lines += [f"{name} = {name} + lane * {name}_step", f"{name}_step = {name}_step * {rows.lanes}"]
    return lines


def _read(rows, names, j, place=""):
    """Lines that read a lane's element j, counted from `place` on; beyond the row's end one that changes nothing."""
    loads = {"x": ("SIGN * load", "-INF"), "y": ("load", "0.0"), "gy": ("load_gradient", "0.0")}
    for name in names:
        load, nothing = loads[name]
        there = "" if j < rows.at_least else f" if {place}lane + {j * rows.lanes} < length else {nothing}"
        yield f"{name}{j} = {load}({_address(rows, name, j, place)}){there}"


def _write(rows, j, result, place=""):
    line = f"store({_address(rows, 'out', j, place)}, {result})"
    return line if j < rows.at_least else f"if {place}lane + {j * rows.lanes} < length: {line}"


def _address(rows, name, j, place):
    if rows.n_reduced > 1:
        return f"{name} + offset({place}lane + {j * rows.lanes}, sizes, {name}_steps)"
    return f"{name} + {j} * {name}_step"


SUMS = {False: ("ones", "high", "low"), True: ("high", "low")}
NO_SUMS = {sums: f"{', '.join(sums)} = {', '.join(['0.0'] * len(sums))}" for sums in SUMS.values()}


def _term(j):
    return f"p{j} = term(x{j}, base, r, r_low)"


def _included(gradient, j):
    """Lines that add what element j contributes to the sums of a row."""
    if gradient:
        return [f"p, p_low = summand(gy{j}, y{j})", "high, low = add(high, low, p, p_low)"]
    return [_term(j), f"ones, high, low = include(x{j}, base, p{j}, ones, high, low)"]


def _sums_of_all_lanes(rows, gradient):
    if gradient:
        lines = _over_lanes(rows, SUMS[gradient], "add(high, low, other_high, other_low)")
        return [*lines, "low = low if low == low else 0.0"]  # where the sum is infinite
    lines = _over_lanes(rows, SUMS[gradient], "both(ones, high, low, other_ones, other_high, other_low)")
    return [*lines, "q, q_low = normaliser(ones, high, low, base, peak)"]


def _result_of(gradient, j):
    if gradient:
        return f"finish_gradient(gy{j}, y{j}, high, low, r, r_low)"
    return f"finish(x{j}, base, p{j}, q, q_low, r, r_low)"


ONE_RESULT = ["if writes and lane == 0:", "    store(out, q + q_low)"]


def _held(rows, names, gradient, single):
    """Every element is read once."""
    elements = range(rows.each)
    lines = [line for j in elements for line in _read(rows, names, j)]
    if not gradient:
        lines += ["peak = x0", *(f"peak = maximum(peak, x{j})" for j in elements[1:])]
        lines += _over_lanes(rows, ("peak",), "maximum(peak, other_peak)")
        lines += ["m = at_least_finite(peak)", *_beside(elements)]
    lines += [NO_SUMS[SUMS[gradient]], *(line for j in elements for line in _included(gradient, j))]
    lines += _sums_of_all_lanes(rows, gradient)
    if single:
        return lines + ONE_RESULT
    return [*lines, "if writes:", *_indented(_write(rows, j, _result_of(gradient, j)) for j in elements)]


def _streamed(rows, names, gradient, single):
    """A row is read for its sums, with a maximum that may still rise, and once more for the results, unless it has but
    one."""
    elements = range(UNROLL)
    read = [line for j in elements for line in _read(rows, names, j, "place + ")]
    once = [NO_SUMS[SUMS[gradient]]]
    first, second = list(read), list(read)
    if not gradient:
        once += ["peak = -INF", "m = -LARGEST"]
        first += ["top = x0", *(f"top = maximum(top, x{j})" for j in elements[1:]), "peak = maximum(peak, top)"]
        first += [*_risen("top"), *_beside(elements)]
        second += [*_beside(elements), *(_term(j) for j in elements)]
    first += [line for j in elements for line in _included(gradient, j)]
    second += ["if writes:", *_indented(_write(rows, j, _result_of(gradient, j), "place + ") for j in elements)]

    def through(body, arrays):
        forward = [f"{name} = {name} + {UNROLL} * {name}_step" for name in arrays] if rows.n_reduced == 1 else []
        return [f"for place in range(0, length, {UNROLL * rows.lanes}):", *_indented([*body, *forward])]

    between = []
    if not gradient:
        between += [*_over_lanes(rows, ("peak",), "maximum(peak, other_peak)"), *_risen("peak"), *_beside()]
    between += _sums_of_all_lanes(rows, gradient)
    if single:
        return [*once, *through(first, names), *between, *ONE_RESULT]
    starts = [(name, f"{name}_start") for name in names]
    return [
        *once,
        *(f"{start} = {name}" for name, start in starts),
        *through(first, names),
        *between,
        *(f"{name} = {start}" for name, start in starts),
        *through(second, (*names, "out")),
    ]


def _risen(top):
    return [
        f"if {top} > m:",
        f"    ones, high, low = raised(m, ones, high, low, {top}, r, r_low)",
        f"    m = {top}",
    ]


def _beside(elements=()):
    """Lines that say what terms are beside: the maximum, unless that is inf."""
    return ["base = m", "if m == INF:", "    base = 0.0", *(f"    x{j} = beside_infinity(x{j})" for j in elements)]


def kernel(rows, sizes, gradient=False, single=False, scaled=False):
    """A kernel for softmax and its kin, or of their gradients, to be specialised. `sizes` are those of an element of
    each array; `single`: a row has but one result; `scaled`: by a temperature. Arguments: the addresses; if scaled,
    what `factor` gives; the number and the length of rows; the sizes of the dimensions that rows are in, and the steps
    of each array there; and the same within a row."""
    names = ("gy", "y") if gradient else ("x",)
    arrays = dict(zip((*names, "out"), sizes, strict=True))
    arguments = [*arrays, *("r", "r_low") * scaled, "rows", "length", "row_sizes"]
    arguments += [*(f"{name}_row_steps" for name in arrays), "sizes", *(f"{name}_steps" for name in arrays)]
    body = [] if scaled else ["r, r_low = 1.0, 0.0"]
    body += _place(rows, arrays, {name: arrays[name] for name in names} if single else arrays)
    body += (_held if rows.each else _streamed)(rows, names, gradient, single)
    scope = dict(globals())
    exec("\n".join([f"def reduce_rows({', '.join(arguments)}):", *_indented(body)]), scope)
    return scope["reduce_rows"]


def factor(temperature, dtype):
    """1 / temperature as a pair in the dtype, neither infinite nor 0; as `factor_for` in _kernels.pyx."""
    limits = np.finfo(dtype)
    inverse = min(1 / Fraction(temperature), Fraction(float(limits.max)))
    inverse = max(inverse, Fraction(float(limits.smallest_subnormal)))
    r = limits.dtype.type(float(inverse))
    return r, limits.dtype.type(float(inverse - Fraction(float(r))))


def both(ones, high, low, more_ones, more_high, more_low):
    """The sums of two parts of a row; commutative, to the bit."""
    high, low = add(high, low, more_high, more_low)
    return ones + more_ones, high, low


def total_of(ones, high, low):
    total, total_low = two_sum(ones, high * DOWN)
    return normalise(total, fma(low, DOWN, total_low))


def nan_unless(peak, total):
    """0, or NaN for a row without a number, or with inf more than once: `total` says how often."""
    return 0.0 if peak > -INF and (peak < INF or total == 1.0) else NAN


def inverse_sum(ones, high, low, m, peak):
    """1 / sum, as a pair."""
    total, total_low = total_of(ones, high, low)
    q, rest, inverse = divide(1.0, 0.0, total, total_low)
    return q + nan_unless(peak, total), rest * inverse


def share(x, m, p, q, q_low, r, r_low):
    """p (q + q_low), rounded once more where it is subnormal."""
    return fma(p, q, p * q_low) * DOWN


def log_of_sum(ones, high, low):
    """log(sum), as a pair."""
    # beside 1 the logarithm of 1 + f, with all digits of f
    high, low = normalise(high, low)
    f = high * DOWN
    near_low = fma(f * f, log1p_remainder(f), low * DOWN)
    # elsewhere a step of Newton's method, from an approximation p: log s = p + (s e**-p - 1)
    total, total_low = total_of(ones, high, low)
    p = approximate_log(total)
    e, e_low, s = exp_parts(not_below(-p, EXP_LOW), -0.0)
    power = s * DOWN
    scaled = total * power
    rest = fma(scaled, e, -1.0) + fma(scaled, e_low, total_low * power * e)
    near = ones == 1.0 and f < SMALL
    return f if near else p, near_low if near else rest


def log_alone(ones, high, low, m, peak):
    q, q_low = log_of_sum(ones, high, low)
    return q + nan_unless(peak, total_of(ones, high, low)[0]), q_low


def level(ones, high, low, m, peak):
    """m + log(sum), as a pair."""
    q, q_low = log_alone(ones, high, low, m, peak)
    return add(m, 0.0, q, q_low)


def level_or_infinity(ones, high, low, m, peak):
    """The same, which has a limit at infinities."""
    infinite = fabs(peak) == INF
    q, q_low = log_of_sum(ones, high, low)
    q, q_low = add(m, 0.0, q, q_low)
    return high + peak if infinite else q, 0.0 if infinite else q_low


def log_share(x, m, p, q, q_low, r, r_low):
    """x - (q + q_low); where it is small the first difference is exact."""
    return (x - q) - q_low


def scaled_log_share(x, m, p, q, q_low, r, r_low):
    """(x - m) / temperature - (q + q_low); none of these is positive but the last."""
    d, d_low = difference(x, m, r, r_low)
    rest = d_low - q_low
    return (d - q) + (rest if rest == rest else 0.0)


# ---- their gradients -------------------------------------------------------------------------------


def product(gy, y):
    p = gy * y
    return p, product_error(gy, y, p)


def alone(gy, y):
    return gy, 0.0


def softmax_gradient(gy, y, high, low, r, r_low):
    """y (gy - sum(gy y)); its negative where SIGN is -1."""
    d, rest = two_sum(gy, -high)
    rest = rest - low
    y = SIGN * y
    return fma(y, d, y * (rest if rest == rest else 0.0))


def log_softmax_gradient(gy, y, high, low, r, r_low):
    """gy - e**y sum(gy)."""
    return fma(-(exp(y, -0.0) * DOWN), high + low, gy)


def scaled_softmax_gradient(gy, y, high, low, r, r_low):
    return softmax_gradient(gy, fma(y, r, y * r_low), high, low, r, r_low)


def scaled_log_softmax_gradient(gy, y, high, low, r, r_low):
    return r * log_softmax_gradient(gy, y, high, low, r, r_low)


# name -> what makes the kernel that of this function
PARTS = {
    "softmax": {"SIGN": 1.0, "include": with_every, "normaliser": inverse_sum, "finish": share},
    "softmin": {"SIGN": -1.0, "include": with_every, "normaliser": inverse_sum, "finish": share},
    "log_softmax": {"SIGN": 1.0, "include": with_ones_apart, "normaliser": level, "finish": log_share},
    "logsumexp": {"SIGN": 1.0, "include": with_ones_apart, "normaliser": level_or_infinity},
}
GRADIENT_PARTS = {
    "softmax": {"SIGN": 1.0, "summand": product, "finish_gradient": softmax_gradient},
    "softmin": {"SIGN": -1.0, "summand": product, "finish_gradient": softmax_gradient},
    "log_softmax": {"SIGN": 1.0, "summand": alone, "finish_gradient": log_softmax_gradient},
}
SINGLE = ("logsumexp",)  # with one result for a row, and no temperature
# what is instead of these parts at a temperature
SCALED = {
    difference_itself: scaled_difference,
    level: log_alone,
    log_share: scaled_log_share,
    softmax_gradient: scaled_softmax_gradient,
    log_softmax_gradient: scaled_log_softmax_gradient,
}


def kernel_of(name, rows, sizes, dtype, scaled):
    """The kernel for a function, or with the sizes of three arrays for its gradient; and what it is to be specialised
    with, besides the compiler's own."""
    gradient = len(sizes) == 3
    parts = {"difference": difference_itself} | (GRADIENT_PARTS if gradient else PARTS)[name]
    if scaled:
        parts = {key: SCALED.get(part, part) for key, part in parts.items()}
    parts["SIGN"] = np.dtype(dtype).type(parts["SIGN"])
    return kernel(rows, sizes, gradient, name in SINGLE, scaled), parts
