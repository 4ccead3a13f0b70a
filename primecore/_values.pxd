# JSON text and times as Python values. Knows nothing of what they belong to.

from libc.stdint cimport int64_t

from primecore._event cimport slice_t


cdef object loads(slice_t text)                 # a checked JSON value; numbers as they were given, see exactjson
cdef object loads_bytes(bytes text)
cdef object datetime_of(int64_t time_us)        # aware, UTC
