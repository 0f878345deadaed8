/* What the loops need of the machine: how many threads to use, and floating-point flags kept as they were. */

#ifndef FASTACT_RUNTIME_H
#define FASTACT_RUNTIME_H

#include <math.h>
#include <stddef.h>

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
/* Whether subnormal numbers are flushed to zero is each thread's own: as in the one that calls, or the result's parts
   would differ. */
static inline void fastact_take_modes(fastact_flags caller) {
    fastact_flags own = _mm_getcsr();
    if ((own ^ caller) & ~_MM_EXCEPT_MASK) _mm_setcsr((caller & ~_MM_EXCEPT_MASK) | (own & _MM_EXCEPT_MASK));
}
#elif defined(__aarch64__)
#include <stdint.h>
typedef uint64_t fastact_flags; /* the modes above the flags */
static inline fastact_flags fastact_save_flags(void) {
    uint64_t modes, flags;
    __asm__ volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(modes), "=r"(flags));
    return modes << 32 | flags;
}
static inline void fastact_write_flags(fastact_flags flags) {
    __asm__ volatile("msr fpcr, %0\n\tmsr fpsr, %1" : : "r"(flags >> 32), "r"(flags & UINT32_MAX));
}
static inline void fastact_restore_flags(fastact_flags flags) {
    if ((fastact_save_flags() ^ flags) & ~(uint64_t)0x10) fastact_write_flags(flags); /* not for `inexact` alone */
}
static inline void fastact_take_modes(fastact_flags caller) {
    fastact_flags own = fastact_save_flags();
    if ((own ^ caller) >> 32) fastact_write_flags((caller & ~(uint64_t)UINT32_MAX) | (own & UINT32_MAX));
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
static inline void fastact_take_modes(fastact_flags caller) { (void)caller; }
#endif

/* Bytes that will be read soon, from where the processor does not foresee it. */
static inline void fastact_prefetch(const char *start, ptrdiff_t size) {
#if defined(__GNUC__)
    for (ptrdiff_t k = 0; k < size; k += 64) __builtin_prefetch(start + k);
#endif
}

/* Whose processors fetch less unasked than others: neither results nor short rows. */
static inline int fastact_is_intel(void) {
#if defined(__GNUC__) && defined(__x86_64__)
    return __builtin_cpu_is("intel");
#else
    return 0;
#endif
}

static _Atomic int fastact_limit = 0; /* what set_num_threads said; 0: nothing */
static int fastact_omp_at_start = 1;  /* OpenMP's own number at import */
static int fastact_is_fork = 0;

/* GNU OpenMP hangs in the child of a fork if its parent had used it. */
static void fastact_after_fork(void) { fastact_is_fork = 1; }

static inline void fastact_start_threads(int is_fork) {
    fastact_is_fork = is_fork;
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
    int now, limit = fastact_limit;
    if (fastact_is_fork || omp_in_parallel()) return 1;
    now = omp_get_max_threads();
    if (limit == 0) return now;
    return now < fastact_omp_at_start && now < limit ? now : limit;
#else
    return 1;
#endif
}

/* A thread whose core others use does not come when it is called, or does not go on: all wait for a time slice, 4 ms and
   more, over what takes microseconds. Once may be chance, as after a pause. After two such waits in a row calls stay on
   one thread, for as many as would have been faster by all of that wait; if the next tries have to wait, too, for twice
   as many. */
#define FASTACT_LATE 0.0002  /* seconds; threads that sleep need a quarter of that to wake */
#define FASTACT_LONGEST 4.0  /* seconds alone: calls may be larger than that which waited */
#define FASTACT_MOST 10000   /* calls alone */

/* Any thread of Python's may call. */
static _Atomic int fastact_alone = 0, fastact_alone_at_first = 0;
static _Atomic double fastact_alone_until = 0;
static _Atomic int fastact_waited = 0;          /* the last call of threads */
static _Atomic unsigned long fastact_teams = 0; /* how often threads were called */

static inline double fastact_now(void) {
#ifdef _OPENMP
    return omp_get_wtime();
#else
    return 0;
#endif
}

/* A call took so long, and its fastest thread would have taken so long for the largest share. */
static inline void fastact_took(double all, double fastest, double now) {
    double wait = all - fastest, calls = wait / fastest;
    if (wait < FASTACT_LATE || wait < fastest) {
        fastact_alone_at_first = fastact_waited = 0;
        return;
    }
    fastact_waited = !fastact_waited;
    if (!fastact_waited) {
        fastact_alone = fastact_alone_at_first = (int)fmin(fmax(calls, 2 * fastact_alone_at_first), FASTACT_MOST);
        fastact_alone_until = now + FASTACT_LONGEST;
    }
}

/* As many as the limit, or one while the others would not come. */
static inline int fastact_threads_now(void) {
    int threads = fastact_threads();
    if (threads == 1 || fastact_alone <= 0) return threads;
    if (fastact_now() > fastact_alone_until) {
        fastact_alone = 0;
        return threads;
    }
    fastact_alone--;
    return 1;
}

static inline void fastact_set_threads(int n) {
    fastact_limit = n;
    fastact_alone = fastact_waited = 0; /* try anew */
}

/* Task k of a job, on the thread of this number. */
typedef void (*fastact_task)(const void *job, ptrdiff_t k, int thread);

/* Tasks 0 to n - 1; with more than one thread, neighbours to the same. */
static inline void fastact_share_out(fastact_task task, const void *job, ptrdiff_t n, int threads) {
    if (threads > n) threads = (int)n;
#ifdef _OPENMP
    if (threads > 1) { /* for one, OpenMP would take longer than a small job */
        double start = fastact_now(), fastest = INFINITY, now;
        fastact_flags caller = fastact_save_flags();
        fastact_teams++;
#pragma omp parallel num_threads(threads) reduction(min : fastest)
        {
            int thread = omp_get_thread_num(), all = omp_get_num_threads(); /* perhaps fewer than were asked for */
            ptrdiff_t k = n * thread / all, end = n * (thread + 1) / all, share = end - k;
            double began = fastact_now();
            fastact_flags own = fastact_save_flags();
            fastact_take_modes(caller);
            for (; k < end; k++) task(job, k, thread);
            fastact_restore_flags(own);
            fastest = (fastact_now() - began) * ((n + all - 1) / all) / share;
        }
        now = fastact_now();
        fastact_took(now - start, fastest, now);
        return;
    }
#endif
    for (ptrdiff_t k = 0; k < n; k++) task(job, k, 0);
}

#endif
