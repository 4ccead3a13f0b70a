# Batches: events that are logged and folded whole or not at all. Everything is checked before anything is logged.

from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc

from primecore._buffers cimport scratch_reset
from primecore._event cimport CODE_SPACE_DEFINED, CODE_VECTOR_STORED, event_t, slice_t
from primecore._pipeline cimport (
    STEP_CONFLICT, STEP_DEGREE, STEP_DUPLICATE, STEP_FULL, STEP_NO_MEMORY, STEP_OK, STEP_UNREADABLE,
    Pipeline, is_default_space, pending_slot_t, receipt_of, same_content, text_of,
)
from primecore._records cimport MAX_POSITION
from primecore._resolve cimport is_crowded, resolve
from primecore._wal cimport WAL_NO_ROOM, WAL_OK

from primecore.errors import LimitExceeded, VersionConflict


cdef enum:
    MAX_BATCH_BYTES = 33554432
    BATCH_OVERHEAD_BYTES = 4096     # the commit record, and room to spare


def append_many(Pipeline writer not None, list prepared not None, list expected_versions not None, list strict=None,
                list live=None):
    """Appends a batch whole or not at all; returns for each event what append() returns.

    Raises LimitExceeded over MAX_BATCH_BYTES, and for any event what append() raises, with nothing appended. What an
    event changes must be live before the batch where `strict`, a list of bool, says so, and the nodes whose ids are in
    `live`.
    """
    cdef size_t count = <size_t>len(prepared)
    cdef event_t* events
    if count == 0:
        return []
    events = <event_t*>malloc((count + 1) * sizeof(event_t))
    if events == NULL:
        raise MemoryError("no room for the batch")
    try:
        with writer.lock:
            scratch_reset(&writer.scratch)
            try:
                for key in live or ():
                    writer.require_node(slice_t(PyBytes_AS_STRING(<bytes?>key), <uint32_t>len(<bytes>key)))
                return append_batch(writer, events, prepared, expected_versions, strict)
            finally:
                writer.generation += 1
    finally:
        free(events)


cdef list append_batch(Pipeline writer, event_t* events, list prepared, list expected_versions, list strict):
    cdef size_t count = 0, i
    cdef size_t batch_bytes = 0
    cdef uint32_t dimensions = writer.space_dimensions
    cdef event_t* event
    cdef dict given = {}
    cdef tuple definition           # keeps its bytes alive until they are logged
    cdef list answers = []
    cdef int64_t now_us = writer.now_us()
    reserve_pending(writer, <size_t>len(prepared) + 1)
    for i in range(<size_t>len(prepared)):
        event = &events[count]
        writer.fill(event, <tuple>prepared[i])
        if event.has_event_id:
            duplicate = known_id(writer, event, events, given)
            if duplicate is not None:
                answers.append(duplicate)
                continue
        if strict is not None and strict[i]:
            writer.require_live(event)
        if event.code == CODE_VECTOR_STORED:
            if dimensions == 0:
                dimensions = event.dimensions
                events[count + 1] = event[0]
                definition = writer.space_definition(dimensions)
                writer.fill(event, definition)
                number(writer, event, None, now_us, writer.wal.last_position + 1 + count)
                batch_bytes += writer.wal.record_bytes(event)
                count += 1
                event = &events[count]
            elif event.dimensions != dimensions:
                raise writer.wrong_dimensions(event, dimensions, None)
        elif event.code == CODE_SPACE_DEFINED and is_default_space(event):
            dimensions = event.dimensions
        number(writer, event, expected_versions[i], now_us, writer.wal.last_position + 1 + count)
        if event.has_event_id:
            given[event.event_id[:16]] = count
        answers.append(receipt_of(event, False))
        batch_bytes += writer.wal.record_bytes(event)
        count += 1
    if batch_bytes > MAX_BATCH_BYTES:
        raise LimitExceeded(
            f"the batch takes {batch_bytes:,} bytes of log, over the limit of {MAX_BATCH_BYTES:,}",
            hint="append it in several batches",
        )
    if count:
        log_batch(writer, events, count, batch_bytes)
        writer.space_dimensions = dimensions
        for i in range(count):
            if writer.dedupe.add(writer.dedupe.hash(events[i].event_id), <uint32_t>events[i].position) < 0:
                raise writer.failure(STEP_NO_MEMORY, &events[i], None)
        writer.fold(events, count)
    return answers


