# An event's parts out of Python values, where they are of the ordinary kinds: one call for what most appends bring.
# Knows bytes and JSON text; what is not ordinary, and what is wrong with it, is for codec.py to say.

import orjson

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_AsUTF8String


cdef extern from "find_null.h" nogil:
    bint text_has_null(const char* text, size_t size) noexcept


cdef object fast_dumps = orjson.dumps
cdef object OPTIONS = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS


cdef enum:
    FIRST_BYTES = 4096              # more than the encoder begins with, which is 4,056


cdef bytes encoded(value):
    cdef bytes text
    if type(value) is not dict:
        return None
    # The encoder writes without asking whether it got memory: what it begins with is asked for before it, and is free then.
    PyBytes_FromStringAndSize(NULL, FIRST_BYTES)
    try:
        text = <bytes>fast_dumps(value, None, OPTIONS)
    except TypeError:
        return None
    if text_has_null(PyBytes_AS_STRING(text), <size_t>PyBytes_GET_SIZE(text)):
        return None
    return text


def prepare(event_type, entity_id, payload, metadata):
    """As codec.prepare(), for an event without id and time; None where something is not of the ordinary kind."""
    cdef bytes type_text, id_text, payload_text, metadata_text = None
    if type(event_type) is not str or type(entity_id) is not str:
        return None
    payload_text = b"{}" if payload is None else encoded(payload)
    if payload_text is None:
        return None
    if metadata is not None:
        metadata_text = encoded(metadata)
        if metadata_text is None:
            return None
    try:
        type_text = PyUnicode_AsUTF8String(event_type)
        id_text = PyUnicode_AsUTF8String(entity_id)
    except UnicodeEncodeError:
        return None
    return type_text, id_text, payload_text, metadata_text, None, None
