# cython: language_level=3
"""Embeddings in JSON: an array of numbers, or base64 of little-endian float32. Knows nothing of events or indexes."""

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBuffer_Release, PyObject_CheckBuffer, PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy, strcmp
from primecore._event cimport slice_t
from primecore._json cimport (
    SCAN_OK, SCAN_WANT_BASE64, SCAN_WANT_DIMENSIONS, SCAN_WANT_FLOAT32, SCAN_WANT_NONZERO, json_check,
)
from primecore._literals cimport read_float32


cdef extern from "json_text.h" nogil:
    const char* text_skip_space(const char* at, const char* end) noexcept


cdef extern from "base64.h" nogil:
    enum:
        BASE64_PLAIN
        BASE64_WILD
        BASE64_NONZERO
    int base64_best() noexcept
    size_t base64_write_blocks(int how, const uint8_t* data, size_t nbytes, char* out) noexcept
    size_t base64_read_blocks(int how, const char* text, size_t digits, float* out, int* seen) noexcept


cdef int BEST = base64_best()
cdef const char* DIGITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
cdef uint32_t[4][256] SEXTETS       # the value of a base64 digit at each place of four, all ones where a byte is none
cdef uint16_t[4096] PAIRS           # two base64 digits as they lie in memory, by their 12 bits


cdef void make_tables() noexcept:
    cdef int i, place
    cdef uint8_t* pair
    for i in range(256):
        for place in range(4):
            SEXTETS[place][i] = 0xFFFFFFFF
    for i in range(64):
        for place in range(4):
            SEXTETS[place][<uint8_t>DIGITS[i]] = <uint32_t>i << (18 - 6 * place)
    for i in range(4096):
        pair = <uint8_t*>&PAIRS[i]
        pair[0] = DIGITS[i >> 6]
        pair[1] = DIGITS[i & 63]


