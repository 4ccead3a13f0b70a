# LIVE: one page that the owner of a store shares with the processes that read it: how far the log goes.
# Knows one mapped page; no segment, no path. What it says is a hint: the log's own checksums say what is true.

from libc.stdint cimport uint64_t

from primecore._format cimport live_t
from primecore._mapping cimport WRITTEN_FILE, Mapping, mapping_t, mapping_write


cdef extern from "atomics.h" nogil:
    void store_release_u64(uint64_t*, uint64_t)


# The owner's stores. Where the mapping does not share them by itself a pwrite does; if that fails, readers hear later.
cdef inline void live_committed(mapping_t* page, uint64_t position) noexcept nogil:
    cdef live_t* live = <live_t*>page.data
    store_release_u64(&live.committed_position, position)
    if page.kind == WRITTEN_FILE:
        mapping_write(page, <char*>&live.committed_position - page.data, 8)


cdef inline void live_durable(mapping_t* page, uint64_t position) noexcept nogil:
    cdef live_t* live = <live_t*>page.data
    store_release_u64(&live.durable_position, position)
    if page.kind == WRITTEN_FILE:
        mapping_write(page, <char*>&live.durable_position - page.data, 8)


cdef class Live:
    cdef readonly Mapping mapping
    cdef live_t* page
