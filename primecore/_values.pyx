# JSON text and times as Python values. The contract stands in _values.pxd.

from datetime import timezone

import orjson

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.datetime cimport datetime_new, import_datetime
from libc.stdint cimport int64_t, uint32_t

from primecore._event cimport slice_t
from primecore._jsontree cimport json_plain_numbers
from primecore._times cimport civil_of, civil_t

from primecore import exactjson


import_datetime()

cdef object UTC = timezone.utc
cdef object fast_loads = orjson.loads


cdef object loads(slice_t text):
    return loads_bytes(PyBytes_FromStringAndSize(text.data, text.size))


cdef object loads_bytes(bytes text):
    # The fast parser where it is exact, else the exact one.
    if json_plain_numbers(slice_t(PyBytes_AS_STRING(text), <uint32_t>PyBytes_GET_SIZE(text))):
        return fast_loads(text)
    return exactjson.loads(text)


cdef object datetime_of(int64_t time_us):
    # Straight from the calendar: adding a timedelta to 1970 takes ten times as long.
    cdef civil_t at = civil_of(time_us)
    return datetime_new(at.year, at.month, at.day, at.hour, at.minute, at.second, at.micros, UTC)