make_tables()


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
    int how, slice_t text, float* out, uint32_t capacity, uint32_t* out_count, const char** fault
) noexcept nogil:
    cdef const uint8_t* data = <const uint8_t*>text.data
    cdef uint32_t digits = text.size
    cdef uint32_t count, whole, i
    cdef int met
    cdef uint32_t[4] held
    cdef uint32_t[3] words          # sixteen digits are three numbers
    cdef uint32_t number = 0
    cdef uint32_t seen = 0          # the top byte is all ones wherever one is no digit
    cdef bint nonzero = False, wild = False
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
    if count <= capacity:
        whole = <uint32_t>base64_read_blocks(how, text.data, digits, out, &met)
        data += whole
        number = whole // 16 * 3
        wild = met & BASE64_WILD != 0
        nonzero = met & BASE64_NONZERO != 0
    whole = digits // 16 - number // 3
    while number < count or data < <const uint8_t*>text.data + digits:
        if whole:
            whole -= 1
            for i in range(4):
                held[i] = (
                    SEXTETS[0][data[4 * i]] | SEXTETS[1][data[4 * i + 1]]
                    | SEXTETS[2][data[4 * i + 2]] | SEXTETS[3][data[4 * i + 3]]
                )
            data += 16
        else:
            for i in range(16):
                if i % 4 == 0:
                    held[i // 4] = 0
                if data < <const uint8_t*>text.data + digits:
                    held[i // 4] |= SEXTETS[i % 4][data[0]]
                    data += 1
        seen |= held[0] | held[1] | held[2] | held[3]
        # Twelve bytes, the first of each four digits the highest, as three little-endian words.
        for i in range(4):
            held[i] = (held[i] >> 16 & 0xFF) | (held[i] & 0xFF00) | (held[i] & 0xFF) << 16
        words[0] = held[0] | held[1] << 24
        words[1] = held[1] >> 8 | held[2] << 16
        words[2] = held[2] >> 16 | held[3] << 8
        for i in range(3):
            if number == count:
                break
            wild |= words[i] & 0x7F800000 == 0x7F800000
            nonzero |= words[i] << 1 != 0
            if number < capacity:
                memcpy(&out[number], &words[i], 4)
            number += 1
    if seen >= 1 << 24:
        return SCAN_WANT_BASE64
    if wild:
        return SCAN_WANT_FLOAT32
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
    return read_base64(BEST, text, out, capacity, out_count, fault)


# ---- for Python ----

def base64_ways():
    """The ways of reading and writing base64 that this processor has; 0 is digit by digit."""
    return list(range(BASE64_PLAIN, BEST + 1))


def embedding_floats(bytes text not None, int how=-1) -> bytes:
    """The little-endian float32 numbers of an embedding, a JSON array or base64. Raises ValueError where it is none.

    `how` is one of `base64_ways()`, the best where it is not given.
    """
    cdef slice_t content
    cdef const char* fault
    cdef uint32_t count = 0
    cdef int status
    cdef bint is_array = text.startswith(b"[")
    cdef bytearray out = bytearray(4 * (len(text) // 2 + 1))
    content.data = text
    content.size = <uint32_t>len(text)
    if is_array and json_check(text, content.size, 1, NULL) != SCAN_OK:
        raise ValueError("expected an array of numbers, or base64 of little-endian float32")
    if is_array:
        status = read_array(content, <float*><char*>out, <uint32_t>len(out) // 4, &count, &fault)
    else:
        status = read_base64(
            how if 0 <= how < BEST else BEST, content, <float*><char*>out, <uint32_t>len(out) // 4, &count, &fault
        )
    if status != SCAN_OK:
        raise ValueError("expected 1 to 65,536 numbers, finite as float32 and not all zero")
    return bytes(out[: 4 * count])


cdef char* write_base64(int how, const uint8_t* data, size_t nbytes, char* out) noexcept nogil:
    cdef size_t whole = nbytes // 3 * 3, at = base64_write_blocks(how, data, nbytes, out)
    cdef uint32_t held
    out += at // 3 * 4
    while at < whole:
        held = <uint32_t>data[at] << 16 | <uint32_t>data[at + 1] << 8 | data[at + 2]
        memcpy(out, &PAIRS[held >> 12], 2)
        memcpy(out + 2, &PAIRS[held & 4095], 2)
        at += 3
        out += 4
    if whole < nbytes:
        held = <uint32_t>data[at] << 16 | (<uint32_t>data[at + 1] << 8 if at + 1 < nbytes else 0)
        memcpy(out, &PAIRS[held >> 12], 2)
        out[2] = DIGITS[held >> 6 & 63] if at + 1 < nbytes else c'='
        out[3] = c'='
        out += 4
    return out


def base64_text(bytes data not None, int how=-1) -> bytes:
    """Base64 (RFC 4648, section 4) of bytes. `how` is one of `base64_ways()`, the best where it is not given."""
    cdef bytes out = PyBytes_FromStringAndSize(NULL, (len(data) + 2) // 3 * 4)
    write_base64(
        how if 0 <= how < BEST else BEST, <const uint8_t*>PyBytes_AS_STRING(data), <size_t>len(data), PyBytes_AS_STRING(out)
    )
    return out


cdef bytes payload_of(const uint8_t* data, size_t nbytes, bytes text, bytes about):
    cdef Py_ssize_t size = <Py_ssize_t>((nbytes + 2) // 3 * 4) + 16
    cdef bytes payload
    cdef char* out
    if text is not None:
        size += len(text) + 8
    if about is not None:
        size += len(about) + 12
    payload = PyBytes_FromStringAndSize(NULL, size)
    out = PyBytes_AS_STRING(payload)
    memcpy(out, b'{"embedding":"', 14)
    out = write_base64(BEST, data, nbytes, out + 14)
    out[0] = c'"'
    out += 1
    if text is not None:
        memcpy(out, b',"text":', 8)
        memcpy(out + 8, PyBytes_AS_STRING(text), <size_t>len(text))
        out += 8 + len(text)
    if about is not None:
        memcpy(out, b',"metadata":', 12)
        memcpy(out + 12, PyBytes_AS_STRING(about), <size_t>len(about))
        out += 12 + len(about)
    out[0] = c'}'
    return payload


def vector_payload(const float[::1] numbers not None, bytes text, bytes about):
    """The payload of a stored vector: numbers as base64 of little-endian float32 (RFC 4648, section 4), a text and metadata.

    `text` is a JSON string and `about` a JSON object, None where there is none.
    """
    cdef size_t nbytes = 4 * <size_t>numbers.shape[0]
    return payload_of(<const uint8_t*>&numbers[0] if nbytes else NULL, nbytes, text, about)


def vector_event(id, vector, bytes text, bytes about):
    """What stores a vector: type, entity id, payload, and None thrice, as the write path takes an event.

    None where `id` is no text that can be encoded or `vector` no flat buffer of float32: to say what is wrong, or to
    make one of it, takes longer. `text` and `about` as those of vector_payload().
    """
    cdef Py_buffer view
    cdef Py_ssize_t size
    cdef const char* key
    cdef bytes name, payload
    if type(id) is not str or not PyObject_CheckBuffer(vector):
        return None
    try:
        key = PyUnicode_AsUTF8AndSize(id, &size)
        PyObject_GetBuffer(vector, &view, PyBUF_FORMAT | PyBUF_C_CONTIGUOUS)
    except (UnicodeEncodeError, BufferError, ValueError):
        return None
    try:
        if size == 0 or view.ndim != 1 or view.itemsize != 4 or view.format == NULL or strcmp(view.format, b"f") != 0:
            return None
        payload = payload_of(<const uint8_t*>view.buf, <size_t>view.len, text, about)
    finally:
        PyBuffer_Release(&view)
    name = PyBytes_FromStringAndSize(NULL, size + 4)
    memcpy(PyBytes_AS_STRING(name), b"vec:", 4)
    memcpy(PyBytes_AS_STRING(name) + 4, key, <size_t>size)
    return b"prime.vector.stored", name, payload, None, None, None
