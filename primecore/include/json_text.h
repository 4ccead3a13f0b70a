/* Tokens of JSON text: strings (with UTF-8 checked), numbers, white space. Knows nothing of objects, arrays or events.
 *
 * Every function reads [at, end) only: no padding is needed after the text. Where SSE2 is used there is a scalar twin
 * that gives the same answers; SSE2 is part of x86-64, so nothing has to be dispatched at run time.
 */
#ifndef PRIME_JSON_TEXT_H
#define PRIME_JSON_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#define TEXT_INLINE static inline __attribute__((unused))

/* The same numbers as in enum scan_error of _json.pxd. */
enum text_error {
    TEXT_OK = 0,
    TEXT_TRUNCATED = 1,
    TEXT_BAD_CONTROL = 2,
    TEXT_BAD_ESCAPE = 3,
    TEXT_BAD_UNICODE_ESCAPE = 4,
    TEXT_LONE_SURROGATE = 5,
    TEXT_BAD_UTF8 = 6,
    TEXT_BAD_NUMBER = 7,
    TEXT_LONG_EXPONENT = 20,
};

/* Digits of an exponent: what Python's Decimal can hold. A number beyond could be stored, and never be read. */
#define TEXT_EXPONENT_DIGITS 17

#define TEXT_ONES 0x0101010101010101ULL
#define TEXT_HIGHS 0x8080808080808080ULL

TEXT_INLINE uint64_t text_load8(const char *at) {
    uint64_t word;
    memcpy(&word, at, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

TEXT_INLINE uint32_t text_load4(const char *at) {
    uint32_t word;
    memcpy(&word, at, 4);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap32(word);
#endif
    return word;
}

/* ---- plain runs ---- */

TEXT_INLINE int text_is_plain(unsigned char byte) { return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\'; }

/* The first byte in [at, end) that is '"', '\\', below 0x20 or above 0x7F; `end` where there is none. */
TEXT_INLINE const char *text_plain_end_scalar(const char *at, const char *end) {
    while (end - at >= 8) {
        uint64_t word = text_load8(at);
        uint64_t quote = word ^ (TEXT_ONES * '"'), slash = word ^ (TEXT_ONES * '\\');
        /* Each term is exact up to and including its lowest hit, which is all that is asked. */
        uint64_t hits = ((quote - TEXT_ONES) & ~quote) | ((slash - TEXT_ONES) & ~slash);
        hits = (hits | ((word - TEXT_ONES * 0x20) & ~word) | word) & TEXT_HIGHS;
        if (hits)
            return at + (__builtin_ctzll(hits) >> 3);
        at += 8;
    }
    while (at < end && text_is_plain((unsigned char)*at))
        at++;
    return at;
}

#if defined(__x86_64__)
TEXT_INLINE const char *text_plain_end(const char *at, const char *end) {
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(0x20);
    const char *begin = at;
    while (end - at >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)at);
        /* As signed bytes, what is above 0x7F is below 0x20 too. */
        __m128i hits = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, slash)),
                                    _mm_cmplt_epi8(bytes, space));
        unsigned mask = (unsigned)_mm_movemask_epi8(hits);
        if (mask)
            return at + __builtin_ctz(mask);
        at += 16;
        /* Few strings go on from here; those of base64 do so for thousands of bytes. */
        while (at - begin >= 64 && end - at >= 64) {
            hits = _mm_setzero_si128();
            for (int i = 0; i < 64; i += 16) {
                bytes = _mm_loadu_si128((const __m128i *)(at + i));
                hits = _mm_or_si128(hits, _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, slash)));
                hits = _mm_or_si128(hits, _mm_cmplt_epi8(bytes, space));
            }
            if (_mm_movemask_epi8(hits)) {
                begin = end;
                break;
            }
            at += 64;
        }
    }
    return text_plain_end_scalar(at, end);
}
#else
TEXT_INLINE const char *text_plain_end(const char *at, const char *end) { return text_plain_end_scalar(at, end); }
#endif

/* ---- control characters, in text that is known to be UTF-8 ---- */

TEXT_INLINE int text_has_control_scalar(const char *at, size_t size) {
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)at[i];
        if (byte < 0x20 || byte == 0x7F)
            return 1;
        if (byte == 0xC2 && i + 1 < size && (unsigned char)at[i + 1] < 0xA0)
            return 1;
    }
    return 0;
}

TEXT_INLINE uint64_t text_control_hits(uint64_t word) {
    uint64_t del = word ^ (TEXT_ONES * 0x7F), lead = word ^ (TEXT_ONES * 0xC2);
    uint64_t hits = ((word - TEXT_ONES * 0x20) & ~word) | ((del - TEXT_ONES) & ~del) | ((lead - TEXT_ONES) & ~lead);
    return hits & TEXT_HIGHS;
}

