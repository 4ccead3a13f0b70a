# cython: language_level=3
"""The literals of an event: ids, event types, UUIDs, numbers. Knows nothing of JSON structure, files or tables."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy
from primecore._keycell cimport uuid_parse
from primecore._event cimport (
    CODE_CUSTOM, CODE_EDGE_CREATED, CODE_EDGE_DELETED, CODE_EDGE_UPDATED, CODE_NODE_CREATED, CODE_NODE_DELETED,
    CODE_NODE_UPDATED, CODE_SPACE_DEFINED, CODE_VECTOR_DELETED, CODE_VECTOR_STORED, MAX_ENTITY_ID_BYTES,
    MAX_EVENT_TYPE_BYTES, slice_t,
)


cdef extern from "json_text.h" nogil:
    bint text_has_control(const char* at, size_t size) noexcept
    int text_number(const char** at, const char* end) noexcept
    uint64_t text_load8(const char* at) noexcept
    uint32_t text_load4(const char* at) noexcept

cdef extern from *:
    """
    #include <locale.h>
    #include <stdlib.h>
    #if defined(__APPLE__)
    #include <xlocale.h>
    #endif
    """
    ctypedef void* locale_t
    int LC_ALL_MASK
    locale_t newlocale(int mask, const char* name, locale_t base) nogil
    double strtod_l(const char* text, char** end, locale_t where) noexcept nogil

cdef extern from "math.h" nogil:
    bint isfinite(double value) noexcept


# ---- ids and types ----

cdef int check_entity_id(slice_t entity) noexcept nogil:
    if entity.size == 0 or entity.size > MAX_ENTITY_ID_BYTES or text_has_control(entity.data, entity.size):
        return -1
    return 0


cdef int check_event_type(slice_t name) noexcept nogil:
    cdef uint32_t i
    cdef char byte
    cdef bint after_dot = True
    if name.size == 0 or name.size > MAX_EVENT_TYPE_BYTES:
        return -1
    for i in range(name.size):
        byte = name.data[i]
        if c'a' <= byte <= c'z' or c'0' <= byte <= c'9' or byte == c'_' or byte == c'-':
            after_dot = False
        elif byte == c'.' and not after_dot:
            after_dot = True
        else:
            return -1
    return -1 if after_dot else 0


cdef struct known_type_t:
    const char* name
    uint32_t size
    int code

# In the order of their codes.
cdef known_type_t[9] known_types = [
    known_type_t(b"prime.node.created", 18, CODE_NODE_CREATED),
    known_type_t(b"prime.node.updated", 18, CODE_NODE_UPDATED),
    known_type_t(b"prime.node.deleted", 18, CODE_NODE_DELETED),
    known_type_t(b"prime.edge.created", 18, CODE_EDGE_CREATED),
    known_type_t(b"prime.edge.updated", 18, CODE_EDGE_UPDATED),
    known_type_t(b"prime.edge.deleted", 18, CODE_EDGE_DELETED),
    known_type_t(b"prime.vector.stored", 19, CODE_VECTOR_STORED),
    known_type_t(b"prime.vector.deleted", 20, CODE_VECTOR_DELETED),
    known_type_t(b"prime.space.defined", 19, CODE_SPACE_DEFINED),
]


cdef int event_code_of(slice_t name) noexcept nogil:
    cdef int i
    if name.size < 18 or name.size > 20 or memcmp(name.data, b"prime.", 6) != 0:
        return CODE_CUSTOM
    for i in range(9):
        # The sixth and eleventh letters (of what is told of, and of what befell it) tell most of them apart.
        if (
            known_types[i].name[11] == name.data[11] and known_types[i].name[6] == name.data[6]
            and known_types[i].size == name.size and memcmp(known_types[i].name + 6, name.data + 6, name.size - 6) == 0
        ):
            return known_types[i].code
    return CODE_CUSTOM


cdef slice_t event_type_of(int code) noexcept nogil:
    cdef slice_t name
    name.data = NULL
    name.size = 0
    if CODE_CUSTOM < code <= CODE_SPACE_DEFINED:
        name.data = known_types[code - 1].name
        name.size = known_types[code - 1].size
    return name


# ---- UUIDs ----

cdef inline uint64_t hex_bytes(uint64_t digits, uint64_t* fault) noexcept nogil:
    """Eight hexadecimal digits, the first in the lowest byte -> four bytes; fault[0] gets bits where one is none."""
    cdef uint64_t lower = digits | 0x2020202020202020u
    cdef uint64_t is_digit = (digits + 0x5050505050505050u) & ~(digits + 0x4646464646464646u)
    cdef uint64_t is_letter = (lower + 0x1F1F1F1F1F1F1F1Fu) & ~(lower + 0x1919191919191919u)
    # The sums carry into no neighbour where every byte is below 0x80; where one is not, that is a fault of its own.
    fault[0] |= (~(is_digit | is_letter) | digits) & 0x8080808080808080u
    digits = (digits & 0x0F0F0F0F0F0F0F0Fu) + 9 * ((digits >> 6) & 0x0101010101010101u)
    digits = ((digits << 4) | (digits >> 8)) & 0x00FF00FF00FF00FFu
    digits = (digits | (digits >> 8)) & 0x0000FFFF0000FFFFu
    return (digits | (digits >> 16)) & 0xFFFFFFFFu


cdef int parse_uuid(const char* text, uint32_t size, uint8_t* out16) noexcept nogil:
    cdef uint64_t fault = 0
    cdef uint64_t[4] words
    cdef int i, j
    if size != 36:
        return -1
    if uuid_parse(text, out16):
        return 0
    # Capitals are good too; they are rare enough to go the slow way.
    if text[8] != c'-' or text[13] != c'-' or text[18] != c'-' or text[23] != c'-':
        return -1
    words[0] = hex_bytes(text_load8(text), &fault)
    words[1] = hex_bytes(text_load4(text + 9) | <uint64_t>text_load4(text + 14) << 32, &fault)
    words[2] = hex_bytes(text_load4(text + 19) | <uint64_t>text_load4(text + 24) << 32, &fault)
    words[3] = hex_bytes(text_load8(text + 28), &fault)
    if fault != 0:
        return -1
    for i in range(4):
        for j in range(4):
            out16[4 * i + j] = <uint8_t>(words[i] >> (8 * j))
    return 0


cdef void format_uuid(const uint8_t* uuid, char* out36) noexcept nogil:
    cdef const char* digits = b"0123456789abcdef"
    cdef int i
    for i in range(16):
        if i == 4 or i == 6 or i == 8 or i == 10:
            out36[0] = c'-'
            out36 += 1
        out36[0] = digits[uuid[i] >> 4]
        out36[1] = digits[uuid[i] & 15]
        out36 += 2


# ---- numbers ----

cdef locale_t c_locale = newlocale(LC_ALL_MASK, b"C", NULL)
if c_locale is NULL:
    raise MemoryError("no memory for the C locale")

cdef double[23] POWERS_OF_TEN = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
]


cdef int parse_exactly(const char* text, uint32_t size, double* out) noexcept nogil:
    """strtod needs an end that is marked, hence a copy."""
    cdef char[128] own
    cdef char* copy = own
    if size >= sizeof(own):
        copy = <char*>malloc(<size_t>size + 1)
        if copy is NULL:
            return -1
    memcpy(copy, text, size)
    copy[size] = 0
    out[0] = strtod_l(copy, NULL, c_locale)
    if copy is not own:
        free(copy)
    return 0 if isfinite(out[0]) else -1


cdef int parse_double(const char* text, uint32_t size, double* out) noexcept nogil:
    cdef const char* at = text
    cdef const char* end = text + size
    cdef uint64_t mantissa = 0
    cdef int scale = 0              # of the mantissa, in powers of ten
    cdef bint after_point = False
    cdef double value
    cdef uint8_t digit
    if size == 0 or (text[0] != c'-' and <uint8_t>(text[0] - c'0') > 9) or text_number(&at, end) != 0 or at != end:
        return -1
    at = text + (1 if text[0] == c'-' else 0)
    while at < end:
        digit = <uint8_t>(at[0] - c'0')
        if digit < 10:
            mantissa = mantissa * 10 + digit
            scale -= after_point
            # Beyond 2**53 or 10**22 the shortcut is not exact: one product or quotient of two exact doubles is
            # rounded once.
            if mantissa > 9007199254740992u or scale < -22:
                return parse_exactly(text, size, out)
        elif at[0] == c'.':
            after_point = True
        else:
            return parse_exactly(text, size, out)
        at += 1
    value = <double>mantissa / POWERS_OF_TEN[-scale]
    out[0] = -value if text[0] == c'-' else value
    return 0


cdef int read_float32_exactly(const char** at, const char* end, float* out) noexcept nogil:
    cdef const char* start = at[0]
    cdef double value
    if text_number(at, end) != 0 or parse_double(start, <uint32_t>(at[0] - start), &value) != 0:
        return -1
    out[0] = <float>value
    return 0 if isfinite(out[0]) else -1


cdef int read_float32(const char** at, const char* end, float* out) noexcept nogil:
    cdef const char* digit = at[0] + (1 if at[0][0] == c'-' else 0)
    cdef uint64_t mantissa = 0
    cdef int scale = 0
    cdef bint after_point = False
    cdef double value
    cdef float low
    while digit < end:
        if <uint8_t>(digit[0] - c'0') < 10:
            if mantissa > 900000000000000000u:
                return read_float32_exactly(at, end, out)
            mantissa = mantissa * 10 + <uint8_t>(digit[0] - c'0')
            scale -= after_point
        elif digit[0] == c'.':
            after_point = True
        elif (digit[0] | 0x20) == c'e':
            return read_float32_exactly(at, end, out)
        else:
            break
        digit += 1
    if scale < -22:
        return read_float32_exactly(at, end, out)
    # Two roundings: off by less than 2**-51. That does no harm unless the middle between two floats is as near.
    value = <double>mantissa / POWERS_OF_TEN[-scale]
    low = <float>(value * (1.0 - 2.0 ** -50))
    out[0] = <float>(value * (1.0 + 2.0 ** -50))
    if low != out[0]:
        return read_float32_exactly(at, end, out)
    if at[0][0] == c'-':
        out[0] = -out[0]
    at[0] = digit
    return 0


# ---- for Python ----

def uuid_from_text(str text not None) -> bytes:
    """The 16 bytes of a UUID in its 8-4-4-4-12 form. Raises ValueError."""
    cdef uint8_t[16] out
    cdef bytes encoded = text.encode("utf-8", "surrogatepass")
    if parse_uuid(encoded, <uint32_t>min(len(encoded), 64), out) != 0:
        raise ValueError(f"expected a UUID, found {text!r}")
    return (<char*>out)[:16]


def uuid_to_text(bytes uuid not None) -> str:
    """The 8-4-4-4-12 form of 16 bytes. Raises ValueError for another number of bytes."""
    cdef char[36] out
    if len(uuid) != 16:
        raise ValueError(f"expected 16 bytes, found {len(uuid)}")
    format_uuid(<const uint8_t*><const char*>uuid, out)
    return out[:36].decode("ascii")


def number_from_text(str text not None) -> float:
    """The double nearest to a JSON number. Raises ValueError where there is none."""
    cdef double out
    cdef bytes encoded = text.encode("utf-8", "surrogatepass")
    if parse_double(encoded, <uint32_t>len(encoded), &out) != 0:
        raise ValueError(f"expected a finite number, found {text!r}")
    return out


def is_entity_id(str text not None) -> bool:
    """Whether the text can be an entity id (or a relation): 1 to 1,024 bytes of UTF-8 without control characters."""
    return _obeys(text, check_entity_id)


def is_event_type(str text not None) -> bool:
    """Whether the text can be an event type: 1 to 128 bytes of dotted words of a-z, 0-9, "_" and "-"."""
    return _obeys(text, check_event_type)


cdef bint _obeys(str text, int (*check)(slice_t) noexcept nogil):
    cdef bytes encoded
    cdef slice_t content
    try:
        encoded = text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    content.data = encoded
    content.size = <uint32_t>min(len(encoded), MAX_ENTITY_ID_BYTES + 1)
    return check(content) == 0
