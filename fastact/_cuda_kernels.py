"""The CUDA kernels, as plain functions in terms of `_math.py`, for `specialise` and a compiler: one for any
elementwise formula, and those of softmax and its kin.

Addresses, offsets and steps are bytes, in 64-bit integers. A row of a reduction is worked on by a number of threads,
its lanes, each of which takes one element in so many; lanes and rows to a block are powers of two. Threads beyond
the last row work on that one again, and write nothing: all take part in every exchange.
"""

from fastact._math import DOWN, EXP_LOW, UP, divide, exp_parts, fma, log1p_remainder, normalise, product_error
from fastact._specialise import Constant, Primitive

THREADS = 256  # in a block
MAX_LANES = 512  # for one row
UNROLL = 4  # elements of a row that a thread has under way together
WARP = 32

thread = Primitive("thread", "the number of this thread in its block")
block = Primitive("block", "the number of this block")
quotient = Primitive("quotient", "of two integers that are not negative")
load = Primitive("load", "the number at an address, in the dtype of the kernel")
load_gradient = Primitive("load_gradient", "the same for gy, which may be stored in another dtype")
store = Primitive("store", "store(address, value)")
shuffle = Primitive("shuffle", "shuffle(value, distance): the value of the thread `thread() ^ distance`, in this warp")
put = Primitive("put", "put(k, value): into the block's shared memory")
get = Primitive("get", "get(k): out of it")
barrier = Primitive("barrier", "wait for all threads of the block")
approximate_log = Primitive("approximate_log", "the logarithm, to a few units in the last place")

SIGN = Primitive("SIGN", "1.0; -1.0 for softmin")
reciprocal_or_log = Primitive("reciprocal_or_log", "of a row's sum, as a pair: what `finish` needs of it")
finish = Primitive("finish", "finish(x, m, q, q_low): the result")
summand = Primitive("summand", "summand(gy, y): what the gradient's sum is over, as a pair")
finish_gradient = Primitive("finish_gradient", "finish_gradient(gy, y, high, low): the result")

INF = Constant(float("inf"), float("inf"))
NAN = Constant(float("nan"), float("nan"))
SMALL = Constant(0.34, 0.34)  # within the interval of log1p_remainder


# ---- elementwise -----------------------------------------------------------------------------------

# How an operand lies along the innermost dimension.
SCALAR = "scalar"  # no array: one value, given to the kernel
VECTOR = "vector"  # contiguous, several elements at a time
CONSTANT = "constant"  # one element for all of the dimension
STRIDED = "strided"  # one element at a time, any step


def elementwise_source(modes, ndim, width, sizes):
    """The text of a kernel over `formula`, and what its arguments are.

    `modes` says how each input lies; the output is VECTOR or STRIDED as `width` is more than 1 or not. `sizes`
    are those of an element of each input and of the output. The scope of the text has `formula`, `thread`,
    `block`, `quotient`, and for each array `load0`, `load_vector0`, ..., `store`, `store_vector`.

    A thread does `width` elements. Arguments: how many threads have work, in all (for one dimension: how many
    elements there are); the address of the output; address or value of each input; the sizes of all
    dimensions but the first, the innermost in units of `width`; the steps of the output and of each array.
    """
    arrays = [k for k, mode in enumerate(modes) if mode != SCALAR]
    names = ["count", "out", *(f"a{k}" for k in range(len(modes)))]
    names += [f"n{d}" for d in range(1, ndim)]
    names += [f"{a}_{d}" for a in ["out", *(f"a{k}" for k in arrays)] for d in range(ndim)]
    lines = [f"def elementwise({', '.join(names)}):", f"    i = block() * {THREADS} + thread()"]
    body = []
    if ndim > 1 or width == 1:
        lines.append("    if i < count:")
        for d in range(ndim - 1, 0, -1):
            body += [f"q{d} = quotient({f'q{d + 1}' if d < ndim - 1 else 'i'}, n{d})"]
            body += [f"k{d} = {f'q{d + 1}' if d < ndim - 1 else 'i'} - q{d} * n{d}"]
        body += [f"k0 = {'q1' if ndim > 1 else 'i'}"]
        for name in ["out", *(f"a{k}" for k in arrays)]:
            body.append(f"{name} = {name} + {' + '.join(f'k{d} * {name}_{d}' for d in range(ndim))}")
    else:
        lines.append(f"    if (i + 1) * {width} <= count:")
        body += [f"out = out + i * {width * sizes[-1]}"]
        body += [f"a{k} = a{k} + i * {width * sizes[k]}" for k in arrays if modes[k] == VECTOR]
    for k in arrays:
        body.append(f"x{k} = {f'load_vector{k}' if modes[k] == VECTOR else f'load{k}'}(a{k})")
    operand = {SCALAR: "a{k}", VECTOR: "x{k}[{j}]", CONSTANT: "x{k}", STRIDED: "x{k}"}

    def result(j):
        return "formula(" + ", ".join(operand[mode].format(k=k, j=j) for k, mode in enumerate(modes)) + ")"

    if width == 1:
        body.append(f"store(out, {result(0)})")
    else:
        body += [f"y{j} = {result(j)}" for j in range(width)]
        body.append(f"store_vector(out, {', '.join(f'y{j}' for j in range(width))})")
    lines += ["        " + line for line in body]
    if ndim == 1 and width > 1:
        lines += ["    else:", f"        for j in range(i * {width}, count):"]
        values = [
            f"load{k}(a{k} + j * {sizes[k]})" if mode == VECTOR else f"load{k}(a{k})" if mode == CONSTANT else f"a{k}"
            for k, mode in enumerate(modes)
        ]
        lines.append(f"            store(out + j * {sizes[-1]}, formula({', '.join(values)}))")
    return "\n".join(lines)


