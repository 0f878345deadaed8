# _runtime.h, for all loops.

cdef extern from "_runtime.h" nogil:
    ctypedef unsigned int fastact_flags
    fastact_flags fastact_save_flags()
    void fastact_restore_flags(fastact_flags)
    void fastact_start_threads()
    int fastact_threads()
    int fastact_threads_now()
    void fastact_set_threads(int)
    unsigned long fastact_teams
    ctypedef void (*fastact_piece)(const void *, ptrdiff_t, int) noexcept
    void fastact_share_out(fastact_piece, const void *, ptrdiff_t, int)
    void fastact_prefetch(const char *, ptrdiff_t)


def set_num_threads(int n):
    fastact_set_threads(n)


def teams():
    """How often threads were called."""
    return fastact_teams
