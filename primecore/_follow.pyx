# A follower's tables, brought up to what the owner publishes. The contract stands in _follow.pxd.

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memset

from primecore._buffers cimport scratch_reset
from primecore._event cimport event_t
from primecore._format cimport FLAG_BATCH_FIRST, FLAG_IN_BATCH, RECORD_BYTES, record_t
from primecore._json cimport SCAN_OK
from primecore._live cimport Live
from primecore._pipeline cimport SLICE, Pipeline
from primecore._reads cimport Reader
from primecore._scan cimport decode_trusted
from primecore._resolve cimport resolve as resolve_keys
from primecore._segment cimport segment_locate, segment_t, segment_walk, walk_t

cdef extern from "atomics.h" nogil:
    uint64_t load_acquire_u64(const uint64_t*)
    void store_release_u64(uint64_t*, uint64_t)

cdef extern from "threads.h" nogil:
    int64_t monotonic_us()


cdef enum:
    SMALL_WALK = 1024               # events that are walked without letting go of the GIL
    PATIENCE_US = 5000              # how long a read catches up, or waits for one that does, before it takes what is there


cdef inline const record_t* record_of(const event_t* event) noexcept nogil:
    return <const record_t*>(event.entity.data - RECORD_BYTES)


cdef inline bint continues_batch(const event_t* event) noexcept nogil:
    return record_of(event).flags & (FLAG_IN_BATCH | FLAG_BATCH_FIRST) == FLAG_IN_BATCH


