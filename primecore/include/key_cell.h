/* The 24 bytes at the head of each record that say what its key is. Knows bytes only.
 *
 * A key is a prefix (interned text, by number) and a rest. The rest lies in the cell when it has at most 18 bytes, as
 * 16 bytes when it is a UUID in its canonical lower-case spelling; otherwise the whole key lies in the arena.
 * Cells are compared by spelling them out against the query, so a query is never classified or parsed. */
#ifndef PRIME_KEY_CELL_H
#define PRIME_KEY_CELL_H

#include <stdint.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum {
    KEY_BODY_BYTES = 18,
    KEY_INLINE = 1,
    KEY_UUID = 2,
    KEY_LONG = 3,
    KEY_REMOVED = 0x80, /* set beside the kind: no longer in the table, still readable */
    UUID_TEXT_BYTES = 36
};

typedef struct {
    uint32_t prefix;
    uint8_t kind;
    uint8_t size; /* of an inline rest */
    uint8_t body[KEY_BODY_BYTES];
} key_cell_t;

/* Body of a long key. */
typedef struct {
    uint32_t ref;  /* arena block with the whole key */
    uint32_t size; /* of the whole key */
    uint32_t hash; /* low half of its hash */
} key_long_t;

typedef struct {
    uint32_t offset;
    uint32_t size;
} prefix_slot_t;

_Static_assert(sizeof(key_cell_t) == 24, "key cells are 24 bytes");

static inline uint64_t key_load8(const void *from)
{
    uint64_t value;
    memcpy(&value, from, 8);
    return value;
}

static inline uint32_t key_load4(const void *from)
{
    uint32_t value;
    memcpy(&value, from, 4);
    return value;
}

/* memcmp() == 0 for short texts without the call. Never reads beyond either. */
static inline int key_bytes_equal(const char *a, const char *b, uint32_t size)
{
    if (size >= 8) {
        const char *end = a + size - 8;
        uint64_t last = key_load8(end) ^ key_load8(b + size - 8);
        for (; a < end; a += 8, b += 8)
            if (key_load8(a) != key_load8(b))
                return 0;
        return last == 0;
    }
    if (size >= 4)
        return ((key_load4(a) ^ key_load4(b)) | (key_load4(a + size - 4) ^ key_load4(b + size - 4))) == 0;
    if (size == 0)
        return 1;
    return ((a[0] ^ b[0]) | (a[size >> 1] ^ b[size >> 1]) | (a[size - 1] ^ b[size - 1])) == 0;
}

/* memcpy() for short texts without the call. Never touches a byte beyond either. */
static inline void key_bytes_copy(char *to, const char *from, uint32_t size)
{
    if (size >= 8) {
        uint64_t last = key_load8(from + size - 8);
        for (uint32_t at = 0; at + 8 < size; at += 8)
            memcpy(to + at, from + at, 8);
        memcpy(to + size - 8, &last, 8);
    } else if (size >= 4) {
        uint32_t first = key_load4(from), last = key_load4(from + size - 4);
        memcpy(to, &first, 4);
        memcpy(to + size - 4, &last, 4);
    } else if (size) {
        char middle = from[size >> 1], last = from[size - 1];
        to[0] = from[0];
        to[size >> 1] = middle;
        to[size - 1] = last;
    }
}

/* The same; all bytes on top of each other, in whatever order. */
static inline uint64_t key_bytes_copy_seen(char *to, const char *from, uint32_t size)
{
    if (size >= 8) {
        uint64_t last = key_load8(from + size - 8), seen = last;
        for (uint32_t at = 0; at + 8 < size; at += 8) {
            uint64_t next = key_load8(from + at);
            seen |= next;
            memcpy(to + at, &next, 8);
        }
        memcpy(to + size - 8, &last, 8);
        return seen;
    }
    if (size >= 4) {
        uint32_t first = key_load4(from), last = key_load4(from + size - 4);
        memcpy(to, &first, 4);
        memcpy(to + size - 4, &last, 4);
        return first | last;
    }
    uint64_t seen = 0;
    for (uint32_t at = 0; at < size; at++)
        seen |= (uint8_t)(to[at] = from[at]);
    return seen;
}

