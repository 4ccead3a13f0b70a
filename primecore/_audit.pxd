# What looks at a log record by record behind its owner's back: versions, places where records begin again after damage,
# and copies of records into another store. Knows segments; opens no file, and changes none but the one it fills.

from libc.stdint cimport uint32_t, uint64_t

from primecore._keycell cimport key_cell_t
from primecore._shards cimport KeyTable


ctypedef struct version_t:
    key_cell_t key
    uint32_t version                # of the entity's latest event
    uint32_t reserved


cdef class Versions:
    cdef KeyTable table
    cdef readonly uint64_t jumps    # events whose version was not the next of their entity

    # The version after this one's, counting it. 0: no memory.
    cdef uint32_t next(self, const char* at) noexcept nogil
