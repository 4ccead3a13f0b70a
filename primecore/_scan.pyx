# cython: language_level=3
"""Events out of JSON text, one a line: the envelope. Knows nothing of files or tables."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memchr, memcmp, memset
from primecore._event cimport CODE_CUSTOM, MAX_DEPTH, MAX_METADATA_BYTES, MAX_PAYLOAD_BYTES, event_t, slice_t
from primecore._fields cimport field_t, fields_t, walk_field, walk_metadata, walk_payload
from primecore._json cimport (
    JSON_NULL, JSON_STRING, SCAN_BLANK, SCAN_BOTH_EVENT_IDS, SCAN_BYTE_ORDER_MARK, SCAN_METADATA_TOO_LARGE,
    SCAN_MISSING, SCAN_NO_MEMORY, SCAN_OK, SCAN_PAYLOAD_TOO_LARGE, SCAN_TRAILING_TEXT, SCAN_UNKNOWN_FIELD,
    SCAN_WANT_ENTITY_ID, SCAN_WANT_EVENT_TYPE, SCAN_WANT_OBJECT, SCAN_WANT_STRING, SCAN_WANT_TENANT, SCAN_WANT_TIME,
    SCAN_WANT_UUID, fail_duplicate, next_member, parser_fail, parser_open, parser_refuse, parser_t, scan_error_t,
    unescape,
)
from primecore._literals cimport check_entity_id, check_event_type, event_code_of, format_uuid, parse_uuid
from primecore._buffers cimport scratch_free, scratch_init, scratch_reset, scratch_t
from primecore._payload cimport apply_rules, decode_payload, decode_trusted
from primecore._refusal cimport refusal
from primecore._times cimport parse_time

from primecore._jsontree import canonical, check_json, equal, merge_patch
from primecore._refusal import explain

__all__ = [
    "canonical", "check_json", "equal", "explain", "merge_patch", "parse_event", "parse_line", "scan_lines",
]


cdef extern from "json_text.h" nogil:
    const char* text_skip_space(const char* at, const char* end) noexcept


# Not a constant, so that the C library's memset is called: for this size gcc writes a "rep stos", which is slower.
cdef size_t event_bytes = sizeof(event_t)


cdef enum:
    FIELD_EVENT_TYPE
    FIELD_ENTITY_ID
    FIELD_PAYLOAD
    FIELD_METADATA
    FIELD_EVENT_ID
    FIELD_ID
    FIELD_TIMESTAMP
    FIELD_TENANT_ID
    FIELD_POSITION
    FIELD_VERSION
    FIELD_UNKNOWN


cdef inline int envelope_field(slice_t key) noexcept nogil:
    cdef const char* name = key.data
    if key.size == 9:
        if memcmp(name, b"entity_id", 9) == 0:
            return FIELD_ENTITY_ID
        if memcmp(name, b"timestamp", 9) == 0:
            return FIELD_TIMESTAMP
        if memcmp(name, b"tenant_id", 9) == 0:
            return FIELD_TENANT_ID
    elif key.size == 8:
        if memcmp(name, b"event_id", 8) == 0:
            return FIELD_EVENT_ID
        if memcmp(name, b"metadata", 8) == 0:
            return FIELD_METADATA
        if memcmp(name, b"position", 8) == 0:
            return FIELD_POSITION
    elif key.size == 10 and memcmp(name, b"event_type", 10) == 0:
        return FIELD_EVENT_TYPE
    elif key.size == 7:
        if memcmp(name, b"payload", 7) == 0:
            return FIELD_PAYLOAD
        if memcmp(name, b"version", 7) == 0:
            return FIELD_VERSION
    elif key.size == 2 and memcmp(name, b"id", 2) == 0:
        return FIELD_ID
    return FIELD_UNKNOWN


cdef int fail_unknown(parser_t* parser) noexcept nogil:
    parser_fail(parser, SCAN_UNKNOWN_FIELD, parser.raw_key - 1)
    parser.error.key.data = parser.raw_key
    parser.error.key.size = parser.raw_key_size
    return SCAN_UNKNOWN_FIELD


cdef int take_object(parser_t* parser, event_t* event, fields_t* fields, bint is_payload) noexcept nogil:
    """The payload or metadata at parser.at: an object, or null."""
    cdef slice_t* part = &event.payload if is_payload else &event.metadata
    cdef uint32_t limit = MAX_PAYLOAD_BYTES if is_payload else MAX_METADATA_BYTES
    cdef const char* start = parser.at
    cdef field_t other
    cdef int status
    if start == parser.end or start[0] != c'{':
        status = walk_field(parser, 0, &other)
        if status == SCAN_OK and other.kind != JSON_NULL:
            status = parser_refuse(parser, SCAN_WANT_OBJECT, start, b"payload" if is_payload else b"metadata")
        return status
    status = walk_payload(parser, fields) if is_payload else walk_metadata(parser, fields)
    if status != SCAN_OK:
        return status
    part.data = start
    part.size = <uint32_t>(parser.at - start)
    if part.size <= limit:
        return SCAN_OK
    if is_payload:
        return parser_refuse(parser, SCAN_PAYLOAD_TOO_LARGE, start, b"payload")
    return parser_refuse(parser, SCAN_METADATA_TOO_LARGE, start, b"metadata")


cdef int take_string(parser_t* parser, event_t* event, fields_t* fields, int which) noexcept nogil:
    """The value of an envelope field at parser.at: a string, or null. 0, or a scan_error."""
    cdef const char* start = parser.at
    cdef field_t field
    cdef slice_t text
    cdef int code = SCAN_OK
    if walk_field(parser, 0, &field) != SCAN_OK:
        return parser.error.code
    if field.kind != JSON_STRING:
        return SCAN_OK if field.kind == JSON_NULL else parser_refuse(parser, SCAN_WANT_STRING, start, name_of(which))
    text = field.text
    if field.escaped and unescape(&text, 1, parser.scratch) != 0:
        return parser_fail(parser, SCAN_NO_MEMORY, start)
    if which == FIELD_EVENT_TYPE:
        event.type = text
        event.code = <uint8_t>event_code_of(text)
        code = SCAN_OK if event.code != CODE_CUSTOM or check_event_type(text) == 0 else SCAN_WANT_EVENT_TYPE
    elif which == FIELD_ENTITY_ID:
        event.entity = text
        fields.entity_at = start
        code = SCAN_OK if check_entity_id(text) == 0 else SCAN_WANT_ENTITY_ID
    elif which == FIELD_TIMESTAMP:
        event.has_time = 1
        code = SCAN_OK if parse_time(text.data, text.size, &event.time_us) == 0 else SCAN_WANT_TIME
    elif which == FIELD_TENANT_ID:
        code = SCAN_OK if text.size == 7 and memcmp(text.data, b"default", 7) == 0 else SCAN_WANT_TENANT
    elif event.has_event_id:
        code = SCAN_BOTH_EVENT_IDS
    else:
        event.has_event_id = 1
        code = SCAN_OK if parse_uuid(text.data, text.size, event.event_id) == 0 else SCAN_WANT_UUID
    return SCAN_OK if code == SCAN_OK else parser_refuse(parser, code, start, name_of(which))


cdef const char* name_of(int which) noexcept nogil:
    if which == FIELD_EVENT_TYPE:
        return b"event_type"
    if which == FIELD_ENTITY_ID:
        return b"entity_id"
    if which == FIELD_TIMESTAMP:
        return b"timestamp"
    if which == FIELD_TENANT_ID:
        return b"tenant_id"
    return b"event_id" if which == FIELD_EVENT_ID else b"id"


cdef int walk_envelope(parser_t* parser, event_t* event, fields_t* fields) noexcept nogil:
    """With parser.at at "{". 0, or a scan_error."""
    cdef slice_t key
    cdef field_t ignored
    cdef uint32_t seen = 0
    cdef bint first = True
    cdef int more, which, status
    parser.at += 1
    while True:
        more = next_member(parser, first, &key)
        if more <= 0:
            return parser.error.code if more < 0 else SCAN_OK
        first = False
        which = envelope_field(key)
        if which == FIELD_UNKNOWN:
            return fail_unknown(parser)
        if seen >> which & 1:
            return fail_duplicate(parser, parser.raw_key)
        seen |= <uint32_t>1 << which
        if which >= FIELD_POSITION:
            status = walk_field(parser, 0, &ignored)
        elif which == FIELD_PAYLOAD or which == FIELD_METADATA:
            status = take_object(parser, event, fields, which == FIELD_PAYLOAD)
        else:
            status = take_string(parser, event, fields, which)
        if status != SCAN_OK:
            return status


cdef int scan_object(parser_t* parser, event_t* event) noexcept nogil:
    """The line's object at parser.at and nothing after it but white space. 0, or a scan_error."""
    cdef const char* start = parser.at
    cdef fields_t fields
    fields.present = 0
    fields.entity_at = NULL
    fields.begin = start
    if parser.end - start >= 3 and memcmp(start, b"\xef\xbb\xbf", 3) == 0:
        return parser_fail(parser, SCAN_BYTE_ORDER_MARK, start)
    if start[0] != c'{':
        return parser_fail(parser, SCAN_WANT_OBJECT, start)
    if walk_envelope(parser, event, &fields) != SCAN_OK:
        return parser.error.code
    if parser.at != parser.end:
        parser.at = text_skip_space(parser.at, parser.end)
        if parser.at != parser.end:
            return parser_fail(parser, SCAN_TRAILING_TEXT, parser.at)
    if event.type.size == 0:
        return parser_refuse(parser, SCAN_MISSING, start, b"event_type")
    if event.entity.size == 0:
        return parser_refuse(parser, SCAN_MISSING, start, b"entity_id")
    return apply_rules(event, &fields, parser)


