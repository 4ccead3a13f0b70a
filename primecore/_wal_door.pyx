"""A plain Python door to the log's C interface, for tests, tools and measurements. The engine goes elsewhere."""

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset

from primecore._event cimport event_t, slice_t
from primecore._wal cimport WAL_ABSENT, WAL_OK, Wal

from primecore._wal import STATUS_WORDS


CODES = {name: code for code, name in enumerate((
    "prime.node.created", "prime.node.updated", "prime.node.deleted",
    "prime.edge.created", "prime.edge.updated", "prime.edge.deleted",
    "prime.vector.stored", "prime.vector.deleted", "prime.space.defined"), 1)}


cdef slice_t borrow(bytes text) noexcept:
    cdef slice_t part
    part.data = <const char*>text
    part.size = <uint32_t>len(text)
    return part


cdef object fill(event_t* event, dict fields):
    # Gives what must stay alive as long as the event.
    entity = fields["entity_id"].encode()
    kind = fields["event_type"].encode()
    payload, metadata = fields.get("payload") or b"", fields.get("metadata") or b""
    event_id = fields.get("event_id")
    time_us = fields.get("time_us")
    memset(event, 0, sizeof(event_t))
    event.entity, event.type = borrow(entity), borrow(kind)
    event.payload, event.metadata = borrow(payload), borrow(metadata)
    event.code = CODES.get(fields["event_type"], 0)
    event.version = fields.get("version", 1)
    event.has_event_id = event_id is not None
    if event_id is not None:
        memcpy(event.event_id, <const char*>(<bytes>event_id), 16)
    event.has_time = time_us is not None
    event.time_us = time_us if time_us is not None else fields.get("assigned_time_us", 0)
    return entity, kind, payload, metadata


cdef dict as_fields(const event_t* event):
    return {
        "position": event.position,
        "version": event.version,
        "event_type": event.type.data[:event.type.size].decode(),
        "entity_id": event.entity.data[:event.entity.size].decode(),
        "payload": event.payload.data[:event.payload.size],
        "metadata": event.metadata.data[:event.metadata.size],
        "event_id": bytes(event.event_id[:16]),
        "time_us": event.time_us,
        "has_time": bool(event.has_time),
        "has_event_id": bool(event.has_event_id),
        "erased": bool(event.erased),
    }


def append_event(Wal wal not None, dict fields not None) -> str:
    """Append one event; gives the status in a word ("ok", "no room" ...).

    `fields`: `entity_id`, `event_type`; optional `payload`, `metadata` (bytes), `event_id` (16 bytes), `version`,
    `time_us` (given) or `assigned_time_us`, `position` (default: the next).
    """
    cdef event_t event
    alive = fill(&event, fields)
    event.position = fields.get("position", wal.last_position + 1)
    cdef int status = wal.append(&event)
    del alive
    return STATUS_WORDS[status]


def event_bytes(Wal wal not None, dict fields not None) -> int:
    """Size of the event's record in bytes; 0 when a field is beyond its limit."""
    cdef event_t event
    alive = fill(&event, fields)
    cdef uint64_t size = wal.record_bytes(&event)
    del alive
    return size


def begin_batch(Wal wal not None) -> str:
    """Begin a batch; gives the status in a word."""
    return STATUS_WORDS[wal.begin_batch()]


def commit_batch(Wal wal not None) -> str:
    """Commit the open batch; gives the status in a word."""
    return STATUS_WORDS[wal.commit_batch()]


def abort_batch(Wal wal not None) -> str:
    """Take back the open batch; gives the status in a word."""
    return STATUS_WORDS[wal.abort_batch()]


def read_event(Wal wal not None, uint64_t position) -> dict | None:
    """The event at `position` as a dict, None if there is none. Raises ValueError where its checksum does not hold."""
    cdef event_t event
    cdef int status = wal.read(position, &event)
    if status == WAL_ABSENT:
        return None
    if status != WAL_OK:
        raise ValueError(f"position {position}: {STATUS_WORDS[status]}")
    return as_fields(&event)


def scan_events(Wal wal not None, uint64_t first=1, uint32_t limit=0xFFFFFFFF) -> list[dict]:
    """The events from `first` on, at most `limit`."""
    cdef event_t[64] events
    cdef uint32_t count, i
    found = []
    while limit:
        with nogil:
            count = wal.scan(first, events, limit if limit < 64 else 64)
        if not count:
            break
        for i in range(count):
            found.append(as_fields(&events[i]))
        first += count
        limit -= count
    return found


def append_many_times(Wal wal not None, dict fields not None, uint32_t times) -> int:
    """Append the same event up to `times` times without the GIL, until there is no room; gives how many went in."""
    cdef event_t event
    alive = fill(&event, fields)
    cdef uint32_t done = 0
    with nogil:
        while done < times:
            event.position = wal.last_position + 1
            if wal.append(&event) != WAL_OK:
                break
            done += 1
    del alive
    return done
