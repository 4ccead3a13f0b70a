# The write path. The contract stands in _pipeline.pxd, who may run when in docs/architecture.md.

import os

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memchr, memcmp, memcpy, memset

from primecore._dedupe cimport Dedupe
from primecore._event cimport (
    CODE_EDGE_CREATED, CODE_EDGE_DELETED, CODE_EDGE_UPDATED, CODE_NODE_DELETED, CODE_NODE_UPDATED, CODE_SPACE_DEFINED,
    CODE_VECTOR_STORED, event_t, slice_t,
)
from primecore._graph cimport Graph, entity_kind
from primecore._buffers cimport scratch_free, scratch_init, scratch_reset
from primecore._json cimport SCAN_BLANK, SCAN_OK, scan_error_t
from primecore._jsontree cimport json_equal
from primecore._literals cimport format_uuid
from primecore._records cimport MAX_POSITION
from primecore._refusal cimport refusal
from primecore._scan cimport decode_payload, decode_trusted, scan_line
from primecore._wal cimport WAL_NO_ROOM, WAL_OK, Wal

from primecore.errors import (
    EdgeNotFound,
    IdempotencyConflict,
    InvalidEvent,
    LimitExceeded,
    NodeNotFound,
    VersionConflict,
)


cdef extern from "xxhash.h" nogil:
    ctypedef struct XXH128_hash_t:
        uint64_t low64
        uint64_t high64
    uint64_t XXH3_64bits_withSeed(const void* data, size_t size, uint64_t seed) noexcept
    XXH128_hash_t XXH3_128bits_withSeed(const void* data, size_t size, uint64_t seed) noexcept


cdef extern from "<time.h>" nogil:
    cdef struct timespec:
        int64_t tv_sec
        int64_t tv_nsec
    int clock_gettime(int clock, timespec* out) noexcept
    const int CLOCK_REALTIME


cdef enum:
    SLICE = 128                     # events between two looks at the GIL: about 30 us each of scanning and folding
    PENDING_SLOTS = 512
    MAX_BATCH_BYTES = 33554432
    BATCH_OVERHEAD_BYTES = 4096


cdef class Source:
    """A stream of lines. `name` stands in messages; lines without an id get one from `identity`, their number and their bytes."""

    def __cinit__(self, str name not None, str identity=None):
        self.name = name
        self.derives_ids = identity is not None
        self.identity = b"" if identity is None else identity.encode("utf-8", "surrogateescape")
        self.identity_data = PyBytes_AS_STRING(self.identity)
        self.identity_size = <size_t>PyBytes_GET_SIZE(self.identity)
        self.line = 1

    def refuse_oversized(self, exception):
        """Counts a line that was too long to look at."""
        self.read += 1
        self.line += 1
        self.error = exception


