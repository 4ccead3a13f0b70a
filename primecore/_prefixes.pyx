"""Interned heads of keys: text to small number and back. Knows bytes only."""

cimport cython
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy
from primecore._keycell cimport prefix_slot_t
from primecore._image cimport Draft, Image
from primecore._memory cimport Region


cdef extern from "hash.h" nogil:
    uint64_t prime_hash64(const void* text, size_t size, uint64_t seed)


@cython.final
cdef class Prefixes:
    """Up to 65,536 texts of at most 255 bytes, numbered from 1 in the order they came; 0 is the empty text.

    `seed` (u64) is that of the table which owns them. Texts are never given up, so readers may keep pointing at them.
    """

    def __cinit__(self, uint64_t seed):
        self.seed = seed
        self.slot_region = Region(MAX_PREFIXES * sizeof(prefix_slot_t))
        self.slot_region.grow(sizeof(prefix_slot_t))
        self.slots = <prefix_slot_t*>self.slot_region.base
        self.byte_region = Region(MAX_PREFIXES * MAX_PREFIX_BYTES)
        self.bytes = self.byte_region.base
        self.count = 1

    def __dealloc__(self):
        free(self.table)

    cdef uint32_t intern(self, const char* text, uint32_t size) noexcept nogil:
        cdef uint32_t place
        cdef prefix_slot_t* slot
        if size == 0 or size > MAX_PREFIX_BYTES:
            return 0
        if 2 * self.count > self.table_mask and self.grow_table() < 0:
            return 0
        place = <uint32_t>prime_hash64(text, size, self.seed) & self.table_mask
        while self.table[place]:
            if self.is_text(self.table[place], text, size):
                return self.table[place]
            place = (place + 1) & self.table_mask
        if self.count == MAX_PREFIXES or self.slot_region.grow((self.count + 1) * sizeof(prefix_slot_t)) < 0:
            return 0
        slot = &self.slots[self.count]
        slot.offset = <uint32_t>self.byte_region.used_bytes
        if self.byte_region.grow(<size_t>slot.offset + size) < 0:
            return 0
        memcpy(self.bytes + slot.offset, text, size)
        slot.size = size
        self.table[place] = self.count
        self.count += 1
        return self.table[place]

    cdef int grow_table(self) noexcept nogil:
        # Wide enough for all at once: after load() there are many and no table yet.
        cdef uint32_t mask = 2 * self.table_mask + 1 if self.table != NULL else 63
        cdef uint32_t* grown
        cdef uint32_t prefix, place
        while 2 * self.count > mask:
            mask = 2 * mask + 1
        grown = <uint32_t*>calloc(<size_t>mask + 1, sizeof(uint32_t))
        if grown == NULL:
            return -1
        for prefix in range(1, self.count):
            place = <uint32_t>prime_hash64(self.bytes + self.slots[prefix].offset, self.slots[prefix].size,
                                           self.seed) & mask
            while grown[place]:
                place = (place + 1) & mask
            grown[place] = prefix
        free(self.table)
        self.table = grown
        self.table_mask = mask
        return 0

    def dump(self, Draft draft not None, str name not None) -> None:
        """Add the texts to a draft."""
        draft.region(f"{name}.slots", self.slot_region)
        draft.region(f"{name}.texts", self.byte_region)
        draft.notes[name] = {"count": self.count}

    def load(self, Image image not None, str name not None, uint64_t seed) -> None:
        """Take over what `dump` added; the table that finds texts is made anew. MemoryError."""
        image.region(f"{name}.slots", self.slot_region)
        image.region(f"{name}.texts", self.byte_region)
        self.count = image.note(name)["count"]
        self.seed = seed
        if self.grow_table() < 0:
            raise MemoryError("no room for prefixes")

    def number(self, const unsigned char[::1] text not None) -> int:
        """Intern a text; 0 when it is empty, longer than 255 bytes, or 65,536 others came first."""
        return self.intern(<const char*>&text[0], <uint32_t>text.shape[0]) if text.shape[0] else 0

    def text_of(self, uint32_t prefix) -> bytes:
        """The text behind a number; IndexError for one that was never given out."""
        if prefix >= self.count:
            raise IndexError(f"prefix {prefix} was never given out; there are {self.count}")
        return self.text(prefix).data[:self.text(prefix).size]
