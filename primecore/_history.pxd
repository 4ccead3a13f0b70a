# History: each event's predecessor of the same entity, four bytes an event, and between which times each block of
# events lies. Knows positions and times only.

cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t

from primecore._memory cimport Region


cdef enum:
    BLOCK_EVENTS = 64               # positions n * 64 to n * 64 + 63 are one block


ctypedef struct times_t:            # of a block, in microseconds
    int64_t highest                 # of all events up to its end
    int64_t lowest                  # of its own


@cython.final
cdef class History:
    cdef Region region              # u32 per position: the entity's previous position, 0 for its first event
    cdef Region times               # times_t per block
    cdef readonly uint64_t count    # positions linked

    cdef int link(self, uint64_t position, uint32_t previous, int64_t time_us) noexcept nogil
    cdef uint32_t previous(self, uint64_t position) noexcept nogil