cdef int scan_line(
    const char* line, uint32_t size, event_t* out, scratch_t* scratch, scan_error_t* error
) noexcept nogil:
    cdef parser_t parser
    cdef int code
    memset(out, 0, event_bytes)
    parser_open(&parser, line, size, MAX_DEPTH, scratch)
    parser.at = text_skip_space(line, parser.end)
    if parser.at == parser.end:
        return SCAN_BLANK
    code = scan_object(&parser, out)
    if code != SCAN_OK:
        if parser.error.at is not NULL:
            parser.error.offset = <uint32_t>(parser.error.at - line)
        error[0] = parser.error
    return code


# ---- for Python ----

cdef slice_t _slice(bytes text):
    cdef slice_t content
    content.data = text
    content.size = <uint32_t>len(text)
    return content


cdef object _text(slice_t content):
    return content.data[:content.size].decode("utf-8") if content.data is not NULL else None


cdef object _state(uint8_t state, object value):
    """None where the field is absent, else a pair: ("set", value) or ("cleared", None)."""
    return None if state == 0 else ("set", value) if state == 1 else ("cleared", None)


cdef dict _as_dict(const event_t* event):
    cdef char[36] buffer
    cdef object event_id = None
    if event.has_event_id:
        format_uuid(event.event_id, buffer)
        event_id = buffer[:36].decode("ascii")
    return {
        "event_type": _text(event.type),
        "entity_id": _text(event.entity),
        "event_id": event_id,
        "time_us": event.time_us if event.has_time else None,
        "payload": event.payload.data[:event.payload.size] if event.payload.size else None,
        "metadata": event.metadata.data[:event.metadata.size] if event.metadata.size else None,
        "code": event.code,
        "domain": _state(event.domain_state, _text(event.domain)),
        "labels": event.labels.data[:event.labels.size] if event.labels.size else None,
        "properties": event.properties.data[:event.properties.size] if event.properties.size else None,
        "source": _text(event.source),
        "target": _text(event.target),
        "relation": _text(event.relation),
        "weight": event.weight if event.has_weight else None,
        "valid_from": _state(event.valid_from_state, event.valid_from_us),
        "valid_to": _state(event.valid_to_state, event.valid_to_us),
        "dimensions": event.dimensions,
    }


