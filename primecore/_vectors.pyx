# Which vectors are live, and their texts. The contract stands in _vectors.pxd.

from libc.stdint cimport uint32_t
from libc.string cimport memcpy

from primecore._event cimport MAX_ENTITY_ID_BYTES, NONE32, event_t
from primecore._image cimport Draft, Image
from primecore._records cimport entity_t
from primecore._shards cimport KeyTable
from primecore._texts cimport Texts


cdef class Vectors:
    """Liveness of stored vectors: until deleted, until their node is, until the space is defined anew."""

    def __cinit__(self, KeyTable entities not None):
        self.entities = entities
        self.texts = Texts()

    def dump(self, Draft draft not None, str name not None):
        """Adds the texts, notes the space and the counts; which vectors are live stands in the entities' records."""
        self.texts.dump(draft, f"{name}.texts")
        draft.notes[name] = {
            "dimensions": self.space_dimensions, "space": self.space, "shown": self.shown, "hidden": self.hidden,
        }

    def load(self, Image image not None, str name not None):
        """Takes over what `dump` noted."""
        self.texts.load(image, f"{name}.texts")
        noted = image.note(name)
        self.space_dimensions = noted["dimensions"]
        self.space = noted["space"]
        self.shown = noted["shown"]
        self.hidden = noted["hidden"]

    cdef entity_t* entity(self, uint32_t number) noexcept nogil:
        return <entity_t*>self.entities.record(number)

    cdef bint is_live(self, uint32_t number) noexcept nogil:
        cdef entity_t* vector = self.entity(number)
        return vector.born != 0 and vector.space == self.space

    cdef int stored(self, uint32_t number, const event_t* event, bint shows) except? -99:
        cdef bint fresh = not self.is_live(number)
        self.entity(number).born = <uint32_t>event.position
        self.entity(number).space = self.space
        if self.texts.put(number, event.text, event.time_us) < 0:
            raise MemoryError("no room for the text of a vector")
        if not fresh:
            return 0
        if shows:
            self.shown += 1
            return 1
        self.hidden += 1
        return 0

    cdef int deleted(self, uint32_t number, bint shows) noexcept nogil:
        self.entity(number).born = 0
        self.texts.drop(number)
        if shows:
            self.shown -= 1
            return -1
        self.hidden -= 1
        return 0

    cdef uint32_t of_node(self, const char* node, uint32_t size) noexcept nogil:
        # The live vector of a node, NONE32 where there is none.
        cdef char[MAX_ENTITY_ID_BYTES + 4] key
        cdef uint32_t number
        if size > MAX_ENTITY_ID_BYTES:
            return NONE32
        memcpy(key, b"vec:", 4)
        memcpy(key + 4, node, size)
        number = self.entities.find(self.entities.hash(key, size + 4), key, size + 4)
        return number if number != NONE32 and self.is_live(number) else <uint32_t>NONE32

    cdef int node_born(self, const char* node, uint32_t size) noexcept nogil:
        # A vector that was stored before its node shows from now on.
        if self.hidden == 0 or self.of_node(node, size) == NONE32:
            return 0
        self.hidden -= 1
        self.shown += 1
        return 1

    cdef int node_died(self, const char* node, uint32_t size) noexcept nogil:
        cdef uint32_t number
        if self.shown == 0:
            return 0
        number = self.of_node(node, size)
        if number == NONE32:
            return 0
        self.entity(number).born = 0
        self.texts.drop(number)
        self.shown -= 1
        return -1

    cdef void define_space(self, uint32_t dimensions) noexcept nogil:
        # The index is emptied: whatever was stored before is gone.
        self.space += 1
        self.space_dimensions = dimensions
        self.shown = 0
        self.hidden = 0
        self.texts.clear()
