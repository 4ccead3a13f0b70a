# Adjacency lists: who is joined to a node, by which edge, in order of creation.
# Knows numbers only, no keys and no events.
#
# A list is one 64-bit word in its node's record, published by one release store:
#     block u32 | capacity class 6 bits | "holds dead entries" 1 bit | entries 25 bits
# A block holds `peer u32[c] | edge u32[c] | relation u16[c]`; edge numbers rise along it, so an edge is found by
# bisection. A reader that took the word may read its entries for as long as it holds the GIL, sits in an epoch slot,
# or is an open result.

cimport cython
from libc.stdint cimport uint16_t, uint32_t, uint64_t

from primecore._memory cimport Arena, Epochs


cdef enum:
    RELATION_DEAD = 0x8000          # flag of an entry in a large list whose edge is gone
    RELATION_FAR = 0x7FFF           # the relation's number stands in the edge's record
    MAX_DEGREE = 0x1FFFFFF
    CLASSES = 55


ctypedef struct list_view_t:
    const uint32_t* peers
    const uint32_t* edges
    const uint16_t* relations
    uint32_t count                  # entries, dead ones among them
    uint32_t dead


ctypedef struct link_t:             # in a ring; alone it points at itself
    link_t* previous
    link_t* next
    void* owner                     # borrowed: the object that holds the link


cdef extern from * nogil:
    void __builtin_prefetch(const void* address) noexcept


cdef inline uint32_t word_block(uint64_t word) noexcept nogil:
    return <uint32_t>word


cdef class OpenResult:
    # A lazy result that still points into the tables.
    # The writer freezes all open ones before it changes what they point at.
    # Who derives from it calls unlink() in its own __dealloc__: that of a base runs when what the object holds is gone,
    # and with it perhaps the graph whose memory the ring begins in. And it is a type that the collector does not know
    # (no_gc): one that was emptied must not be met in the ring.
    cdef link_t link
    cdef int freeze(self) except -1
    cdef void unlink(self) noexcept


cdef inline void ring_init(link_t* link, void* owner) noexcept:
    link.previous = link
    link.next = link
    link.owner = owner


cdef inline void ring_insert(link_t* head, link_t* link) noexcept:
    link.previous = head
    link.next = head.next
    head.next.previous = link
    head.next = link


@cython.final
cdef class Adjacency:
    cdef Arena pool
    cdef Epochs epochs
    cdef uint32_t capacity_of[CLASSES]
    cdef void* retired              # blocks no list names any more, waiting for their readers
    cdef size_t retired_count
    cdef size_t retired_capacity
    cdef size_t retired_bytes
    cdef uint64_t removals          # entries taken out so far: lets a batch reader see that it must look again

    cdef inline void prefetch_start(self, uint64_t word) noexcept nogil:     # where view() will read
        if word:
            __builtin_prefetch(self.pool.at(word_block(word)))

    cdef void prefetch_end(self, uint64_t word) noexcept nogil           # where append() will write
    cdef void view(self, uint64_t word, list_view_t* out) noexcept nogil
    cdef int append(self, uint64_t* word, uint32_t peer, uint32_t edge, uint32_t relation) noexcept nogil
    cdef int remove(self, uint64_t* word, uint32_t edge) noexcept nogil
    cdef int clear(self, uint64_t* word) noexcept nogil
    cdef bint wants_reclaim(self) noexcept nogil
    cdef void reclaim(self) noexcept

    # Steps inside.
    cdef int grow(self, uint64_t* word, uint32_t peer, uint32_t edge, uint32_t relation) noexcept nogil
    cdef uint32_t dead_in(self, uint64_t word) noexcept nogil
    cdef uint64_t rewrite(self, uint64_t word, uint32_t without, uint32_t room) noexcept nogil
    cdef int retire(self, uint64_t word) noexcept nogil


cdef inline uint64_t load_word(uint64_t* word) noexcept nogil:
    return __atomic_load_n(word, __ATOMIC_ACQUIRE)


cdef inline uint32_t word_class(uint64_t word) noexcept nogil:
    return <uint32_t>(word >> 32) & 63


cdef inline bint word_has_dead(uint64_t word) noexcept nogil:
    return (word >> 38) & 1


cdef inline uint32_t word_count(uint64_t word) noexcept nogil:
    return <uint32_t>(word >> 39)


cdef extern from * nogil:
    uint64_t __atomic_load_n(uint64_t*, int) noexcept
    void __atomic_store_n(uint64_t*, uint64_t, int) noexcept
    enum:
        __ATOMIC_ACQUIRE
        __ATOMIC_RELEASE
