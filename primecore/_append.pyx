# One event of the ordinary kind, from Python values into the log and the tables in one call.
# What is not ordinary, and what is wrong with it, is for codec.py to say.

from libc.string cimport memset

from primecore._buffers cimport scratch_reset
from primecore._encode cimport encoded
from primecore._event cimport event_t
from primecore._pipeline cimport Pipeline, slice_of, slice_of_bytes


cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL


def append_ordinary(Pipeline writer not None, event_type, entity_id, payload):
    """Appends an event that has a type, an entity's id and a dict or None; returns its Receipt, or raises as append().

    None where something is not of the ordinary kind: then nothing was done.
    """
    cdef bytes text
    cdef const char* type_data
    cdef const char* id_data
    cdef Py_ssize_t type_size, id_size
    cdef event_t* event = writer.events
    if type(event_type) is not str or type(entity_id) is not str:
        return None
    text = b"{}" if payload is None else encoded(payload)
    if text is None:
        return None
    try:
        type_data = PyUnicode_AsUTF8AndSize(event_type, &type_size)
        id_data = PyUnicode_AsUTF8AndSize(entity_id, &id_size)
    except UnicodeEncodeError:
        return None
    writer.acquire()
    try:
        scratch_reset(&writer.scratch)
        memset(event, 0, sizeof(event_t))
        event.type = slice_of(type_data, type_size)
        event.entity = slice_of(id_data, id_size)
        event.payload = slice_of_bytes(text)
        writer.decode(event)
        return writer.append_filled(event, None, False)
    finally:
        writer.release()