cdef class Pipeline:
    """Checks, numbers, logs and folds events; one thread at a time (it takes the writer's lock itself)."""

    def __cinit__(self, Graph graph not None, Dedupe dedupe not None, log, lock):
        self.graph = graph
        self.dedupe = dedupe
        self.log = log
        self.wal = log.wal
        self.lock = lock
        self.events = <event_t*>malloc(SLICE * sizeof(event_t))
        self.id_hashes = <uint64_t*>malloc(SLICE * sizeof(uint64_t))
        self.line_starts = <size_t*>malloc(SLICE * sizeof(size_t))
        self.line_ends = <size_t*>malloc(SLICE * sizeof(size_t))
        self.pending = <pending_slot_t*>calloc(PENDING_SLOTS, sizeof(pending_slot_t))
        if not (self.events and self.id_hashes and self.line_starts and self.line_ends and self.pending):
            raise MemoryError("no room for the write path")
        self.pending_mask = PENDING_SLOTS - 1
        self.generation = 1
        scratch_init(&self.scratch)
        seed = os.urandom(16)
        memcpy(self.random, PyBytes_AS_STRING(seed), 16)
        self.random[0] |= 1

    def __dealloc__(self):
        free(self.events)
        free(self.id_hashes)
        free(self.line_starts)
        free(self.line_ends)
        free(self.pending)
        scratch_free(&self.scratch)

    # What the log assigns.

    cdef uint64_t next_random(self) noexcept nogil:
        # xorshift128+ (Vigna 2014): ids must be distinct, not secret.
        cdef uint64_t a = self.random[0]
        cdef uint64_t b = self.random[1]
        self.random[0] = b
        a ^= a << 23
        self.random[1] = a ^ b ^ (a >> 17) ^ (b >> 26)
        return self.random[1] + b

    cdef void assign_id(self, event_t* event) noexcept nogil:
        # UUIDv7 (RFC 9562): 48 bits of milliseconds, the rest random.
        cdef uint64_t high = self.next_random()
        cdef uint64_t low = self.next_random()
        cdef int i
        high = (<uint64_t>(event.time_us // 1000) << 16) | 0x7000 | (high & 0x0FFF)
        low = (low & 0x3FFFFFFFFFFFFFFFULL) | 0x8000000000000000ULL
        for i in range(8):
            event.event_id[i] = <uint8_t>(high >> (56 - 8 * i))
            event.event_id[8 + i] = <uint8_t>(low >> (56 - 8 * i))

    cdef int64_t now_us(self) noexcept nogil:
        # Assigned times never decrease, whatever the clock does.
        cdef timespec now
        cdef int64_t time_us
        clock_gettime(CLOCK_REALTIME, &now)
        time_us = now.tv_sec * 1000000 + now.tv_nsec // 1000
        return time_us if time_us > self.wal.last_time_us else self.wal.last_time_us

    cdef void hash_keys(self, event_t* event) noexcept nogil:
        event.entity_hash = self.graph.nodes.hash(event.entity.data, event.entity.size)
        if event.code == CODE_EDGE_CREATED:
            event.source_hash = self.graph.nodes.hash(event.source.data, event.source.size)
            event.target_hash = self.graph.nodes.hash(event.target.data, event.target.size)
            self.graph.nodes.prefetch(event.source_hash)
            self.graph.nodes.prefetch(event.target_hash)
            self.graph.edges.prefetch(event.entity_hash)
        else:
            self.graph.nodes.prefetch(event.entity_hash)

    # What the log checks.

    cdef int find_duplicate(self, event_t* event, uint64_t id_hash) noexcept nogil:
        cdef uint32_t cursor = 0, position
        cdef event_t first
        while True:
            position = self.dedupe.candidate(id_hash, &cursor)
            if position == 0:
                return STEP_OK
            if self.wal.read(position, &first) != WAL_OK or memcmp(first.event_id, event.event_id, 16) != 0:
                continue
            event.position = position
            event.version = first.version
            if first.erased or same_content(event, &first):
                return STEP_DUPLICATE
            return STEP_CONFLICT

    cdef uint32_t next_version(self, event_t* event) noexcept nogil:
        cdef uint64_t key = (<uint64_t>entity_kind(event.entity.data, event.entity.size) << 32) | event.entity_number
        cdef size_t at = <size_t>(key * 0x9E3779B97F4A7C15ULL >> 40)
        cdef pending_slot_t* slot
        while True:
            slot = &self.pending[at & self.pending_mask]
            if slot.generation != self.generation:
                return self.graph.version_of(event) + 1
            if slot.key == key:
                return slot.version + 1
            at += 1

    cdef void note_version(self, event_t* event) noexcept nogil:
        cdef uint64_t key = (<uint64_t>entity_kind(event.entity.data, event.entity.size) << 32) | event.entity_number
        cdef size_t at = <size_t>(key * 0x9E3779B97F4A7C15ULL >> 40)
        cdef pending_slot_t* slot
        while True:
            slot = &self.pending[at & self.pending_mask]
            if slot.generation != self.generation or slot.key == key:
                slot.generation = self.generation
                slot.key = key
                slot.version = event.version
                return
            at += 1

    cdef int check_space(self, event_t* event) noexcept nogil:
        if event.code != CODE_VECTOR_STORED:
            return STEP_OK
        if self.space_dimensions == 0:
            return STEP_NEEDS_SPACE
        return STEP_OK if event.dimensions == self.space_dimensions else STEP_DIMENSIONS

    cdef int log_event(self, event_t* event, uint64_t id_hash) noexcept nogil:
        cdef int status
        if self.wal.last_position >= MAX_POSITION:
            return STEP_FULL
        if self.graph.resolve(event) < 0:
            return STEP_NO_MEMORY
        event.version = self.next_version(event)
        event.position = self.wal.last_position + 1
        status = self.wal.append(event)
        if status != WAL_OK:
            return status
        self.note_version(event)
        if self.dedupe.add(id_hash, <uint32_t>event.position) < 0:
            return STEP_NO_MEMORY
        if event.code == CODE_SPACE_DEFINED and is_default_space(event):
            self.space_dimensions = event.dimensions
        return STEP_OK

    cdef int step(self, event_t* event, uint64_t id_hash, int64_t now_us) noexcept nogil:
        cdef int status
        if event.has_event_id:
            status = self.find_duplicate(event, id_hash)
            if status != STEP_OK:
                return status
        status = self.check_space(event)
        if status != STEP_OK:
            return status
        if not event.has_time:
            event.time_us = now_us
        return self.log_event(event, id_hash)

    # Lines.

    cdef size_t scan_slice(self, const char* data, size_t size, size_t* offset, Source source) noexcept nogil:
        # Scans up to SLICE events; what stops it early is left in self.error, and its line in source.
        cdef size_t count = 0, start, end
        cdef const char* newline
        cdef event_t* event
        cdef int status
        self.error.code = SCAN_OK
        while count < SLICE and offset[0] < size:
            start = offset[0]
            newline = <const char*>memchr(data + start, c"\n", size - start)
            end = <size_t>(newline - data) if newline != NULL else size
            offset[0] = end + 1 if newline != NULL else size
            if end > start and data[end - 1] == c"\r":
                end -= 1
            event = &self.events[count]
            status = scan_line(data + start, <uint32_t>(end - start), event, &self.scratch, &self.error)
            if status == SCAN_BLANK:
                source.line += 1
                continue
            if status != SCAN_OK:
                self.error.code = status
                source.bad_start = start
                source.bad_end = end
                break
            event.line = source.line
            source.line += 1
            self.line_starts[count] = start
            self.line_ends[count] = end
            if event.payload.size == 0:
                event.payload = slice_t(b"{}", 2)
            if not event.has_event_id and source.derives_ids:
                derive_id(event, data + start, end - start, source.identity_data, source.identity_size)
            if event.has_event_id:
                self.id_hashes[count] = self.dedupe.hash(event.event_id)
                self.dedupe.prefetch(self.id_hashes[count])
            self.hash_keys(event)
            count += 1
        return count

    def ingest(self, const unsigned char[::1] chunk not None, size_t offset, Source source not None):
        """Takes whole lines from chunk[offset:] until its end or a line that is refused; returns the offset behind the last.

        A refused line is left in `source` (error, bad_start, bad_end), after everything before it was logged and folded.
        Raises DiskFull, StorePoisoned, StoreClosed and the like; what came before is kept.
        """
        cdef const char* data = <const char*>&chunk[0] if chunk.shape[0] else NULL
        cdef size_t size = <size_t>chunk.shape[0]
        cdef size_t count, i, kept
        cdef int status, scanned
        cdef int64_t now_us
        source.error = None
        with self.lock:
            while offset < size and source.error is None:
                with nogil:
                    scratch_reset(&self.scratch)
                    count = self.scan_slice(data, size, &offset, source)
                    scanned = self.error.code
                    now_us = self.now_us()
                i = 0
                while i < count and source.error is None:
                    with nogil:
                        kept = 0
                        status = self.step_slice(&i, count, &kept, now_us, source)
                    self.graph.fold(self.events, kept)
                    self.generation += 1
                    source.appended += kept
                    if status == STEP_OK:
                        continue
                    self.settle(status, i, source)
                    if source.error is not None:
                        offset = behind(data, size, self.line_ends[i])
                        source.line = self.events[i].line + 1
                        source.bad_start = self.line_starts[i]
                        source.bad_end = self.line_ends[i]
                        source.read += i + 1
                if source.error is None:
                    source.read += count
                    if scanned != SCAN_OK:
                        source.error = refusal(
                            &self.error, data + source.bad_start, <uint32_t>(source.bad_end - source.bad_start),
                            source.name, source.line,
                        )
                        source.read += 1
                        source.line += 1
                self.graph.reclaim()
        return offset

    cdef int step_slice(self, size_t* at, size_t count, size_t* kept, int64_t now_us, Source source) noexcept nogil:
        # Logs events from at[0] on; those that were appended are moved together to the front for the fold.
        cdef size_t i = at[0]
        cdef int status = STEP_OK
        cdef event_t* event
        while i < count:
            event = &self.events[i]
            if not event.has_event_id:
                event.time_us = event.time_us if event.has_time else now_us
                self.assign_id(event)
                self.id_hashes[i] = self.dedupe.hash(event.event_id)
            status = self.step(event, self.id_hashes[i], now_us)
            if status == STEP_DUPLICATE:
                source.duplicates += 1
                status = STEP_OK
            elif status == STEP_OK:
                if kept[0] != i:
                    self.events[kept[0]] = event[0]
                kept[0] += 1
            else:
                break
            i += 1
        at[0] = i
        return status

    cdef int settle(self, int status, size_t i, Source source) except -1:
        # What stopped a slice at event i: room is made, the space is defined, or the line is refused.
        cdef event_t* event = &self.events[i]
        if status == WAL_NO_ROOM:
            self.log.make_room(self.wal.record_bytes(event))
        elif status == STEP_NEEDS_SPACE:
            self.define_space(event.dimensions)
        elif status == STEP_CONFLICT or status == STEP_DIMENSIONS:
            source.error = self.failure(status, event, source.name)
        else:
            raise self.failure(status, event, source.name)
        return 0

    # Single events and batches.

    def append(self, tuple prepared not None, expected_version=None, bint strict=False):
        """Appends one event: (type, entity id, payload, metadata, event id, time), the last four bytes, bytes, bytes and int, or None.

        Returns (position, version, event id, duplicate). With `strict`, what it changes must be live (NodeNotFound, EdgeNotFound).
        """
        cdef event_t* event = self.events
        cdef int status
        cdef uint64_t id_hash
        with self.lock:
            scratch_reset(&self.scratch)
            self.fill(event, prepared)
            self.hash_keys(event)
            event.time_us = event.time_us if event.has_time else self.now_us()
            if not event.has_event_id:
                self.assign_id(event)
            id_hash = self.dedupe.hash(event.event_id)
            if event.has_event_id:
                status = self.find_duplicate(event, id_hash)
                if status == STEP_DUPLICATE:
                    return event.position, event.version, event.event_id[:16], True
                if status == STEP_CONFLICT:
                    raise self.failure(status, event, None)
            if strict:
                self.require_live(event)
            if expected_version is not None:
                self.require_version(event, expected_version)
            status = self.check_space(event)
            if status == STEP_NEEDS_SPACE:
                self.define_space(event.dimensions)
            elif status != STEP_OK:
                raise self.failure(status, event, None)
            status = self.log_with_room(event, id_hash)
            if status != STEP_OK:
                raise self.failure(status, event, None)
            self.graph.fold(event, 1)
            self.generation += 1
            return event.position, event.version, event.event_id[:16], False

    cdef int log_with_room(self, event_t* event, uint64_t id_hash) except? -99:
        cdef int status = self.log_event(event, id_hash)
        if status == WAL_NO_ROOM:
            self.log.make_room(self.wal.record_bytes(event))
            status = self.log_event(event, id_hash)
        return status

    cdef int define_space(self, uint32_t dimensions) except -1:
        # Appended by the engine before the first vector (the log says of itself what its vectors are).
        cdef event_t event
        cdef tuple definition = space_definition(dimensions)
        cdef int status
        self.fill(&event, definition)
        self.hash_keys(&event)
        event.time_us = self.now_us()
        self.assign_id(&event)
        status = self.log_with_room(&event, self.dedupe.hash(event.event_id))
        if status != STEP_OK:
            raise self.failure(status, &event, None)
        self.graph.fold(&event, 1)
        self.generation += 1
        return 0

    def append_many(self, list prepared not None, list expected_versions not None):
        """Appends a batch whole or not at all; returns for each event what append() returns.

        Raises LimitExceeded over MAX_BATCH_BYTES, and for any event what append() raises, with nothing appended.
        """
        cdef size_t count = <size_t>len(prepared)
        cdef event_t* events
        if count == 0:
            return []
        events = <event_t*>malloc((count + 1) * sizeof(event_t))
        if events == NULL:
            raise MemoryError("no room for the batch")
        try:
            with self.lock:
                scratch_reset(&self.scratch)
                try:
                    return self.append_batch(events, prepared, expected_versions)
                finally:
                    self.generation += 1
        finally:
            free(events)

    cdef list append_batch(self, event_t* events, list prepared, list expected_versions):
        cdef size_t count = 0, i
        cdef size_t batch_bytes = 0
        cdef uint32_t dimensions = self.space_dimensions
        cdef event_t* event
        cdef dict given = {}
        cdef tuple definition           # keeps its bytes alive until they are logged
        cdef list answers = []
        cdef int status
        cdef int64_t now_us = self.now_us()
        self.reserve_pending(<size_t>len(prepared) + 1)
        for i in range(<size_t>len(prepared)):
            event = &events[count]
            self.fill(event, <tuple>prepared[i])
            if event.has_event_id:
                duplicate = self.known_id(event, events, given)
                if duplicate is not None:
                    answers.append(duplicate)
                    continue
            if event.code == CODE_VECTOR_STORED:
                if dimensions == 0:
                    dimensions = event.dimensions
                    events[count + 1] = event[0]
                    definition = space_definition(dimensions)
                    self.fill(event, definition)
                    self.number(event, None, now_us, self.wal.last_position + 1 + count)
                    batch_bytes += self.wal.record_bytes(event)
                    count += 1
                    event = &events[count]
                elif event.dimensions != dimensions:
                    raise self.wrong_dimensions(event, dimensions, None)
            elif event.code == CODE_SPACE_DEFINED and is_default_space(event):
                dimensions = event.dimensions
            self.number(event, expected_versions[i], now_us, self.wal.last_position + 1 + count)
            if event.has_event_id:
                given[event.event_id[:16]] = count
            answers.append((event.position, event.version, event.event_id[:16], False))
            batch_bytes += self.wal.record_bytes(event)
            count += 1
        if batch_bytes > MAX_BATCH_BYTES:
            raise LimitExceeded(
                f"the batch takes {batch_bytes:,} bytes of log, over the limit of {MAX_BATCH_BYTES:,}",
                hint="append it in several batches",
            )
        if count:
            self.log_batch(events, count, batch_bytes)
            self.space_dimensions = dimensions
            for i in range(count):
                if self.dedupe.add(self.dedupe.hash(events[i].event_id), <uint32_t>events[i].position) < 0:
                    raise MemoryError("no room for event ids")
            self.graph.fold(events, count)
        return answers

    cdef object known_id(self, event_t* event, event_t* events, dict given):
        # The answer for an event that is in the log, or earlier in this batch, already; None for a new one.
        cdef int status = self.find_duplicate(event, self.dedupe.hash(event.event_id))
        cdef size_t first
        if status == STEP_OK and event.event_id[:16] in given:
            first = given[event.event_id[:16]]
            status = STEP_DUPLICATE if same_content(event, &events[first]) else STEP_CONFLICT
            event.position = events[first].position
            event.version = events[first].version
        if status == STEP_CONFLICT:
            raise self.failure(status, event, None)
        if status == STEP_DUPLICATE:
            return event.position, event.version, event.event_id[:16], True
        return None

    cdef int number(self, event_t* event, expected_version, int64_t now_us, uint64_t position) except -1:
        # Keys, version, time, id and position of an event of a batch.
        if position > MAX_POSITION:
            raise self.failure(STEP_FULL, event, None)
        self.hash_keys(event)
        if self.graph.resolve(event) < 0:
            raise MemoryError("no room for keys")
        event.version = self.next_version(event)
        if expected_version is not None and event.version != <uint64_t>expected_version + 1:
            raise VersionConflict(text_of(event.entity), expected_version, event.version - 1)
        self.note_version(event)
        if not event.has_time:
            event.time_us = now_us
        if not event.has_event_id:
            self.assign_id(event)
        event.position = position
        return 0

    cdef int log_batch(self, event_t* events, size_t count, size_t batch_bytes) except -1:
        cdef size_t i
        cdef int status, attempt
        for attempt in range(2):
            with nogil:
                status = self.wal.begin_batch()
                i = 0
                while status == WAL_OK and i < count:
                    status = self.wal.append(&events[i])
                    i += 1
                if status == WAL_OK:
                    status = self.wal.commit_batch()
                if status != WAL_OK:
                    self.wal.abort_batch()
            if status == WAL_OK:
                return 0
            if status != WAL_NO_ROOM or attempt:
                raise self.failure(status, &events[0], None)
            self.log.make_room(batch_bytes + BATCH_OVERHEAD_BYTES)
        return 0

    cdef int reserve_pending(self, size_t count) except -1:
        cdef size_t size = self.pending_mask + 1
        cdef pending_slot_t* fresh
        if size >= 2 * count:
            return 0
        while size < 2 * count:
            size *= 2
        fresh = <pending_slot_t*>calloc(size, sizeof(pending_slot_t))
        if fresh == NULL:
            raise MemoryError("no room for the batch")
        free(self.pending)
        self.pending = fresh
        self.pending_mask = size - 1
        self.generation = 1
        return 0

    cdef int fill(self, event_t* event, tuple prepared) except -1:
        # Checks what append() was given; the bytes stay alive in the tuple.
        cdef scan_error_t error
        cdef bytes event_type = <bytes?>prepared[0]
        cdef bytes entity_id = <bytes?>prepared[1]
        cdef bytes payload = <bytes?>prepared[2]
        memset(event, 0, sizeof(event_t))
        event.type = slice_of(event_type)
        event.entity = slice_of(entity_id)
        event.payload = slice_of(payload)
        if prepared[3] is not None:
            event.metadata = slice_of(<bytes?>prepared[3])
        if prepared[4] is not None:
            event.has_event_id = 1
            memcpy(event.event_id, PyBytes_AS_STRING(<bytes?>prepared[4]), 16)
        if prepared[5] is not None:
            event.has_time = 1
            event.time_us = prepared[5]
        if decode_payload(event, &self.scratch, &error) != SCAN_OK:
            raise refusal(&error, event.payload.data, event.payload.size, None, 0)
        return 0

    cdef int require_version(self, event_t* event, expected_version) except -1:
        table = self.graph.table_of(event.entity.data, event.entity.size)
        cdef uint32_t actual = 0
        event.entity_number = table.find(event.entity_hash, event.entity.data, event.entity.size)
        if event.entity_number != 0xFFFFFFFF:
            actual = self.graph.version_of(event)
        if actual != <uint64_t>expected_version:
            raise VersionConflict(text_of(event.entity), expected_version, actual)
        return 0

    cdef int require_live(self, event_t* event) except -1:
        # The typed API is strict: what it changes or joins must be there.
        if event.code == CODE_NODE_UPDATED or event.code == CODE_NODE_DELETED:
            self.require_node(event.entity)
        elif event.code == CODE_EDGE_CREATED:
            self.require_node(event.source)
            self.require_node(event.target)
        elif event.code == CODE_EDGE_UPDATED or event.code == CODE_EDGE_DELETED:
            if not self.graph.edge_is_live(event.entity.data, event.entity.size):
                raise EdgeNotFound(f"there is no edge {text_of(event.entity)}", hint="it may have gone with one of its nodes")
        return 0

    cdef int require_node(self, slice_t key) except -1:
        if not self.graph.node_is_live(key.data, key.size):
            raise NodeNotFound(f"there is no node {text_of(key)}", hint="add it first")
        return 0

    cdef object failure(self, int status, event_t* event, str source):
        cdef char[36] text
        if status == STEP_CONFLICT:
            format_uuid(event.event_id, text)
            where = f"{source}:{event.line}: " if event.line else ""
            return IdempotencyConflict(text[:36].decode(), event.position, where=where)
        if status == STEP_DIMENSIONS:
            return self.wrong_dimensions(event, self.space_dimensions, source)
        if status == STEP_NO_MEMORY:
            return MemoryError("no room for keys or event ids")
        if status == STEP_FULL:
            return LimitExceeded(
                f"the store holds {MAX_POSITION:,} events, which is all it can", hint="start a new store"
            )
        return self.log.refusal()

    cdef object wrong_dimensions(self, event_t* event, uint32_t expected, str source):
        return InvalidEvent(
            f"payload.embedding: expected {expected} numbers, as space:default has, found {event.dimensions}",
            field="payload.embedding", source=source or "", line=event.line, column=1 if event.line else 0,
        )

    # Replay.

    def replay(self, uint64_t until, progress=None):
        """Folds the log's events from behind the last folded one up to `until`; `progress(position)` hears of it now and then.

        Raises CorruptLog where the log does not hold what it promises.
        """
        cdef uint64_t position = self.graph.applied_position + 1
        cdef size_t count, i
        cdef int status
        with self.lock:
            while position <= until:
                with nogil:
                    scratch_reset(&self.scratch)
                    count = SLICE if until - position + 1 > SLICE else <size_t>(until - position + 1)
                    count = self.wal.scan(position, self.events, <uint32_t>count)
                    status = self.replay_slice(count)
                if count == 0 or status != STEP_OK:
                    raise self.log.unreadable(position)
                self.graph.fold(self.events, count)
                position += count
                if progress is not None and (position & 0x3FFF) < SLICE:
                    progress(position - 1)
            self.space_dimensions = self.graph.space_dimensions
            self.graph.reclaim()

    cdef int replay_slice(self, size_t count) noexcept nogil:
        cdef size_t i
        cdef int status
        for i in range(count):
            status = decode_trusted(&self.events[i], &self.scratch)
            if status != SCAN_OK and not self.events[i].erased:
                return status
            self.hash_keys(&self.events[i])
            self.id_hashes[i] = self.dedupe.hash(self.events[i].event_id)
            self.dedupe.prefetch(self.id_hashes[i])
        for i in range(count):
            if self.graph.resolve(&self.events[i]) < 0:
                return STEP_NO_MEMORY
            if self.dedupe.add(self.id_hashes[i], <uint32_t>self.events[i].position) < 0:
                return STEP_NO_MEMORY
        return STEP_OK


cdef inline tuple space_definition(uint32_t dimensions):
    return b"prime.space.defined", b"space:default", b'{"dimensions":%d,"model":null}' % dimensions, None, None, None


cdef inline slice_t slice_of(bytes data) noexcept:
    cdef slice_t out
    out.data = PyBytes_AS_STRING(data)
    # Anything over 4 GiB is over every limit: it stays so when cut.
    out.size = <uint32_t>PyBytes_GET_SIZE(data) if PyBytes_GET_SIZE(data) < 0xFFFFFFFF else 0xFFFFFFFE
    return out


cdef inline str text_of(slice_t text):
    return text.data[:text.size].decode("utf-8", "replace")


cdef inline size_t behind(const char* data, size_t size, size_t end) noexcept nogil:
    # The offset behind a line whose text ends at `end`.
    cdef const char* newline = <const char*>memchr(data + end, c"\n", size - end)
    return <size_t>(newline - data) + 1 if newline != NULL else size


cdef inline bint is_default_space(event_t* event) noexcept nogil:
    return event.entity.size == 13 and memcmp(event.entity.data, b"space:default", 13) == 0


cdef bint same_bytes(slice_t a, slice_t b) noexcept nogil:
    return a.size == b.size and (a.size == 0 or memcmp(a.data, b.data, a.size) == 0)


cdef bint same_json(slice_t a, slice_t b) noexcept nogil:
    if same_bytes(a, b):
        return True
    return a.size != 0 and b.size != 0 and json_equal(a, b) == 1


cdef bint same_content(event_t* a, event_t* b) noexcept nogil:
    if a.has_time and b.has_time and a.time_us != b.time_us:
        return False
    return (
        same_bytes(a.entity, b.entity) and same_bytes(a.type, b.type) and same_json(a.payload, b.payload)
        and same_json(a.metadata, b.metadata)
    )


cdef void derive_id(event_t* event, const char* line, size_t size, const char* name, size_t name_size) noexcept nogil:
    # UUIDv8 (RFC 9562) from source, line number and bytes: the same line of the same file is the same event.
    cdef uint64_t seed = XXH3_64bits_withSeed(name, name_size, event.line)
    cdef XXH128_hash_t digest = XXH3_128bits_withSeed(line, size, seed)
    memcpy(event.event_id, &digest, 16)
    event.event_id[6] = (event.event_id[6] & 0x0F) | 0x80
    event.event_id[8] = (event.event_id[8] & 0x3F) | 0x80
    event.has_event_id = 1
