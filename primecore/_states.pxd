# What nodes and edges say of themselves: properties and labels as JSON bytes, and an edge's validity, in one arena.
# Knows JSON text; no events, no records.

cimport cython
from libc.stdint cimport int64_t, uint32_t

from primecore._event cimport slice_t
from primecore._buffers cimport buffer_t
from primecore._memory cimport Arena


cdef extern from *:
    """
    #define PRIME_UNBOUNDED INT64_MIN
    """
    const int64_t UNBOUNDED "PRIME_UNBOUNDED"       # a time that was not given


cdef enum:
    NODE_HEADER = 8                 # bytes of state_t that a node's state begins with
    EDGE_HEADER = 24
    STATE_CHANGED = 0x80000000      # in labels_bytes: the time of a node's last change follows its header, 8 bytes


# A reference names this header, then the properties, then the labels. Reference 0: {} and nothing else.
ctypedef struct state_t:
    uint32_t properties_bytes
    uint32_t labels_bytes
    int64_t valid_from_us           # edges; of a node, once it is read: when it last changed, UNBOUNDED: not since
    int64_t valid_to_us             # its creation


cdef inline int64_t changed_at(int64_t time_us, int64_t created_us) noexcept nogil:
    # As a node's state keeps it.
    return UNBOUNDED if time_us == created_us else time_us


@cython.final
cdef class States:
    cdef readonly Arena arena
    cdef buffer_t buffer

    cdef void read(self, uint32_t ref, uint32_t header, state_t* out) noexcept nogil
    cdef slice_t properties(self, uint32_t ref, uint32_t header) noexcept nogil      # "{}" where there are none
    cdef slice_t labels(self, uint32_t ref, uint32_t header) noexcept nogil          # size 0 where there are none
    cdef int64_t changed_us(self, uint32_t ref) noexcept nogil                       # of a node, or UNBOUNDED
    cdef void drop(self, uint32_t* ref, uint32_t header) noexcept nogil
    # For a node the first of the two times is that of its last change, UNBOUNDED where that is its creation.
    cdef int put(self, uint32_t* ref, uint32_t header, slice_t properties, slice_t labels, int64_t valid_from_us,
                 int64_t valid_to_us) except -1
    cdef int merge(self, uint32_t* ref, uint32_t header, slice_t patch, slice_t labels, int64_t valid_from_us,
                   int64_t valid_to_us) except -1