def parse_line(bytes line not None, *, str source not None = "", long number = 0) -> dict | None:
    """What the scanner makes of one line (without its ending): a dict, None for a blank line.

    `payload`, `metadata`, `properties` and `labels` are bytes of JSON as given; times are microseconds since 1970 UTC.
    `source` and `number` (1-based) name the line in messages. Raises InvalidEvent.
    """
    cdef event_t event
    cdef scratch_t scratch
    cdef scan_error_t error
    cdef int code
    scratch_init(&scratch)
    try:
        code = scan_line(line, <uint32_t>len(line), &event, &scratch, &error)
        if code == SCAN_BLANK:
            return None
        if code != SCAN_OK:
            raise refusal(&error, line, <uint32_t>len(line), source, number)
        return _as_dict(&event)
    finally:
        scratch_free(&scratch)


def parse_event(
    str event_type not None,
    str entity_id not None,
    bytes payload = None,
    bytes metadata = None,
    *,
    bint trusted = False,
) -> dict:
    """As parse_line, for an event whose parts are at hand (payload and metadata as JSON). Raises InvalidEvent.

    `trusted` says that they were accepted before: what replay does.
    """
    cdef bytes kind = event_type.encode("utf-8")
    cdef bytes entity = entity_id.encode("utf-8")
    cdef event_t event
    cdef scratch_t scratch
    cdef scan_error_t error
    cdef int code
    memset(&event, 0, sizeof(event_t))
    event.type = _slice(kind)
    event.entity = _slice(entity)
    if payload is not None:
        event.payload = _slice(payload)
    if metadata is not None:
        event.metadata = _slice(metadata)
    scratch_init(&scratch)
    try:
        if trusted:
            if decode_trusted(&event, &scratch) != SCAN_OK:
                raise ValueError("these parts were not accepted before")
            return _as_dict(&event)
        code = decode_payload(&event, &scratch, &error)
        if code != SCAN_OK:
            raise refusal(&error, event.payload.data, event.payload.size, "", 0)
        return _as_dict(&event)
    finally:
        scratch_free(&scratch)