/* 1 where the text holds a C0 control, DEL or a C1 control (U+0080 to U+009F: C2 80 to C2 9F). */
TEXT_INLINE int text_has_control(const char *at, size_t size) {
#if defined(__x86_64__)
    if (size >= 16) {
        const __m128i last_c0 = _mm_set1_epi8(0x1F), del = _mm_set1_epi8(0x7F), lead = _mm_set1_epi8((char)0xC2);
        __m128i hits = _mm_setzero_si128();
        for (size_t i = 0;; i = i + 32 <= size ? i + 16 : size - 16) {
            __m128i bytes = _mm_loadu_si128((const __m128i *)(at + i));
            hits = _mm_or_si128(hits, _mm_cmpeq_epi8(_mm_min_epu8(bytes, last_c0), bytes));
            hits = _mm_or_si128(hits, _mm_or_si128(_mm_cmpeq_epi8(bytes, del), _mm_cmpeq_epi8(bytes, lead)));
            if (i == size - 16)
                break;
        }
        /* A C2 may lead a harmless character: the twin decides. */
        return _mm_movemask_epi8(hits) ? text_has_control_scalar(at, size) : 0;
    }
#endif
    if (size >= 8 && size <= 16) {
        uint64_t first = text_load8(at), last = text_load8(at + size - 8);
        /* A false alarm costs only the slow way; a control byte always raises one. */
        return text_control_hits(first) | text_control_hits(last) ? text_has_control_scalar(at, size) : 0;
    }
    return text_has_control_scalar(at, size);
}

/* ---- strings ---- */

/* Bytes of the UTF-8 character at `at` (above 0x7F); 0 where it is none: overlong, a surrogate, past U+10FFFF, cut. */
TEXT_INLINE int text_utf8_size(const char *at, const char *end) {
    const unsigned char *byte = (const unsigned char *)at;
    ptrdiff_t room = end - at;
    if (byte[0] < 0xC2 || room < 2 || (byte[1] & 0xC0) != 0x80)
        return 0;
    if (byte[0] < 0xE0)
        return 2;
    if (room < 3 || (byte[2] & 0xC0) != 0x80)
        return 0;
    if (byte[0] < 0xF0)
        return (byte[0] == 0xE0 && byte[1] < 0xA0) || (byte[0] == 0xED && byte[1] > 0x9F) ? 0 : 3;
    if (room < 4 || (byte[3] & 0xC0) != 0x80 || byte[0] > 0xF4)
        return 0;
    return (byte[0] == 0xF0 && byte[1] < 0x90) || (byte[0] == 0xF4 && byte[1] > 0x8F) ? 0 : 4;
}

