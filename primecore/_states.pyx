# Properties, labels and validity in an arena. The contract stands in _states.pxd.

from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcpy

from primecore._event cimport slice_t
from primecore._buffers cimport buffer_free, buffer_init
from primecore._image cimport Draft, Image
from primecore._jsontree cimport json_merge
from primecore._memory cimport Arena


cdef inline size_t header_of(state_t* state, uint32_t header) noexcept nogil:
    # What comes before the properties.
    return header + (sizeof(int64_t) if header == NODE_HEADER and state.valid_from_us != UNBOUNDED else 0)


cdef class States:
    """The arena of what nodes and edges say of themselves."""

    def __cinit__(self):
        self.arena = Arena()
        buffer_init(&self.buffer)

    def __dealloc__(self):
        buffer_free(&self.buffer)

    @property
    def used_bytes(self):
        """Bytes taken from the arena so far, freed blocks among them."""
        return self.arena.used_bytes

    def dump(self, Draft draft not None, str name not None):
        """Adds the arena to a draft."""
        draft.arena(name, self.arena)

    def load(self, Image image not None, str name not None):
        """Takes over what `dump` added."""
        image.arena(name, self.arena)

    cdef void read(self, uint32_t ref, uint32_t header, state_t* out) noexcept nogil:
        out.properties_bytes = 0
        out.labels_bytes = 0
        out.valid_from_us = UNBOUNDED
        out.valid_to_us = UNBOUNDED
        if ref:
            memcpy(out, self.arena.at(ref), header)
            if out.labels_bytes & STATE_CHANGED:
                out.labels_bytes &= ~<uint32_t>STATE_CHANGED
                memcpy(&out.valid_from_us, self.arena.at(ref) + header, sizeof(int64_t))

    cdef slice_t properties(self, uint32_t ref, uint32_t header) noexcept nogil:
        cdef state_t state
        cdef slice_t out
        self.read(ref, header, &state)
        out.data = b"{}"
        out.size = 2
        if state.properties_bytes:
            out.data = self.arena.at(ref) + header_of(&state, header)
            out.size = state.properties_bytes
        return out

    cdef slice_t labels(self, uint32_t ref, uint32_t header) noexcept nogil:
        cdef state_t state
        cdef slice_t out
        self.read(ref, header, &state)
        out.data = self.arena.at(ref) + header_of(&state, header) + state.properties_bytes
        out.size = state.labels_bytes
        return out

    cdef int64_t changed_us(self, uint32_t ref) noexcept nogil:
        cdef state_t state
        self.read(ref, NODE_HEADER, &state)
        return state.valid_from_us

    cdef void drop(self, uint32_t* ref, uint32_t header) noexcept nogil:
        cdef state_t old
        if ref[0]:
            self.read(ref[0], header, &old)
            self.arena.free(ref[0], header_of(&old, header) + old.properties_bytes + old.labels_bytes)
            ref[0] = 0

    cdef int put(self, uint32_t* ref, uint32_t header, slice_t properties, slice_t labels, int64_t valid_from_us,
                 int64_t valid_to_us) except -1:
        cdef state_t state
        cdef char* at
        cdef size_t head
        state.properties_bytes = 0 if properties.size == 2 else properties.size     # "{}" is what nothing says too
        state.labels_bytes = 0 if labels.size == 2 else labels.size
        state.valid_from_us = valid_from_us
        state.valid_to_us = valid_to_us
        ref[0] = 0
        if not (state.properties_bytes or state.labels_bytes or valid_from_us != UNBOUNDED or valid_to_us != UNBOUNDED):
            return 0
        head = header_of(&state, header)
        ref[0] = self.arena.alloc(head + state.properties_bytes + state.labels_bytes)
        if ref[0] == 0:
            raise MemoryError("no room for properties")
        at = self.arena.at(ref[0])
        if head != header:
            memcpy(at + header, &valid_from_us, sizeof(int64_t))
            state.labels_bytes |= STATE_CHANGED
        memcpy(at, &state, header)
        state.labels_bytes &= ~<uint32_t>STATE_CHANGED
        if state.properties_bytes:
            memcpy(at + head, properties.data, state.properties_bytes)
        if state.labels_bytes:
            memcpy(at + head + state.properties_bytes, labels.data, state.labels_bytes)
        return 0

    cdef int merge(self, uint32_t* ref, uint32_t header, slice_t patch, slice_t labels, int64_t valid_from_us,
                   int64_t valid_to_us) except -1:
        # The old state is read until the new one is written, so it is freed last.
        cdef uint32_t former = ref[0]
        cdef slice_t properties = self.properties(former, header)
        if labels.size == 0:
            labels = self.labels(former, header)
        if patch.size:
            self.buffer.size = 0
            if json_merge(properties, patch, &self.buffer) < 0:
                raise MemoryError("no room to merge properties")
            properties.data = self.buffer.data
            properties.size = <uint32_t>self.buffer.size
        self.put(ref, header, properties, labels, valid_from_us, valid_to_us)
        self.drop(&former, header)
        return 0
