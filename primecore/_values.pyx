# JSON text and times as Python values. The contract stands in _values.pxd.

from datetime import datetime, timedelta, timezone

import orjson

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t

from primecore._event cimport slice_t
from primecore._jsontree cimport json_plain_numbers

from primecore import exactjson


cdef object EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


cdef object loads(slice_t text):
    # The fast parser where it is exact, else the exact one.
    cdef bytes data = PyBytes_FromStringAndSize(text.data, text.size)
    return orjson.loads(data) if json_plain_numbers(text) else exactjson.loads(data)


cdef object datetime_of(int64_t time_us):
    return EPOCH + timedelta(0, 0, time_us)
