"""Looking at a log record by record: versions, where records begin again behind damage, copies into another store.

Knows segments and records; opens no file, and writes into none but the segment it is told to fill.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from primecore._crc32c cimport crc32c_extend
from primecore._event cimport CODE_CUSTOM, NONE32, event_t
from primecore._format cimport (FLAG_BATCH_FIRST, FLAG_IN_BATCH, HEADER_BYTES, KIND_COMMIT, KIND_EVENT, PROMISE_BYTES,
                                PROMISE_OFFSET_EVEN, PROMISE_OFFSET_ODD, RECORD_BYTES, promise_t, record_t)
from primecore._mapping cimport Mapping
from primecore._memory cimport Epochs
from primecore._record cimport (RECORD_FINE, chain_extend, commit_write, record_check, record_length, record_publish,
                                record_read, record_reseed, record_size, record_write)
from primecore._rows cimport Rows
from primecore._segment cimport Segment, segment_t
from primecore._shards cimport KeyTable

from primecore._segment import SegmentHeader


cdef class Versions:
    """Counts the events of each entity, as their versions should."""

    def __cinit__(self):
        self.table = KeyTable(sizeof(version_t), Epochs())

    cdef uint32_t next(self, const char* at) noexcept nogil:
        cdef const record_t* record = <const record_t*>at
        cdef const char* key = at + RECORD_BYTES
        cdef uint32_t number = self.table.add(self.table.hash(key, record.entity_bytes), key, record.entity_bytes)
        cdef version_t* counted
        if number == NONE32:
            return 0
        counted = <version_t*>self.table.record(number)
        counted.version += 1
        return counted.version

    def check(self, Segment segment not None, uint64_t start, uint64_t end) -> tuple[int, int, int, int] | None:
        """Compare the versions of the records between two offsets, which hold, with the count so far.

        Gives (offset, position, expected, found) of the first that is not the next of its entity; `jumps` counts all.
        The count goes on from what was found. Raises MemoryError.
        """
        cdef const char* data = segment.c_segment.mapping.data
        cdef const record_t* record
        cdef uint64_t at = start, first = 0
        cdef uint32_t expected = 0, wanted = 0, number
        with nogil:
            while at < end:
                record = <const record_t*>(data + at)
                if record.kind == KIND_EVENT:
                    expected = self.next(data + at)
                    if expected == 0:
                        break
                    if expected != record.version:
                        self.jumps += 1
                        number = self.table.find(
                            self.table.hash(data + at + RECORD_BYTES, record.entity_bytes), data + at + RECORD_BYTES,
                            record.entity_bytes)
                        (<version_t*>self.table.record(number)).version = record.version
                        if not first:
                            first, wanted = at, expected
                at += record.length
        if at < end:
            raise MemoryError("no room for the versions")
        if not first:
            return None
        record = <const record_t*>(data + first)
        return first, record.position, wanted, record.version


def damaged_promises(Segment segment not None) -> list[int]:
    """Offsets of promises in the header that are neither zeros nor hold."""
    cdef promise_t promise
    cdef promise_t nothing
    cdef uint64_t offset
    memset(&nothing, 0, PROMISE_BYTES)
    found = []
    for offset in (PROMISE_OFFSET_EVEN, PROMISE_OFFSET_ODD):
        memcpy(&promise, segment.c_segment.mapping.data + offset, PROMISE_BYTES)
        if bytes((<char*>&promise)[:PROMISE_BYTES]) == bytes((<char*>&nothing)[:PROMISE_BYTES]):
            continue
        odd = offset == PROMISE_OFFSET_ODD
        if promise.crc32c != crc32c_extend(segment.c_segment.crc_seed, &promise, PROMISE_BYTES - 4) or \
                (promise.sequence & 1) != <uint64_t>odd:
            found.append(offset)
    return found


def trust(Mapping mapping not None, header, uint32_t crc_seed) -> Segment:
    """A segment whose header does not hold, with what it must have said, and the seed of its checksums."""
    cdef Segment segment = Segment.__new__(Segment)
    if mapping.c_mapping.bytes < HEADER_BYTES:
        raise ValueError(f"the file has {mapping.c_mapping.bytes} bytes, less than its header")
    segment._map(mapping, header)
    segment.c_segment.crc_seed = crc_seed
    return segment


def segment_of(Rows rows not None) -> Segment:
    """What rows of history say, as records of a segment in memory that begins at their first position; not walked yet."""
    cdef uint64_t position, size = HEADER_BYTES
    cdef Mapping mapping
    cdef char* at
    for position in range(rows.first, rows.last + 1):
        size += rows.record_bytes(position)
    mapping = Mapping.memory(size)
    at = mapping.c_mapping.data + HEADER_BYTES
    for position in range(rows.first, rows.last + 1):
        rows.write_record(position, at)
        record_reseed(at, record_length(at), 0)
        at += record_length(at)
    return trust(mapping, SegmentHeader(bytes(16), 1, rows.first, 0, bytes(16), 0, size, 0), 0)


def resume(Segment segment not None, uint64_t offset, uint64_t position) -> None:
    """Let the next walk begin at the record at `offset`, which holds the event of `position`."""
    if offset > segment.c_segment.mapping.bytes or position < segment.c_segment.base_position:
        raise ValueError(f"position {position} at {offset} lies outside the segment")
    segment.c_segment.tail = offset
    segment.c_segment.event_count = position - segment.c_segment.base_position


def cut(Segment segment not None, uint64_t position) -> None:
    """Let a walked segment end behind `position`, with the commit if it ends a batch. Raises ValueError inside one."""
    cdef segment_t* c_segment = &segment.c_segment
    cdef const char* data = c_segment.mapping.data
    cdef uint64_t at = HEADER_BYTES, last = c_segment.base_position - 1
    cdef bint inside = False
    while at < c_segment.tail and (last < position or (<const record_t*>(data + at)).kind == KIND_COMMIT):
        if (<const record_t*>(data + at)).kind == KIND_EVENT:
            last = (<const record_t*>(data + at)).position
            inside = (<const record_t*>(data + at)).flags & FLAG_IN_BATCH
        else:
            inside = False
        at += record_length(data + at)
    if inside or last != position:
        raise ValueError(f"the log cannot be cut behind position {position}")
    c_segment.tail = at
    c_segment.event_count = last + 1 - c_segment.base_position
    if c_segment.chain_offset > at:
        c_segment.chain_offset = HEADER_BYTES
        memcpy(c_segment.chain, <const char*>(<bytes>segment.header.previous_chain), 16)


def next_event(Segment segment not None, uint64_t offset, uint64_t first, uint64_t last) -> tuple[int, int] | None:
    """(offset, position) of the next record from `offset` on that holds, stands at the start of a batch or in none, and
    has a position from `first` to `last`; None if there is none.

    A record whose follower holds and has another position than the next does not count: bytes inside a payload may
    look like a record.
    """
    cdef segment_t* c_segment = &segment.c_segment
    cdef uint64_t at = (offset + 7) & ~<uint64_t>7, end = c_segment.mapping.bytes & ~<uint64_t>7, found = 0
    with nogil:
        while at + RECORD_BYTES <= end:
            if begins_again(c_segment, at, end, first, last):
                found = at
                break
            at += 8
    return (found, (<const record_t*>(c_segment.mapping.data + found)).position) if found else None


cdef bint begins_again(segment_t* segment, uint64_t at, uint64_t end, uint64_t first, uint64_t last) noexcept nogil:
    cdef const char* data = segment.mapping.data
    cdef const record_t* record = <const record_t*>(data + at)
    cdef const record_t* follower
    cdef uint64_t behind
    if record.kind != KIND_EVENT or record.position < first or record.position > last:
        return False
    if record.flags & FLAG_IN_BATCH and not record.flags & FLAG_BATCH_FIRST:
        return False
    if record_check(data + at, end - at, segment.crc_seed) != RECORD_FINE:
        return False
    behind = at + record.length
    if behind + RECORD_BYTES > end or record_check(data + behind, end - behind, segment.crc_seed) != RECORD_FINE:
        return True
    follower = <const record_t*>(data + behind)
    if follower.kind == KIND_EVENT:
        return follower.position == record.position + 1
    return record.flags & FLAG_IN_BATCH and follower.position == record.position


def events_holding(Segment segment not None, uint64_t start, uint64_t end) -> list[tuple]:
    """Every event between two offsets whose record holds, in a batch or not, whatever stands around it.

    Each as (position, version, event id, type, entity, time_us, payload, metadata), text as bytes.
    """
    cdef segment_t* c_segment = &segment.c_segment
    cdef uint64_t at = (start + 7) & ~<uint64_t>7, room = c_segment.mapping.bytes & ~<uint64_t>7
    cdef const char* data = c_segment.mapping.data
    cdef event_t event
    found = []
    while at < end and at + RECORD_BYTES <= room:
        if (<const record_t*>(data + at)).kind == KIND_EVENT and \
                record_check(data + at, room - at, c_segment.crc_seed) == RECORD_FINE:
            record_read(data + at, &event)
            found.append((
                event.position, event.version, event.event_id[:16], event.type.data[:event.type.size],
                event.entity.data[:event.entity.size], event.time_us,
                event.payload.data[:event.payload.size] if event.payload.size else b"{}",
                event.metadata.data[:event.metadata.size] if event.metadata.size else b"null"))
            at += record_length(data + at)
        else:
            at += 8
    return found


def batch_events(Segment segment not None, uint64_t start, uint64_t end) -> int:
    """How many events lie between two offsets that records begin and end at."""
    cdef const char* data = segment.c_segment.mapping.data
    cdef uint64_t at = start, count = 0
    while at < end:
        if (<const record_t*>(data + at)).kind == KIND_EVENT:
            count += 1
        at += record_length(data + at)
    return count


cdef uint64_t batch_end(const char* data, uint64_t at, uint64_t end) noexcept nogil:
    # Behind the commit of the batch that begins at `at`; `end` if the commit is not there.
    while at < end:
        if (<const record_t*>(data + at)).kind == KIND_COMMIT:
            return at + RECORD_BYTES
        at += record_length(data + at)
    return end


def copy_events(Segment source not None, uint64_t start, uint64_t end, Segment target not None, Versions versions not None,
                bint one_batch=False) -> tuple[int, int]:
    """Copy the records between two offsets of `source`, which hold, behind the tail of `target`, as far as they fit.

    Event ids, times, flags, payload, metadata and nonce stay; positions go on from the target's last one, versions are
    counted by `versions`, checksums and commits are made for the target. A batch is copied whole or not begun;
    `one_batch` says that all of it is a batch whose commit is missing. Gives (offset in `source` from which the rest
    is to be copied, bytes of target that the next piece needs, 0 if nothing is left). `target.walk()` takes them in.
    Raises MemoryError.
    """
    cdef const char* data = source.c_segment.mapping.data
    cdef uint64_t at = start, piece, to = target.c_segment.tail, room = target.c_segment.mapping.bytes, needed = 0
    cdef uint64_t position = target.c_segment.base_position + target.c_segment.event_count
    cdef uint64_t written
    while at < end:
        piece = at + record_length(data + at)
        if one_batch:
            piece = end
        elif (<const record_t*>(data + at)).flags & FLAG_BATCH_FIRST:
            piece = batch_end(data, at, end)
        needed = piece - at + 2 * RECORD_BYTES
        if to + needed > room:
            return at, needed
        with nogil:
            written = copy_piece(data, at, piece, &target.c_segment, to, &position, versions)
        if written == 0:
            raise MemoryError("no room for the versions")
        to += written
        at = piece
    return at, 0


cdef uint64_t copy_piece(const char* data, uint64_t at, uint64_t end, segment_t* target, uint64_t to,
                         uint64_t* position, Versions versions) noexcept nogil:
    cdef uint64_t begun = to
    cdef uint32_t length, version, count = 0
    cdef uint8_t[16] batch_hash
    cdef record_t* record
    cdef bint batch = (<const record_t*>(data + at)).flags & FLAG_IN_BATCH
    memset(batch_hash, 0, 16)
    while at < end:
        length = record_length(data + at)
        if (<const record_t*>(data + at)).kind == KIND_EVENT:
            record = <record_t*>(target.mapping.data + to)
            memcpy(record, data + at, length)
            record.position = position[0]
            version = versions.next(<const char*>record)
            if version == 0:
                return 0
            versions.jumps += version != record.version
            record.version = version
            record_reseed(<char*>record, length, target.crc_seed)
            chain_extend(batch_hash, <const char*>record)
            position[0] += 1
            count += 1
            to += length
        at += length
    if batch:
        commit_write(target.mapping.data + to, position[0] - 1, count, 0, batch_hash, target.crc_seed)
        record_publish(target.mapping.data + to, RECORD_BYTES)
        to += RECORD_BYTES
    return to - begun


def write_event(Segment target not None, Versions versions not None, bytes event_type not None,
                bytes entity not None, bytes payload not None, bytes event_id not None, int64_t time_us,
                uint64_t nonce) -> int:
    """Write one custom event behind the tail of `target`; gives its bytes, 0 where it does not fit.

    `target.walk()` takes it in. Raises MemoryError, ValueError.
    """
    cdef event_t event
    cdef uint64_t size, to = target.c_segment.tail
    cdef record_t* record = <record_t*>(target.c_segment.mapping.data + to)
    memset(&event, 0, sizeof(event_t))
    event.code = CODE_CUSTOM
    event.type.data, event.type.size = event_type, <uint32_t>len(event_type)
    event.entity.data, event.entity.size = entity, <uint32_t>len(entity)
    event.payload.data, event.payload.size = payload, <uint32_t>len(payload)
    if len(event_id) != 16:
        raise ValueError("an event id has 16 bytes")
    memcpy(event.event_id, <const char*>event_id, 16)
    event.time_us, event.has_time = time_us, 1
    event.position = target.c_segment.base_position + target.c_segment.event_count
    size = record_size(&event)
    if size == 0:
        raise ValueError("a field is beyond its limit")
    if to + size + RECORD_BYTES > target.c_segment.mapping.bytes:
        return 0
    record_write(<char*>record, &event, size, 0, nonce, target.c_segment.crc_seed)
    record.version = versions.next(<const char*>record)
    if record.version == 0:
        memset(record, 0, size)
        raise MemoryError("no room for the versions")
    record.length = <uint32_t>size
    record_reseed(<char*>record, <uint32_t>size, target.c_segment.crc_seed)
    return size
