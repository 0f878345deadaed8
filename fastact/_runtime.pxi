# _runtime.h, for all loops.

cdef extern from "_runtime.h" nogil:
    ctypedef unsigned int fastact_flags
    fastact_flags fastact_save_flags()
    void fastact_restore_flags(fastact_flags)
    void fastact_start_threads()
    int fastact_threads()
    int fastact_threads_now()
    ctypedef struct fastact_team:
        pass
    void fastact_call_team(fastact_team *)
    void fastact_own_part_done(fastact_team *)
    void fastact_team_done(const fastact_team *)
    ptrdiff_t fastact_last_own(ptrdiff_t, int)
    int fastact_limit
    double fastact_alone_until
    void fastact_prefetch(const char *, ptrdiff_t)
