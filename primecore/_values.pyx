# JSON text and times as Python values. The contract stands in _values.pxd.

from datetime import timezone

import orjson

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.datetime cimport datetime_new, import_datetime
from libc.stdint cimport int64_t

from primecore._event cimport slice_t
from primecore._jsontree cimport json_plain_numbers
from primecore._times cimport civil_of, civil_t

from primecore import exactjson


import_datetime()

cdef object UTC = timezone.utc


cdef object loads(slice_t text):
    # The fast parser where it is exact, else the exact one.
    cdef bytes data = PyBytes_FromStringAndSize(text.data, text.size)
    return orjson.loads(data) if json_plain_numbers(text) else exactjson.loads(data)


cdef object datetime_of(int64_t time_us):
    # Straight from the calendar: adding a timedelta to 1970 takes ten times as long.
    cdef civil_t at = civil_of(time_us)
    return datetime_new(at.year, at.month, at.day, at.hour, at.minute, at.second, at.micros, UTC)
