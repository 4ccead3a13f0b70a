# One segment: its header, its promises, the walk that checks its records, and the way from a position to a record.
# Knows mapped bytes; no path, no other segment, no thread.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from primecore._mapping cimport Mapping, mapping_t


cdef enum:
    SEGMENT_CHECKED = 0
    SEGMENT_UNCHECKED = 1           # `tail` and `event_count` are what the manifest says
    SEGMENT_DAMAGED = 2
    SEGMENT_GONE = 3                # a history file has its events, and its bytes are unmapped


ctypedef struct segment_t:
    mapping_t* mapping
    uint64_t segment_id             # ordinal, gapless from 1
    uint64_t base_position          # position of its first event
    uint64_t event_count            # events that are there for good: written whole and, in a batch, committed
    uint64_t tail                   # offset in bytes of the end of the last of them, or of its commit
    uint32_t* index                 # offset / 8 of every INDEX_STRIDE-th event, also of those not yet committed
    uint64_t index_capacity
    uint64_t promise_sequence
    uint64_t let_go_offset          # whole pages before it are out of the page table: the sync thread's
    uint64_t chain_offset           # how far the chain was computed
    uint8_t chain[16]
    uint32_t crc_seed
    uint32_t unchecked              # SEGMENT_CHECKED, or why its records may not be read yet


ctypedef struct walk_t:             # what a walk found behind the tail it began at
    int fault                       # record_fault, 0: zeros or the end of the segment
    uint64_t fault_offset
    uint64_t open_batch             # offset of a batch without its commit; 0: none
    uint64_t promise                # the highest durable position that a commit speaks of
    int64_t last_time_us            # the highest assigned time


# Moves tail and event_count over every record that holds. A batch counts from its commit on.
cdef void segment_walk(segment_t* segment, walk_t* walk) noexcept nogil

# Notes where event `number` (from 0) of the segment lies.
cdef void segment_note(segment_t* segment, uint64_t number, uint64_t offset) noexcept nogil

# The record of `position`, which must have been written; NULL where lengths are damaged.
cdef const char* segment_locate(const segment_t* segment, uint64_t position) noexcept nogil

# The next event's record at or behind `at`, NULL where lengths are damaged or at the end.
cdef const char* segment_next_event(const segment_t* segment, const char* at) noexcept nogil

# Reads and checks all records of a segment that was opened unchecked. SEGMENT_CHECKED, or SEGMENT_DAMAGED.
cdef uint32_t segment_check(segment_t* segment) noexcept nogil

# Brings the chain up to offset `until`, which must be a record's end.
cdef void segment_chain(segment_t* segment, uint64_t until) noexcept nogil

# Writes the next promise. 0 or errno.
cdef int segment_promise(segment_t* segment, uint64_t durable_position, uint64_t clean_bytes) noexcept nogil


cdef class Segment:
    cdef segment_t c_segment
    cdef readonly Mapping mapping
    cdef readonly object header                 # a SegmentHeader
    cdef readonly uint64_t promised_position    # as read when it was opened; 0: none
    cdef readonly uint64_t clean_bytes          # as read when it was opened; 0: not closed cleanly
    cdef int _map(self, Mapping mapping, object header) except -1
