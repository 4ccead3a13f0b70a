# Memory that compiled tables stand on: ranges that never move, blocks inside them, and the epochs that say when a block
# may be used again. Knows nothing of keys, events or files.

cimport cython
from libc.stdint cimport uint32_t, uint64_t


cdef enum memory_limit:
    ARENA_UNIT_BYTES = 16
    ARENA_CLASSES = 128
    EPOCH_SLOTS = 64


# A reserved virtual range. Its base never changes, so growing copies nothing and readers' pointers stay right.
# Fresh bytes are zero. Pages take memory when they are first touched.
@cython.final
cdef class Region:
    cdef char* base
    cdef size_t used_bytes                  # what the owner has asked for so far
    cdef size_t reserved_bytes              # what it can ever have
    cdef size_t ahead_bytes                 # pages before it have memory or were asked for
    cdef void* mapping
    cdef size_t mapping_bytes

    # Makes [0, new_used_bytes) usable. 0; -1 when the reservation is full (nothing changes). Never shrinks.
    cdef int grow(self, size_t new_used_bytes) noexcept nogil
    cdef void look_ahead(self) noexcept nogil
    # The first pages of a range are small, since most ranges are. Makes huge ones of those of which a quarter came into
    # use as it grew from `before` bytes to `now`, on another thread; where the system cannot, nothing happens.
    cdef void make_huge(self, size_t before, size_t now) noexcept nogil
    cdef int _check(self, size_t offset, size_t nbytes) except -1


# Blocks inside a Region, named by a u32 in units of 16 bytes. Reference 0 means "no block".
# One writer allocates and frees; readers may follow references at any time.
@cython.final
cdef class Arena:
    cdef readonly Region region
    cdef char* base                         # region.base, one load nearer
    cdef uint32_t heads[ARENA_CLASSES]      # first free block of each size class
    cdef size_t free_total

    # A block of at least nbytes (contents undefined), 16-byte aligned; 0 when the range is full.
    cdef uint32_t alloc(self, size_t nbytes) noexcept nogil
    # Takes a block back at once: the caller makes sure that no reader is left. nbytes as given to alloc.
    # ref 0 is ignored.
    cdef void free(self, uint32_t ref, size_t nbytes) noexcept nogil
    # What a block for nbytes really holds.
    cdef size_t capacity(self, size_t nbytes) noexcept nogil

    cdef inline char* at(self, uint32_t ref) noexcept nogil:
        return self.base + <size_t>ref * ARENA_UNIT_BYTES


# Who still reads. A reader enters, follows pointers, leaves. A writer unlinks memory, calls advance() and keeps the
# returned stamp with it; once oldest() >= stamp nobody can hold it any more.
@cython.final
cdef class Epochs:
    cdef uint64_t* words                    # one cache line each: [0] the clock, [1..64] the slots
    cdef void* block

    # A slot to hand to leave(). Never fails and never waits: with all slots taken, one is shared.
    cdef int enter(self) noexcept nogil
    cdef void leave(self, int slot) noexcept nogil
    # Moves the clock on; call after the unlinking store.
    cdef uint64_t advance(self) noexcept nogil
    # The stamp of the longest reader, or the clock when there is none.
    cdef uint64_t oldest(self) noexcept nogil
