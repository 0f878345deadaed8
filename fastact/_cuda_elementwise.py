"""The CUDA kernels over elementwise formulas, as text. Addresses, offsets and steps are bytes, in 64-bit integers."""

THREADS = 128  # in a block
BLOCKS = 16  # that a multiprocessor shall have registers for at the same time, in float32
VECTORS = 2  # of a thread, where all is contiguous
ELEMENTS = 4  # of a thread, where they are read one by one
# Of the functions that could be by lookup those that are: gelu moves 0.93 of what a copy does, instead of 0.78 (H200),
# and tanhshrink has the same mixture of instructions; others lose 2 to 4 %.
BY_PIECES = ("gelu_by_pieces", "tanhshrink_by_pieces")

FEW = 2**31  # indices below that, and steps, are multiplied by one instruction, and divided by another

# How an operand lies along the innermost dimension.
FIXED = "fixed"  # no array: one value, known when the kernel is compiled
SCALAR = "scalar"  # no array: one value, given to the kernel
VECTOR = "vector"  # contiguous, several elements at a time
CONSTANT = "constant"  # one element for all of the dimension
STRIDED = "strided"  # one element at a time, any step


def either(by_lookup, whole, specialised):
    """One of the functions of a `ByLookup`."""
    return specialised(by_lookup if by_lookup.__name__ in BY_PIECES else whole)


def source(modes, ndim, width, sizes, few):
    """The text of a kernel over `formula`, and what its arguments are.

    `modes` says how each input lies; the output is VECTOR or STRIDED as `width` is more than 1 or not. `sizes`
    are those of an element of each input and of the output. The scope of the text has `formula`, `thread`,
    `block`, `quotient`, `few_product`, `few_quotient`; for each array `load0`, `load_vector0`, ..., and `store`,
    `store_vector`; and for each FIXED input its value, `c0`, ... `few`: fewer vectors than FEW, and steps as small.

    A thread does `per_thread` times `width` elements. Arguments: how many such vectors there are (in one dimension of
    vectors of more than one: how many elements); the address of the output; address or value of each input that is not
    FIXED; the sizes of all dimensions but the first, the innermost in units of `width`, each with its `multiplier`
    where there are `few`; the steps of the output and of each array.
    """
    arrays = ["out", *(f"a{k}" for k, mode in enumerate(modes) if mode not in (FIXED, SCALAR))]
    names = ["count", "out", *(f"a{k}" for k, mode in enumerate(modes) if mode != FIXED)]
    names += [f"{name}{d}" for d in range(1, ndim) for name in (("n", "m", "shift") if few else ("n",))]
    names += [f"{a}_{d}" for a in arrays for d in range(ndim)]
    if ndim == 1 and width > 1:
        body = _one_run(modes, width, sizes)
    else:
        body = _dimensions(modes, arrays, ndim, width, few)
    return "\n".join([f"def elementwise({', '.join(names)}):", *(f"    {line}" for line in body)])


def per_thread(ndim, width):
    """How many vectors, of so many elements, a thread does."""
    if width == 1:
        return ELEMENTS
    return VECTORS if ndim == 1 else 1


