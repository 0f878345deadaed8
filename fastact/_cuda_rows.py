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
    INF,
    LARGEST,
    LOG2E,
    MAGIC_UP,
    NAN,
    ROUND,
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
from fastact._table import REDUCTIONS

WARP = 32
THREADS = 128  # in a block of several rows
MAX_SLOTS = 32  # of `Rows`, where there is one row to a block
EXCHANGED = 6  # numbers at most of each
MAX_LANES = 512  # for one row that is held
STREAMING_LANES = 1024  # for one that is not: the fewer are under way, the more of them the second cache has
# (lanes, elements): up to so many lanes a lane has no more than so many elements, if more lanes help. With few lanes
# neighbouring threads are far apart in memory; with many they exchange more often.
LIMITS = ((4, 5), (32, 12))
LIMITS_OF_HALVES = ((4, 5), (32, 5))  # of two bytes: a warp's are far apart sooner
MOST = 20  # elements of 4 bytes that a lane can hold
HELD = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32)  # so many elements: each is a kernel of its own
# Threads that a multiprocessor shall have registers for at the same time, in float32, where a lane holds that many
# elements or fewer; and otherwise.
RESIDENT = (12, 1280), 1024
UNROLL = 16  # elements that a lane has under way together, of a row that is not held
UNROLL_REST = 4  # the same of what is left over, and of what is read again
MANY = 2**17  # threads keep a device busy
SHARED = ("float16", "bfloat16", "float32", "float64")  # what may be kept in shared memory, and be itself again

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
keep = Primitive("keep", "keep(k, value): a number that was loaded, into shared memory, for this thread alone")
kept = Primitive("kept", "kept(k): out of it")
barrier = Primitive("barrier", "wait for all threads of the block")
any_in_block = Primitive("any_in_block", "whether this is true for any thread of the block; all of them ask")
any_in_warp = Primitive("any_in_warp", "the same of the warp")
approximate_log = Primitive("approximate_log", "the logarithm, to a few units in the last place")

SIGN = Primitive("SIGN", "1.0; -1.0 for softmin")
origin = Primitive("origin", "origin(top): what terms are relative to, as (c, magic, lowest)")
difference = Primitive("difference", "difference(x, c, lowest, r, r_low): (x - c) / temperature from lowest on, a pair")
normaliser = Primitive("normaliser", "normaliser(high, low, top, peak): what `finish` needs of a row, as a pair")
finish = Primitive("finish", "finish(x, s, u, top, q, q_low, r, r_low): the result, from an element or its term")
summand = Primitive("summand", "summand(gy, y): what the gradient's sum is over, as a pair")
finish_gradient = Primitive("finish_gradient", "finish_gradient(gy, y, high, low, r, r_low): the result")

FAR = Constant(262.0, 2000.0)  # twice EXP_LOW
START = Constant(2.0**65, 2.0**513)  # more than any term
SMALLEST_START = Constant(2.0**-62, 2.0**-540)  # results vanish beside it
ERROR_OF_SUM = Constant(2.0**-32, 2.0**-80)  # as a share of `start`, generously
SMALL = Constant(0.34, 0.34)  # within the interval of log1p_remainder


class Rows(NamedTuple):
    """How the rows of a reduction are worked on, as far as it is known when a kernel is compiled.

    A row has `lanes` threads, and a block `block_rows` rows; both are powers of two. `across`: neighbouring threads are
    of different rows, as neighbours in memory are; otherwise of one row. `each`: so many elements of a row are held in
    registers by a lane, from one reading to the writing; 0: the row is too long for that, and is read again, out of
    shared memory if it is `shared`. `at_least`: those that no lane lacks. `adjacent`: a row's elements are neighbours
    in memory.
    """

    lanes: int
    block_rows: int
    across: bool
    each: int
    at_least: int
    adjacent: bool
    n_kept: int  # dimensions that rows are in
    n_reduced: int  # dimensions of a row
    shared: bool = False

    def room(self, length):
        """Elements of a row, in shared memory."""
        return _rounded_up(length, self.lanes) if self.shared else 0

    @property
    def threads(self):
        return self.lanes * self.block_rows

    @property
    def resident(self):
        (few, threads), fewer_threads = RESIDENT
        return threads if 0 < self.each <= few else fewer_threads

    @property
    def any(self):
        """Which of the primitives asks at least all lanes of each row."""
        return "any_in_block" if self.slots else "any_in_warp"

    @property
    def slots(self):
        """What lanes exchange by way of shared memory: so many threads or warps have something to say."""
        if self.across:
            return self.threads if self.lanes > 1 else 0
        return self.lanes // WARP if self.lanes > WARP else 0


