# Texts by number, in one arena. The contract stands in _texts.pxd.

from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcpy

from primecore._event cimport slice_t
from primecore._image cimport Draft, Image
from primecore._memory cimport Arena, Region


cdef class Texts:
    """What was stored as text beside vectors, by the number of their entity."""

    def __cinit__(self):
        self.arena = Arena()
        self.slots = Region(<size_t>64 << 30)

    @property
    def used_bytes(self):
        """Bytes taken so far, freed blocks among them."""
        return self.arena.used_bytes + self.slots.used_bytes

    def dump(self, Draft draft not None, str name not None):
        """Adds the texts to a draft."""
        draft.arena(f"{name}.arena", self.arena)
        draft.region(f"{name}.slots", self.slots)
        draft.notes[name] = {"count": self.count}

    def load(self, Image image not None, str name not None):
        """Takes over what `dump` added."""
        image.arena(f"{name}.arena", self.arena)
        image.region(f"{name}.slots", self.slots)
        self.count = image.note(name)["count"]

    cdef uint32_t numbers(self) noexcept nogil:
        return <uint32_t>(self.slots.used_bytes // sizeof(text_t))

    cdef text_t* slot(self, uint32_t number) noexcept nogil:
        if number >= self.numbers():
            return NULL
        return (<text_t*>self.slots.base) + number

    cdef slice_t text(self, uint32_t number) noexcept nogil:
        cdef text_t* slot = self.slot(number)
        cdef slice_t out
        out.data = b""
        out.size = 0
        if slot != NULL and slot.ref:
            out.data = self.arena.at(slot.ref)
            out.size = slot.size
        return out

    cdef int put(self, uint32_t number, slice_t text, int64_t time_us) noexcept nogil:
        cdef size_t end = (<size_t>number + 1) * sizeof(text_t)
        cdef text_t* slot
        cdef uint32_t ref
        self.drop(number)
        if text.size == 0:
            return 0
        if end > self.slots.used_bytes and self.slots.grow(end) < 0:
            return -1
        ref = self.arena.alloc(text.size)
        if ref == 0:
            return -1
        memcpy(self.arena.at(ref), text.data, text.size)
        slot = self.slot(number)
        slot.ref = ref
        slot.size = text.size
        slot.time_us = time_us
        self.count += 1
        return 0

    cdef void drop(self, uint32_t number) noexcept nogil:
        cdef text_t* slot = self.slot(number)
        if slot == NULL or slot.ref == 0:
            return
        self.arena.free(slot.ref, slot.size)
        slot.ref = 0
        self.count -= 1

    cdef void clear(self) noexcept nogil:
        cdef uint32_t number
        if self.count:
            for number in range(self.numbers()):
                self.drop(number)