static const char KEY_DIGITS[] = "0123456789abcdef";

/* 16 bytes as 32 digits. */
static inline void uuid_digits_plain(const uint8_t *id, char *out)
{
    for (int i = 0; i < 16; i++) {
        out[2 * i] = KEY_DIGITS[id[i] >> 4];
        out[2 * i + 1] = KEY_DIGITS[id[i] & 15];
    }
}

#if defined(__SSE2__)
static inline void uuid_digits_sse2(const uint8_t *id, __m128i *first, __m128i *second)
{
    const __m128i low4 = _mm_set1_epi8(15);
    __m128i bytes = _mm_loadu_si128((const __m128i *)id);
    __m128i high = _mm_and_si128(_mm_srli_epi16(bytes, 4), low4);
    __m128i low = _mm_and_si128(bytes, low4);
    __m128i a = _mm_unpacklo_epi8(high, low), b = _mm_unpackhi_epi8(high, low);
    const __m128i nine = _mm_set1_epi8(9), zero = _mm_set1_epi8('0'), gap = _mm_set1_epi8('a' - '0' - 10);
    *first = _mm_add_epi8(_mm_add_epi8(a, zero), _mm_and_si128(_mm_cmpgt_epi8(a, nine), gap));
    *second = _mm_add_epi8(_mm_add_epi8(b, zero), _mm_and_si128(_mm_cmpgt_epi8(b, nine), gap));
}

/* The 32 digits of a hyphenated text, in order. */
static inline void uuid_gather_sse2(const char *text, __m128i *first, __m128i *second)
{
    *first = _mm_set_epi64x((long long)((uint64_t)key_load4(text + 9) | (uint64_t)key_load4(text + 14) << 32),
                            (long long)key_load8(text));
    *second = _mm_set_epi64x((long long)key_load8(text + 28),
                             (long long)((uint64_t)key_load4(text + 19) | (uint64_t)key_load4(text + 24) << 32));
}
#endif

static inline int uuid_has_hyphens(const char *text)
{
    return ((text[8] ^ '-') | (text[13] ^ '-') | (text[18] ^ '-') | (text[23] ^ '-')) == 0;
}

static inline void uuid_write(const uint8_t *id, char *out36)
{
    char digits[32];
#if defined(__SSE2__)
    __m128i first, second;
    uuid_digits_sse2(id, &first, &second);
    _mm_storeu_si128((__m128i *)digits, first);
    _mm_storeu_si128((__m128i *)(digits + 16), second);
#else
    uuid_digits_plain(id, digits);
#endif
    memcpy(out36, digits, 8);
    out36[8] = '-';
    memcpy(out36 + 9, digits + 8, 4);
    out36[13] = '-';
    memcpy(out36 + 14, digits + 12, 4);
    out36[18] = '-';
    memcpy(out36 + 19, digits + 16, 4);
    out36[23] = '-';
    memcpy(out36 + 24, digits + 20, 12);
}

/* Whether 36 bytes of text spell this id in the canonical way. */
static inline int uuid_equal_plain(const uint8_t *id, const char *text)
{
    char digits[32];
    uuid_digits_plain(id, digits);
    return uuid_has_hyphens(text) && memcmp(text, digits, 8) == 0 && memcmp(text + 9, digits + 8, 4) == 0
        && memcmp(text + 14, digits + 12, 4) == 0 && memcmp(text + 19, digits + 16, 4) == 0
        && memcmp(text + 24, digits + 20, 12) == 0;
}

