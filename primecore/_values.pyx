# JSON text and times as Python values. The contract stands in _values.pxd.

from datetime import timezone

import orjson

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.datetime cimport datetime_new, import_datetime
from libc.stdint cimport int64_t
from libc.string cimport memcmp, strlen

from primecore._event cimport slice_t
from primecore._jsonwrite cimport json_next_long
from primecore._times cimport civil_of, civil_t

from primecore import exactjson


cdef extern from "Python.h":
    double PyOS_string_to_double(const char* text, char** end, void* overflow) except? -1.0
    char* PyOS_double_to_string(double value, char code, int precision, int flags, int* kind) except NULL
    int Py_DTSF_ADD_DOT_0
    void PyMem_Free(void* memory)


import_datetime()

cdef object UTC = timezone.utc
cdef object fast_loads = orjson.loads


cdef object loads(slice_t text):
    return loads_bytes(PyBytes_FromStringAndSize(text.data, text.size))


cdef bint is_float(slice_t number) except -1:
    # Whether a number is written as Python writes the float it is read as: the float then says all that it says.
    cdef char* end = NULL
    cdef char* shortest = PyOS_double_to_string(
        PyOS_string_to_double(number.data, &end, NULL), c'r', 0, Py_DTSF_ADD_DOT_0, NULL)
    cdef bint same = strlen(shortest) == number.size and memcmp(shortest, number.data, number.size) == 0
    PyMem_Free(shortest)
    return same


cdef object loads_bytes(bytes text):
    # The fast parser where it is exact, else the exact one.
    cdef const char* at = PyBytes_AS_STRING(text)
    cdef const char* end = at + PyBytes_GET_SIZE(text)
    cdef slice_t number
    while json_next_long(&at, end, &number):
        if not is_float(number):
            return exactjson.loads(text)
    return fast_loads(text)


def loads_text(bytes text not None):
    """JSON text that was checked before as Python values, numbers as they stand (see exactjson)."""
    return loads_bytes(text)


cdef object datetime_of(int64_t time_us):
    # Straight from the calendar: adding a timedelta to 1970 takes ten times as long.
    cdef civil_t at = civil_of(time_us)
    return datetime_new(at.year, at.month, at.day, at.hour, at.minute, at.second, at.micros, UTC)
