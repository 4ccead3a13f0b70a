"""One segment of the log: header, promises, the walk over its records. Knows mapped bytes; no path, no thread."""

from collections import namedtuple
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset

from primecore._crc32c cimport crc32c_extend
from primecore._format cimport (FLAG_BATCH_FIRST, FLAG_IN_BATCH, FLAG_TIME_ASSIGNED, FORMAT_VERSION, HEADER_BYTES,
                                INDEX_STRIDE, KIND_COMMIT, KIND_EVENT, PROMISE_BYTES, PROMISE_OFFSET_EVEN,
                                PROMISE_OFFSET_ODD, RECORD_BYTES, SEGMENT_HEADER_BYTES, commit_t, promise_t, record_t,
                                segment_header_t)
from primecore._mapping cimport WRITTEN_FILE, Mapping, mapping_load, mapping_write
from primecore._record cimport (RECORD_BATCH, RECORD_FINE, RECORD_POSITION, chain_extend, record_check, record_length)

from primecore._record import FAULT_WORDS

cdef enum:
    MAX_SEGMENT_BYTES = 1 << 30     # a header that says more is not ours; a file is made as long as its header says


cdef extern from "atomics.h" nogil:
    uint32_t load_acquire_u32(const uint32_t*)
    void store_release_u32(uint32_t*, uint32_t)
    void store_release_u64(uint64_t*, uint64_t)

cdef extern from *:
    """
    /* Offset of the end of the last byte that is not zero in [from, to), or `from`, a multiple of 8. A file that was
     * cut short may end anywhere. */
    static uint64_t end_of_bytes(const char *data, uint64_t from, uint64_t to) {
        for (; to > from && to % 8; to--)
            if (data[to - 1]) return to;
        while (to > from) {
            uint64_t word;
            memcpy(&word, data + to - 8, 8);
            if (word) break;
            to -= 8;
        }
        while (to > from && !data[to - 1]) to--;
        return to;
    }
    """
    uint64_t end_of_bytes(const char*, uint64_t, uint64_t) noexcept nogil

cdef extern from *:
    """
    #include <pthread.h>
    /* Held while one segment is read whole for the first time; whoever wants the same one waits for that. */
    static pthread_mutex_t checking = PTHREAD_MUTEX_INITIALIZER;
    static void checking_begins(void) { pthread_mutex_lock(&checking); }
    static void checking_ends(void) { pthread_mutex_unlock(&checking); }
    """
    void checking_begins() noexcept nogil
    void checking_ends() noexcept nogil


cdef void segment_note(segment_t* segment, uint64_t number, uint64_t offset) noexcept nogil:
    if number % INDEX_STRIDE == 0 and number / INDEX_STRIDE < segment.index_capacity:
        segment.index[number / INDEX_STRIDE] = <uint32_t>(offset / 8)


cdef void segment_walk(segment_t* segment, walk_t* walk) noexcept nogil:
    cdef const char* data = segment.mapping.data
    cdef uint64_t room = segment.mapping.bytes & ~<uint64_t>7
    cdef uint64_t offset = segment.tail, count = segment.event_count, batch_offset = 0, batch_count = 0
    cdef int64_t time_us = walk.last_time_us
    cdef uint8_t[16] batch_hash
    cdef const record_t* record
    cdef const commit_t* commit
    cdef int fault = RECORD_FINE
    walk.open_batch = 0
    while offset + 8 <= room and record_length(data + offset) != 0:
        fault = record_check(data + offset, room - offset, segment.crc_seed)
        if fault:
            break
        record = <const record_t*>(data + offset)
        if record.kind == KIND_EVENT:
            if record.position != segment.base_position + count:
                fault = RECORD_POSITION
                break
            if record.flags & FLAG_BATCH_FIRST and not batch_offset and record.flags & FLAG_IN_BATCH:
                batch_offset = offset
                batch_count = 0
                memset(batch_hash, 0, 16)
            elif (record.flags & FLAG_IN_BATCH != 0) != (batch_offset != 0) or record.flags & FLAG_BATCH_FIRST:
                fault = RECORD_BATCH
                break
            segment_note(segment, count, offset)
            count += 1
            if record.flags & FLAG_TIME_ASSIGNED and record.time_us > time_us:
                time_us = record.time_us
            if batch_offset:
                batch_count += 1
                chain_extend(batch_hash, data + offset)
        else:
            commit = <const commit_t*>record
            if not batch_offset or commit.event_count != batch_count or \
                    commit.position != segment.base_position + count - 1 or memcmp(commit.batch_hash, batch_hash, 16):
                fault = RECORD_BATCH
                break
            if commit.durable_position > walk.promise:
                walk.promise = commit.durable_position
            batch_offset = 0
        offset += record.length
        if not batch_offset:
            walk.last_time_us = time_us
            segment.tail = offset
            segment.event_count = count
    walk.fault = fault
    walk.fault_offset = offset
    walk.open_batch = batch_offset


