# Lines of a chunk as slices of events, scanned ahead of who takes them. Knows lines and their hashes; no log, no tables.

from libc.stdint cimport uint32_t, uint64_t

from primecore._ahead cimport ahead_t
from primecore._buffers cimport scratch_t
from primecore._event cimport event_t
from primecore._json cimport scan_error_t


cdef enum:
    SLICE_LINES = 64                # about 30 us of scanning; no more than the write path takes in one slice


# What SLICE_LINES lines hold: events[:count], each with the hashes of its keys. Blank lines hold none. A refused line, which
# ends the slice, stands behind the last of them; error.code says whether there is one.
ctypedef struct line_slice_t:
    event_t events[SLICE_LINES]
    uint64_t id_hashes[SLICE_LINES]       # of those events that have an event id
    size_t starts[SLICE_LINES]        # of the event's line, as offset into the chunk
    size_t ends[SLICE_LINES]          # without the line's ending
    size_t behind                   # offset of the line behind the slice
    uint32_t first_line
    uint32_t lines                  # blank ones among them
    uint32_t refused_line           # its number, where there is one
    uint32_t count
    scratch_t scratch               # what the events borrow beside the chunk
    scan_error_t error


# Looks up, in tables that it knows, the keys of events.
ctypedef void (*look_up_t)(void* tables, event_t* events, size_t count) noexcept nogil


ctypedef struct slicing_t:
    # Set before begin(), and left alone until end(), but that `offset` and `line` move on as lines are claimed.
    const char* data
    size_t size
    size_t offset
    uint32_t line                   # number of the line at `offset`
    bint derives_ids                # for lines without an event id, from these:
    const char* identity
    size_t identity_size
    uint64_t key_seed
    uint64_t id_seed
    look_up_t look_up               # called for each slice where a helper may do it
    void* tables
    line_slice_t* pieces
    bint looks_up                   # set by begin()


cdef class Slices:
    cdef slicing_t lines
    cdef ahead_t ahead
    cdef bint ready
    cdef int fork_generation

    cdef void begin(self) noexcept nogil                # a helper joins in where that pays
    cdef line_slice_t* take(self) noexcept nogil        # good until the next one is asked for; NULL behind the last
    cdef void end(self) noexcept nogil                  # also in the middle; nobody reads `data` any more
