"""The features of this CPU that decide which level it can run."""

cdef extern from *:
    """
    #if defined(__x86_64__)
    #include <cpuid.h>
    #define FASTACT_SEE(name) if (__builtin_cpu_supports(name)) seen[n++] = name;
    static int fastact_see_features(const char **seen) {
        unsigned a, b, c, d;
        int n = 0;
        __builtin_cpu_init();
        FASTACT_SEE("avx2") FASTACT_SEE("bmi") FASTACT_SEE("bmi2") FASTACT_SEE("fma")
        FASTACT_SEE("avx512f") FASTACT_SEE("avx512bw") FASTACT_SEE("avx512cd") FASTACT_SEE("avx512dq")
        FASTACT_SEE("avx512vl")
        /* what older compilers do not tell by name */
        if (__get_cpuid(1, &a, &b, &c, &d)) {
            if (c >> 22 & 1) seen[n++] = "movbe";
            if (c >> 29 & 1) seen[n++] = "f16c";
        }
        if (__get_cpuid(0x80000001, &a, &b, &c, &d) && c >> 5 & 1) seen[n++] = "lzcnt";
        return n;
    }
    #else
    static int fastact_see_features(const char **seen) { return 0; }
    #endif
    """
    int fastact_see_features(const char **)


def features():
    cdef const char *seen[16]
    cdef int n = fastact_see_features(seen)
    return [seen[k].decode() for k in range(n)]
