# Which vectors are live, their texts, and which space is in force. The vectors themselves are not known here.

from libc.stdint cimport uint32_t

from primecore._event cimport event_t
from primecore._records cimport entity_t
from primecore._shards cimport KeyTable
from primecore._texts cimport Texts


cdef class Vectors:
    cdef KeyTable entities                  # entity_t, vec:{id} among them
    cdef readonly Texts texts               # by number of the entity; of live vectors only
    cdef readonly uint32_t space_dimensions # of the space in force, 0: none defined
    cdef uint32_t space                     # definitions so far: a vector of an earlier one is gone
    cdef uint32_t shown                     # live vectors that queries may return
    cdef uint32_t hidden                    # live vectors of nodes that are not live

    cdef entity_t* entity(self, uint32_t number) noexcept nogil
    cdef bint is_live(self, uint32_t number) noexcept nogil
    # Each returns by how much the number of shown vectors changed.
    cdef int stored(self, uint32_t number, const event_t* event, bint shows) except? -99
    cdef int deleted(self, uint32_t number, bint shows) noexcept nogil
    cdef int node_born(self, const char* node, uint32_t size) noexcept nogil
    cdef int node_died(self, const char* node, uint32_t size) noexcept nogil
    cdef void define_space(self, uint32_t dimensions) noexcept nogil
    cdef uint32_t of_node(self, const char* node, uint32_t size) noexcept nogil