cdef uint32_t segment_check(segment_t* segment) noexcept nogil:
    cdef segment_t found
    cdef walk_t walk
    cdef uint32_t state
    checking_begins()
    state = load_acquire_u32(&segment.unchecked)
    if state == SEGMENT_UNCHECKED:
        found = segment[0]          # the walk fills the index, which both share
        found.tail = HEADER_BYTES
        found.event_count = 0
        memset(&walk, 0, sizeof(walk_t))
        state = SEGMENT_DAMAGED
        if mapping_load(segment.mapping) == 0:
            segment_walk(&found, &walk)
            if found.tail == segment.tail and found.event_count == segment.event_count:
                state = SEGMENT_CHECKED
        store_release_u32(&segment.unchecked, state)
    checking_ends()
    return state


cdef const char* segment_next_event(const segment_t* segment, const char* at) noexcept nogil:
    cdef const char* end = segment.mapping.data + segment.mapping.bytes
    cdef uint32_t length
    while at + RECORD_BYTES <= end:
        length = record_length(at)
        if length < RECORD_BYTES or length > <uint64_t>(end - at):
            return NULL
        if (<const record_t*>at).kind == KIND_EVENT:
            return at
        at += length
    return NULL


cdef const char* segment_locate(const segment_t* segment, uint64_t position) noexcept nogil:
    cdef uint64_t number = position - segment.base_position
    cdef const char* at
    if number / INDEX_STRIDE >= segment.index_capacity:
        return NULL
    at = segment_next_event(segment, segment.mapping.data + <uint64_t>8 * segment.index[number / INDEX_STRIDE])
    while at != NULL and (<const record_t*>at).position < position:
        at = segment_next_event(segment, at + record_length(at))
    if at != NULL and (<const record_t*>at).position != position:
        return NULL
    return at


cdef void segment_chain(segment_t* segment, uint64_t until) noexcept nogil:
    cdef const char* at
    while segment.chain_offset < until:
        at = segment.mapping.data + segment.chain_offset
        if record_length(at) < RECORD_BYTES:
            return                          # damaged since it was checked: the chain will not fit, as it should
        if (<const record_t*>at).kind == KIND_EVENT:
            chain_extend(segment.chain, at)
        segment.chain_offset += record_length(at)


cdef inline uint64_t promise_offset(uint64_t sequence) noexcept nogil:
    return PROMISE_OFFSET_ODD if sequence & 1 else PROMISE_OFFSET_EVEN


cdef int segment_promise(segment_t* segment, uint64_t durable_position, uint64_t clean_bytes) noexcept nogil:
    cdef promise_t promise
    cdef uint64_t offset
    segment.promise_sequence += 1
    offset = promise_offset(segment.promise_sequence)
    promise.sequence = segment.promise_sequence
    promise.durable_position = durable_position
    promise.clean_bytes = clean_bytes
    promise.reserved = 0
    promise.crc32c = crc32c_extend(segment.crc_seed, &promise, PROMISE_BYTES - 4)
    memcpy(segment.mapping.data + offset, &promise, PROMISE_BYTES)
    if segment.mapping.kind == WRITTEN_FILE:
        return mapping_write(segment.mapping, offset, PROMISE_BYTES)
    return 0


