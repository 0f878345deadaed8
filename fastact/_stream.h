/* Results of arrays that no cache holds, written past the caches: otherwise these first read what is overwritten. */

#ifndef FASTACT_STREAM_H
#define FASTACT_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
typedef __m512i fastact_vector;
#define FASTACT_STREAM(to, from) _mm512_stream_si512(to, _mm512_loadu_si512(from))
#elif defined(__AVX__)
#include <immintrin.h>
typedef __m256i fastact_vector;
#define FASTACT_STREAM(to, from) _mm256_stream_si256(to, _mm256_loadu_si256(from))
#elif defined(__SSE2__)
#include <emmintrin.h>
typedef __m128i fastact_vector;
#define FASTACT_STREAM(to, from) _mm_stream_si128(to, _mm_loadu_si128(from))
#endif

#ifdef FASTACT_STREAM
#define FASTACT_STREAMS 1
#else
#define FASTACT_STREAMS 0
#endif

/* A copy; meanwhile as many bytes from `next` on are fetched. `fastact_streamed` must follow before others read it. */
static inline void fastact_stream(char *to, const char *from, ptrdiff_t size, const char *next) {
#if defined(FASTACT_STREAM)
    ptrdiff_t start = (ptrdiff_t)(-(uintptr_t)to % 64), end;
    if (start > size) start = size;
    end = start + (size - start) / 64 * 64;
    memcpy(to, from, start);
    for (ptrdiff_t k = start; k < end; k += 64) {
        __builtin_prefetch(next + k);
        for (size_t j = 0; j < 64; j += sizeof(fastact_vector))
            FASTACT_STREAM((fastact_vector *)(to + k + j), (const fastact_vector *)(from + k + j));
    }
    memcpy(to + end, from + end, size - end);
#else
    (void)next;
    memcpy(to, from, size);
#endif
}

static inline void fastact_streamed(void) {
#if defined(FASTACT_STREAM)
    _mm_sfence();
#endif
}

#endif
