# RFC 3339 times <-> microseconds since 1970-01-01 UTC. Knows nothing of anything else.
# Functions that return int: 0 = fine, -1 = the text is no such literal (outputs then hold nothing of use).

from libc.stdint cimport int64_t, uint32_t


ctypedef struct civil_t:            # a moment on the proleptic Gregorian calendar, UTC
    int year
    int month
    int day
    int hour
    int minute
    int second
    int micros


# RFC 3339 <-> microseconds since 1970-01-01T00:00:00Z, years 1 to 9999 in UTC. Digits finer than a microsecond are cut;
# "T" and "Z" may be lower case, "T" a space. A leap second (23:59:60 UTC) is kept as 23:59:59.999999.
cdef int parse_time(const char* text, uint32_t size, int64_t* out_us) noexcept nogil
cdef uint32_t format_time(int64_t time_us, char* out32) noexcept nogil  # 2026-01-02T03:04:05.678901Z; its size
cdef civil_t civil_of(int64_t time_us) noexcept nogil
