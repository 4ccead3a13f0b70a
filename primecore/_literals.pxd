# The literals of an event: ids, event types, UUIDs, numbers. Knows nothing of JSON structure, files or Python objects.
# Functions that return int: 0 = fine, -1 = the text is no such literal (outputs then hold nothing of use).

from libc.stdint cimport uint8_t, uint32_t
from primecore._event cimport slice_t


# Ids arrive as valid UTF-8; what is checked is their length and that they hold no control character (C0, DEL, C1).
cdef int check_entity_id(slice_t entity) noexcept nogil                 # 1 to 1,024 bytes; relations obey the same rule
cdef int check_event_type(slice_t name) noexcept nogil                  # 1 to 128 bytes: dotted words of a-z 0-9 _ -
cdef int event_code_of(slice_t name) noexcept nogil                     # event_code; CODE_CUSTOM: none of Prime's own
cdef slice_t event_type_of(int code) noexcept nogil                     # static text; size 0 for CODE_CUSTOM

# 8-4-4-4-12 hexadecimal digits of either case <-> 16 bytes in the order they are written.
cdef int parse_uuid(const char* text, uint32_t size, uint8_t* out16) noexcept nogil
cdef void format_uuid(const uint8_t* uuid, char* out36) noexcept nogil

# A JSON number's text -> the nearest double. -1 when that is not finite. Does not depend on the locale.
cdef int parse_double(const char* text, uint32_t size, double* out) noexcept nogil
# Steps over a number that is known to be good JSON -> the nearest float. -1 when that is not finite.
cdef int read_float32(const char** at, const char* end, float* out) noexcept nogil