def scan_lines(text not None, *, str source not None = "") -> tuple:
    """Scans a whole JSONL text without the GIL, keeping nothing: (events before the first error, InvalidEvent or None).

    `text` is anything with a buffer of bytes. Blank lines are skipped; a carriage return before a line feed is cut.
    """
    cdef Py_buffer view
    PyObject_GetBuffer(text, &view, PyBUF_SIMPLE)
    try:
        return _scan_lines(<const char*>view.buf, view.len, source)
    finally:
        PyBuffer_Release(&view)


cdef tuple _scan_lines(const char* start, Py_ssize_t text_size, str source):
    cdef const char* end = start + text_size
    cdef const char* stop
    cdef uint32_t size = 0
    cdef uint32_t events = 0
    cdef long line = 0
    cdef int code = SCAN_OK
    cdef event_t event
    cdef scratch_t scratch
    cdef scan_error_t error
    scratch_init(&scratch)
    with nogil:
        while start < end:
            line += 1
            stop = <const char*>memchr(start, c'\n', end - start)
            if stop is NULL:
                stop = end
            size = <uint32_t>(stop - start)
            if size and (stop - 1)[0] == c'\r':
                size -= 1
            code = scan_line(start, size, &event, &scratch, &error)
            if code > 0:
                break
            events += code == SCAN_OK
            scratch_reset(&scratch)
            start = stop + 1
    try:
        return events, refusal(&error, start, size, source, line) if code > 0 else None
    finally:
        scratch_free(&scratch)
