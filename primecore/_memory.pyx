"""Ranges that never move, blocks inside them, and epochs. Knows nothing of keys, events or files."""

cimport cython
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free as c_free
from libc.string cimport memcpy


cdef extern from "region_map.h" nogil:
    char* region_map(size_t* reserve, void** mapping, size_t* mapping_bytes)
    void region_unmap(void* mapping, size_t mapping_bytes)
    enum: REGION_HUGE_BYTES
    enum: REGION_SMALL_BYTES


cdef extern from * nogil:
    void __builtin_prefetch(const void* address, int writes) noexcept


cdef extern from "page_ahead.h" nogil:
    void page_ahead_request(char* at, size_t nbytes, bint whole)
    void page_ahead_forget(const char* base, size_t nbytes)


cdef extern from "epoch_words.h" nogil:
    enum: EPOCH_STRIDE
    int epoch_try_enter(uint64_t* clock, uint64_t* slot, int may_share)
    void epoch_leave(uint64_t* slot)
    uint64_t epoch_advance(uint64_t* clock)
    uint64_t epoch_clock(uint64_t* clock)
    uint64_t epoch_stamp(uint64_t* slot, uint64_t otherwise)
    uint32_t epoch_first_slot(uint32_t slots)


cdef enum:
    PAGE_BYTES = 4096
    LEAD_BYTES = 512 << 10          # some milliseconds of the fastest growth there is
    SMALL_CLASSES = 32              # 16, 32 ... 512
    SMALL_BYTES = 512

# References are u32 in units of 16 bytes, and no block may cross the end.
cdef size_t ARENA_BYTES = <size_t>0xFFFFFFFF * ARENA_UNIT_BYTES

cdef size_t reserved_now = 0            # bytes of address space in all ranges; changed with the GIL held


def reserved_total() -> int:
    """Bytes of address space that all ranges of this process reserve."""
    return reserved_now


@cython.final
cdef class Region:
    """A virtual range of about `reserve_bytes` whose base never moves; pages cost memory once they are touched.

    Asks for half as much as long as the system refuses, so `reserved_bytes` may be less than was asked.
    MemoryError when nothing can be had, ValueError for a reservation of nothing.
    """

    def __cinit__(self, size_t reserve_bytes=<size_t>1 << 36):
        if reserve_bytes == 0:
            raise ValueError("reserve_bytes must be positive")
        reserve_bytes = (reserve_bytes + PAGE_BYTES - 1) & ~<size_t>(PAGE_BYTES - 1)
        if reserve_bytes < 65536:
            reserve_bytes = 65536
        self.base = region_map(&reserve_bytes, &self.mapping, &self.mapping_bytes)
        if self.base == NULL:
            raise MemoryError(f"cannot reserve {reserve_bytes} bytes of address space")
        self.reserved_bytes = reserve_bytes
        global reserved_now
        reserved_now += reserve_bytes
        self.ahead_bytes = REGION_SMALL_BYTES

    def __dealloc__(self):
        global reserved_now
        reserved_now -= self.reserved_bytes
        page_ahead_forget(self.base, self.reserved_bytes)
        region_unmap(self.mapping, self.mapping_bytes)

    cdef int grow(self, size_t new_used_bytes) noexcept nogil:
        if new_used_bytes > self.reserved_bytes:
            return -1
        if new_used_bytes > self.used_bytes:
            self.used_bytes = new_used_bytes
            if new_used_bytes + LEAD_BYTES > self.ahead_bytes:
                self.look_ahead()
        return 0

    cdef void look_ahead(self) noexcept nogil:
        # The next huge page gets its memory on another thread, shortly before it is needed.
        if self.used_bytes > self.ahead_bytes:
            self.ahead_bytes = (self.used_bytes + REGION_HUGE_BYTES - 1) & ~<size_t>(REGION_HUGE_BYTES - 1)
        if self.ahead_bytes + REGION_HUGE_BYTES <= self.reserved_bytes:
            page_ahead_request(self.base + self.ahead_bytes, REGION_HUGE_BYTES, False)
        self.ahead_bytes += REGION_HUGE_BYTES

    cdef void make_huge(self, size_t before, size_t now) noexcept nogil:
        cdef size_t first = 0
        while first + REGION_HUGE_BYTES <= REGION_SMALL_BYTES < self.reserved_bytes:
            if before < first + REGION_HUGE_BYTES // 4 <= now:
                page_ahead_request(self.base + first, REGION_HUGE_BYTES, True)
            first += REGION_HUGE_BYTES

    @property
    def used(self) -> int:
        """Bytes the owner has asked for."""
        return self.used_bytes

    @property
    def reserved(self) -> int:
        """Bytes the owner can ever have."""
        return self.reserved_bytes

    def extend(self, size_t new_used_bytes) -> bool:
        """Make the first `new_used_bytes` usable; False when the reservation is full. Never shrinks."""
        return self.grow(new_used_bytes) == 0

    def read(self, size_t offset, size_t nbytes) -> bytes:
        """Copy out bytes in use; IndexError beyond them."""
        self._check(offset, nbytes)
        return self.base[offset:offset + nbytes]

    def write(self, size_t offset, const unsigned char[::1] data not None) -> None:
        """Copy bytes in; IndexError beyond those in use."""
        self._check(offset, <size_t>data.shape[0])
        if data.shape[0]:
            memcpy(self.base + offset, &data[0], <size_t>data.shape[0])

    cdef int _check(self, size_t offset, size_t nbytes) except -1:
        if offset > self.used_bytes or nbytes > self.used_bytes - offset:
            raise IndexError(f"{nbytes} bytes at {offset} reach beyond the {self.used_bytes} in use")
        return 0


