# Replay: the log's events into the tables, a slice at a time: read and decoded without the GIL, folded with it.

from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t

from primecore._buffers cimport scratch_reset
from primecore._event cimport CODE_SPACE_DEFINED, event_t
from primecore._json cimport SCAN_OK
from primecore._pipeline cimport SLICE, STEP_NO_MEMORY, STEP_OK, Pipeline, is_default_space
from primecore._rows cimport Rows
from primecore._scan cimport decode_trusted


def replay(Pipeline writer not None, uint64_t until, progress=None, latest_us=None):
    """Folds the log's events from behind the last folded one up to `until`; with `latest_us` only those up to that time.

    `progress(position)` hears of it now and then. Raises CorruptLog where the log does not hold what it promises.
    """
    writer.wal.pin()
    try:
        with writer.lock:
            replay_all(writer, until, progress, INT64_MAX if latest_us is None else latest_us)
    finally:
        writer.wal.unpin()


cdef int replay_all(Pipeline writer, uint64_t until, progress, int64_t latest) except -1:
    cdef uint64_t position = writer.graph.applied_position + 1
    cdef size_t count, scanned
    cdef event_t definition
    cdef int status
    cdef Rows rows = None           # what of the log has become history
    cdef uint64_t in_log = writer.log.first_position
    definition.position = 0
    while position <= until:
        if (rows is None or position > rows.last) and position < in_log:
            rows = writer.log.rows(position)
        with nogil:
            scratch_reset(&writer.scratch)
            count = SLICE if until - position + 1 > SLICE else <size_t>(until - position + 1)
            if rows is not None and position <= rows.last:
                scanned = rows.scan(position, writer.events, <uint32_t>count)
            else:
                scanned = writer.wal.scan(position, writer.events, <uint32_t>count)
            count = scanned if latest == INT64_MAX else keep_until(
                writer.events, scanned, latest, NULL if writer.graph.vectors.space else &definition
            )
            status = replay_slice(writer, count)
        if scanned == 0 or status != STEP_OK:
            raise writer.log.unreadable(position)
        if definition.position:
            # It says what vectors are, not when: those that are earlier than it need it, too.
            if decode_trusted(&definition, &writer.scratch) == SCAN_OK:
                writer.graph.vectors.define_space(&definition)
            definition.position = 0
        writer.fold(writer.events, count)
        position += scanned
        if progress is not None and (position & 0x3FFF) < SLICE:
            progress(position - 1)
    writer.space_dimensions = writer.graph.vectors.space_dimensions
    writer.graph.reclaim()
    return 0


cdef size_t keep_until(event_t* events, size_t count, int64_t latest_us, event_t* definition) noexcept nogil:
    # `definition`: where the first definition of the space goes if it is later; NULL where one was met already.
    cdef size_t i, kept = 0
    for i in range(count):
        if definition != NULL and events[i].code == CODE_SPACE_DEFINED and is_default_space(&events[i]):
            if events[i].time_us > latest_us:
                definition[0] = events[i]
            definition = NULL
        if events[i].time_us <= latest_us:
            events[kept] = events[i]
            kept += 1
    return kept


cdef int replay_slice(Pipeline writer, size_t count) noexcept nogil:
    cdef size_t i
    cdef int status
    for i in range(count):
        status = decode_trusted(&writer.events[i], &writer.scratch)
        if status != SCAN_OK and not writer.events[i].erased:
            return status
        writer.hash_keys(&writer.events[i])
        writer.id_hashes[i] = writer.dedupe.hash(writer.events[i].event_id)
        writer.dedupe.prefetch(writer.id_hashes[i])
    writer.prefetch_records(count)
    for i in range(count):
        if writer.graph.resolve(&writer.events[i]) < 0:
            return STEP_NO_MEMORY
        writer.prefetch_lists(&writer.events[i])
        if writer.dedupe.add(writer.id_hashes[i], <uint32_t>writer.events[i].position) < 0:
            return STEP_NO_MEMORY
    return STEP_OK