def _rounded_up(length, lanes):
    """The number of elements that loops over a row touch."""
    return -(-length // (UNROLL_REST * lanes)) * UNROLL_REST * lanes


def arranged(count, length, across, adjacent, most, n_kept, n_reduced, room=0, halves=False):
    """The Rows for `count` of them, of this length, of which a lane can hold `most` elements, and the shared memory of
    a multiprocessor so many as there is `room`; `halves`: elements of two bytes."""
    limits = LIMITS_OF_HALVES if halves else LIMITS

    def each(lanes):
        return -(-length // lanes)

    def more(lanes, limit, most_lanes):
        while lanes < most_lanes and (each(lanes) > limit or (count * lanes < MANY and each(lanes) > limits[0][1])):
            lanes *= 2
        return lanes

    if across:
        lanes = more(1, most, MAX_LANES // WARP)
        if each(lanes) > most:
            lanes = more(1, length, MAX_LANES // WARP)
        block_rows = max(WARP, THREADS // lanes)
    else:
        lanes = 1
        for most_lanes, limit in (*limits, (MAX_LANES, most)):
            lanes = more(lanes, min(limit, most), most_lanes)
        block_rows = THREADS // lanes if lanes <= WARP else 1
    if each(lanes) > most:
        shared = not across and 2 * _rounded_up(length, MAX_LANES) <= room  # one row at a time would be slower
        if not across:
            lanes = MAX_LANES if shared else STREAMING_LANES
        return Rows(lanes, block_rows, across, 0, 0, adjacent, n_kept, n_reduced, shared)
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


# The terms of a row are e**(x - c) * 2**-k * UP, where k makes that of the maximum about UP, and c makes the difference
# exact wherever the term is not 0: nothing, or the maximum itself where it is so large that all others of interest are
# within a factor of 2 of it (P. H. Sterbenz). `magic` has k in it.


def power(x, x_low, magic):
    """e**(x + x_low) * UP * 2**-k = (1 + u) s, and the same rounded, as (p, s, u)."""
    s, n, r = reduce_exp(x, magic)
    u = r + exp_tail(n, r, x_low)
    return (1.0 + u) * s, s, u


def exact_origin(top):
    c = 0.0 if fabs(top) < FAR else top
    d = top - c
    return c, MAGIC_UP - (fma(d, LOG2E, ROUND) - ROUND), d + EXP_LOW


def exact_difference(x, c, lowest, r, r_low):
    return not_below(x - c, lowest), -0.0


def scaled_origin(top):
    return top, MAGIC_UP, EXP_LOW


def scaled_by(x, top, r, r_low):
    scale, r, r_low = within_range(r, r_low)
    d, d_low = two_sum(x * scale, -top * scale)
    return multiply(d, d_low, r, r_low)


def within_range(r, r_low):
    """What numbers are scaled by first, and the rest of that factor: the difference of large numbers may overflow where
    its quotient does not."""
    small = r <= 1.0
    return 0.5 if small else 1.0, r + r if small else r, r_low + r_low if small else r_low


def scaled_difference(x, c, lowest, r, r_low):
    d, d_low = scaled_by(x, c, r, r_low)
    return not_below(d, lowest), d_low if d > lowest else 0.0


def term(x, c, magic, lowest, r, r_low):
    d, d_low = difference(x, c, lowest, r, r_low)
    return power(d, d_low, magic)


def include(p, s, u, high, low):
    """The sum high + low with the term (1 + u) s added, of which p is what is rounded and at most `high`: that begins
    with `start`. Both differences are exact, the second since s is a power of two near to what it is taken from."""
    total = high + p
    return total, low + fma(u, s, s - (total - high))


def largest_term(top, c, magic, lowest, r, r_low):
    """The maximum's term, as a pair."""
    _, s, u = term(top, c, magic, lowest, r, r_low)
    high = fma(u, s, s)
    return high, fma(u, s, s - high)


def quotient_of_pairs(a, a_low, b, b_low):
    q, rest, inverse = divide(a, a_low, b, b_low)
    return q, rest * inverse


def stands_alone(high, low, start):
    """Whether so little of `start` is in a sum that its digits are few; and more can be had."""
    return high + low < start * 2.0**-12 and start > SMALLEST_START


def lower_start(high, low, start):
    """More than any term of that sum."""
    return not_below(not_below(4.0 * (high + low), start * ERROR_OF_SUM), SMALLEST_START)


def at_least_finite(m):
    return -LARGEST if m < -LARGEST else m


def beside_infinity(x):
    """Where a row has inf: 0 for that, -inf for all else, which has the same softmax."""
    return 0.0 if x == INF else x - INF


def indented(lines):
    return ["    " + line for line in lines]


def over_lanes(rows, values, combine):
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


def find_place(rows, arrays, steps_of):
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


def read_element(rows, names, j, place="", all_there=0, first=0):
    """Lines that read a lane's element j, counted from `place` on, into the variable of element first + j; beyond the
    row's end one that changes nothing. So many elements are `all_there`."""
    loads = {"x": ("SIGN * load", "-INF"), "y": ("load", "0.0"), "gy": ("load_gradient", "0.0")}
    for name in names:
        load, nothing = loads[name]
        there = "" if j < all_there else f" if {place}lane + {j * rows.lanes} < length else {nothing}"
        yield f"{name}{first + j} = {load}({_address(rows, name, j, place)}){there}"


def write_element(rows, j, result, place="", all_there=0):
    line = f"store({_address(rows, 'out', j, place)}, {result})"
    return line if j < all_there else f"if {place}lane + {j * rows.lanes} < length: {line}"


def _address(rows, name, j, place):
    if rows.n_reduced > 1:
        return f"{name} + offset({place}lane + {j * rows.lanes}, sizes, {name}_steps)"
    return f"{name} + {j} * {name}_step"


SUM = ("high", "low")
ONE_RESULT = ["if writes and lane == 0:", "    store(out, q + q_low)"]


def _term(j):
    return f"p{j}, s{j}, u{j} = term(x{j}, c, magic, lowest, r, r_low)"


def _sum_of_all_lanes(rows):
    return over_lanes(rows, SUM, "add(high, low, other_high, other_low)")


def _peak_of_all_lanes(rows):
    """Lines that make of the lanes' maxima the row's, and what terms are relative to."""
    return [
        *over_lanes(rows, ("peak",), "maximum(peak, other_peak)"),
        "top = 0.0 if peak == INF else at_least_finite(peak)",
        "c, magic, lowest = origin(top)",
    ]


def _beside(elements):
    return ["if peak == INF:", *(f"    x{j} = beside_infinity(x{j})" for j in elements)]


def _summed(j):
    return [_term(j), f"high, low = include(p{j}, s{j}, u{j}, high, low)"]


def _result(j):
    return f"finish(x{j}, s{j}, u{j}, top, q, q_low, r, r_low)"


def _logarithm(rows):
    """Lines that make of a sum that of all but the maximum, as a share of it, with all digits: where it is so small
    that they are lost beside START, it is made again, without the maximum."""

    def others(elements, read):
        return [*read, *_beside(elements), *(line for j in elements for line in _other(j))]

    return [
        "e, e_low = largest_term(top, c, magic, lowest, r, r_low)",
        "high, low = add(high, low, -e, -e_low)",
        "start = START",
        f"while {rows.any}(stands_alone(high, low, start)):",
        *indented(
            [
                "mine = stands_alone(high, low, start)",
                "start = lower_start(high, low, start) if mine else start",
                "sum, rest = high, low",
                "high, low = start, 0.0",
                *_through_few(rows, others, ("x",)),
                "high = high - start",
                *_sum_of_all_lanes(rows),
                "high, low = high if mine else sum, low if mine else rest",
            ]
        ),
        "high, low = quotient_of_pairs(high, low, e, e_low)",
    ]


def _other(j):
    without = f"p{j}, s{j} = 0.0 if x{j} == top else p{j}, 0.0 if x{j} == top else s{j}"
    return [_term(j), without, *_summed(j)[1:]]


def _held(rows, names, single, logarithmic):
    """Every element is read once."""
    elements = range(rows.each)
    lines = [line for j in elements for line in read_element(rows, names, j, all_there=rows.at_least)]
    lines += ["peak = x0", *(f"peak = maximum(peak, x{j})" for j in elements[1:])]
    lines += [*_peak_of_all_lanes(rows), *_beside(elements)]
    lines += ["high, low = START, 0.0", *(line for j in elements for line in _summed(j)), "high = high - START"]
    lines += [*_sum_of_all_lanes(rows), *(_logarithm(rows) if logarithmic else ()), NORMALISER]
    if single:
        return lines + ONE_RESULT
    return [
        *lines,
        "if writes:",
        *indented(write_element(rows, j, _result(j), all_there=rows.at_least) for j in elements),
    ]


def _streamed(rows, names, single, logarithmic):
    """A row is read for its maximum, for its sum, and, unless it has but one result, for the results."""

    def place(j):
        return f"place + lane + {j * rows.lanes}"

    def again(elements, read):
        return [f"x{j} = kept({place(j)})" for j in elements] if rows.shared else read

    def for_maximum(elements, read):
        puts = [f"keep({place(j)}, x{j})" for j in elements] if rows.shared else []
        return [*read, *puts, *(f"peak = maximum(peak, x{j})" for j in elements)]

    def for_sum(elements, read):
        return [*again(elements, read), *_beside(elements), *(line for j in elements for line in _summed(j))]

    def for_results(elements, read, all_there):
        written = (write_element(rows, j, _result(j), "place + ", all_there) for j in elements)
        lines = [*again(elements, read), *_beside(elements), *(_term(j) for j in elements)]
        return [*lines, "if writes:", *indented(written)]

    read_again = () if rows.shared else names
    lines = ["peak = -INF", *through_row(rows, for_maximum, names), *_peak_of_all_lanes(rows)]
    lines += ["high, low = START, 0.0", *through_row(rows, for_sum, read_again), "high = high - START"]
    lines += [*_sum_of_all_lanes(rows), *(_logarithm(rows) if logarithmic else ()), NORMALISER]
    return lines + (ONE_RESULT if single else through_row(rows, for_results, (*read_again, "out")))


def _summed_gradient(j):
    return [f"p, p_low = summand(gy{j}, y{j})", "high, low = add(high, low, p, p_low)"]


def _result_of_gradient(j):
    return f"finish_gradient(gy{j}, y{j}, high, low, r, r_low)"


def _held_gradient(rows, names):
    elements = range(rows.each)
    lines = [line for j in elements for line in read_element(rows, names, j, all_there=rows.at_least)]
    lines += ["high, low = 0.0, 0.0", *(line for j in elements for line in _summed_gradient(j))]
    lines += [*_sum_of_all_lanes(rows), INFINITE_SUM, "if writes:"]
    return lines + indented(write_element(rows, j, _result_of_gradient(j), all_there=rows.at_least) for j in elements)


def _streamed_gradient(rows, names):
    def for_sum(elements, read):
        return [*read, *(line for j in elements for line in _summed_gradient(j))]

    def for_results(elements, read, all_there):
        written = (write_element(rows, j, _result_of_gradient(j), "place + ", all_there) for j in elements)
        return [*read, "if writes:", *indented(written)]

    lines = ["high, low = 0.0, 0.0", *through_row(rows, for_sum, names), *_sum_of_all_lanes(rows), INFINITE_SUM]
    return lines + through_row(rows, for_results, (*names, "out"))


NORMALISER = "q, q_low = normaliser(high, low, top, peak)"
INFINITE_SUM = "low = low if low == low else 0.0"


def through_row(rows, body, arrays):
    """Lines that do `body` for all elements of a lane, so many together, and leave addresses as they were."""
    whole = f"length - length % {UNROLL * rows.lanes}"
    loops = [
        *_loop(rows, body, arrays, "0", whole, UNROLL, UNROLL),
        *_loop(rows, body, arrays, whole, "length", UNROLL_REST, 0),
    ]
    return _from_the_start(rows, loops, arrays)


def _through_few(rows, body, arrays):
    return _from_the_start(rows, _loop(rows, body, arrays, "0", "length", UNROLL_REST, 0), arrays)


def _from_the_start(rows, lines, arrays):
    if rows.n_reduced > 1:
        return lines
    return [
        *(f"{name}_start = {name}" for name in arrays),
        *lines,
        *(f"{name} = {name}_start" for name in arrays),
    ]


def _loop(rows, body, arrays, first, last, together, all_there):
    elements = range(rows.each, rows.each + together)  # beside those that are held
    names = [name for name in arrays if name != "out"]
    read = [line for j in range(together) for line in read_element(rows, names, j, "place + ", all_there, rows.each)]
    lines = body(elements, read, all_there) if "out" in arrays else body(elements, read)
    if rows.n_reduced == 1:
        lines = [*lines, *(f"{name} = {name} + {together} * {name}_step" for name in arrays)]
    return [f"for place in range({first}, {last}, {together * rows.lanes}):", *indented(lines)]


def kernel(rows, sizes, gradient, single, logarithmic, scaled):
    """A kernel for softmax and its kin, or of their gradients, to be specialised. `sizes` are those of an element of
    each array; `single`: a row has but one result; `logarithmic`: by the logarithm of the sum; `scaled`: by a
    temperature. Arguments: the addresses; if scaled, what `factor` gives; the number and the length of rows; the sizes
    of the dimensions that rows are in, and the steps of each array there; and the same within a row."""
    names = ("gy", "y") if gradient else ("x",)
    body = [] if scaled else ["r, r_low = 1.0, 0.0"]
    if gradient:
        body += (_held_gradient if rows.each else _streamed_gradient)(rows, names)
    else:
        body += (_held if rows.each else _streamed)(rows, names, single, logarithmic)
    return defined(rows, names, sizes, body, globals(), scaled, single)


def defined(rows, names, sizes, body, scope, scaled=False, single=False):
    """The kernel whose lines are `body`, after those that find a thread's place, in terms of what is in `scope`."""
    arrays = dict(zip((*names, "out"), sizes, strict=True))
    arguments = [*arrays, *("r", "r_low") * scaled, "rows", "length", "row_sizes"]
    arguments += [*(f"{name}_row_steps" for name in arrays), "sizes", *(f"{name}_steps" for name in arrays)]
    place = find_place(rows, arrays, {name: arrays[name] for name in names} if single else arrays)
    scope = dict(scope)
    exec("\n".join([f"def reduce_rows({', '.join(arguments)}):", *indented([*place, *body])]), scope)
    return scope["reduce_rows"]


def factor(temperature, dtype):
    """1 / temperature as a pair in the dtype, neither infinite nor 0; as `factor_for` in _kernels.pyx."""
    limits = np.finfo(dtype)
    inverse = min(1 / Fraction(temperature), Fraction(float(limits.max)))
    inverse = max(inverse, Fraction(float(limits.smallest_subnormal)))
    r = limits.dtype.type(float(inverse))
    return r, limits.dtype.type(float(inverse - Fraction(float(r))))


def nan_unless(peak, total):
    """0, or NaN for a row without a number, or with inf more than once: `total` says how often."""
    return 0.0 if peak > -INF and (peak < INF or total == 1.0) else NAN


def inverse_sum(high, low, top, peak):
    """1 / sum, as a pair."""
    total, total_low = normalise(high, low)
    q, rest, inverse = divide(1.0, 0.0, total, total_low)
    return q + nan_unless(peak, total * DOWN), rest * inverse


def share(x, s, u, top, q, q_low, r, r_low):
    """(1 + u) s (q + q_low): equal elements of a row have the nearest number to 1 / n."""
    high = q * s
    return high + fma(u, high, q_low * s)


def log_of_sum(high, low):
    """log(1 + f) as a pair, f = high + low being what is beside the maximum, as a share of that; and 1 + f."""
    # beside 1 with all digits of f
    f, f_low = normalise(high, low)
    near_low = fma(f * f, log1p_remainder(f), f_low)
    # elsewhere a step of Newton's method, from an approximation p: log s = p + (s e**-p - 1)
    total, total_low = add(1.0, 0.0, f, f_low)
    p = approximate_log(total)
    e, e_low, s = exp_parts(not_below(-p, EXP_LOW), -0.0)
    power = s * DOWN
    scaled = total * power
    rest = fma(scaled, e, -1.0) + fma(scaled, e_low, total_low * power * e)
    near = f < SMALL
    return f if near else p, near_low if near else rest, total


def log_alone(high, low, top, peak):
    q, q_low, total = log_of_sum(high, low)
    return q + nan_unless(peak, total), q_low


def level(high, low, top, peak):
    """The maximum + log(sum), as a pair."""
    q, q_low = log_alone(high, low, top, peak)
    return add(top, 0.0, q, q_low)


def level_or_infinity(high, low, top, peak):
    """The same, which has a limit at infinities."""
    infinite = fabs(peak) == INF
    q, q_low, total = log_of_sum(high, low)
    q, q_low = add(top, 0.0, q, q_low)
    return total + peak if infinite else q, 0.0 if infinite else q_low


def log_share(x, s, u, top, q, q_low, r, r_low):
    """x - (q + q_low); where it is small the first difference is exact."""
    return (x - q) - q_low


def scaled_log_share(x, s, u, top, q, q_low, r, r_low):
    """(x - top) / temperature - (q + q_low); none of these is positive but the last."""
    d, d_low = scaled_by(x, top, r, r_low)
    rest = d_low - q_low
    return (d - q) + (rest if fabs(rest) < INF else 0.0)


# ---- their gradients -------------------------------------------------------------------------------


def product(gy, y):
    p = gy * y
    return p, product_error(gy, y, p)


def alone(gy, y):
    return gy, 0.0


def softmax_gradient(gy, y, high, low, r, r_low):
    """y (gy - sum(gy y)); its negative where SIGN is -1."""
    d, rest = two_sum(gy, -high)
    y = SIGN * y
    rest = y * (rest - low)
    return fma(y, d, rest if fabs(rest) < INF else 0.0)


def log_softmax_gradient(gy, y, high, low, r, r_low):
    """gy - e**y sum(gy)."""
    return fma(-(power(not_below(y, EXP_LOW), -0.0, MAGIC_UP)[0] * DOWN), high + low, gy)


def scaled_softmax_gradient(gy, y, high, low, r, r_low):
    large = fabs(r) > 1.0  # then it comes first, or else at last, so that nothing vanishes on the way
    result = softmax_gradient(gy, fma(y, r, y * r_low) if large else y, high, low, r, r_low)
    return result if large else fma(result, r, result * r_low)


def scaled_log_softmax_gradient(gy, y, high, low, r, r_low):
    return r * log_softmax_gradient(gy, y, high, low, r, r_low)


# name -> what makes the kernel that of this function
PARTS = {
    "softmax": {"SIGN": 1.0, "normaliser": inverse_sum, "finish": share},
    "softmin": {"SIGN": -1.0, "normaliser": inverse_sum, "finish": share},
    "log_softmax": {"SIGN": 1.0, "normaliser": level, "finish": log_share},
    "logsumexp": {"SIGN": 1.0, "normaliser": level_or_infinity},
}
TERMS = {"origin": exact_origin, "difference": exact_difference}  # of all of them
GRADIENT_PARTS = {
    "softmax": {"SIGN": 1.0, "summand": product, "finish_gradient": softmax_gradient},
    "softmin": {"SIGN": -1.0, "summand": product, "finish_gradient": softmax_gradient},
    "log_softmax": {"SIGN": 1.0, "summand": alone, "finish_gradient": log_softmax_gradient},
}
LOGARITHMIC = ("log_softmax", "logsumexp")  # by the logarithm of the sum
# what is instead of these parts at a temperature
SCALED = {
    exact_origin: scaled_origin,
    exact_difference: scaled_difference,
    level: log_alone,
    log_share: scaled_log_share,
    softmax_gradient: scaled_softmax_gradient,
    log_softmax_gradient: scaled_log_softmax_gradient,
}


def kernel_of(name, rows, sizes, dtype, scaled):
    """The kernel for a function, or with the sizes of three arrays for its gradient; and what it is to be specialised
    with, besides the compiler's own."""
    gradient = len(sizes) == 3
    parts = GRADIENT_PARTS[name] if gradient else TERMS | PARTS[name]
    if scaled:
        parts = {key: SCALED.get(part, part) for key, part in parts.items()}
    parts = parts | {"SIGN": np.dtype(dtype).type(parts["SIGN"])}
    if name in LOGARITHMIC and not gradient:  # what 1 is taken from is a pair in `_cuda_halves.py`, too
        parts |= {add: add, two_sum: two_sum}
    return kernel(rows, sizes, gradient, REDUCTIONS[name].single, name in LOGARITHMIC, scaled), parts
