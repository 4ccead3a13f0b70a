# cython: language_level=3
"""Embeddings in JSON: an array of numbers, or base64 of little-endian float32. Knows nothing of events or indexes."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy
from primecore._event cimport slice_t
from primecore._json cimport (
    SCAN_OK, SCAN_WANT_BASE64, SCAN_WANT_DIMENSIONS, SCAN_WANT_FLOAT32, SCAN_WANT_NONZERO, json_check,
)
from primecore._literals cimport read_float32


cdef extern from "json_text.h" nogil:
    const char* text_skip_space(const char* at, const char* end) noexcept


cdef const char* DIGITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
cdef uint32_t[256] SEXTETS          # the value of a base64 digit, all ones where a byte is none


cdef void make_sextets() noexcept:
    cdef int i
    for i in range(256):
        SEXTETS[i] = 0xFFFFFFFF
    for i in range(64):
        SEXTETS[<uint8_t>DIGITS[i]] = <uint32_t>i


make_sextets()


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


cdef int read_base64(
    slice_t text, float* out, uint32_t capacity, uint32_t* out_count, const char** fault
) noexcept nogil:
    cdef uint32_t digits = text.size
    cdef uint32_t count, i
    cdef uint32_t word
    cdef uint8_t[12] group          # sixteen digits are three numbers
    cdef uint32_t digit = 0, held = 0, number = 0
    cdef uint32_t seen = 0          # all ones wherever a byte is no digit
    cdef bint nonzero = False
    cdef size_t nbytes
    fault[0] = text.data
    if digits % 4 != 0:
        return SCAN_WANT_BASE64
    if digits and text.data[digits - 1] == c'=':
        digits -= 2 if text.data[digits - 2] == c'=' else 1
    nbytes = digits * <size_t>6 // 8
    if nbytes // 4 > MAX_DIMENSIONS:
        return SCAN_WANT_DIMENSIONS
    count = <uint32_t>(nbytes // 4)
    while digit < digits:
        held = 0
        for i in range(4):
            word = SEXTETS[<uint8_t>text.data[digit + i]] if digit + i < digits else 0
            seen |= word
            held = held << 6 | word
        i = digit // 4 % 4 * 3
        group[i] = <uint8_t>(held >> 16)
        group[i + 1] = <uint8_t>(held >> 8)
        group[i + 2] = <uint8_t>held
        digit += 4
        if i < 9 and digit < digits:
            continue
        for i in range(3):
            if number == count:
                break
            memcpy(&word, &group[4 * i], 4)
            if word & 0x7F800000 == 0x7F800000 and seen < 64:
                return SCAN_WANT_FLOAT32
            nonzero |= word << 1 != 0
            if number < capacity:
                memcpy(&out[number], &word, 4)
            number += 1
    if seen >= 64:
        return SCAN_WANT_BASE64
    out_count[0] = count
    if nbytes % 4 != 0:
        return SCAN_WANT_BASE64
    if count == 0:
        return SCAN_WANT_DIMENSIONS
    return SCAN_OK if nonzero else SCAN_WANT_NONZERO


cdef uint32_t embedding_capacity(slice_t text, bint is_array) noexcept nogil:
    cdef uint32_t room = text.size // 2 if is_array else text.size // 16 * 3 + 3
    return room if room < MAX_DIMENSIONS else MAX_DIMENSIONS


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


def embedding_text(const float[::1] numbers not None) -> bytes:
    """The base64 text of numbers as little-endian float32: what an event's `embedding` may be. RFC 4648, section 4."""
    cdef const uint8_t* data = <const uint8_t*>&numbers[0] if numbers.shape[0] else NULL
    cdef size_t nbytes = 4 * <size_t>numbers.shape[0]
    cdef bytes text = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>((nbytes + 2) // 3 * 4))
    cdef char* out = PyBytes_AS_STRING(text)
    cdef size_t at
    cdef uint32_t held
    for at in range(0, nbytes, 3):
        held = <uint32_t>data[at] << 16
        held |= <uint32_t>data[at + 1] << 8 if at + 1 < nbytes else 0
        held |= <uint32_t>data[at + 2] if at + 2 < nbytes else 0
        out[0] = DIGITS[held >> 18]
        out[1] = DIGITS[held >> 12 & 63]
        out[2] = DIGITS[held >> 6 & 63] if at + 1 < nbytes else c'='
        out[3] = DIGITS[held & 63] if at + 2 < nbytes else c'='
        out += 4
    return text
