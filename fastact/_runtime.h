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

/* A thread whose core others use does not come when it is called: the caller waits for a time slice, 4 ms and more, over
   what takes microseconds. After such a wait calls stay on one thread for a while, longer if it soon happens again. */
#define FASTACT_SHORTEST_PAUSE 0.25 /* seconds */
#define FASTACT_LONGEST_PAUSE 4.0
#define FASTACT_LATE 0.0002 /* threads that sleep need a quarter of that to wake */

static volatile double fastact_alone_until = 0;
static volatile double fastact_pause = FASTACT_SHORTEST_PAUSE;

typedef struct { double start, own; } fastact_team;

static inline double fastact_now(void) {
#ifdef _OPENMP
    return omp_get_wtime();
#else
    return 0;
#endif
}

/* To be called before a loop over threads, by the caller when it has done its part, and after the loop. */
static inline void fastact_call_team(fastact_team *team) { team->start = fastact_now(); }
static inline void fastact_own_part_done(fastact_team *team) { team->own = fastact_now(); }
static inline void fastact_team_done(const fastact_team *team) {
    double now = fastact_now(), waited = now - team->own, pause = fastact_pause;
    if (waited > FASTACT_LATE && 2 * waited > team->own - team->start) {
        pause = now < fastact_alone_until + 4 * pause ? 2 * pause : FASTACT_SHORTEST_PAUSE;
        fastact_pause = pause < FASTACT_LONGEST_PAUSE ? pause : FASTACT_LONGEST_PAUSE;
        fastact_alone_until = now + fastact_pause;
    }
}

/* The last of n steps that the caller does, in a loop that is shared out evenly. */
static inline ptrdiff_t fastact_last_own(ptrdiff_t n, int threads) { return (n + threads - 1) / threads - 1; }

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

/* As many, or one while the others would not come. */
static inline int fastact_threads_now(void) {
    int threads = fastact_threads();
    return threads > 1 && fastact_alone_until > 0 && fastact_now() < fastact_alone_until ? 1 : threads;
}

#endif
