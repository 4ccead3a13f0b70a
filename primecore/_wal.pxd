# The write-ahead log in memory: mapped segments, the tail that takes appends, and reading by position.
#
# Opens no file and knows no path: log.py hands in the segments. Knows an event's envelope, never its payload.
# docs/format.md describes the bytes; _format.pxd holds their layout.
#
# Threads: one writer at a time (the caller's lock). Any number of readers, with or without the GIL, for positions up to
# one that the writer published after its append. Slices that come out borrow from the mappings: they are good for as
# long as this object is, also after the log was closed.

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from primecore._event cimport event_t
from primecore._mapping cimport mapping_t
from primecore._segment cimport Segment, segment_t
from primecore._sync cimport sync_t


cdef enum wal_status:
    WAL_OK = 0
    WAL_NO_ROOM = -1        # nothing was written: take the GIL, call log.make_room(record_bytes(event)), try again
    WAL_POISONED = -2       # a write or sync failed earlier: no more appends until the store is opened again
    WAL_ABSENT = -3         # no event has this position
    WAL_CORRUPT = -4        # the record's checksum does not hold
    WAL_FORKED = -5         # this is a forked child of the process that opened the log
    WAL_CLOSED = -6
    WAL_READ_ONLY = -7
    WAL_MISUSE = -8         # wrong position, a field beyond its limit, a batch begun twice or committed without one


cdef enum:
    MAX_SEGMENTS = 1 << 20  # 64 TiB of full segments; the table of pointers is reserved, not used


cdef extern from "chacha.h" nogil:
    ctypedef struct chacha_t:
        pass


@cython.final
cdef class Wal:
    # --- what the writer reads and sets
    cdef readonly uint64_t last_position        # 0: empty; counts the events of an open batch
    cdef readonly uint64_t durable_position     # every event up to it survives power loss
    cdef readonly uint64_t committed_position   # as last_position, without the events of an open batch
    cdef readonly int64_t last_time_us          # the highest time that was assigned, not given by a source

    # --- append side (the writer only). They return a wal_status.
    cdef int append(self, event_t* event) noexcept nogil
    cdef int begin_batch(self) noexcept nogil
    cdef int commit_batch(self) noexcept nogil      # never WAL_NO_ROOM: append keeps room for the commit
    cdef int abort_batch(self) noexcept nogil
    cdef size_t record_bytes(self, event_t* event) noexcept nogil   # 0: a field is beyond its limit

    # --- read side (any thread)
    cdef int read(self, uint64_t position, event_t* out) noexcept nogil
    cdef uint32_t scan(self, uint64_t first, event_t* out, uint32_t capacity) noexcept nogil

    cdef int record_at(self, uint64_t position, const char** out) noexcept nogil   # checked, with all its bytes

    # --- private
    cdef uint32_t pins                          # who reads segments without the GIL: none is unmapped meanwhile
    cdef segment_t** segments                   # a reserved range that never moves
    cdef uint32_t segment_count
    cdef segment_t* active                      # NULL: read-only, closed or not started
    cdef sync_t sync
    cdef bint sync_ready
    cdef bint in_memory                         # no disk: what is committed is durable
    cdef bint write_failed                      # the append that met the failure has not been told yet
    cdef list kept                              # the Segment objects
    cdef mapping_t* live                        # LIVE, where readers in other processes look; NULL: there are none
    cdef int state                              # 0: takes appends; else the wal_status that append answers
    cdef int fork_generation
    cdef uint64_t tail                          # of the active segment, with an open batch
    cdef uint64_t prepare_from                  # tail from which on the next segment is asked for
    cdef uint64_t batch_offset                  # 0: no batch is open
    cdef uint64_t batch_begun_position          # last_position when it began
    cdef int64_t batch_begun_time_us
    cdef chacha_t nonces
    cdef void use(self, segment_t* segment) noexcept nogil
    cdef void publish(self) noexcept nogil
    cdef segment_t* segment_of(self, uint64_t position) noexcept nogil
    cdef bint is_forked(self) noexcept nogil
