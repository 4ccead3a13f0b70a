/* Whether "null" stands anywhere in a text: sixteen places at a time where the processor can. The C library's memmem is
 * made for longer words, and takes several times as long. */
#ifndef PRIME_FIND_NULL_H
#define PRIME_FIND_NULL_H

#include <stddef.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static inline int text_has_null_plain(const char *text, size_t size) {
    for (size_t i = 0; i + 4 <= size; i++)
        if (text[i] == 'n' && memcmp(text + i, "null", 4) == 0)
            return 1;
    return 0;
}

static inline int text_has_null(const char *text, size_t size) {
    size_t i = 0;
#if defined(__SSE2__)
    /* Sixteen places, and the three bytes behind the last of them. */
    const __m128i n = _mm_set1_epi8('n'), u = _mm_set1_epi8('u'), l = _mm_set1_epi8('l');
    for (; i + 19 <= size; i += 16) {
        const __m128i first = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(text + i)), n);
        const __m128i second = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(text + i + 1)), u);
        const __m128i third = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(text + i + 2)), l);
        const __m128i fourth = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(text + i + 3)), l);
        if (_mm_movemask_epi8(_mm_and_si128(_mm_and_si128(first, second), _mm_and_si128(third, fourth))))
            return 1;
    }
#endif
    return text_has_null_plain(text + i, size - i);
}

#endif