SegmentHeader = namedtuple("SegmentHeader", [
    "store_uuid", "segment_id", "base_position", "previous_bytes", "previous_chain", "salt", "segment_bytes",
    "created_us",
])
SegmentHeader.__doc__ = "What a segment's header says; `store_uuid` and `previous_chain` are 16 bytes."

Walk = namedtuple("Walk", ["fault", "reason", "fault_offset", "open_batch", "promised_position", "last_time_us"])
Walk.__doc__ = """What stands behind a segment's last good record.

`fault` is false where zeros or the end of the file follow; else `reason` says what is wrong at `fault_offset`.
`open_batch` is the offset of a batch without its commit, 0 if there is none. `promised_position` is the highest durable
position in a commit, `last_time_us` the highest assigned time.
"""


cdef class Segment:
    """One mapped segment. `open` and `create` make it; `walk` finds its end."""

    def __cinit__(self):
        memset(&self.c_segment, 0, sizeof(segment_t))

    def __dealloc__(self):
        free(self.c_segment.index)

    cdef int _map(self, Mapping mapping, object header) except -1:
        cdef segment_t* segment = &self.c_segment
        cdef uint64_t salt = header.salt
        self.mapping = mapping
        self.header = header
        segment.mapping = &mapping.c_mapping
        segment.segment_id = header.segment_id
        segment.base_position = header.base_position
        segment.tail = HEADER_BYTES
        segment.chain_offset = HEADER_BYTES
        memcpy(segment.chain, <const char*>(<bytes>header.previous_chain), 16)
        segment.crc_seed = crc32c_extend(0, &salt, 8)
        segment.index_capacity = mapping.c_mapping.bytes / RECORD_BYTES / INDEX_STRIDE + 1
        segment.index = <uint32_t*>calloc(segment.index_capacity, sizeof(uint32_t))
        if segment.index == NULL:
            raise MemoryError()
        return 0

    @classmethod
    def create(cls, Mapping mapping not None, header):
        """Write `header` (a SegmentHeader) into zeroed memory and give the empty segment."""
        cdef Segment self = Segment.__new__(Segment)
        cdef segment_header_t* c_header = <segment_header_t*>mapping.c_mapping.data
        if not HEADER_BYTES + RECORD_BYTES <= mapping.c_mapping.bytes <= MAX_SEGMENT_BYTES or \
                header.segment_bytes != mapping.c_mapping.bytes:
            raise ValueError(f"a segment cannot have {mapping.c_mapping.bytes} bytes")
        memset(c_header, 0, HEADER_BYTES)
        memcpy(c_header.magic, b"PRIMEWAL", 8)
        c_header.format_version = FORMAT_VERSION
        c_header.header_bytes = HEADER_BYTES
        memcpy(c_header.store_uuid, <const char*>(<bytes>header.store_uuid), 16)
        c_header.segment_id = header.segment_id
        c_header.base_position = header.base_position
        c_header.previous_bytes = header.previous_bytes
        memcpy(c_header.previous_chain, <const char*>(<bytes>header.previous_chain), 16)
        c_header.salt = header.salt
        c_header.segment_bytes = header.segment_bytes
        c_header.created_us = header.created_us
        c_header.crc32c = crc32c_extend(0, c_header, SEGMENT_HEADER_BYTES - 4)
        self._map(mapping, header)
        mapping.write_through(0, HEADER_BYTES)
        return self

    @classmethod
    def open(cls, Mapping mapping not None):
        """Read and check the header. Raises ValueError with the reason where it does not hold."""
        cdef Segment self = Segment.__new__(Segment)
        cdef const segment_header_t* header = <const segment_header_t*>mapping.c_mapping.data
        if mapping.c_mapping.bytes < HEADER_BYTES:
            raise ValueError(f"the file has {mapping.c_mapping.bytes} bytes, less than its header")
        if memcmp(header.magic, b"PRIMEWAL", 8):
            raise ValueError("it does not begin with PRIMEWAL")
        if header.crc32c != crc32c_extend(0, header, SEGMENT_HEADER_BYTES - 4):
            raise ValueError("the header's checksum does not hold")
        if header.format_version != FORMAT_VERSION or header.header_bytes != HEADER_BYTES:
            raise ValueError(f"format {header.format_version} is not known here (this is {FORMAT_VERSION})")
        if not HEADER_BYTES + RECORD_BYTES <= header.segment_bytes <= MAX_SEGMENT_BYTES or header.segment_bytes % 8:
            raise ValueError(f"a segment cannot have {header.segment_bytes} bytes, as the header says")
        self._map(mapping, SegmentHeader(
            bytes(header.store_uuid[:16]), header.segment_id, header.base_position, header.previous_bytes,
            bytes(header.previous_chain[:16]), header.salt, header.segment_bytes, header.created_us))
        self._read_promises()
        return self

    def reread_promise(self) -> int:
        """The durable position that the owner promised last, as far as that can be read now."""
        try:
            self._read_promises()
        except ValueError:
            pass                            # one is being written at this moment; the one before it still holds
        return self.promised_position

    def last_checksum(self) -> int:
        """The checksum of the last event's record; 0 if there is none (or none any more)."""
        cdef const char* at
        if self.c_segment.event_count == 0:
            return 0
        at = segment_locate(&self.c_segment, self.c_segment.base_position + self.c_segment.event_count - 1)
        return (<const record_t*>at).crc32c if at != NULL else 0

    def _read_promises(self) -> None:
        cdef promise_t promise
        cdef const char* data = self.c_segment.mapping.data
        cdef uint64_t offset
        damaged = 0
        for offset in (PROMISE_OFFSET_EVEN, PROMISE_OFFSET_ODD):
            memcpy(&promise, data + offset, PROMISE_BYTES)
            if end_of_bytes(data, offset, offset + PROMISE_BYTES) == offset:
                continue
            if promise.crc32c != crc32c_extend(self.c_segment.crc_seed, &promise, PROMISE_BYTES - 4) or \
                    promise_offset(promise.sequence) != offset:
                damaged += 1
            elif promise.sequence > self.c_segment.promise_sequence:
                self.c_segment.promise_sequence = promise.sequence
                self.promised_position = promise.durable_position
                self.clean_bytes = promise.clean_bytes
        if damaged == 2:
            raise ValueError("both promises of the header are damaged")
        # A torn promise must be the one that is written next, never the one that still holds.
        for start, end in ((SEGMENT_HEADER_BYTES, PROMISE_OFFSET_EVEN),
                           (PROMISE_OFFSET_EVEN + PROMISE_BYTES, PROMISE_OFFSET_ODD),
                           (PROMISE_OFFSET_ODD + PROMISE_BYTES, HEADER_BYTES)):
            if end_of_bytes(data, start, end) != <uint64_t>start:
                raise ValueError("reserved bytes of the header are not zero")

    def walk(self, *, last_time_us: int = 0) -> Walk:
        """Check every record behind the tail that is known, and move the tail over those that hold."""
        cdef walk_t walk
        memset(&walk, 0, sizeof(walk_t))
        walk.last_time_us = last_time_us
        with nogil:
            segment_walk(&self.c_segment, &walk)
        return Walk(walk.fault != 0, FAULT_WORDS.get(walk.fault, ""), walk.fault_offset, walk.open_batch, walk.promise,
                    walk.last_time_us)

    def trust(self, event_count: int, used_bytes: int, chain: bytes) -> None:
        """Take the manifest's word for what a sealed segment holds; its records are checked before the first is read."""
        self.c_segment.event_count = event_count
        self.c_segment.tail = used_bytes
        self.c_segment.chain_offset = used_bytes
        memcpy(self.c_segment.chain, <const char*>chain, 16)
        self.c_segment.unchecked = SEGMENT_UNCHECKED

    def check(self) -> bool:
        """Check the records of a segment that was trusted, if that was not done yet; whether they are what they should."""
        cdef uint32_t state
        with nogil:
            state = segment_check(&self.c_segment)
        return state == SEGMENT_CHECKED

    def let_go(self) -> None:
        """Unmap it: its events are read elsewhere from now on. Nobody may be reading, nor begin to without the GIL."""
        with nogil:
            checking_begins()               # whoever is checking it in the background reads its bytes
        store_release_u32(&self.c_segment.unchecked, SEGMENT_GONE)
        checking_ends()
        if self.mapping.c_mapping.fd >= 0:
            self.mapping.close()

    @property
    def is_gone(self) -> bool:
        """Whether it was let go."""
        return self.c_segment.unchecked == SEGMENT_GONE

    def promises_behind(self, offset: int) -> int:
        """The highest durable position in a commit that still holds anywhere behind `offset`; 0 if there is none."""
        cdef uint64_t at = (<uint64_t>offset + 7) & ~<uint64_t>7
        cdef uint64_t end = self.c_segment.mapping.bytes & ~<uint64_t>7
        cdef uint64_t highest = 0, used
        cdef const commit_t* commit
        with nogil:
            used = end_of_bytes(self.c_segment.mapping.data, at if at < end else end, end) + RECORD_BYTES
            end = used if used < end else end           # a commit may end in zeros
            while at + RECORD_BYTES <= end:
                commit = <const commit_t*>(self.c_segment.mapping.data + at)
                if commit.length == RECORD_BYTES and commit.kind == KIND_COMMIT and \
                        record_check(<const char*>commit, RECORD_BYTES, self.c_segment.crc_seed) == RECORD_FINE and \
                        commit.durable_position > highest:
                    highest = commit.durable_position
                at += 8
        return highest

    def end_of_bytes(self) -> int:
        """Offset behind the last byte that is not zero, at least the tail."""
        cdef uint64_t end, room = self.c_segment.mapping.bytes
        with nogil:
            end = end_of_bytes(self.c_segment.mapping.data, self.c_segment.tail, room)
        return end

    def blank_tail(self) -> None:
        """Overwrite everything behind the tail with zeros, where it is not zero."""
        cdef uint64_t end = self.end_of_bytes()
        memset(self.c_segment.mapping.data + self.c_segment.tail, 0, end - self.c_segment.tail)
        self.mapping.write_through(self.c_segment.tail, end - self.c_segment.tail)

    def chain(self) -> bytes:
        """The chain hash up to the tail, 16 bytes, computed as far as it is missing.

        Not beside a running sync thread.
        """
        with nogil:
            segment_chain(&self.c_segment, self.c_segment.tail)
        return bytes(self.c_segment.chain[:16])

    def promise(self, durable_position: int, clean: bool) -> None:
        """Write the next promise; `clean` says that only zeros stand behind the tail. Raises OSError."""
        cdef int error = segment_promise(&self.c_segment, durable_position, self.c_segment.tail if clean else 0)
        if error:
            raise OSError(error, "writing a promise")

    @property
    def segment_id(self) -> int:
        """Ordinal, from 1."""
        return self.c_segment.segment_id

    @property
    def base_position(self) -> int:
        """Position of its first event."""
        return self.c_segment.base_position

    @property
    def last_position(self) -> int:
        """Position of its last event; one less than `base_position` while it is empty."""
        return self.c_segment.base_position + self.c_segment.event_count - 1

    @property
    def event_count(self) -> int:
        """Events in it."""
        return self.c_segment.event_count

    @property
    def tail(self) -> int:
        """Offset in bytes behind its last record."""
        return self.c_segment.tail