cdef class Follow:
    """Keeps the tables behind `writer` up to the log that another process appends to.

    `epoch` is what LIVE said before the log was opened.
    """

    def __cinit__(self, Pipeline writer not None, Reader reader not None, log, lock, Live live not None,
                  uint64_t epoch):
        self.writer = writer
        self.wal = writer.wal
        self.reader = reader
        self.log = log
        self.lock = lock
        self.live = live
        self.epoch = epoch
        self.capacity = SLICE
        self.events = <event_t*>malloc(SLICE * sizeof(event_t))
        if self.events == NULL:
            raise MemoryError("no room to follow")

    def __dealloc__(self):
        free(self.events)

    def begin(self) -> None:
        """From now on the reader's reads catch up first."""
        self.note_end()
        self.reader.seen = self.writer.graph.applied_position
        self.reader.catch_up = self.catch_up
        self.reader.published = &self.live.page.committed_position
        self.reader.watched = True

    def catch_up(self, int64_t patience_us=PATIENCE_US) -> bool:
        """Take in what was published, for about `patience_us`; whether there is no more to do here.

        Waits as long for another thread that does the same. Raises StorageFailure, CorruptLog.
        """
        if not self.lock.acquire(False) and not self.lock.acquire(True, patience_us / 1e6):
            return False
        try:
            return self.step(monotonic_us() + patience_us)
        finally:
            self.lock.release()

    def wait(self, int64_t timeout_us) -> bool:
        """Sleep, without the GIL, until there is something to do; False when the time is over."""
        return self.live.wait(self.reader.seen, self.epoch, timeout_us)

    def accept(self, uint64_t epoch) -> bool:
        """Go on under another owner, if all that was read is still there; False: it is not. The lock is held."""
        if not self.log.still_holds(self.checksum):
            return False
        self.epoch = epoch
        self.reader.seen = self.writer.graph.applied_position
        return True

    def refresh(self) -> None:
        """Look at the files, whatever is published, and take in what came. Raises StorageFailure, CorruptLog."""
        with self.lock:
            if self.live.epoch == self.epoch and self.read_files():
                self.fold(monotonic_us() + PATIENCE_US)

    cdef bint step(self, int64_t until_us) except -1:
        cdef uint64_t published = load_acquire_u64(&self.live.page.committed_position)
        cdef bint finished
        if load_acquire_u64(&self.live.page.epoch) != self.epoch:
            self.reader.seen = published        # the thread looks into it; reads show what they showed
            return True
        if self.wal.last_position < published and \
                (not self.walk(published) or (self.wal.last_position < published and not self.read_files())):
            self.reader.seen = published
            return True
        self.fold(until_us)
        finished = self.writer.graph.applied_position == self.wal.last_position
        if finished:
            # What is published and not there is no reason to look at every read; the thread looks again.
            self.reader.seen = published
        return finished

    cdef bint walk(self, uint64_t published) except -1:
        # Over the records that came in the last segment. False: nothing was taken in, the owner changed meanwhile.
        cdef segment_t* segment
        cdef walk_t walk
        cdef uint64_t last
        if not self.wal.segment_count:
            return True
        segment = self.wal.segments[self.wal.segment_count - 1]
        memset(&walk, 0, sizeof(walk_t))
        if published - self.wal.last_position > SMALL_WALK:
            with nogil:
                segment_walk(segment, &walk)
        else:
            segment_walk(segment, &walk)
        if not self.same_owner():
            return False
        last = segment.base_position + segment.event_count - 1
        if last > self.wal.last_position:
            store_release_u64(&self.wal.last_position, last)
            store_release_u64(&self.wal.committed_position, last)
        return self.note_end()

    cdef bint read_files(self) except -1:
        # The same with the segments that came. It opens files.
        self.log.refresh(True)
        return self.same_owner() and self.note_end()

    cdef bint same_owner(self) except -1:
        if load_acquire_u64(&self.live.page.epoch) == self.epoch:
            return True
        # A new owner may have cut the log and written on while we looked: what was found may be neither's.
        self.checksum = 0
        return False

    cdef bint note_end(self) except -1:
        # What is known of the end of the log, for the time when the owner changes. Always True.
        cdef segment_t* segment
        cdef const char* at
        cdef uint32_t number = self.wal.segment_count
        cdef uint64_t durable = load_acquire_u64(&self.live.page.durable_position)
        if durable > self.wal.durable_position:
            self.wal.durable_position = min(durable, self.wal.last_position)
        while number:
            number -= 1
            segment = self.wal.segments[number]
            if segment.event_count:
                at = segment_locate(segment, segment.base_position + segment.event_count - 1)
                self.checksum = (<const record_t*>at).crc32c if at != NULL else 0
                break
        return True

    cdef int fold(self, int64_t until_us) except -1:
        cdef uint64_t position = self.writer.graph.applied_position + 1
        cdef uint64_t until = self.wal.last_position
        cdef uint64_t first = position
        cdef size_t count
        cdef int status
        while position <= until:
            scratch_reset(&self.writer.scratch)
            count = self.gather(position, until)
            status = self.resolve(count)
            if status == -2:
                raise MemoryError("no room for keys")
            if status:
                raise self.log.unreadable(position)
            self.writer.fold(self.events, count)
            position += count
            if position <= until and monotonic_us() >= until_us:
                break
        if position != first:
            self.writer.graph.reclaim()
        return 0

    cdef size_t gather(self, uint64_t position, uint64_t until) except 0:
        # Events from `position` on, about a slice of them, and no batch in part: the log ends behind a whole one.
        cdef size_t wanted = SLICE, count, cut
        cdef event_t following
        while True:
            self.reserve(wanted)
            count = wanted if until - position + 1 > wanted else <size_t>(until - position + 1)
            count = self.wal.scan(position, self.events, <uint32_t>count)
            if count == 0:
                raise self.log.unreadable(position)
            if position + count > until:
                return count
            if self.wal.scan(position + count, &following, 1) != 1:
                raise self.log.unreadable(position + count)
            if not continues_batch(&following):
                return count
            cut = count - 1
            while cut and continues_batch(&self.events[cut]):
                cut -= 1
            if cut:
                return cut
            wanted *= 2

    cdef int reserve(self, size_t wanted) except -1:
        cdef event_t* events
        if wanted <= self.capacity:
            return 0
        events = <event_t*>realloc(self.events, wanted * sizeof(event_t))
        if events == NULL:
            raise MemoryError("no room for a batch")
        self.events = events
        self.capacity = wanted
        return 0

    cdef int resolve(self, size_t count) noexcept nogil:
        # As replay does, but for the event ids: a reader appends nothing that could be there already. 0, -1: damaged,
        # -2: out of memory.
        cdef size_t i
        for i in range(count):
            if decode_trusted(&self.events[i], &self.writer.scratch) != SCAN_OK and not self.events[i].erased:
                return -1
            self.writer.hash_keys(&self.events[i])
        for i in range(count):
            if resolve_keys(self.writer.graph, &self.events[i]) < 0:
                return -2
        return 0