static inline int uuid_equal(const uint8_t *id, const char *text)
{
#if defined(__SSE2__)
    __m128i first, second, first_text, second_text;
    uuid_digits_sse2(id, &first, &second);
    uuid_gather_sse2(text, &first_text, &second_text);
    __m128i same = _mm_and_si128(_mm_cmpeq_epi8(first, first_text), _mm_cmpeq_epi8(second, second_text));
    return _mm_movemask_epi8(same) == 0xFFFF && uuid_has_hyphens(text);
#else
    return uuid_equal_plain(id, text);
#endif
}

/* The 16 bytes of a canonical lower-case spelling; 0 for any other 36 bytes. */
static inline int uuid_parse_plain(const char *text, uint8_t *id)
{
    if (!uuid_has_hyphens(text))
        return 0;
    for (int i = 0, at = 0; i < 16; i++, at += 2) {
        if (text[at] == '-')
            at++;
        int value = 0;
        for (int j = 0; j < 2; j++) {
            char c = text[at + j];
            int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
            if (digit < 0)
                return 0;
            value = value << 4 | digit;
        }
        id[i] = (uint8_t)value;
    }
    return 1;
}

#if defined(__SSE2__)
/* 16 digits as 16 values; *bad gathers what was no lower-case digit. */
static inline __m128i uuid_values_sse2(__m128i text, __m128i *bad)
{
    __m128i decimal = _mm_sub_epi8(text, _mm_set1_epi8('0'));
    __m128i letter = _mm_sub_epi8(text, _mm_set1_epi8('a'));
    __m128i is_decimal = _mm_cmpeq_epi8(_mm_min_epu8(decimal, _mm_set1_epi8(9)), decimal);
    __m128i is_letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(5)), letter);
    *bad = _mm_or_si128(*bad, _mm_cmpeq_epi8(_mm_or_si128(is_decimal, is_letter), _mm_setzero_si128()));
    __m128i values = _mm_or_si128(_mm_and_si128(is_decimal, decimal),
                                  _mm_and_si128(is_letter, _mm_add_epi8(letter, _mm_set1_epi8(10))));
    /* In each 16-bit lane the low byte is the first digit, the high half of the value. */
    __m128i high = _mm_slli_epi16(_mm_and_si128(values, _mm_set1_epi16(0xFF)), 4);
    return _mm_or_si128(high, _mm_srli_epi16(values, 8));
}
#endif

static inline int uuid_parse(const char *text, uint8_t *id)
{
#if defined(__SSE2__)
    if (!uuid_has_hyphens(text))
        return 0;
    __m128i first, second, bad = _mm_setzero_si128();
    uuid_gather_sse2(text, &first, &second);
    first = uuid_values_sse2(first, &bad);
    second = uuid_values_sse2(second, &bad);
    _mm_storeu_si128((__m128i *)id, _mm_packus_epi16(first, second));
    return _mm_movemask_epi8(bad) == 0;
#else
    return uuid_parse_plain(text, id);
#endif
}

/* Whether the cell's key is these bytes. A removed key equals nothing. */
static inline int key_cell_equal(const key_cell_t *cell, const prefix_slot_t *slots, const char *prefix_bytes,
                                 const char *arena, uint64_t hash, const char *key, uint32_t size)
{
    uint8_t kind = __atomic_load_n(&cell->kind, __ATOMIC_RELAXED);
    if (kind == KEY_LONG) {
        key_long_t body;
        memcpy(&body, cell->body, sizeof body);
        return body.size == size && body.hash == (uint32_t)hash
            && key_bytes_equal(arena + ((size_t)body.ref << 4), key, size);
    }
    prefix_slot_t prefix = slots[cell->prefix];
    if (kind == KEY_INLINE)
        return prefix.size + cell->size == size
            && key_bytes_equal((const char *)cell->body, key + prefix.size, cell->size)
            && key_bytes_equal(prefix_bytes + prefix.offset, key, prefix.size);
    return kind == KEY_UUID && prefix.size + UUID_TEXT_BYTES == size && uuid_equal(cell->body, key + prefix.size)
        && key_bytes_equal(prefix_bytes + prefix.offset, key, prefix.size);
}

