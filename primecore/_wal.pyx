"""The write-ahead log in memory: mapped segments, the tail that takes appends, reading by position.

Opens no file and knows no path: log.py hands in the segments. Knows an event's envelope, never its payload.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

import os

from primecore._event cimport event_t
from primecore._format cimport FLAG_BATCH_FIRST, FLAG_IN_BATCH, RECORD_BYTES, record_t
from primecore._live cimport live_committed
from primecore._mapping cimport WRITTEN_FILE, mapping_write
from primecore._record cimport (chain_extend, commit_write, record_check, record_length, record_publish, record_read,
                                record_size, record_write)
from primecore._segment cimport (SEGMENT_GONE, Segment, segment_check, segment_locate, segment_next_event, segment_note, segment_t)
from primecore._sync cimport (JOB_PREPARE, sync_ask, sync_destroy, sync_first_append,
                              sync_init, sync_poison, sync_stop, sync_t)

cdef extern from "<sys/mman.h>" nogil:
    void* mmap(void*, size_t, int, int, int, int64_t)
    int munmap(void*, size_t)
    int PROT_READ
    int PROT_WRITE
    int MAP_PRIVATE
    int MAP_ANONYMOUS
    int MAP_NORESERVE
    void* MAP_FAILED

cdef extern from "atomics.h" nogil:
    uint32_t load_acquire_u32(const uint32_t*)
    uint64_t load_acquire_u64(const uint64_t*)
    int64_t load_acquire_i64(const int64_t*)
    int load_acquire_int(const int*)
    void store_release_u32(uint32_t*, uint32_t)
    void store_release_u64(uint64_t*, uint64_t)
    void store_release_int(int*, int)

cdef extern from "threads.h" nogil:
    int fork_generation_now
    int fork_watch()
    int64_t monotonic_us()
    int pthread_mutex_lock(void*)
    int pthread_mutex_unlock(void*)

cdef extern from "chacha.h" nogil:
    int chacha_seed(chacha_t*)
    uint64_t chacha_next(chacha_t*)


cdef extern from * nogil:
    """
    /* Lines that the next record will be written to, and read from right away for its checksum. */
    static inline void prefetch_record(const char *at) {
        for (int line = 0; line < 6; line++)
            __builtin_prefetch(at + 64 * line, 1);
    }
    """
    void prefetch_record(const char* at) noexcept


cdef enum:
    EAGER_FROM_BYTES = 16 << 20


STATUS_WORDS = {
    WAL_OK: "ok",
    WAL_NO_ROOM: "no room",
    WAL_POISONED: "poisoned",
    WAL_ABSENT: "absent",
    WAL_CORRUPT: "corrupt",
    WAL_FORKED: "forked",
    WAL_CLOSED: "closed",
    WAL_READ_ONLY: "read-only",
    WAL_MISUSE: "misuse",
}


cdef class Wal:
    """The mapped segments of one log. Its C interface stands in _wal.pxd; Python sees only its state."""

    def __cinit__(self):
        cdef void* table = mmap(NULL, MAX_SEGMENTS * sizeof(void*), PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        if table == MAP_FAILED:
            raise MemoryError()
        self.segments = <segment_t**>table
        self.kept = []
        self.state = WAL_CLOSED
        self.fork_generation = fork_generation_now
        cdef sync_t* sync = &self.sync
        cdef int error = sync_init(sync) or chacha_seed(&self.nonces)
        if error:
            raise OSError(error, os.strerror(error))
        self.sync_ready = True
        sync.segments = self.segments
        sync.segment_count = &self.segment_count
        sync.committed_position = &self.committed_position
        sync.durable_position = &self.durable_position
        sync.wal_state = &self.state
        sync.poisoned_state = WAL_POISONED

    def __dealloc__(self):
        # A forked child owns none of the threads and must not wait for them.
        if self.sync_ready and self.fork_generation == fork_generation_now:
            sync_stop(&self.sync)
            sync_destroy(&self.sync)
        if self.segments != NULL:
            munmap(self.segments, MAX_SEGMENTS * sizeof(void*))

    cdef bint is_forked(self) noexcept nogil:
        return self.fork_generation != fork_generation_now

    # --- append side

    cdef size_t record_bytes(self, event_t* event) noexcept nogil:
        return record_size(event)

    cdef int append(self, event_t* event) noexcept nogil:
        cdef uint64_t size
        cdef char* at
        cdef int error
        cdef segment_t* segment = self.active
        if load_acquire_int(&self.state):
            return self.state
        if self.fork_generation != fork_generation_now:
            return WAL_FORKED
        size = record_size(event)
        if size == 0 or event.position != self.last_position + 1:
            return WAL_MISUSE
        if self.tail + size + RECORD_BYTES > segment.mapping.bytes:     # room for a commit is always kept
            return WAL_NO_ROOM
        at = segment.mapping.data + self.tail
        if self.batch_offset:
            record_write(at, event, size, FLAG_IN_BATCH | (FLAG_BATCH_FIRST if self.batch_offset == self.tail else 0),
                         chacha_next(&self.nonces), segment.crc_seed)
        else:
            record_write(at, event, size, 0, chacha_next(&self.nonces), segment.crc_seed)
        segment_note(segment, event.position - segment.base_position, self.tail)
        record_publish(at, <uint32_t>size)
        if segment.mapping.kind == WRITTEN_FILE and not self.batch_offset:
            error = mapping_write(segment.mapping, self.tail, size)
            if error:
                self.write_failed = True
                sync_poison(&self.sync, error)
                return WAL_POISONED
        self.tail += size
        prefetch_record(segment.mapping.data + self.tail)
        if not event.has_time and event.time_us > self.last_time_us:
            self.last_time_us = event.time_us
        store_release_u64(&self.last_position, event.position)
        if not self.batch_offset:
            self.publish()
        return WAL_OK

    cdef void publish(self) noexcept nogil:
        cdef segment_t* segment = self.active
        store_release_u64(&segment.event_count, self.last_position - segment.base_position + 1)
        store_release_u64(&segment.tail, self.tail)
        store_release_u64(&self.committed_position, self.last_position)
        if self.live != NULL:
            live_committed(self.live, self.last_position)
        if self.in_memory:
            store_release_u64(&self.durable_position, self.last_position)
        elif load_acquire_i64(&self.sync.unsynced_since_us) == 0:
            sync_first_append(&self.sync)
        if self.tail >= self.prepare_from:
            self.prepare_from = <uint64_t>-1
            sync_ask(&self.sync, JOB_PREPARE)

    cdef int begin_batch(self) noexcept nogil:
        if load_acquire_int(&self.state):
            return self.state
        if self.fork_generation != fork_generation_now:
            return WAL_FORKED
        if self.batch_offset:
            return WAL_MISUSE
        self.batch_offset = self.tail
        self.batch_begun_position = self.last_position
        self.batch_begun_time_us = self.last_time_us
        return WAL_OK

    cdef int commit_batch(self) noexcept nogil:
        cdef segment_t* segment = self.active
        cdef const char* at
        cdef const char* end
        cdef uint8_t[16] batch_hash
        cdef uint64_t begun = self.batch_offset
        cdef int error
        if self.fork_generation != fork_generation_now:
            return WAL_FORKED
        if not begun:
            return WAL_MISUSE
        if load_acquire_int(&self.state):
            return self.state
        if self.last_position == self.batch_begun_position:
            self.batch_offset = 0
            return WAL_OK
        memset(batch_hash, 0, 16)
        at = segment.mapping.data + begun
        end = segment.mapping.data + self.tail
        while at < end:
            chain_extend(batch_hash, at)
            at += record_length(at)
        commit_write(<char*>end, self.last_position, <uint32_t>(self.last_position - self.batch_begun_position),
                     load_acquire_u64(&self.durable_position), batch_hash, segment.crc_seed)
        record_publish(<char*>end, RECORD_BYTES)
        self.tail += RECORD_BYTES
        if segment.mapping.kind == WRITTEN_FILE:
            error = mapping_write(segment.mapping, begun, self.tail - begun)
            if error:
                self.write_failed = True
                sync_poison(&self.sync, error)
                return WAL_POISONED
        self.batch_offset = 0
        self.publish()
        return WAL_OK

    cdef int abort_batch(self) noexcept nogil:
        if self.fork_generation != fork_generation_now:
            return WAL_FORKED
        if not self.batch_offset:
            return WAL_MISUSE
        memset(self.active.mapping.data + self.batch_offset, 0, self.tail - self.batch_offset)
        self.tail = self.batch_offset
        self.batch_offset = 0
        self.last_time_us = self.batch_begun_time_us
        store_release_u64(&self.last_position, self.batch_begun_position)
        return WAL_OK

    # --- read side

    cdef segment_t* segment_of(self, uint64_t position) noexcept nogil:
        cdef uint32_t low = 0, high = load_acquire_u32(&self.segment_count), middle
        if not high or position < self.segments[0].base_position or position > load_acquire_u64(&self.last_position):
            return NULL
        while high - low > 1:
            middle = (low + high) / 2
            if self.segments[middle].base_position <= position:
                low = middle
            else:
                high = middle
        return self.segments[low]

    cdef int read(self, uint64_t position, event_t* out) noexcept nogil:
        cdef segment_t* segment = self.segment_of(position)
        cdef const char* at
        if segment == NULL:
            return WAL_ABSENT
        if load_acquire_u32(&segment.unchecked):
            if segment.unchecked == SEGMENT_GONE:
                return WAL_ABSENT
            if segment_check(segment):
                return WAL_CORRUPT
        at = segment_locate(segment, position)
        if at == NULL or record_check(at, segment.mapping.data + segment.mapping.bytes - at, segment.crc_seed):
            return WAL_CORRUPT
        record_read(at, out)
        return WAL_OK

    cdef uint32_t scan(self, uint64_t first, event_t* out, uint32_t capacity) noexcept nogil:
        cdef uint64_t last = load_acquire_u64(&self.committed_position)
        cdef uint64_t position = first
        cdef segment_t* segment
        cdef const char* at = NULL
        cdef uint32_t count = 0
        if first > last:
            return 0
        segment = self.segment_of(first)
        while segment != NULL and count < capacity and position <= last:
            if load_acquire_u32(&segment.unchecked) and segment_check(segment):
                break
            at = segment_locate(segment, position) if at == NULL else segment_next_event(segment, at)
            # Behind the tail there may be what was never committed, or moved on to the next segment: the walk stops.
            if at == NULL or at >= segment.mapping.data + load_acquire_u64(&segment.tail) or \
                    (<const record_t*>at).position != position:
                # The end of this segment: the next one has the position at its beginning.
                at = NULL
                if segment == self.segment_of(position):
                    break
                segment = self.segment_of(position)
                continue
            record_read(at, &out[count])
            at += record_length(at)
            count += 1
            position += 1
        return count

    cdef void use(self, segment_t* segment) noexcept nogil:
        self.active = segment
        self.tail = segment.tail
        # Filling the last half of a large segment takes less time than preparing the next one beside it.
        self.prepare_from = segment.mapping.bytes / (4 if segment.mapping.bytes >= EAGER_FROM_BYTES else 2)

    cdef int record_at(self, uint64_t position, const char** out) noexcept nogil:
        cdef segment_t* segment = self.segment_of(position)
        if segment == NULL:
            return WAL_ABSENT
        if load_acquire_u32(&segment.unchecked) and segment_check(segment):
            return WAL_CORRUPT
        out[0] = segment_locate(segment, position)
        if out[0] == NULL or record_check(out[0], segment.mapping.data + segment.mapping.bytes - out[0],
                                          segment.crc_seed):
            return WAL_CORRUPT
        return WAL_OK

    # --- what Python sees

    def pin(self) -> None:
        """Keep all segments mapped until `unpin`: somebody reads them without the GIL."""
        self.pins += 1

    def unpin(self) -> None:
        """What `pin` kept may go."""
        self.pins -= 1

    def let_go(self, until: int) -> None:
        """Unmap the segments up to position `until`, whose events a history file has; not while one is pinned.

        The caller holds the writer's lock, and the GIL: nobody is in the midst of a read then.
        """
        if self.pins:
            return
        for segment in self.segment_list:
            if segment.event_count and segment.last_position <= until and not segment.is_gone:
                segment.let_go()

    @property
    def synced_segments(self) -> int:
        """How many segments, from the oldest, are sealed and on stable storage whole, with their names."""
        return load_acquire_u32(&self.sync.first_unsynced)

    @property
    def batch_open(self) -> bool:
        """Whether a batch was begun and neither committed nor aborted."""
        return self.batch_offset != 0

    @property
    def error(self) -> int:
        """The errno of the failure that poisoned the log, else 0."""
        return self.sync.error

    @property
    def forked(self) -> bool:
        """Whether this is a forked child of the process that made it."""
        return self.is_forked()

    @property
    def status(self) -> str:
        """What an append would meet now, in a word: "ok", "poisoned", "closed", "read-only", "forked"."""
        return "forked" if self.forked else STATUS_WORDS[self.state]

    @property
    def segment_list(self) -> list[Segment]:
        """The segments, oldest first."""
        return [kept for kept in self.kept if isinstance(kept, Segment)]


if fork_watch():
    raise ImportError("cannot watch for forks")