cdef object known_id(Pipeline writer, event_t* event, event_t* events, dict given):
    # The answer for an event that is in the log, or earlier in this batch, already; None for a new one.
    cdef int status = writer.find_duplicate(event, writer.dedupe.hash(event.event_id))
    cdef size_t first
    if status == STEP_OK and event.event_id[:16] in given:
        first = given[event.event_id[:16]]
        status = STEP_DUPLICATE if same_content(event, &events[first]) else STEP_CONFLICT
        event.position = events[first].position
        event.version = events[first].version
    if status == STEP_CONFLICT or status == STEP_UNREADABLE:
        raise writer.failure(status, event, None)
    if status == STEP_DUPLICATE:
        return receipt_of(event, True)
    return None


cdef int number(Pipeline writer, event_t* event, expected_version, int64_t now_us, uint64_t position) except -1:
    # Keys, version, time, id and position of an event of a batch.
    if position > MAX_POSITION:
        raise writer.failure(STEP_FULL, event, None)
    writer.hash_keys(event)
    if resolve(writer.graph, event) < 0:
        raise MemoryError("no room for keys")
    if is_crowded(writer.graph, event):
        raise writer.failure(STEP_DEGREE, event, None)
    event.version = writer.next_version(event)
    if expected_version is not None and event.version != <uint64_t>expected_version + 1:
        raise VersionConflict(text_of(event.entity), expected_version, event.version - 1)
    writer.note_version(event)
    if not event.has_time:
        event.time_us = now_us
    if not event.has_event_id:
        writer.assign_id(event)
    event.position = position
    return 0


cdef int log_batch(Pipeline writer, event_t* events, size_t count, size_t batch_bytes) except -1:
    cdef size_t i
    cdef int status, attempt
    for attempt in range(2):
        with nogil:
            status = writer.wal.begin_batch()
            i = 0
            while status == WAL_OK and i < count:
                status = writer.wal.append(&events[i])
                i += 1
            if status == WAL_OK:
                status = writer.wal.commit_batch()
            if status != WAL_OK:
                writer.wal.abort_batch()
        if status == WAL_OK:
            return 0
        if status != WAL_NO_ROOM or attempt:
            raise writer.failure(status, &events[0], None)
        writer.log.make_room(batch_bytes + BATCH_OVERHEAD_BYTES)
    return 0


cdef int reserve_pending(Pipeline writer, size_t count) except -1:
    cdef size_t size = writer.pending_mask + 1
    cdef pending_slot_t* fresh
    if size >= 2 * count:
        return 0
    while size < 2 * count:
        size *= 2
    fresh = <pending_slot_t*>calloc(size, sizeof(pending_slot_t))
    if fresh == NULL:
        raise MemoryError("no room for the batch")
    free(writer.pending)
    writer.pending = fresh
    writer.pending_mask = size - 1
    writer.generation = 1
    return 0


def knows_id(Pipeline writer not None, bytes event_id not None):
    """Whether the log holds an event of this id (16 bytes). Raises CorruptLog where it cannot be read."""
    cdef event_t first
    cdef const uint8_t* text = <const uint8_t*><const char*>event_id
    cdef int status
    if len(event_id) != 16:
        return False
    with writer.lock:
        status = writer.first_of_id(text, writer.dedupe.hash(text), &first)
    if status == STEP_UNREADABLE:
        raise writer.failure(status, &first, None)
    return status == STEP_DUPLICATE
