# cython: language_level=3
"""Embeddings in JSON: an array of numbers, or base64 of little-endian float32. Knows nothing of events or indexes."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy
from primecore._event cimport slice_t
from primecore._json cimport (
    SCAN_OK, SCAN_WANT_BASE64, SCAN_WANT_DIMENSIONS, SCAN_WANT_FLOAT32, SCAN_WANT_NONZERO, json_check,
)
from primecore._literals cimport read_float32


cdef extern from "json_text.h" nogil:
    const char* text_skip_space(const char* at, const char* end) noexcept


cdef int read_array(
    slice_t text, float* out, uint32_t capacity, uint32_t* out_count, const char** fault
) noexcept nogil:
    cdef const char* end = text.data + text.size
    cdef const char* at = text_skip_space(text.data + 1, end)
    cdef const char* start
    cdef uint32_t count = 0
    cdef bint nonzero = False
    cdef float value
    while at[0] != c']':
        start = fault[0] = at
        if start[0] != c'-' and <uint8_t>(start[0] - c'0') > 9:
            return SCAN_WANT_FLOAT32
        if read_float32(&at, end, &value) != 0:
            return SCAN_WANT_FLOAT32
        nonzero |= value != 0.0
        if count < capacity:
            out[count] = value
        count += 1
        if count > MAX_DIMENSIONS:
            return SCAN_WANT_DIMENSIONS
        at = text_skip_space(at, end)
        if at[0] == c',':
            at = text_skip_space(at + 1, end)
    out_count[0] = count
    fault[0] = text.data
    if count == 0:
        return SCAN_WANT_DIMENSIONS
    return SCAN_OK if nonzero else SCAN_WANT_NONZERO


cdef inline int sextet(char byte) noexcept nogil:
    """The value of a base64 digit, -1 where it is none."""
    if c'A' <= byte <= c'Z':
        return byte - c'A'
    if c'a' <= byte <= c'z':
        return byte - c'a' + 26
    if c'0' <= byte <= c'9':
        return byte - c'0' + 52
    return 62 if byte == c'+' else 63 if byte == c'/' else -1


cdef int read_base64(
    slice_t text, float* out, uint32_t capacity, uint32_t* out_count, const char** fault
) noexcept nogil:
    cdef uint32_t digits = text.size
    cdef uint32_t held = 0          # bits that are not yet in a byte
    cdef uint32_t held_bits = 0
    cdef uint32_t word = 0          # bytes that are not yet in a float
    cdef uint32_t word_bytes = 0
    cdef uint32_t count = 0
    cdef bint nonzero = False
    cdef uint32_t i
    cdef int value
    fault[0] = text.data
    if digits % 4 != 0:
        return SCAN_WANT_BASE64
    if digits and text.data[digits - 1] == c'=':
        digits -= 2 if text.data[digits - 2] == c'=' else 1
    if digits * <size_t>6 // 32 > MAX_DIMENSIONS:
        return SCAN_WANT_DIMENSIONS
    for i in range(digits):
        value = sextet(text.data[i])
        if value < 0:
            return SCAN_WANT_BASE64
        held = held << 6 | <uint32_t>value
        held_bits += 6
        if held_bits < 8:
            continue
        held_bits -= 8
        word |= (held >> held_bits & 0xFF) << (8 * word_bytes)
        word_bytes += 1
        if word_bytes < 4:
            continue
        if word & 0x7F800000 == 0x7F800000:
            return SCAN_WANT_FLOAT32
        nonzero |= word << 1 != 0
        if count < capacity:
            memcpy(&out[count], &word, 4)
        count += 1
        word = word_bytes = 0
    out_count[0] = count
    if word_bytes != 0:
        return SCAN_WANT_BASE64
    if count == 0:
        return SCAN_WANT_DIMENSIONS
    return SCAN_OK if nonzero else SCAN_WANT_NONZERO


cdef int embedding_read(
    slice_t text, bint is_array, float* out, uint32_t capacity, uint32_t* out_count, const char** fault
) noexcept nogil:
    out_count[0] = 0
    if is_array:
        return read_array(text, out, capacity, out_count, fault)
    return read_base64(text, out, capacity, out_count, fault)


# ---- for Python ----

def embedding_floats(bytes text not None) -> bytes:
    """The little-endian float32 numbers of an embedding, a JSON array or base64. Raises ValueError where it is none."""
    cdef slice_t content
    cdef const char* fault
    cdef uint32_t count
    cdef bint is_array = text.startswith(b"[")
    cdef bytearray out = bytearray(4 * (len(text) // 2 + 1))
    content.data = text
    content.size = <uint32_t>len(text)
    if is_array and json_check(text, content.size, 1, NULL) != SCAN_OK:
        raise ValueError("expected an array of numbers, or base64 of little-endian float32")
    if embedding_read(content, is_array, <float*><char*>out, <uint32_t>len(out) // 4, &count, &fault) != SCAN_OK:
        raise ValueError("expected 1 to 65,536 numbers, finite as float32 and not all zero")
    return bytes(out[: 4 * count])
