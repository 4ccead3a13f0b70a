# Interned heads of keys ("node:person:", "edge:"): text to small number and back. Knows bytes only.

cimport cython
from libc.stdint cimport uint32_t, uint64_t
from primecore._event cimport slice_t
from primecore._keycell cimport key_bytes_equal, prefix_slot_t
from primecore._memory cimport Region


cdef enum prefix_limit:
    MAX_PREFIXES = 65536
    MAX_PREFIX_BYTES = 255


# One writer interns; readers follow numbers that reached them in a published record. Number 0 is "".
@cython.final
cdef class Prefixes:
    cdef prefix_slot_t* slots               # {offset, size} of each prefix, in a Region
    cdef char* bytes                        # their texts, in a Region
    cdef Region slot_region
    cdef Region byte_region
    cdef readonly uint32_t count
    cdef uint64_t seed
    cdef uint32_t* table                    # open addressing, writer only; 0 is an empty place
    cdef uint32_t table_mask

    # The text's number; 0 when it is empty, too long, or there are too many.
    cdef uint32_t intern(self, const char* text, uint32_t size) noexcept nogil
    cdef int grow_table(self) noexcept nogil

    cdef inline bint is_text(self, uint32_t prefix, const char* text, uint32_t size) noexcept nogil:
        return (self.slots[prefix].size == size
                and key_bytes_equal(self.bytes + self.slots[prefix].offset, text, size))

    cdef inline slice_t text(self, uint32_t prefix) noexcept nogil:
        cdef slice_t found
        found.data = self.bytes + self.slots[prefix].offset
        found.size = self.slots[prefix].size
        return found
