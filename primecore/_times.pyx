# cython: language_level=3
"""RFC 3339 times <-> microseconds since 1970-01-01 UTC. Knows nothing of anything else."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp


cdef extern from "json_text.h" nogil:
    uint64_t text_load8(const char* at) noexcept


cdef enum:
    SECONDS_PER_DAY = 86400

# 0001-01-01T00:00:00Z and 10000-01-01T00:00:00Z in seconds since 1970: what a datetime can hold.
cdef int64_t FIRST_SECOND = -62135596800
cdef int64_t END_SECOND = 253402300800


cdef inline int64_t days_of(int64_t year, int64_t month, int64_t day) noexcept nogil:
    """Days from 1970-01-01 to a date, proleptic Gregorian, from year 1 on (Hinnant's days_from_civil)."""
    cdef int64_t y = year - (1 if month <= 2 else 0)
    cdef int64_t era = y // 400
    cdef int64_t year_of_era = y - era * 400
    cdef int64_t day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719468


cdef inline int days_in_month(int year, int month) noexcept nogil:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month == 4 or month == 6 or month == 9 or month == 11 else 31


cdef inline int two_digits(const char* at) noexcept nogil:
    """-1 where they are none."""
    cdef uint8_t tens = <uint8_t>(at[0] - c'0')
    cdef uint8_t ones = <uint8_t>(at[1] - c'0')
    return 10 * tens + ones if tens < 10 and ones < 10 else -1


cdef int parse_offset(const char* text, uint32_t size, int64_t* out_s) noexcept nogil:
    """"Z" or "+hh:mm" to seconds ahead of UTC."""
    cdef int hours, minutes
    if size == 1 and (text[0] | 0x20) == c'z':
        out_s[0] = 0
        return 0
    if size != 6 or (text[0] != c'+' and text[0] != c'-') or text[3] != c':':
        return -1
    hours = two_digits(text + 1)
    minutes = two_digits(text + 4)
    if not (0 <= hours <= 23 and 0 <= minutes <= 59):
        return -1
    out_s[0] = (hours * 3600 + minutes * 60) * (1 if text[0] == c'+' else -1)
    return 0


cdef inline int read_digits(const char* text, uint64_t pattern, uint64_t separators, uint64_t* out) noexcept nogil:
    """Eight bytes of digits and separators as the digits' values, lowest byte first. -1 where they are none."""
    cdef uint64_t found = text_load8(text) ^ pattern
    if (found & separators) | (((found + 0x7676767676767676ULL) | found) & 0x8080808080808080ULL):
        return -1
    out[0] = found
    return 0


cdef int parse_usual(const char* text, uint32_t size, int64_t* out_us) noexcept nogil:
    """"YYYY-MM-DDTHH:MM:SS.ffffff" with "Z" or "+00:00", also with a fraction of 3 or no digits; -1: anything else."""
    cdef uint64_t date, time, rest, fraction
    cdef int year, month, day, hour, minute, second
    cdef int64_t micros = 0
    if size < 20:
        return -1
    if text[size - 1] == c'Z':
        size -= 1
    elif size >= 25 and memcmp(text + size - 6, b"+00:00", 6) == 0:
        size -= 6
    else:
        return -1
    if size != 19 and size != 23 and size != 26:
        return -1
    # "0000-00-", "00T00:00" and "00:00:00", which share two fields.
    if read_digits(text, 0x2D30302D30303030ULL, 0xFF0000FF00000000ULL, &date) != 0:
        return -1
    if read_digits(text + 8, 0x30303A3030543030ULL, 0x0000FF0000FF0000ULL, &time) != 0:
        return -1
    if read_digits(text + 11, 0x30303A30303A3030ULL, 0x0000FF0000FF0000ULL, &rest) != 0:
        return -1
    year = <int>((date & 0xFF) * 1000 + (date >> 8 & 0xFF) * 100 + (date >> 16 & 0xFF) * 10 + (date >> 24 & 0xFF))
    month = <int>((date >> 40 & 0xFF) * 10 + (date >> 48 & 0xFF))
    day = <int>((time & 0xFF) * 10 + (time >> 8 & 0xFF))
    hour = <int>((time >> 24 & 0xFF) * 10 + (time >> 32 & 0xFF))
    minute = <int>((time >> 48 & 0xFF) * 10 + (time >> 56))
    second = <int>((rest >> 48 & 0xFF) * 10 + (rest >> 56))
    if size == 26:
        if text[19] != c'.' or read_digits(text + 18, 0x3030303030302E30ULL, 0x000000000000FF00ULL, &fraction) != 0:
            return -1
        micros = (fraction >> 16 & 0xFF) * 100000 + (fraction >> 24 & 0xFF) * 10000 + (fraction >> 32 & 0xFF) * 1000
        micros += (fraction >> 40 & 0xFF) * 100 + (fraction >> 48 & 0xFF) * 10 + (fraction >> 56)
    elif size == 23:
        if text[19] != c'.' or read_digits(text + 15, 0x3030302E30303A30ULL, 0x000000FF0000FF00ULL, &fraction) != 0:
            return -1
        micros = (fraction >> 40 & 0xFF) * 100000 + (fraction >> 48 & 0xFF) * 10000 + (fraction >> 56) * 1000
    if year < 1 or month < 1 or month > 12 or day < 1 or day > 28 or hour > 23 or minute > 59 or second > 59:
        return -1
    out_us[0] = (days_of(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second) * 1000000 + micros
    return 0


cdef int parse_time(const char* text, uint32_t size, int64_t* out_us) noexcept nogil:
    if parse_usual(text, size, out_us) == 0:
        return 0
    return parse_any(text, size, out_us)


cdef int parse_any(const char* text, uint32_t size, int64_t* out_us) noexcept nogil:
    cdef int century, years, year, month, day, hour, minute, second
    cdef int64_t offset_s, time_s
    cdef int64_t micros = 0
    cdef int64_t unit = 100000
    cdef uint32_t i = 19
    if size < 20 or text[4] != c'-' or text[7] != c'-' or text[13] != c':' or text[16] != c':':
        return -1
    if (text[10] | 0x20) != c't' and text[10] != c' ':
        return -1
    century = two_digits(text)
    years = two_digits(text + 2)
    month = two_digits(text + 5)
    day = two_digits(text + 8)
    hour = two_digits(text + 11)
    minute = two_digits(text + 14)
    second = two_digits(text + 17)
    if (century | years | month | day | hour | minute | second) < 0:
        return -1
    year = 100 * century + years
    if year < 1 or month < 1 or month > 12 or day < 1 or hour > 23 or minute > 59 or second > 60:
        return -1
    if day > 28 and day > days_in_month(year, month):
        return -1
    if text[19] == c'.':
        i = 20
        while i < size and <uint8_t>(text[i] - c'0') < 10:
            micros += unit * (text[i] - c'0')
            unit //= 10
            i += 1
        if i == 20:
            return -1
    if parse_offset(text + i, size - i, &offset_s) != 0:
        return -1
    time_s = days_of(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 - offset_s
    if second == 60:
        # RFC 3339 puts leap seconds at the end of a UTC day. A count of microseconds has no place for one: the last
        # before it.
        if (time_s - FIRST_SECOND) % SECONDS_PER_DAY != SECONDS_PER_DAY - 60:
            return -1
        second = 59
        micros = 999999
    time_s += second
    if time_s < FIRST_SECOND or time_s >= END_SECOND:
        return -1
    out_us[0] = time_s * 1000000 + micros
    return 0


cdef inline void put_digits(char* out, int64_t value, int count) noexcept nogil:
    while count:
        count -= 1
        out[count] = <char>(c'0' + value % 10)
        value //= 10


cdef civil_t civil_of(int64_t time_us) noexcept nogil:
    cdef int64_t since = time_us - FIRST_SECOND * 1000000       # not negative for any time that parse_time gives
    cdef int64_t days = since // (SECONDS_PER_DAY * <int64_t>1000000)
    cdef int64_t micros = since % (SECONDS_PER_DAY * <int64_t>1000000)
    cdef int seconds = <int>(micros // 1000000)
    # Hinnant's civil_from_days, counted from 0000-03-01.
    cdef int64_t z = days + 306
    cdef int64_t era = z // 146097
    cdef int64_t day_of_era = z - era * 146097
    cdef int64_t year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    cdef int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    cdef int64_t shifted = (5 * day_of_year + 2) // 153
    cdef civil_t out
    out.month = <int>(shifted + (3 if shifted < 10 else -9))
    out.year = <int>(year_of_era + era * 400) + (1 if out.month <= 2 else 0)
    out.day = <int>(day_of_year - (153 * shifted + 2) // 5) + 1
    out.hour = seconds // 3600
    out.minute = seconds // 60 % 60
    out.second = seconds % 60
    out.micros = <int>(micros % 1000000)
    return out


cdef uint32_t format_time(int64_t time_us, char* out32) noexcept nogil:
    cdef civil_t civil = civil_of(time_us)
    put_digits(out32, civil.year, 4)
    out32[4] = c'-'
    put_digits(out32 + 5, civil.month, 2)
    out32[7] = c'-'
    put_digits(out32 + 8, civil.day, 2)
    out32[10] = c'T'
    put_digits(out32 + 11, civil.hour, 2)
    out32[13] = c':'
    put_digits(out32 + 14, civil.minute, 2)
    out32[16] = c':'
    put_digits(out32 + 17, civil.second, 2)
    if civil.micros == 0:
        out32[19] = c'Z'
        return 20
    out32[19] = c'.'
    put_digits(out32 + 20, civil.micros, 6)
    out32[26] = c'Z'
    return 27


# ---- for Python ----

def time_from_text(str text not None) -> int:
    """Microseconds since 1970-01-01 UTC of an RFC 3339 time with offset. Raises ValueError."""
    cdef int64_t out
    cdef bytes encoded = text.encode("utf-8", "surrogatepass")
    if parse_time(encoded, <uint32_t>len(encoded), &out) != 0:
        raise ValueError(f"expected an RFC 3339 time with offset, found {text!r}")
    return out


def time_to_text(int64_t time_us) -> str:
    """RFC 3339 in UTC of microseconds since 1970-01-01 UTC. Raises ValueError outside the years 1 to 9999."""
    cdef char[32] out
    if not FIRST_SECOND * 1000000 <= time_us < END_SECOND * 1000000:
        raise ValueError(f"expected a time within the years 1 to 9999, found {time_us} microseconds")
    return out[:format_time(time_us, out)].decode("ascii")