def multiplier(n):
    """m and shift that make ((2 i m) >> 32) >> shift the quotient i // n, for i below FEW and n at most that:
    T. Granlund and P. L. Montgomery, Division by invariant integers using multiplication (1994). Both are below 2**32.
    """
    shift = (n - 1).bit_length()
    return -(-(2**31 << shift) // n), shift


def _result(modes, array):
    """A call of `formula`, where array(k, mode) is the text for an element of that array."""
    other = {FIXED: "c", SCALAR: "a"}
    inputs = (f"{other[mode]}{k}" if mode in other else array(k, mode) for k, mode in enumerate(modes))
    return f"formula({', '.join(inputs)})"


def _loaded(k, mode, name, address):
    return f"{name} = {'load_vector' if mode == VECTOR else 'load'}{k}({address})"


def _stored(modes, width, address, name="x{k}"):
    """Lines that compute and write `width` elements; those of array k were read as `name`."""
    each = [
        _result(modes, lambda k, mode: name.format(k=k) + (f"[{j}]" if mode == VECTOR else "")) for j in range(width)
    ]
    return f"{'store' if width == 1 else 'store_vector'}({address}, {', '.join(each)})"


def _dimensions(modes, arrays, ndim, width, few):
    """Any layout: a thread finds its places, those of a block being neighbours. All reads come first; beyond the end
    they are of the last place, and not used."""
    together = per_thread(ndim, width)
    plus, below, steps, quotient, rest = FEW_WAYS if few else WAYS

    def found(v):
        lines = [f"i_{v} = {plus.format('i', THREADS * v)}", f"there_{v} = {below.format(f'i_{v}', 'count')}"]
        index = f"i_{v} if there_{v} else count - 1"
        for d in range(ndim - 1, 0, -1):
            lines += [f"k{d}_{v} = {index}", f"q{d}_{v} = {quotient.format(f'k{d}_{v}', d)}"]
            lines.append(f"k{d}_{v} = {rest.format(f'k{d}_{v}', f'q{d}_{v}', d)}")
            index = f"q{d}_{v}"
        lines.append(f"k0_{v} = {index}")
        for name in arrays:
            place = name
            for d in range(ndim):
                place = steps.format(place, f"k{d}_{v}", f"{name}_{d}")
            lines.append(f"{name}_at{v} = {place}")
        return lines

    lines = [f"i = {plus.format(f'block() * {THREADS * together}', 'thread()')}"]
    lines += [line for v in range(together) for line in found(v)]
    for v in range(together):
        lines += [_loaded(k, mode, f"x{k}_{v}", f"a{k}_at{v}") for k, mode in enumerate(modes) if f"a{k}" in arrays]
    stores = (_stored(modes, width, f"out_at{v}", f"x{{k}}_{v}") for v in range(together))
    return [*lines, *(f"if there_{v}: {store}" for v, store in enumerate(stores))]


# Sum, comparison, address after steps, quotient, what the quotient leaves: of any integers, and of those below FEW
WAYS = "{} + {}", "{} < {}", "{} + {} * {}", "quotient({}, n{})", "{0} - {1} * n{2}"
FEW_WAYS = (
    *("few_sum({}, {})", "few_below({}, {})", "few_steps({}, {}, {})"),
    *("few_quotient({0}, m{1}, shift{1})", "few_difference({0}, few_product({1}, n{2}))"),
)


def _one_run(modes, width, sizes):
    """Everything contiguous, or one for all: a block does so many neighbouring vectors. All reads come first."""
    lines = [
        f"i = block() * {THREADS * VECTORS} + thread()",
        f"if (i + {THREADS * (VECTORS - 1) + 1}) * {width} <= count:",
    ]
    places = [f"(i + {THREADS * v}) * {width}" for v in range(VECTORS)]
    for k, mode in enumerate(modes):
        if mode == VECTOR:
            lines += [
                f"    {_loaded(k, mode, f'x{k}_{v}', f'a{k} + {place} * {sizes[k]}')}" for v, place in enumerate(places)
            ]
        elif mode == CONSTANT:
            lines += [f"    {_loaded(k, mode, f'x{k}_{v}', f'a{k}')}" for v in range(VECTORS)]
    lines += [
        f"    {_stored(modes, width, f'out + {place} * {sizes[-1]}', f'x{{k}}_{v}')}" for v, place in enumerate(places)
    ]
    one = _result(modes, lambda k, mode: f"load{k}(a{k} + j * {sizes[k]})" if mode == VECTOR else f"load{k}(a{k})")
    return [
        *lines,
        "else:",
        f"    for v in range({VECTORS}):",
        f"        first = (i + {THREADS} * v) * {width}",
        f"        for j in range(first, first + {width} if first + {width} < count else count):",
        f"            store(out + j * {sizes[-1]}, {one})",
    ]
