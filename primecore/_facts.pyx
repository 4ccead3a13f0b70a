# Events as Python values: out of the log as model.Event, and the literals of an envelope in and out.
# Knows the log's C face.

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from primecore._event cimport event_t, slice_t
from primecore._literals cimport format_uuid, parse_uuid
from primecore._rows cimport Rows
from primecore._times cimport parse_time
from primecore._values cimport datetime_of, loads
from primecore._wal cimport WAL_ABSENT, WAL_OK, Wal

from primecore.errors import InvalidArgument
from primecore.model import Event


cdef object new_tuple = tuple.__new__


cdef object as_event(tuple items):
    # As Event(*items), without the Python code that a named tuple is made by.
    return new_tuple(Event, items)


cdef str text(slice_t value):
    return PyUnicode_DecodeUTF8(value.data, value.size, NULL)


def event_id_text(bytes event_id not None):
    """16 bytes as 8-4-4-4-12 hexadecimal digits."""
    cdef char[36] out
    if len(event_id) != 16:
        raise InvalidArgument("event_id: expected 16 bytes")
    format_uuid(<const uint8_t*><const char*>event_id, out)
    return PyUnicode_DecodeUTF8(out, 36, NULL)


def event_id_bytes(str value not None):
    """The 16 bytes of a UUID's text. Raises InvalidArgument."""
    cdef uint8_t[16] out
    cdef Py_ssize_t size
    cdef const char* data = PyUnicode_AsUTF8AndSize(value, &size)
    if parse_uuid(data, <uint32_t>size, out) != 0:
        raise InvalidArgument(
            f"event_id: expected a UUID such as 0192f0c1-2345-7890-abcd-ef0123456789, found {value!r}"
        )
    return PyBytes_FromStringAndSize(<const char*>out, 16)


def time_us(str value not None, str field not None="timestamp"):
    """Microseconds since 1970 of an RFC 3339 time with offset. Raises InvalidArgument that names `field`."""
    cdef int64_t out
    cdef Py_ssize_t size
    cdef const char* data = PyUnicode_AsUTF8AndSize(value, &size)
    if parse_time(data, <uint32_t>size, &out) != 0:
        raise InvalidArgument(
            f"{field}: expected an RFC 3339 time with offset such as 2026-01-31T12:00:00Z, found {value!r}"
        )
    return out


def moment(int64_t value):
    """The aware datetime (UTC) of microseconds since 1970."""
    return datetime_of(value)


cdef class EventReader:
    """Reads events out of one log, by position."""

    cdef Wal wal
    cdef object log

    def __cinit__(self, log not None):
        self.log = log
        self.wal = log.wal

    cdef object find(self, uint64_t position, event_t* out):
        # What the event borrows from and the caller must hold on to: rows of a history file, or nothing.
        cdef Rows rows
        cdef int status = self.wal.read(position, out)
        if status == WAL_OK:
            return None
        if status != WAL_ABSENT:
            raise self.log.unreadable(position)
        rows = self.log.rows(position)
        rows.read(position, out)
        return rows

    cdef object event_at(self, uint64_t position):
        cdef event_t event
        # Making values may run other code, which may let the segment go.
        self.wal.pin()
        try:
            _kept = self.find(position, &event)
            return self.made(&event)
        finally:
            self.wal.unpin()

    cdef object made(self, event_t* event):
        cdef char[36] event_id
        format_uuid(event.event_id, event_id)
        return as_event((
            event.position,
            event.version,
            PyUnicode_DecodeUTF8(event_id, 36, NULL),
            text(event.type),
            text(event.entity),
            datetime_of(event.time_us),
            loads(event.payload) if event.payload.size else {},
            loads(event.metadata) if event.metadata.size else None,
        ))

    def read(self, uint64_t position):
        """The event at a position that the log holds. Raises CorruptLog."""
        return self.event_at(position)

    def told(self, uint64_t position, str entity_id not None):
        """The event at a position, of an entity that the caller knows, as far as it tells that entity's state.

        Of an event that is history, id and metadata are left out: not decoding them is half of what reading it costs.
        Raises CorruptLog.
        """
        cdef event_t event
        cdef Rows rows
        cdef int status
        self.wal.pin()
        try:
            status = self.wal.read(position, &event)
            if status == WAL_OK:
                return self.made(&event)
            if status != WAL_ABSENT:
                raise self.log.unreadable(position)
            rows = self.log.rows(position, True)
            rows.read(position, &event)
            return as_event((
                position, event.version, "", text(event.type), entity_id, datetime_of(event.time_us),
                loads(event.payload) if event.payload.size else {}, None,
            ))
        finally:
            self.wal.unpin()

    def mark(self, uint64_t position):
        """What tells the event at a position from any other that might stand there: id, time and version, in hex."""
        cdef event_t event
        _kept = self.find(position, &event)
        return f"{event.event_id[:16].hex()}-{event.time_us}-{event.version}"

    def matches(self, uint64_t position, event_type=None, entity_id=None):
        """Whether the event at a position has this type and this entity (None: any), without decoding it."""
        cdef event_t event
        self.wal.pin()
        try:
            _kept = self.find(position, &event)
            if event_type is not None and text(event.type) != event_type:
                return False
            return entity_id is None or text(event.entity) == entity_id
        finally:
            self.wal.unpin()

    def batches(self, uint64_t until, size_t batch_bytes=1 << 22, size_t batch_events=1000):
        """All events up to `until` as lists of what Pipeline.append_many() takes, of about `batch_bytes` each."""
        cdef event_t event
        cdef uint64_t position
        cdef size_t nbytes = 0
        cdef list batch = []
        for position in range(1, until + 1):
            self.wal.pin()
            try:
                _kept = self.find(position, &event)
                batch.append((
                    PyBytes_FromStringAndSize(event.type.data, event.type.size),
                    PyBytes_FromStringAndSize(event.entity.data, event.entity.size),
                    PyBytes_FromStringAndSize(event.payload.data, event.payload.size),
                    PyBytes_FromStringAndSize(event.metadata.data, event.metadata.size) if event.metadata.size else None,
                    PyBytes_FromStringAndSize(<const char*>event.event_id, 16),
                    event.time_us,
                ))
            finally:
                self.wal.unpin()
            nbytes += event.payload.size + event.metadata.size + 256
            if nbytes >= batch_bytes or <size_t>len(batch) >= batch_events:
                yield batch
                batch = []
                nbytes = 0
        if batch:
            yield batch
