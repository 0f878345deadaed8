# _runtime.h, for all loops.

import sys

cdef extern from "_runtime.h" nogil:
    ctypedef unsigned int fastact_flags
    fastact_flags fastact_save_flags()
    void fastact_restore_flags(fastact_flags)
    void fastact_start_threads(bint is_fork)
    int fastact_threads()
    int fastact_threads_now()
    void fastact_set_threads(int)
    unsigned long fastact_teams  # atomic
    ctypedef void (*fastact_task)(const void *, ptrdiff_t, int) noexcept
    void fastact_share_out(fastact_task, const void *, ptrdiff_t, int)
    void fastact_prefetch(const char *, ptrdiff_t)
    bint fastact_is_intel()


cdef enum:
    WITH_GIL = 500  # elements up to which other threads wait, as for NumPy's own ufuncs


cdef inline ptrdiff_t ceil_div(ptrdiff_t n, ptrdiff_t size) noexcept nogil:
    return (n + size - 1) // size


cdef bint is_fork():
    """Whether multiprocessing made this process by a fork. Of one that was made otherwise, the import cannot know."""
    context = sys.modules.get("multiprocessing.context")
    return context is not None and isinstance(context.process.current_process(), getattr(context, "ForkProcess", ()))


def set_num_threads(int n):
    fastact_set_threads(n)


def teams():
    """How often threads were called."""
    return fastact_teams
