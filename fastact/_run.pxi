# How a compiled loop is run over rows of any layout: in blocks that fit the first-level cache, and by all threads.

cdef extern from "_half.h" nogil:
    void fastact_widen(float *to, const char *source, ptrdiff_t step, ptrdiff_t n)
    void fastact_narrow(char *to, ptrdiff_t step, const float *source, ptrdiff_t n)

cdef extern from "_stream.h" nogil:
    bint FASTACT_STREAMS  # whether the CPU can
    void fastact_stream(char *to, const char *source, ptrdiff_t size, const char *next)
    void fastact_streamed()

cdef extern from "_transpose.h" nogil:
    void fastact_pack_float(float **rows, float *tile, ptrdiff_t width, ptrdiff_t n)
    void fastact_pack_double(double **rows, double *tile, ptrdiff_t width, ptrdiff_t n)

cdef enum:
    BLOCK_BYTES = 4608  # of each operand, of which five fit into a first cache of 32 KB; and whole cycles of all loops
    BLOCK_WORDS = 576  # BLOCK_BYTES / 8
    OVERLAPPED_BYTES = 768  # the same of what comes from memory: the processor reads the next one while one is computed
    BEYOND_BYTES = 1 << 24  # of all operands that do so
    COPIED_PER_THREAD = 4096  # elements that are worth waking a thread for the copies alone
    TOGETHER = 8192  # elements that one loop is done with before another follows: in the second cache
    AHEAD_BYTES = 4608  # of a row; while it is worked on, that of the next row is fetched
    FAR_BYTES = 1 << 22  # of an operand that is worth fetching: it is not in the caches
    FAR_ROW = 18432  # bytes of a row, where the processor does not foresee that it ends
    SHORT_BYTES = 704  # of rows that are worked on together
    SHORT_IF_COPIED = 2048  # of those that are copied anyway
    TILE_ROWS = 64  # that are worked on together, a cache line of each
    LONG_BYTES = 16384  # of outputs that are worth beginning at a cache line
    FEW = 8  # elements of a row that are brought one after the other, each for all rows
    CACHE_LINE = 64
    STREAM_BYTES = 2048  # of an output that are written past the caches at a time
    STREAM_BEYOND = 1 << 25  # bytes of all operands that do so: they are not there anyway
    MEMORY_MOVES = 125000  # bytes, in the time that is worth waking a thread: loops that are slower need not do so

# What an inner loop is told by NumPy's `data` pointer.
ctypedef struct Loop:
    fastact_loop *run
    fastact_loop *run_scalar  # where each parameter is one value for all elements; or NULL
    PyObject *callback
    int type_number
    int arrays  # inputs before the parameters
    int nin
    int size  # bytes an element in the user's arrays
    int cycle  # elements that a cycle of the loop works on
    int epilogue  # that are done together of what is left; the rest of these, one by one
    int per_thread  # elements that are worth waking a thread
    bint half  # float16 there, float32 in the compiled loop

# Rows of one length, which lie `jumps` bytes apart in some dimensions; the last one varies fastest. Perhaps the same rows
# of another loop follow piece by piece, which so finds in the caches what this one has read.
cdef struct Rows:
    const Loop *loop
    char **args
    const npy_intp *steps
    ptrdiff_t length
    ptrdiff_t rows
    int axes
    const npy_intp *sizes
    const npy_intp (*jumps)[MAX_OPERANDS]
    bint direct  # whether the loop takes a row as it is
    bint tiled  # whether rows are worked on together though they are long
    bint streamed  # whether the output is written past the caches
    ptrdiff_t block  # bytes of an operand that are copied at a time, where the loop does not take it as it is
    ptrdiff_t share  # elements for each thread
    const Rows *then

# Where the operands of Rows are, and what these point to.
cdef struct Layout:
    char *args[MAX_OPERANDS]
    npy_intp steps[MAX_OPERANDS]
    npy_intp sizes[MAX_AXES]
    npy_intp jumps[MAX_AXES][MAX_OPERANDS]

