# The write path. The contract stands in _pipeline.pxd, who may run when in docs/architecture.md.

import os

from cpython.bytes cimport PyBytes_AS_STRING
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy, memset

from primecore._dedupe cimport Dedupe
from primecore._event cimport (
    CODE_EDGE_CREATED, CODE_EDGE_DELETED, CODE_EDGE_UPDATED, CODE_NODE_DELETED, CODE_NODE_UPDATED, CODE_SPACE_DEFINED,
    CODE_VECTOR_DELETED, CODE_VECTOR_STORED, NONE32, event_t, slice_t,
)
from primecore._graph cimport KIND_NODE, Graph, entity_kind
from primecore._buffers cimport scratch_free, scratch_init, scratch_reset
from primecore._json cimport SCAN_OK, scan_error_t
from primecore._jsontree cimport json_equal
from primecore._keycell cimport uuid_write
from primecore._literals cimport format_uuid
from primecore._records cimport MAX_POSITION
from primecore._refusal cimport refusal
from primecore._resolve cimport is_crowded, resolve, version_of
from primecore._rows cimport Rows
from primecore._scan cimport decode_payload
from primecore._wal cimport WAL_ABSENT, WAL_NO_ROOM, WAL_OK

from primecore.errors import (
    EdgeNotFound,
    IdempotencyConflict,
    InvalidEvent,
    LimitExceeded,
    NodeNotFound,
    VectorNotFound,
    VersionConflict,
)
from primecore.model import Receipt


cdef extern from "result_row.h":
    ctypedef struct PyTypeObject:
        pass
    object row_new(PyTypeObject* type, Py_ssize_t size)
    void PyTuple_SET_ITEM(object tuple, Py_ssize_t at, object item)
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 largest)
    void* PyUnicode_DATA(object text)


cdef extern from * nogil:
    uint64_t __builtin_bswap64(uint64_t number) noexcept
    void __builtin_prefetch(const void* address, int writes) noexcept


cdef extern from "<time.h>" nogil:
    cdef struct timespec:
        int64_t tv_sec
        int64_t tv_nsec
    int clock_gettime(int clock, timespec* out) noexcept
    const int CLOCK_REALTIME


cdef PyTypeObject* RECEIPT = <PyTypeObject*>Receipt

cdef enum:
    PENDING_SLOTS = 512


