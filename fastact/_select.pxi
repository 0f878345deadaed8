# For masks of softmax and its kin: what they leave out takes part as something that changes nothing.

# Elements for each thread, and what is put in the place of those that the mask leaves out.
ctypedef struct Selection:
    const Job *job
    bint is_float
    double value
    ptrdiff_t share


def select(cnp.ndarray x, cnp.ndarray where, double value, cnp.ndarray out):
    """Copy x to `out`, the same array or one apart, but a value to where the mask does not hold. All have one shape."""
    cdef Job job
    cdef Selection selection
    cdef ptrdiff_t size = cnp.PyArray_ITEMSIZE(x), n = cnp.PyArray_SIZE(x)
    cdef int threads = threads_for(n * size)
    if n == 0:
        return
    if not cnp.PyArray_IS_C_CONTIGUOUS(out):
        order = sorted(range(cnp.PyArray_NDIM(x)), key=lambda k: -abs(out.strides[k]))
        x, where, out = x.transpose(order), where.transpose(order), out.transpose(order)
    lay_out(&job, x, tuple(range(cnp.PyArray_NDIM(x))), out, where)
    selection.job, selection.is_float, selection.value = &job, cnp.PyArray_TYPE(x) == cnp.NPY_FLOAT, value
    selection.share = aligned(ceil_div(n, threads))
    with nogil:
        fastact_share_out(one_share, &selection, ceil_div(n, selection.share), threads)


cdef void one_share(const void *selection, ptrdiff_t k, int thread) noexcept nogil:
    if (<const Selection *>selection).is_float:
        select_share[float](<const Selection *>selection, k, NULL)
    else:
        select_share[double](<const Selection *>selection, k, NULL)


cdef void select_share(const Selection *selection, ptrdiff_t k, real *type_tag) noexcept nogil:
    cdef const Job *job = selection.job
    cdef int outer = job.n_reduced - 1
    cdef const Dimension *along = &job.reduced[outer]
    cdef ptrdiff_t start = k * selection.share, end = min(start + selection.share, job.length), column, n
    cdef Place p
    while start < end:
        column = start % along.size
        n = min(along.size - column, end - start)
        p = place(job.reduced, outer, start // along.size)
        select_row(
            <const real *>(job.x + p.x + column * along.x_step), along.x_step,
            <const uint8_t *>(job.second + p.second + column * along.second_step), along.second_step,
            <real>selection.value, <real *>(job.out + p.out + column * along.out_step), along.out_step, n,
        )
        start += n


cdef void select_row(
    const real *x, ptrdiff_t x_step, const uint8_t *where, ptrdiff_t where_step, real value, real *out,
    ptrdiff_t out_step, ptrdiff_t n,
) noexcept nogil:
    """Without branches, so that compilers make vector code of the first loops."""
    cdef ptrdiff_t size = sizeof(real), i
    cdef bint in_one = x_step == size and out_step == size
    cdef real here
    if in_one and where_step == 0 and where[0]:
        if x != out:
            memcpy(out, x, n * size)
    elif in_one and where_step == 0:
        for i in range(n):
            out[i] = value
    elif in_one and where_step == 1 and x == out:
        for i in range(n):
            here = out[i]
            out[i] = here if where[i] else value
    elif in_one and where_step == 1:
        for i in range(n):
            here = x[i]
            out[i] = here if where[i] else value
    else:
        for i in range(n):
            here = (<const real *>(<const char *>x + i * x_step))[0]
            (<real *>(<char *>out + i * out_step))[0] = here if where[i * where_step] else value
