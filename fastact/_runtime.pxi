# _runtime.h, for all loops.

cdef extern from "_runtime.h" nogil:
    ctypedef unsigned int fastact_flags
    fastact_flags fastact_save_flags()
    void fastact_restore_flags(fastact_flags)
    void fastact_start_threads()
    int fastact_threads()
    int fastact_limit
    void fastact_prefetch(const char *, ptrdiff_t)