cdef class Pipeline:
    """Checks, numbers, logs and folds events; one thread at a time (it takes the writer's lock itself).

    `torn()` is called when events that are in the log could not be folded whole: memory ran out.
    """

    def __cinit__(self, Graph graph not None, Dedupe dedupe not None, log, lock, torn):
        self.graph = graph
        self.dedupe = dedupe
        self.log = log
        self.wal = log.wal
        self.lock = lock
        self.acquire = lock.acquire
        self.release = lock.release
        self.torn = torn
        self.events = <event_t*>malloc(SLICE * sizeof(event_t))
        self.id_hashes = <uint64_t*>malloc(SLICE * sizeof(uint64_t))
        self.pending = <pending_slot_t*>calloc(PENDING_SLOTS, sizeof(pending_slot_t))
        if not (self.events and self.id_hashes and self.pending):
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
        high = (<uint64_t>(event.time_us // 1000) << 16) | 0x7000 | (high & 0x0FFF)
        low = (low & ~<uint64_t>0xC0) | 0x80
        high = __builtin_bswap64(high)      # numbers are little-endian here, as in the log
        memcpy(event.event_id, &high, 8)
        memcpy(event.event_id + 8, &low, 8)

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
        self.prefetch_keys(event)

    cdef void prefetch_keys(self, event_t* event) noexcept nogil:
        if event.code == CODE_EDGE_CREATED:
            self.graph.nodes.prefetch(event.source_hash)
            self.graph.nodes.prefetch(event.target_hash)
            self.graph.edges.prefetch(event.entity_hash)
        else:
            self.graph.nodes.prefetch(event.entity_hash)

    cdef void prefetch_records(self, event_t* events, size_t count) noexcept nogil:
        # The index lines were asked for before; now what stands behind them.
        cdef size_t i
        cdef event_t* event
        for i in range(count):
            event = &events[i]
            if event.code == CODE_EDGE_CREATED:
                self.graph.nodes.prefetch_record(event.source_hash)
                self.graph.nodes.prefetch_record(event.target_hash)
            elif event.code >= CODE_EDGE_UPDATED:
                self.graph.edges.prefetch_record(event.entity_hash)
            else:
                self.graph.nodes.prefetch_record(event.entity_hash)

    cdef void prefetch_lists(self, event_t* event) noexcept nogil:
        # The fold comes a slice later: it writes behind the last entry of both lists, and frees the former state.
        if event.code == CODE_EDGE_CREATED:
            self.graph.adjacency.prefetch_end(self.graph.node(event.source_number).out_list)
            self.graph.adjacency.prefetch_end(self.graph.node(event.target_number).in_list)
        elif event.code == CODE_NODE_UPDATED:
            __builtin_prefetch(self.graph.states.arena.at(self.graph.node(event.entity_number).state), 1)

    # What the log checks.

    cdef int first_of_id(self, const uint8_t* event_id, uint64_t id_hash, event_t* first) noexcept nogil:
        cdef uint32_t cursor = 0, position
        cdef int status
        while True:
            position = self.dedupe.candidate(id_hash, &cursor)
            if position == 0:
                return STEP_OK
            first.position = position
            status = self.wal.read(position, first)
            if status == WAL_ABSENT:
                status = self.read_history(position, first)
            if status != WAL_OK:
                return STEP_UNREADABLE      # it may be the same event: to take it for another would store a fact twice
            if memcmp(first.event_id, event_id, 16) == 0:
                return STEP_DUPLICATE

    cdef int find_duplicate(self, event_t* event, uint64_t id_hash) noexcept nogil:
        cdef event_t first
        cdef int status = self.first_of_id(event.event_id, id_hash, &first)
        if status == STEP_OK:
            return STEP_OK
        event.position = first.position
        if status == STEP_UNREADABLE:
            return status
        event.version = first.version
        return STEP_DUPLICATE if first.erased or same_content(event, &first) else STEP_CONFLICT

    cdef int read_history(self, uint64_t position, event_t* out) noexcept nogil:
        # Rare: an id that is taken, by an event that a history file has by now.
        with gil:
            return self.history_event(position, out)

    cdef int history_event(self, uint64_t position, event_t* out) noexcept:
        cdef Rows rows
        try:
            rows = self.log.rows(position)
        except Exception:
            return STEP_UNREADABLE
        rows.read(position, out)
        self.history = rows
        return WAL_OK

    cdef uint32_t next_version(self, event_t* event) noexcept nogil:
        cdef uint64_t key = (<uint64_t>entity_kind(event.entity.data, event.entity.size) << 32) | event.entity_number
        cdef size_t at = <size_t>(key * 0x9E3779B97F4A7C15ULL >> 40)
        cdef pending_slot_t* slot
        while True:
            slot = &self.pending[at & self.pending_mask]
            if slot.generation != self.generation:
                return version_of(self.graph, event) + 1
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
        if resolve(self.graph, event) < 0:
            return STEP_NO_MEMORY
        if is_crowded(self.graph, event):
            return STEP_DEGREE
        self.prefetch_lists(event)
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

    cdef int fold(self, event_t* events, size_t count) except -1:
        # What is in the log must show: if the tables cannot take it, nobody may go on reading them.
        try:
            self.graph.fold(events, count)
        except BaseException:
            self.torn()
            raise
        return 0

    # Single events.

    def append(self, tuple prepared not None, expected_version=None, bint strict=False):
        """Appends one event: (type, entity id, payload, metadata, event id, time), the last four bytes, bytes, bytes and int, or None.

        Returns a Receipt. With `strict`, what it changes must be live (NodeNotFound, EdgeNotFound).
        """
        self.acquire()
        try:
            scratch_reset(&self.scratch)
            self.fill(self.events, prepared)
            return self.append_filled(self.events, expected_version, strict)
        finally:
            self.release()

    cdef object append_filled(self, event_t* event, expected_version, bint strict):
        cdef int status
        cdef uint64_t id_hash
        self.hash_keys(event)
        event.time_us = event.time_us if event.has_time else self.now_us()
        if not event.has_event_id:
            self.assign_id(event)
        id_hash = self.dedupe.hash(event.event_id)
        if event.has_event_id:
            status = self.find_duplicate(event, id_hash)
            if status == STEP_DUPLICATE:
                return receipt_of(event, True)
            if status != STEP_OK:
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
        self.fold(event, 1)
        self.generation += 1
        return receipt_of(event, False)

    cdef int log_with_room(self, event_t* event, uint64_t id_hash) except? -99:
        cdef int status = self.log_event(event, id_hash)
        if status == WAL_NO_ROOM:
            self.log.make_room(self.wal.record_bytes(event))
            status = self.log_event(event, id_hash)
        return status

    def expect_model(self, bytes model not None, uint32_t dimensions):
        """Names the model (a JSON string) of the space, should a vector of so many numbers be the first."""
        self.model_dimensions = dimensions
        self.model = model

    cdef tuple space_definition(self, uint32_t dimensions):
        model = self.model if self.model is not None and dimensions == self.model_dimensions else b"null"
        payload = b'{"dimensions":%d,"model":%b}' % (dimensions, model)
        return b"prime.space.defined", b"space:default", payload, None, None, None

    cdef int define_space(self, uint32_t dimensions) except -1:
        # Appended by the engine before the first vector (the log says of itself what its vectors are).
        cdef event_t event
        cdef tuple definition = self.space_definition(dimensions)
        cdef int status
        self.fill(&event, definition)
        self.hash_keys(&event)
        event.time_us = self.now_us()
        self.assign_id(&event)
        status = self.log_with_room(&event, self.dedupe.hash(event.event_id))
        if status != STEP_OK:
            raise self.failure(status, &event, None)
        self.fold(&event, 1)
        self.generation += 1
        return 0

    cdef int fill(self, event_t* event, tuple prepared) except -1:
        # Checks what append() was given; the bytes stay alive in the tuple.
        cdef bytes event_type = <bytes?>prepared[0]
        cdef bytes entity_id = <bytes?>prepared[1]
        cdef bytes payload = <bytes?>prepared[2]
        memset(event, 0, sizeof(event_t))
        event.type = slice_of_bytes(event_type)
        event.entity = slice_of_bytes(entity_id)
        event.payload = slice_of_bytes(payload)
        if prepared[3] is not None:
            event.metadata = slice_of_bytes(<bytes?>prepared[3])
        if prepared[4] is not None:
            event.has_event_id = 1
            memcpy(event.event_id, PyBytes_AS_STRING(<bytes?>prepared[4]), 16)
        if prepared[5] is not None:
            event.has_time = 1
            event.time_us = prepared[5]
        return self.decode(event)

    cdef int decode(self, event_t* event) except -1:
        cdef scan_error_t error
        if decode_payload(event, &self.scratch, &error) != SCAN_OK:
            raise refusal(&error, event.payload.data, event.payload.size, None, 0)
        return 0

    cdef int require_version(self, event_t* event, expected_version) except -1:
        table = self.graph.table_of(event.entity.data, event.entity.size)
        cdef uint32_t actual = 0
        event.entity_number = table.find(event.entity_hash, event.entity.data, event.entity.size)
        if event.entity_number != 0xFFFFFFFF:
            actual = version_of(self.graph, event)
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
        elif event.code == CODE_VECTOR_STORED:
            if entity_kind(event.entity.data + 4, event.entity.size - 4) == KIND_NODE:
                self.require_node(slice_t(event.entity.data + 4, event.entity.size - 4))
        elif event.code == CODE_VECTOR_DELETED:
            if self.graph.vectors.of_node(event.entity.data + 4, event.entity.size - 4) == NONE32:
                raise VectorNotFound(
                    f"there is no vector of {text_of(slice_t(event.entity.data + 4, event.entity.size - 4))}",
                    hint="it may have gone with its node",
                )
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
        if status == STEP_UNREADABLE:
            return self.log.unreadable(event.position)
        if status == STEP_DIMENSIONS:
            return self.wrong_dimensions(event, self.space_dimensions, source)
        if status == STEP_NO_MEMORY:
            if self.wal.committed_position > self.graph.applied_position:
                self.torn()     # it is in the log, and the tables do not know it
            return MemoryError("no room for keys or event ids")
        if status == STEP_DEGREE:
            return LimitExceeded(
                f"{source or '<events>'}: {text_of(event.source)} or {text_of(event.target)} has as many edges as a node "
                "can have, some 33 million a direction", hint="spread them over several nodes",
            )
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


cdef object receipt_of(event_t* event, bint duplicate):
    cdef object result = row_new(RECEIPT, 4)
    cdef object event_id = PyUnicode_New(36, 127)
    uuid_write(event.event_id, <char*>PyUnicode_DATA(event_id))
    put(result, 0, event.position)
    put(result, 1, event.version)
    put(result, 2, event_id)
    put(result, 3, duplicate)
    return result


cdef inline void put(object result, Py_ssize_t at, object item) noexcept:
    Py_INCREF(item)
    PyTuple_SET_ITEM(result, at, item)


cdef str text_of(slice_t text):
    return text.data[:text.size].decode("utf-8", "replace")


cdef bint is_default_space(event_t* event) noexcept nogil:
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