# ---- rows ------------------------------------------------------------------------------------------


def offset(index, sizes, steps):
    """Where element number `index` of an array of these sizes is."""
    result = 0
    for k in range(len(sizes) - 1, 0, -1):
        rest = quotient(index, sizes[k])
        result += (index - rest * sizes[k]) * steps[k]
        index = rest
    return result + index * steps[0]


def two_sum(a, b):
    """a + b = s + rest."""
    s = a + b
    part = s - a
    return s, (a - (s - part)) + (b - part)


def add(high, low, more_high, more_low):
    """The sum of two pairs; commutative, to the bit."""
    s, rest = two_sum(high, more_high)
    return s, rest + (low + more_low)


def difference_parts(x, m):
    """e**(x - m) * UP = (high + low) * s, for x <= m; the difference's rounding error is carried along."""
    d, d_low = two_sum(x, -m)
    high, low, s = exp_parts(d, d_low if d > EXP_LOW else 0.0)
    high, low = normalise(high, low)
    return high, low, s


# A row's sum of e**(x - m) is `ones`, terms that are exactly 1, and (high + low) / UP, all others.


def raised(m, ones, high, low, top):
    """The same sum for a maximum `top` that is not less than m."""
    factor, factor_low, s = difference_parts(m, top)
    total, total_low = two_sum(high, ones * UP)
    total_low = total_low + low
    p = total * factor
    p_low = product_error(total, factor, p) + fma(total, factor_low, total_low * factor)
    power = s * DOWN
    same = m == top
    return (ones if same else 0.0), (high if same else p * power), (low if same else p_low * power)


def with_term(x, m, ones, high, low):
    """The sum with e**(x - m) added."""
    term, term_low, s = difference_parts(x, m)
    more, more_low = add(high, low, term * s, term_low * s)
    same = x == m
    return (ones + 1.0 if same else ones), (high if same else more), (low if same else more_low)


def merged(m, ones, high, low, m2, ones2, high2, low2):
    """Two parts of a row together; commutative, to the bit."""
    top = m2 if m2 > m else m
    ones, high, low = raised(m, ones, high, low, top)
    ones2, high2, low2 = raised(m2, ones2, high2, low2, top)
    high, low = add(high, low, high2, low2)
    return top, ones + ones2, high, low


def over_lanes(m, ones, high, low, lanes, lane_step, threads):
    """The parts of all lanes together, the same for each of them."""
    distance = lane_step
    while distance < lane_step * lanes:
        if distance < WARP:
            m2, ones2 = shuffle(m, distance), shuffle(ones, distance)
            high2, low2 = shuffle(high, distance), shuffle(low, distance)
        else:
            me, other = thread(), thread() ^ distance
            put(me, m)
            put(threads + me, ones)
            put(2 * threads + me, high)
            put(3 * threads + me, low)
            barrier()
            m2, ones2 = get(other), get(threads + other)
            high2, low2 = get(2 * threads + other), get(3 * threads + other)
            barrier()
        m, ones, high, low = merged(m, ones, high, low, m2, ones2, high2, low2)
        distance *= 2
    return m, ones, high, low