static inline uint32_t key_cell_size(const key_cell_t *cell, const prefix_slot_t *slots)
{
    switch (cell->kind & ~KEY_REMOVED) {
    case KEY_LONG:
        return key_load4(cell->body + 4);
    case KEY_UUID:
        return slots[cell->prefix].size + UUID_TEXT_BYTES;
    default:
        return slots[cell->prefix].size + cell->size;
    }
}

/* Where a long key's text lies; NULL for the others. */
static inline const char *key_cell_text(const key_cell_t *cell, const char *arena)
{
    return (cell->kind & ~KEY_REMOVED) == KEY_LONG ? arena + ((size_t)key_load4(cell->body) << 4) : NULL;
}

/* A long key's block in the arena, 0 for the others. */
static inline uint32_t key_cell_ref(const key_cell_t *cell)
{
    return (cell->kind & ~KEY_REMOVED) == KEY_LONG ? key_load4(cell->body) : 0;
}

/* Spells the key out; `out` has room for key_cell_size() bytes. */
static inline void key_cell_write(const key_cell_t *cell, const prefix_slot_t *slots, const char *prefix_bytes,
                                  const char *arena, char *out)
{
    const char *text = key_cell_text(cell, arena);
    if (text != NULL) {
        memcpy(out, text, key_load4(cell->body + 4));
        return;
    }
    prefix_slot_t prefix = slots[cell->prefix];
    key_bytes_copy(out, prefix_bytes + prefix.offset, prefix.size);
    if ((cell->kind & ~KEY_REMOVED) == KEY_UUID)
        uuid_write(cell->body, out + prefix.size);
    else
        key_bytes_copy(out + prefix.size, (const char *)cell->body, cell->size);
}

/* Bytes up to and with the 2nd colon of "node:...", the 1st of anything else; 0 without one. */
static inline uint32_t key_prefix_size(const char *key, uint32_t size)
{
    const char *colon = memchr(key, ':', size);
    if (colon == NULL)
        return 0;
    uint32_t first = (uint32_t)(colon - key) + 1;
    if (first == 5 && memcmp(key, "node", 4) == 0) {
        colon = memchr(key + 5, ':', size - 5);
        if (colon != NULL)
            return (uint32_t)(colon - key) + 1;
    }
    return first;
}

/* A reader that compares this cell just now takes the key for absent, which it is. */
static inline void key_cell_remove(key_cell_t *cell)
{
    __atomic_store_n(&cell->kind, (uint8_t)(cell->kind | KEY_REMOVED), __ATOMIC_RELEASE);
}

/* 1 when all bytes are ASCII. */
static inline int key_is_ascii(const char *text, size_t size)
{
    uint64_t seen = 0;
    if (size >= 8) {
        for (size_t i = 0; i + 8 < size; i += 8)
            seen |= key_load8(text + i);
        seen |= key_load8(text + size - 8);     /* the last ones again, rather than one at a time */
    } else if (size >= 4) {
        seen = key_load4(text) | key_load4(text + size - 4);
    } else if (size) {
        seen = (uint8_t)(text[0] | text[size >> 1] | text[size - 1]);
    }
    return (seen & 0x8080808080808080ull) == 0;
}

/* 1 when all bytes of the cell's key are ASCII. */
static inline int key_cell_is_ascii(const key_cell_t *cell, const prefix_slot_t *slots, const char *prefix_bytes,
                                    const char *arena)
{
    const char *text = key_cell_text(cell, arena);
    if (text != NULL)
        return key_is_ascii(text, key_load4(cell->body + 4));
    prefix_slot_t prefix = slots[cell->prefix];
    if (!key_is_ascii(prefix_bytes + prefix.offset, prefix.size))
        return 0;
    return (cell->kind & ~KEY_REMOVED) == KEY_UUID || key_is_ascii((const char *)cell->body, cell->size);
}

#endif