TEXT_INLINE int text_hex_digit(unsigned char byte) {
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* The four hexadecimal digits at `at`, -1 where they are not. Reads four bytes. */
TEXT_INLINE int text_hex4(const char *at) {
    int a = text_hex_digit((unsigned char)at[0]), b = text_hex_digit((unsigned char)at[1]);
    int c = text_hex_digit((unsigned char)at[2]), d = text_hex_digit((unsigned char)at[3]);
    return (a | b | c | d) < 0 ? -1 : a << 12 | b << 8 | c << 4 | d;
}

/* Steps over the escape at *at (a backslash). On failure *at is left where the fault is. */
TEXT_INLINE int text_escape(const char **at, const char *end) {
    const char *p = *at;
    if (end - p < 2)
        return TEXT_TRUNCATED;
    switch (p[1]) {
    case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
        *at = p + 2;
        return TEXT_OK;
    case 'u':
        break;
    default:
        return TEXT_BAD_ESCAPE;
    }
    if (end - p < 6)
        return TEXT_TRUNCATED;
    int unit = text_hex4(p + 2);
    if (unit < 0)
        return TEXT_BAD_UNICODE_ESCAPE;
    if (unit < 0xD800 || unit > 0xDFFF) {
        *at = p + 6;
        return TEXT_OK;
    }
    if (unit > 0xDBFF || end - p < 12 || p[6] != '\\' || p[7] != 'u')
        return TEXT_LONE_SURROGATE;
    int low = text_hex4(p + 8);
    if (low < 0xDC00 || low > 0xDFFF)
        return TEXT_LONE_SURROGATE;
    *at = p + 12;
    return TEXT_OK;
}

/* What stands at a byte that ends a plain run and is no quote. Kept out of line: most strings are plain. */
static __attribute__((unused, noinline)) int text_string_rest(const char **at, const char *end, uint8_t *escaped) {
    const char *p = *at;
    int status = TEXT_OK;
    for (;;) {
        if (p >= end) {
            status = TEXT_TRUNCATED;
            break;
        }
        unsigned char byte = (unsigned char)*p;
        if (byte == '"')
            break;
        if (byte == '\\') {
            *escaped = 1;
            status = text_escape(&p, end);
            if (status)
                break;
        } else if (byte < 0x20) {
            status = TEXT_BAD_CONTROL;
            break;
        } else if (byte < 0x80) {
            p = text_plain_end(p, end);
        } else {
            int size = text_utf8_size(p, end);
            if (!size) {
                status = TEXT_BAD_UTF8;
                break;
            }
            p += size;
        }
    }
    *at = p;
    return status;
}

/* Steps over a string's content: *at goes from just past the opening quote to the closing one, or to the fault. */
TEXT_INLINE int text_string(const char **at, const char *end, uint8_t *escaped) {
    *at = text_plain_end(*at, end);
    *escaped = 0;
    if (*at < end && **at == '"')
        return TEXT_OK;
    return text_string_rest(at, end, escaped);
}

TEXT_INLINE char *text_put_utf8(char *out, uint32_t code) {
    if (code < 0x80) {
        *out++ = (char)code;
    } else if (code < 0x800) {
        *out++ = (char)(0xC0 | code >> 6);
        *out++ = (char)(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        *out++ = (char)(0xE0 | code >> 12);
        *out++ = (char)(0x80 | (code >> 6 & 0x3F));
        *out++ = (char)(0x80 | (code & 0x3F));
    } else {
        *out++ = (char)(0xF0 | code >> 18);
        *out++ = (char)(0x80 | (code >> 12 & 0x3F));
        *out++ = (char)(0x80 | (code >> 6 & 0x3F));
        *out++ = (char)(0x80 | (code & 0x3F));
    }
    return out;
}

/* Unescapes a string's content that text_string accepted into `out` (`size` bytes are room enough); the new size. */
static __attribute__((unused)) size_t text_unescape(const char *at, size_t size, char *out) {
    const char *end = at + size;
    char *begin = out;
    while (at < end) {
        const char *stop = (const char *)memchr(at, '\\', (size_t)(end - at));
        size_t run = (size_t)((stop ? stop : end) - at);
        memcpy(out, at, run);
        out += run;
        if (!stop)
            break;
        at = stop + 2;
        switch (stop[1]) {
        case 'b': *out++ = '\b'; break;
        case 'f': *out++ = '\f'; break;
        case 'n': *out++ = '\n'; break;
        case 'r': *out++ = '\r'; break;
        case 't': *out++ = '\t'; break;
        case 'u': {
            uint32_t code = (uint32_t)text_hex4(at);
            at += 4;
            if (code >= 0xD800 && code <= 0xDBFF) {
                code = 0x10000 + ((code - 0xD800) << 10) + ((uint32_t)text_hex4(at + 2) - 0xDC00);
                at += 6;
            }
            out = text_put_utf8(out, code);
            break;
        }
        default: *out++ = stop[1];
        }
    }
    return (size_t)(out - begin);
}

/* ---- numbers and white space ---- */

TEXT_INLINE const char *text_digits_end(const char *at, const char *end) {
    while (at < end && (unsigned char)(*at - '0') < 10)
        at++;
    return at;
}

/* Steps over the number at *at ('-' or a digit). On failure *at is left where the fault is. */
TEXT_INLINE int text_number(const char **at, const char *end) {
    const char *p = *at + (**at == '-'), *digits = p;
    p = text_digits_end(p, end);
    if (p == digits || (*digits == '0' && p - digits > 1))
        goto fault;
    if (p < end && *p == '.') {
        digits = ++p;
        p = text_digits_end(p, end);
        if (p == digits)
            goto fault;
    }
    if (p < end && (*p | 0x20) == 'e') {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        digits = p;
        p = text_digits_end(p, end);
        if (p == digits)
            goto fault;
        while (digits < p && *digits == '0')
            digits++;
        if (p - digits > TEXT_EXPONENT_DIGITS) {
            *at = digits;
            return TEXT_LONG_EXPONENT;
        }
    }
    *at = p;
    return TEXT_OK;
fault:
    *at = digits;
    return digits < end ? TEXT_BAD_NUMBER : TEXT_TRUNCATED;
}

TEXT_INLINE int text_is_space(char byte) { return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r'; }

TEXT_INLINE const char *text_skip_space(const char *at, const char *end) {
    while (at < end && (unsigned char)*at <= ' ' && text_is_space(*at))
        at++;
    return at;
}

#endif