def element(x, i, length, sizes, steps):
    """An element of a row; -inf beyond its end, which counts for nothing."""
    value = SIGN * load(x + offset(i if i < length else length - 1, sizes, steps))
    return value if i < length else -INF


def write(out, i, value, end, sizes, steps):
    if i < end:
        store(out + offset(i, sizes, steps), value)


def softmax_rows(
    x, out, rows, length, rounds, lanes, block_rows, lane_step, row_step,
    row_sizes, x_row_steps, out_row_steps, sizes, x_steps, out_steps,
):  # fmt: skip
    """softmax and its kin. `rounds` is how often the lanes take UNROLL elements each; `lane_step` and `row_step`
    are the threads from one lane or row to the next, in a block of `lanes` times `block_rows`."""
    row = block() * block_rows + (quotient(thread(), row_step) & (block_rows - 1))
    lane = quotient(thread(), lane_step) & (lanes - 1)
    end = length if row < rows else 0
    row = row if row < rows else rows - 1
    x = x + offset(row, row_sizes, x_row_steps)
    out = out + offset(row, row_sizes, out_row_steps)
    m = -INF
    ones = 0.0
    high = 0.0
    low = 0.0
    for k in range(rounds):
        i = k * (UNROLL * lanes) + lane
        a = element(x, i, length, sizes, x_steps)
        b = element(x, i + lanes, length, sizes, x_steps)
        c = element(x, i + 2 * lanes, length, sizes, x_steps)
        d = element(x, i + 3 * lanes, length, sizes, x_steps)
        top = a if a > m else m
        top = b if b > top else top
        top = c if c > top else top
        top = d if d > top else top
        ones, high, low = raised(m, ones, high, low, top)
        m = top
        ones, high, low = with_term(a, m, ones, high, low)
        ones, high, low = with_term(b, m, ones, high, low)
        ones, high, low = with_term(c, m, ones, high, low)
        ones, high, low = with_term(d, m, ones, high, low)
    m, ones, high, low = over_lanes(m, ones, high, low, lanes, lane_step, lanes * block_rows)
    limit = m > -INF and (m < INF or ones == 1.0)
    q, q_low = reciprocal_or_log(ones if limit else NAN, high, low)
    for k in range(rounds):
        i = k * (UNROLL * lanes) + lane
        a = finish(element(x, i, length, sizes, x_steps), m, q, q_low)
        b = finish(element(x, i + lanes, length, sizes, x_steps), m, q, q_low)
        c = finish(element(x, i + 2 * lanes, length, sizes, x_steps), m, q, q_low)
        d = finish(element(x, i + 3 * lanes, length, sizes, x_steps), m, q, q_low)
        write(out, i, a, end, sizes, out_steps)
        write(out, i + lanes, b, end, sizes, out_steps)
        write(out, i + 2 * lanes, c, end, sizes, out_steps)
        write(out, i + 3 * lanes, d, end, sizes, out_steps)


def total_of(ones, high, low):
    total, total_low = two_sum(ones, high * DOWN)
    return normalise(total, fma(low, DOWN, total_low))


def reciprocal(ones, high, low):
    total, total_low = total_of(ones, high, low)
    q, rest, inverse = divide(1.0, 0.0, total, total_low)
    return q, rest * inverse


def share(x, m, q, q_low):
    """e**(x - m) (q + q_low), rounded once, also where it is subnormal."""
    term, term_low, s = difference_parts(x, m)
    y = fma(term, q, fma(term, q_low, term_low * q)) * s * DOWN
    return q + q_low if x == m else y


def logarithm(ones, high, low):
    # beside 1 the logarithm of 1 + f, with all digits of f
    high, low = normalise(high, low)
    f = high * DOWN
    near_low = fma(f * f, log1p_remainder(f), low * DOWN)
    # elsewhere a step of Newton's method, from an approximation p: log s = p + (s e**-p - 1)
    total, total_low = total_of(ones, high, low)
    p = approximate_log(total)
    e, e_low, s = exp_parts(-p, -0.0)
    e, e_low = normalise(e, e_low)
    power = s * DOWN
    scaled = total * power
    rest = fma(scaled, e, -1.0) + fma(scaled, e_low, total_low * power * e)
    near = ones == 1.0 and f < SMALL
    return (f if near else p), (near_low if near else rest)