# One of these rows.
cdef struct Place:
    char *args[MAX_OPERANDS]
    npy_intp index[MAX_AXES]


ctypedef fused element:
    uint8_t
    uint16_t
    uint32_t
    uint64_t


cdef inline void copy_elements(
    element *target, ptrdiff_t target_step, const element *source, ptrdiff_t source_step, ptrdiff_t n
) noexcept nogil:
    cdef ptrdiff_t i, size = sizeof(element)
    cdef element a, b, c, d
    if target_step == size and source_step == 2 * size:  # every other element, in vectors
        for i in range(n):
            target[i] = source[2 * i]
        return
    if target_step == size and source_step == 0:
        a = source[0]
        for i in range(n):
            target[i] = a
        return
    if target_step == size and source_step == -size:
        for i in range(n):
            target[i] = source[-i]
        return
    if target_step == -size and source_step == size:
        for i in range(n):
            target[-i] = source[i]
        return
    for i in range(n // 4):
        a = source[0]
        b = (<const element *>(<const char *>source + source_step))[0]
        c = (<const element *>(<const char *>source + 2 * source_step))[0]
        d = (<const element *>(<const char *>source + 3 * source_step))[0]
        target[0] = a
        (<element *>(<char *>target + target_step))[0] = b
        (<element *>(<char *>target + 2 * target_step))[0] = c
        (<element *>(<char *>target + 3 * target_step))[0] = d
        source = <const element *>(<const char *>source + 4 * source_step)
        target = <element *>(<char *>target + 4 * target_step)
    for i in range(n % 4):
        target[0] = source[0]
        target = <element *>(<char *>target + target_step)
        source = <const element *>(<const char *>source + source_step)


cdef void copy_strided(
    char *target, ptrdiff_t target_step, const char *source, ptrdiff_t source_step, ptrdiff_t n, int size
) noexcept nogil:
    if target_step == size and source_step == size:
        memcpy(target, source, n * size)
    elif size == 4:
        copy_elements[uint32_t](<uint32_t *>target, target_step, <const uint32_t *>source, source_step, n)
    elif size == 8:
        copy_elements[uint64_t](<uint64_t *>target, target_step, <const uint64_t *>source, source_step, n)
    elif size == 2:
        copy_elements[uint16_t](<uint16_t *>target, target_step, <const uint16_t *>source, source_step, n)
    else:
        copy_elements[uint8_t](<uint8_t *>target, target_step, <const uint8_t *>source, source_step, n)


cdef void read_block(const Loop *loop, char *block, const char *source, ptrdiff_t step, ptrdiff_t n) noexcept nogil:
    if loop.half:
        fastact_widen(<float *>block, source, step, n)
    else:
        copy_strided(block, loop.size, source, step, n, loop.size)


cdef void write_block(const Loop *loop, char *target, ptrdiff_t step, const char *block, ptrdiff_t n) noexcept nogil:
    if loop.half:
        fastact_narrow(target, step, <const float *>block, n)
    else:
        copy_strided(target, step, block, loop.size, n, loop.size)


cdef inline bint scalar_parameters(const Loop *loop, const npy_intp *steps) noexcept nogil:
    cdef int k
    for k in range(loop.arrays, loop.nin):
        if steps[k] != 0:
            return False
    return loop.nin > loop.arrays


cdef void run_blocks(
    const Loop *loop, char **args, const npy_intp *steps, ptrdiff_t n, ptrdiff_t block=BLOCK_BYTES,
    bint overlapping=False,
) noexcept nogil:
    """Bring operands that are not contiguous, or inputs that are overwritten later, through blocks of their own.

    A block that is no multiple of the loop's epilogue is rounded up to one, with copies of an element: what
    remains after the last whole epilogue would be done one by one.
    """
    cdef uint64_t storage[MAX_OPERANDS][BLOCK_WORDS]
    cdef char *block_args[MAX_OPERANDS]
    cdef npy_intp block_steps[MAX_OPERANDS]
    cdef bint direct[MAX_OPERANDS]
    cdef int nin = loop.nin, k
    cdef int size = 4 if loop.half else loop.size
    cdef ptrdiff_t epilogue = loop.epilogue, start = 0, m
    cdef npy_intp length
    cdef bint scalar = scalar_parameters(loop, steps)
    cdef fastact_loop *run = loop.run_scalar if scalar else loop.run
    block //= size
    for k in range(nin + 1):
        block_steps[k] = size
        block_args[k] = <char *>storage[k]
        direct[k] = steps[k] == size and not loop.half and (k == nin or not overlapping)
        if k < nin and steps[k] == 0:
            length = 1 if scalar and k >= loop.arrays else min(ceil_div(n, epilogue) * epilogue, block)
            read_block(loop, block_args[k], args[k], 0, length)
    while start < n:
        m = min(block, n - start)
        length = ceil_div(m, epilogue) * epilogue
        for k in range(nin + 1):
            if direct[k] and length == m:
                block_args[k] = args[k] + start * steps[k]
            elif steps[k] != 0 or k == nin:
                block_args[k] = <char *>storage[k]
                if k < nin:
                    read_block(loop, block_args[k], args[k] + start * steps[k], steps[k], m)
                    copy_strided(block_args[k] + m * size, size, block_args[k], 0, length - m, size)
        run(block_args, &length, block_steps, ahead)
        if not direct[nin] or length != m:
            write_block(loop, args[nin] + start * steps[nin], steps[nin], block_args[nin], m)
        start += m


cdef ptrdiff_t stream(
    const Loop *loop, fastact_loop *run, char **args, const npy_intp *steps, ptrdiff_t n
) noexcept nogil:
    """Whole blocks of contiguous operands, each written past the caches while the next one is fetched; how many elements
    that were."""
    cdef char storage[STREAM_BYTES + CACHE_LINE]
    cdef char *block = storage + <npy_intp>(-<size_t>storage % CACHE_LINE)
    cdef char *here[MAX_OPERANDS]
    cdef npy_intp length = STREAM_BYTES // loop.size
    cdef ptrdiff_t blocks = n // length, i
    cdef int k
    for i in range(blocks):
        for k in range(loop.nin):
            here[k] = args[k] + i * length * steps[k]
        here[loop.nin] = block
        run(here, &length, steps, ahead)
        fastact_stream(args[loop.nin] + i * STREAM_BYTES, block, STREAM_BYTES, here[0] + length * steps[0])
    fastact_streamed()
    return blocks * length


cdef inline bint in_place(const Loop *loop, char **args) noexcept nogil:
    cdef int k
    for k in range(loop.nin):
        if args[k] == args[loop.nin]:
            return True
    return False


cdef void run_direct(
    const Loop *loop, char **args, const npy_intp *steps, ptrdiff_t n, bint streamed
) noexcept nogil:
    """Contiguous operands: the loop as it is. What is left behind its last whole cycle, or epilogue, is done together with
    what is before it, once more; and so, of long ones, is what comes before the output's first whole cache line. Not if
    an input is the output."""
    cdef npy_intp last = loop.cycle if n >= loop.cycle and 2 * (n % loop.cycle) > loop.cycle else loop.epilogue
    cdef npy_intp first = <npy_intp>(-<size_t>args[loop.nin] % CACHE_LINE) // loop.size
    cdef npy_intp whole
    cdef ptrdiff_t done
    cdef char *rest[MAX_OPERANDS]
    cdef int k
    cdef fastact_loop *run = loop.run_scalar if scalar_parameters(loop, steps) else loop.run
    if in_place(loop, args):
        whole = n - n % loop.epilogue if n >= 2 * loop.cycle else 0
        if whole:
            run(args, &whole, steps, ahead)
            for k in range(loop.nin + 1):
                rest[k] = args[k] + whole * steps[k]
            args = rest
        if whole < n:
            run_blocks(loop, args, steps, n - whole)
        return
    if first and n * loop.size >= LONG_BYTES:
        whole = ceil_div(first, loop.epilogue) * loop.epilogue
        run(args, &whole, steps, ahead)
        for k in range(loop.nin + 1):
            rest[k] = args[k] + first * steps[k]
        args = rest
        n -= first
    if streamed:
        done = stream(loop, run, args, steps, n)
        for k in range(loop.nin + 1):
            rest[k] = args[k] + done * steps[k]
        args = rest
        n -= done
    whole = n - n % last
    if not whole:
        run_blocks(loop, args, steps, n)
        return
    run(args, &whole, steps, ahead)
    if whole < n:
        for k in range(loop.nin + 1):
            rest[k] = args[k] + (n - last) * steps[k]
        run(rest, &last, steps, ahead)


cdef inline bint writes_what_it_reads_later(
    const Loop *loop, char **args, const npy_intp *steps, ptrdiff_t n, ptrdiff_t size
) noexcept nogil:
    """Whether the output, of n pieces of some size, runs over an input other than piece by piece: as in reduce and
    accumulate, and where NumPy sees that an order from first to last reads everything before it is overwritten."""
    cdef char *out_low = args[loop.nin]
    cdef char *out_high = out_low
    cdef char *low
    cdef char *high
    cdef ptrdiff_t span = (n - 1) * steps[loop.nin]
    if span < 0: out_low += span
    else: out_high += span
    for k in range(loop.nin):
        if args[k] == args[loop.nin] and steps[k] == steps[loop.nin] and steps[k] != 0:
            continue
        low = args[k]
        high = low
        span = (n - 1) * steps[k]
        if span < 0: low += span
        else: high += span
        if low < out_high + size and out_low < high + size:
            return True
    return False


cdef inline void run_row(
    const Loop *loop, char **args, const npy_intp *steps, ptrdiff_t n, bint direct, bint streamed=False,
    ptrdiff_t block=BLOCK_BYTES,
) noexcept nogil:
    if direct:
        run_direct(loop, args, steps, n, streamed)
    else:
        run_blocks(loop, args, steps, n, block)


cdef inline void one_row(
    Rows *all, const Loop *loop, char **args, const npy_intp *steps, ptrdiff_t length
) noexcept nogil:
    all.loop, all.args, all.steps, all.length = loop, args, steps, length
    all.rows, all.axes, all.tiled, all.streamed, all.then, all.block = 1, 0, False, False, NULL, BLOCK_BYTES


cdef void run_all(Rows *all, bint one_by_one) noexcept nogil:
    """Inputs must not overlap with the output, unless they lie as that does, or there is one row and `one_by_one`."""
    cdef const Loop *loop = all.loop
    cdef char **args = all.args
    cdef const npy_intp *steps = all.steps
    cdef ptrdiff_t n = all.rows * all.length, per_thread = loop.per_thread, reach = 0
    cdef int nin = loop.nin, threads = 1, k
    cdef bint direct = not loop.half, copied = False
    cdef fastact_flags flags
    if n <= 0:
        return
    flags = fastact_save_flags()
    if one_by_one:
        if nin == 1:
            run_blocks(loop, args, steps, n, BLOCK_BYTES, True)
        else:
            run_one_by_one(loop, args, steps, n)
    else:
        for k in range(nin + 1):
            if k < loop.arrays or k == nin or not scalar_parameters(loop, steps):
                direct = direct and steps[k] == loop.size
            copied = copied or (steps[k] != loop.size and steps[k] != 0)
            reach += n * llabs(steps[k])
        all.direct = direct
        if copied and not loop.half and reach > BEYOND_BYTES:
            all.block = OVERLAPPED_BYTES
        if copied:
            per_thread = min(per_thread, COPIED_PER_THREAD)
        if all.then:
            per_thread = min(per_thread, <ptrdiff_t>all.then.loop.per_thread)
        if n >= 2 * per_thread:
            threads = <int>min(<ptrdiff_t>fastact_threads_now(), n // per_thread)
        if all.rows == 1 and reach > STREAM_BEYOND and not in_place(loop, args):
            all.streamed = FASTACT_STREAMS and threads * loop.per_thread * (reach // n) > MEMORY_MOVES
        if threads > 1 or all.then:
            share_out(all, threads)
        elif all.rows == 1:
            run_row(loop, args, steps, n, direct, all.streamed, all.block)
        else:
            run_part(all, 0, n)
    fastact_restore_flags(flags)


cdef void run_one_by_one(const Loop *loop, char **args, const npy_intp *steps, ptrdiff_t n) noexcept nogil:
    cdef char *here[MAX_OPERANDS]
    cdef ptrdiff_t i
    cdef int k
    for i in range(n):
        for k in range(loop.nin + 1):
            here[k] = args[k] + i * steps[k]
        run_blocks(loop, here, steps, 1)


cdef void find(const Rows *all, ptrdiff_t row, Place *place) noexcept nogil:
    """Where the row of this number is."""
    cdef int axis, k
    for k in range(all.loop.nin + 1):
        place.args[k] = all.args[k]
    for axis in range(all.axes - 1, -1, -1):
        place.index[axis] = row % all.sizes[axis] if axis else row
        row //= all.sizes[axis]
        for k in range(all.loop.nin + 1):
            place.args[k] += place.index[axis] * all.jumps[axis][k]


cdef inline void move_on(const Rows *all, Place *place, ptrdiff_t rows) noexcept nogil:
    """So many rows further, at most to the end of the last dimension."""
    cdef int axis = all.axes - 1, k
    if axis < 0:
        return
    place.index[axis] += rows
    for k in range(all.loop.nin + 1):
        place.args[k] += rows * all.jumps[axis][k]
    while axis and place.index[axis] == all.sizes[axis]:
        place.index[axis - 1] += 1
        for k in range(all.loop.nin + 1):
            place.args[k] += all.jumps[axis - 1][k] - all.sizes[axis] * all.jumps[axis][k]
        place.index[axis] = 0
        axis -= 1


cdef void run_part(const Rows *all, ptrdiff_t start, ptrdiff_t n) noexcept nogil:
    """`n` elements from the one numbered `start`, which may be in the middle of a row unless rows are short."""
    cdef const Loop *loop = all.loop
    cdef const npy_intp *steps = all.steps
    cdef char *here[MAX_OPERANDS]
    cdef ptrdiff_t column = start % all.length, m
    cdef bint far = all.rows * all.length * loop.size > FAR_BYTES and 0 < all.axes and all.length * loop.size <= FAR_ROW
    cdef Place place
    cdef int last = all.axes - 1, k
    if all.tiled:
        run_tiles(all, start // all.length, n // all.length)
        return
    if is_short(all):
        run_short_rows(all, start // all.length, n // all.length)
        return
    find(all, start // all.length, &place)
    while n > 0:
        m = min(all.length - column, n)
        if far and place.index[last] + 1 < all.sizes[last]:
            m = min(m, AHEAD_BYTES // loop.size)  # the processor does not foresee where rows go on
            for k in range(loop.nin):
                if steps[k] == loop.size:
                    fastact_prefetch(place.args[k] + all.jumps[last][k] + column * steps[k], m * loop.size)
        for k in range(loop.nin + 1):
            here[k] = place.args[k] + column * steps[k]
        run_row(loop, here, steps, m, all.direct, all.streamed, all.block)
        n -= m
        column += m
        if column == all.length:
            move_on(all, &place, 1)
            column = 0


cdef inline bint is_short(const Rows *all) noexcept nogil:
    return all.rows > 1 and all.length * all.loop.size <= (SHORT_BYTES if all.direct else SHORT_IF_COPIED)


cdef inline void copy_rows(
    char *target, ptrdiff_t target_jump, const char *source, ptrdiff_t source_jump, ptrdiff_t size, ptrdiff_t rows
) noexcept nogil:
    """Of two copies of a constant size, the second may repeat some bytes: no call for each short row."""
    cdef ptrdiff_t row, k
    if size >= 64:
        for row in range(rows):
            for k in range(0, size - 64, 64):
                memcpy(target + k, source + k, 64)
            memcpy(target + size - 64, source + size - 64, 64)
            target += target_jump
            source += source_jump
        return
    for row in range(rows):
        if size >= 16:
            for k in range(0, size - 16, 16):
                memcpy(target + k, source + k, 16)
            memcpy(target + size - 16, source + size - 16, 16)
        elif size >= 8:
            memcpy(target, source, 8)
            memcpy(target + size - 8, source + size - 8, 8)
        else:
            memcpy(target, source, size)
        target += target_jump
        source += source_jump


cdef inline void fill_rows(
    element *target, const char *source, ptrdiff_t jump, ptrdiff_t length, ptrdiff_t rows
) noexcept nogil:
    """Each with one number."""
    cdef ptrdiff_t row, k
    cdef element value
    for row in range(rows):
        value = (<const element *>(source + row * jump))[0]
        for k in range(length):
            target[k] = value
        target += length


cdef void bring(
    ptrdiff_t item, char *packed, char *here, ptrdiff_t jump, ptrdiff_t step, ptrdiff_t length, ptrdiff_t rows, bint back
) noexcept nogil:
    """Rows to where they are side by side, or back."""
    cdef char *starts[CACHE_LINE]
    cdef ptrdiff_t size = length * item, j
    if step != item and length < rows and length <= (FEW if step else FEW // 2):  # across rows
        for j in range(length):
            if back:
                copy_strided(here + j * step, jump, packed + j * item, size, rows, item)
            else:
                copy_strided(packed + j * item, size, here + j * step, jump, rows, item)
    elif step == item and back:
        copy_rows(here, jump, packed, size, size, rows)
    elif step == item:
        copy_rows(packed, size, here, jump, size, rows)
    elif step == 0 and item == 2:
        fill_rows[uint16_t](<uint16_t *>packed, here, jump, length, rows)
    elif step == 0 and item == 4:
        fill_rows[uint32_t](<uint32_t *>packed, here, jump, length, rows)
    elif step == 0 and item == 8:
        fill_rows[uint64_t](<uint64_t *>packed, here, jump, length, rows)
    elif jump == item and item >= 4 and size <= CACHE_LINE and not back:
        for j in range(length):
            starts[j] = here + j * step
        if item == 4:
            fastact_pack_float(<float **>starts, <float *>packed, length, rows)
        else:
            fastact_pack_double(<double **>starts, <double *>packed, length, rows)
    else:
        for j in range(rows):
            if back:
                copy_strided(here + j * jump, step, packed + j * size, item, length, item)
            else:
                copy_strided(packed + j * size, item, here + j * jump, step, length, item)


cdef void bring_rows(const Rows *all, int k, Place place, char *packed, ptrdiff_t rows, bint back) noexcept nogil:
    """The same of an operand, from a place on."""
    cdef ptrdiff_t size = all.length * all.loop.size, n
    cdef int last = all.axes - 1
    while rows > 0:
        n = min(rows, all.sizes[last] - place.index[last])
        bring(all.loop.size, packed, place.args[k], all.jumps[last][k], all.steps[k], all.length, n, back)
        packed += n * size
        rows -= n
        move_on(all, &place, n)


cdef void run_short_rows(const Rows *all, ptrdiff_t row, ptrdiff_t rows) noexcept nogil:
    """As many rows at a time as fit into a block, side by side: each alone would cost a call and an epilogue that is not
    full. What lies so already is left there, and what repeats is brought once."""
    cdef uint64_t storage[MAX_OPERANDS][BLOCK_WORDS]
    cdef const Loop *loop = all.loop
    cdef char *packed[MAX_OPERANDS]
    cdef npy_intp steps[MAX_OPERANDS]
    cdef ptrdiff_t period[MAX_OPERANDS]
    cdef bint apart[MAX_OPERANDS]
    cdef ptrdiff_t size = all.length * loop.size, most = BLOCK_BYTES // size, many = 1, repeat = 1, n
    cdef int nin = loop.nin, axis, k
    cdef bint direct = not loop.half, first = True
    cdef Place place
    for k in range(nin + 1):
        packed[k], steps[k], period[k], apart[k] = <char *>storage[k], loop.size, 1, all.steps[k] != loop.size
    for axis in range(all.axes - 1, -1, -1):
        for k in range(nin + 1):
            apart[k] = apart[k] or all.jumps[axis][k] != repeat * size
        repeat *= all.sizes[axis]
        for k in range(nin):
            if all.jumps[axis][k]:
                period[k] = repeat
    for k in range(nin):
        if period[k] <= most:
            many = max(many, period[k])  # of which the others are divisors
    many = most // many * many
    if constant_parameters(all):
        for k in range(loop.arrays, nin):
            packed[k], steps[k] = all.args[k], 0
    while rows > 0:
        n = min(many, rows)
        find(all, row, &place)
        for k in range(nin + 1):
            if not apart[k]:
                packed[k] = place.args[k]
            elif k < nin and steps[k] and (first or period[k] > most):
                bring_rows(all, k, place, packed[k], n, False)
        run_row(loop, packed, steps, n * all.length, direct)
        if apart[nin]:
            bring_rows(all, nin, place, packed[nin], n, True)
        row += n
        rows -= n
        first = False


cdef void run_tiles(const Rows *all, ptrdiff_t row, ptrdiff_t rows) noexcept nogil:
    """Where neighbours of an input are in different rows: a tile of rows and columns at a time, so that the caches hold
    what is near."""
    cdef uint64_t storage[MAX_OPERANDS][BLOCK_WORDS]
    cdef const Loop *loop = all.loop
    cdef char *packed[MAX_OPERANDS]
    cdef npy_intp steps[MAX_OPERANDS]
    cdef ptrdiff_t size = loop.size, column, width, n
    cdef int nin = loop.nin, last = all.axes - 1, k
    cdef Place place
    find(all, row, &place)
    for k in range(nin + 1):
        packed[k], steps[k] = <char *>storage[k], size
    if constant_parameters(all):
        for k in range(loop.arrays, nin):
            packed[k], steps[k] = all.args[k], 0
    while rows > 0:
        n = min(min(rows, all.sizes[last] - place.index[last]), TILE_ROWS)
        column = 0
        while column < all.length:
            width = min(all.length - column, CACHE_LINE // size)
            for k in range(nin):
                if steps[k]:
                    bring(
                        size, packed[k], place.args[k] + column * all.steps[k], all.jumps[last][k], all.steps[k],
                        width, n, False,
                    )
            run_row(loop, packed, steps, n * width, not loop.half)
            bring(
                size, packed[nin], place.args[nin] + column * all.steps[nin], all.jumps[last][nin], all.steps[nin],
                width, n, True,
            )
            column += width
        rows -= n
        move_on(all, &place, n)


cdef inline bint constant_parameters(const Rows *all) noexcept nogil:
    cdef int axis, k
    if not scalar_parameters(all.loop, all.steps):
        return False
    for axis in range(all.axes):
        for k in range(all.loop.arrays, all.loop.nin):
            if all.jumps[axis][k]:
                return False
    return True


cdef void one_share(const void *call, ptrdiff_t k, int thread) noexcept nogil:
    cdef const Rows *all = <const Rows *>call
    cdef ptrdiff_t start = k * all.share, end = min(start + all.share, all.rows * all.length), n
    if all.then == NULL:
        run_part(all, start, end - start)
        return
    while start < end:
        n = min(whole_rows(all, TOGETHER), end - start)
        run_part(all, start, n)
        run_part(all.then, start, n)
        start += n


cdef inline ptrdiff_t whole_rows(const Rows *all, ptrdiff_t n) noexcept nogil:
    """n elements, or some more: short rows are not divided."""
    return ceil_div(n, all.length) * all.length if all.tiled or is_short(all) else n


cdef void share_out(Rows *all, int threads) noexcept nogil:
    cdef ptrdiff_t n = all.rows * all.length
    cdef ptrdiff_t line = CACHE_LINE // all.loop.size  # whole cache lines to each thread
    all.share = whole_rows(all, ceil_div(ceil_div(n, threads), line) * line)
    fastact_share_out(one_share, all, ceil_div(n, all.share), threads)
