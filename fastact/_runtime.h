/* What the loops need of the machine: how many threads to use, and floating-point flags kept as they were. */

#ifndef FASTACT_RUNTIME_H
#define FASTACT_RUNTIME_H

#ifdef _OPENMP
#include <omp.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif
#if defined(__SSE__) || defined(_M_X64)
#include <xmmintrin.h>
typedef unsigned int fastact_flags;
static inline fastact_flags fastact_save_flags(void) { return _mm_getcsr(); }
/* Writing is slow: not for `inexact`, which every sum raises and NumPy does not ask for. */
static inline void fastact_restore_flags(fastact_flags flags) {
    if ((_mm_getcsr() ^ flags) & ~_MM_EXCEPT_INEXACT) _mm_setcsr(flags);
}
#else
#include <fenv.h>
typedef fexcept_t fastact_flags;
static inline fastact_flags fastact_save_flags(void) {
    fexcept_t flags;
    fegetexceptflag(&flags, FE_ALL_EXCEPT);
    return flags;
}
static inline void fastact_restore_flags(fastact_flags flags) { fesetexceptflag(&flags, FE_ALL_EXCEPT); }
#endif

/* Bytes that will be read soon, from where the processor does not foresee it. */
static inline void fastact_prefetch(const char *start, ptrdiff_t size) {
#if defined(__GNUC__)
    for (ptrdiff_t k = 0; k < size; k += 64) __builtin_prefetch(start + k);
#endif
}

static int fastact_limit = 0;        /* what set_num_threads said; 0: nothing */
static int fastact_omp_at_start = 1; /* OpenMP's own number at import */
static int fastact_is_fork = 0;

/* GNU OpenMP hangs in the child of a fork if its parent had used it. */
static void fastact_after_fork(void) { fastact_is_fork = 1; }

static inline void fastact_start_threads(void) {
#ifdef _OPENMP
    fastact_omp_at_start = omp_get_max_threads();
#endif
#if defined(__unix__) || defined(__APPLE__)
    pthread_atfork(0, 0, fastact_after_fork);
#endif
}

/* The limit that was set; threadpoolctl and omp_set_num_threads can only lower it. */
static inline int fastact_threads(void) {
#ifdef _OPENMP
    int now;
    if (fastact_is_fork || omp_in_parallel()) return 1;
    now = omp_get_max_threads();
    if (fastact_limit == 0) return now;
    return now < fastact_omp_at_start && now < fastact_limit ? now : fastact_limit;
#else
    return 1;
#endif
}

#endif