def log_share(x, m, q, q_low):
    """x - m - (q + q_low), rounded once but for a trifle."""
    d, d_low = two_sum(x, -m)
    d, d_low = (0.0 if x == m else d), (0.0 if x == m else d_low)
    y, rest = two_sum(d, -q)
    rest = rest + (d_low - q_low)
    return y + rest if rest == rest else y


# ---- their gradients -------------------------------------------------------------------------------


def gradient_rows(
    gy, y, out, rows, length, rounds, lanes, block_rows, lane_step, row_step,
    row_sizes, gy_row_steps, y_row_steps, out_row_steps, sizes, gy_steps, y_steps, out_steps,
):  # fmt: skip
    row = block() * block_rows + (quotient(thread(), row_step) & (block_rows - 1))
    lane = quotient(thread(), lane_step) & (lanes - 1)
    end = length if row < rows else 0
    row = row if row < rows else rows - 1
    gy = gy + offset(row, row_sizes, gy_row_steps)
    y = y + offset(row, row_sizes, y_row_steps)
    out = out + offset(row, row_sizes, out_row_steps)
    high = 0.0
    low = 0.0
    for k in range(rounds * UNROLL):
        i = k * lanes + lane
        j = i if i < length else length - 1
        term, term_low = summand(load_gradient(gy + offset(j, sizes, gy_steps)), load(y + offset(j, sizes, y_steps)))
        high, low = add(high, low, term if i < length else 0.0, term_low if i < length else 0.0)
    distance = lane_step
    while distance < lane_step * lanes:
        if distance < WARP:
            high2, low2 = shuffle(high, distance), shuffle(low, distance)
        else:
            me, other, threads = thread(), thread() ^ distance, lanes * block_rows
            put(me, high)
            put(threads + me, low)
            barrier()
            high2, low2 = get(other), get(threads + other)
            barrier()
        high, low = add(high, low, high2, low2)
        distance *= 2
    low = low if low == low else 0.0  # where the sum is infinite
    for k in range(rounds * UNROLL):
        i = k * lanes + lane
        j = i if i < length else length - 1
        a, b = load_gradient(gy + offset(j, sizes, gy_steps)), load(y + offset(j, sizes, y_steps))
        write(out, i, finish_gradient(a, b, high, low), end, sizes, out_steps)


def product(gy, y):
    p = gy * y
    return p, product_error(gy, y, p)


def alone(gy, y):
    return gy, 0.0


def softmax_gradient(gy, y, high, low):
    """y (gy - sum(gy y)); its negative where SIGN is -1."""
    d, rest = two_sum(gy, -high)
    rest = rest - low
    y = SIGN * y
    return fma(y, d, y * (rest if rest == rest else 0.0))


def log_softmax_gradient(gy, y, high, low):
    """gy - e**y sum(gy)."""
    e, e_low, s = exp_parts(y, -0.0)
    e, e_low = normalise(e, e_low)
    power = s * DOWN
    p = e * power * high
    p_low = product_error(e * power, high, p) + power * fma(e, low, e_low * high)
    d, rest = two_sum(gy, -p)
    rest = rest - p_low
    return d + rest if rest == rest else d


# name -> what makes the kernel that of this function
REDUCTIONS = {
    "softmax": {"SIGN": 1.0, "reciprocal_or_log": reciprocal, "finish": share},
    "softmin": {"SIGN": -1.0, "reciprocal_or_log": reciprocal, "finish": share},
    "log_softmax": {"SIGN": 1.0, "reciprocal_or_log": logarithm, "finish": log_share},
}
REDUCTION_GRADIENTS = {
    "softmax": {"SIGN": 1.0, "summand": product, "finish_gradient": softmax_gradient},
    "softmin": {"SIGN": -1.0, "summand": product, "finish_gradient": softmax_gradient},
    "log_softmax": {"SIGN": 1.0, "summand": alone, "finish_gradient": log_softmax_gradient},
}