# Size classes: steps of 16 up to 512, then four to each doubling (640, 768, 896, 1024, 1280 ...): at most a quarter is
# left unused, and the class is found by counting leading zeros instead of by a search.
cdef inline uint32_t class_of(size_t nbytes) noexcept nogil:
    cdef size_t last
    cdef uint32_t doubling
    if nbytes <= SMALL_BYTES:
        return <uint32_t>((nbytes + 15) >> 4) - (1 if nbytes else 0)
    last = nbytes - 1
    doubling = 0
    while last >> (doubling + 1) >= SMALL_BYTES:
        doubling += 1
    # last >> doubling lies in [512, 1024): its two bits below the top one name the quarter.
    return SMALL_CLASSES + 4 * doubling + <uint32_t>((last >> (doubling + 7)) & 3)


cdef inline size_t class_bytes(uint32_t size_class) noexcept nogil:
    cdef uint32_t beyond
    if size_class < SMALL_CLASSES:
        return (<size_t>size_class + 1) << 4
    beyond = size_class - SMALL_CLASSES
    return <size_t>(5 + (beyond & 3)) << (7 + (beyond >> 2))


@cython.final
cdef class Arena:
    """Blocks in one Region, named by u32 references in units of 16 bytes; 0 names none. At most 64 GiB.

    One writer allocates and frees. Readers follow references without asking anyone.
    """

    def __cinit__(self, size_t reserve_bytes=<size_t>1 << 36):
        self.region = Region(min(reserve_bytes, ARENA_BYTES))
        self.base = self.region.base
        self.region.grow(ARENA_UNIT_BYTES)      # reference 0 is taken by "none"

    cdef uint32_t alloc(self, size_t nbytes) noexcept nogil:
        cdef uint32_t size_class, ref
        cdef size_t start, size
        if nbytes > ARENA_BYTES:
            return 0
        size_class = class_of(nbytes)
        if size_class >= ARENA_CLASSES:
            return 0
        size = class_bytes(size_class)
        ref = self.heads[size_class]
        if ref != 0:
            memcpy(&self.heads[size_class], self.at(ref), sizeof(uint32_t))
            # The next of this class is written to as soon as it is asked for, and was last touched long ago.
            __builtin_prefetch(self.at(self.heads[size_class]), 1)
            self.free_total -= size
            return ref
        start = self.region.used_bytes
        if size > ARENA_BYTES - start or self.region.grow(start + size) < 0:
            return 0
        return <uint32_t>(start // ARENA_UNIT_BYTES)

    cdef void free(self, uint32_t ref, size_t nbytes) noexcept nogil:
        cdef uint32_t size_class
        if ref == 0:
            return
        size_class = class_of(nbytes)
        memcpy(self.at(ref), &self.heads[size_class], sizeof(uint32_t))
        self.heads[size_class] = ref
        self.free_total += class_bytes(size_class)

    cdef size_t capacity(self, size_t nbytes) noexcept nogil:
        return class_bytes(class_of(nbytes))

    @property
    def used_bytes(self) -> int:
        """Bytes handed out at some time, those free again included."""
        return self.region.used_bytes

    @property
    def free_bytes(self) -> int:
        """Bytes waiting in the free lists."""
        return self.free_total

    def allocate(self, size_t nbytes) -> int:
        """A reference to a block of at least `nbytes`; MemoryError when the range is full."""
        cdef uint32_t ref = self.alloc(nbytes)
        if ref == 0:
            raise MemoryError(f"no room for {nbytes} bytes")
        return ref

    def release(self, uint32_t ref, size_t nbytes) -> None:
        """Take back what `allocate(nbytes)` gave."""
        self.free(ref, nbytes)

    def capacity_for(self, size_t nbytes) -> int:
        """Bytes that a block for `nbytes` really holds."""
        return self.capacity(nbytes)


@cython.final
cdef class Epochs:
    """Who still reads: readers enter and leave, a writer learns when unlinked memory has no reader left."""

    def __cinit__(self):
        cdef size_t words = (EPOCH_SLOTS + 2) * EPOCH_STRIDE
        self.block = calloc(words, sizeof(uint64_t))
        if self.block == NULL:
            raise MemoryError
        # Lines of their own: a slot that shares one with another reader's would cost both of them.
        self.words = <uint64_t*>((<size_t>self.block + 63) & ~<size_t>63)
        self.words[0] = 1

    def __dealloc__(self):
        c_free(self.block)

    cdef int enter(self) noexcept nogil:
        cdef uint32_t first = epoch_first_slot(EPOCH_SLOTS)
        cdef uint32_t tries = 0
        cdef uint32_t slot
        while True:
            slot = (first + tries) % EPOCH_SLOTS
            if epoch_try_enter(self.words, self.words + (slot + 1) * EPOCH_STRIDE, tries >= EPOCH_SLOTS):
                return <int>slot
            tries += 1

    cdef void leave(self, int slot) noexcept nogil:
        epoch_leave(self.words + (<uint32_t>slot + 1) * EPOCH_STRIDE)

    cdef uint64_t advance(self) noexcept nogil:
        return epoch_advance(self.words)

    cdef uint64_t oldest(self) noexcept nogil:
        # The clock is read first: a reader that enters later has at least this stamp.
        cdef uint64_t found = epoch_clock(self.words)
        cdef uint64_t stamp
        cdef uint32_t slot
        for slot in range(EPOCH_SLOTS):
            stamp = epoch_stamp(self.words + (slot + 1) * EPOCH_STRIDE, found)
            if stamp < found:
                found = stamp
        return found

    def begin(self) -> int:
        """Enter as a reader; give the returned slot to `end`."""
        return self.enter()

    def end(self, int slot) -> None:
        """Leave a slot that `begin` gave."""
        if not 0 <= slot < EPOCH_SLOTS:
            raise ValueError(f"slot {slot} is not one of {EPOCH_SLOTS}")
        if epoch_stamp(self.words + (slot + 1) * EPOCH_STRIDE, 0) == 0:
            raise ValueError(f"slot {slot} has no reader")
        self.leave(slot)

    def tick(self) -> int:
        """Move the clock on; the new stamp belongs to what was unlinked before."""
        return self.advance()

    def horizon(self) -> int:
        """What was unlinked with this stamp or an older one has no reader left."""
        return self.oldest()
