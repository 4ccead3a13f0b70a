# Adjacency lists over an arena. The contract stands in _adjacency.pxd.

from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from primecore._event cimport NONE32
from primecore._image cimport Draft, Image
from primecore._memory cimport Arena, Epochs


cdef extern from * nogil:
    void __builtin_prefetch(const void* address) noexcept


cdef enum:
    SMALL = 64                      # entries up to which a removal rewrites the list instead of marking the entry
    RECLAIM_BYTES = 1 << 20


ctypedef struct retired_t:
    uint64_t epoch
    uint32_t block
    uint32_t bytes


cdef inline size_t block_bytes(uint32_t capacity) noexcept nogil:
    # Large blocks end in a count of their dead entries.
    return <size_t>capacity * 10 + (8 if capacity > SMALL else 0)


cdef inline uint32_t* dead_count(char* block, uint32_t capacity) noexcept nogil:
    return <uint32_t*>(block + ((<size_t>capacity * 10 + 3) & ~<size_t>3))


cdef inline uint64_t make_word(uint32_t block, uint32_t klass, bint has_dead, uint32_t count) noexcept nogil:
    return <uint64_t>block | (<uint64_t>klass << 32) | (<uint64_t>has_dead << 38) | (<uint64_t>count << 39)


cdef inline uint32_t bisect(const uint32_t* edges, uint32_t count, uint32_t edge) noexcept nogil:
    cdef uint32_t low = 0, high = count, middle
    while low < high:
        middle = low + ((high - low) >> 1)
        if edges[middle] < edge:
            low = middle + 1
        else:
            high = middle
    return low


cdef class OpenResult:
    def __cinit__(self):
        ring_init(&self.link, <void*>self)

    cdef int freeze(self) except -1:
        self.unlink()
        return 0

    cdef void unlink(self) noexcept:
        self.link.previous.next = self.link.next
        self.link.next.previous = self.link.previous
        self.link.previous = &self.link
        self.link.next = &self.link


cdef int keep_waiting(Adjacency table, uint64_t epoch, uint32_t block, uint32_t nbytes) noexcept nogil:
    cdef retired_t* items
    cdef size_t capacity
    if table.retired_count == table.retired_capacity:
        capacity = table.retired_capacity * 2 if table.retired_capacity else 256
        items = <retired_t*>realloc(table.retired, capacity * sizeof(retired_t))
        if items == NULL:
            return -1
        table.retired = items
        table.retired_capacity = capacity
    items = <retired_t*>table.retired
    items[table.retired_count].epoch = epoch
    items[table.retired_count].block = block
    items[table.retired_count].bytes = nbytes
    table.retired_bytes += nbytes
    table.retired_count += 1
    return 0


cdef class Adjacency:
    """The pool that all adjacency lists of one store share."""

    def __cinit__(self, Arena pool not None, Epochs epochs not None):
        cdef uint32_t klass, capacity
        self.pool = pool
        self.epochs = epochs
        # Capacities whose ten-byte entries fill the arena's 16-byte units well; then by halves and thirds.
        cdef uint32_t[7] first = [1, 3, 6, 8, 11, 16, 24]
        for klass in range(7):
            self.capacity_of[klass] = first[klass]
        capacity = 32
        klass = 7
        while klass + 1 < <uint32_t>CLASSES:
            self.capacity_of[klass] = capacity
            self.capacity_of[klass + 1] = capacity + (capacity >> 1)
            if capacity <= <uint32_t>MAX_DEGREE:
                capacity <<= 1
            klass += 2

    def __dealloc__(self):
        free(self.retired)

    @property
    def used_bytes(self):
        """Bytes in blocks that lists hold or held."""
        return self.pool.used_bytes

    def dump(self, Draft draft not None, str name not None):
        """Adds the blocks to a draft."""
        cdef retired_t* items = <retired_t*>self.retired
        cdef size_t i
        draft.arena(f"{name}.blocks", self.pool)
        draft.notes[name] = {
            "removals": self.removals,
            "retired": [(items[i].block, items[i].bytes) for i in range(self.retired_count)],
        }

    def load(self, Image image not None, str name not None):
        """Takes over what `dump` added. Blocks that waited for readers may go: those were others' readers."""
        image.arena(f"{name}.blocks", self.pool)
        noted = image.note(name)
        self.removals = noted["removals"]
        for block, nbytes in noted["retired"]:
            # Not freed now: that would write to a page for each, of a table that nobody has touched yet.
            if keep_waiting(self, 0, block, nbytes) < 0:
                raise MemoryError("no room for retired blocks")

    cdef void view(self, uint64_t word, list_view_t* out) noexcept nogil:
        cdef uint32_t capacity
        cdef char* block
        out.count = word_count(word)
        out.dead = 0
        if out.count == 0:
            out.peers = NULL
            out.edges = NULL
            out.relations = NULL
            return
        capacity = self.capacity_of[word_class(word)]
        block = self.pool.at(word_block(word))
        out.peers = <const uint32_t*>block
        out.edges = out.peers + capacity
        out.relations = <const uint16_t*>(out.edges + capacity)
        if word_has_dead(word):
            out.dead = dead_count(block, capacity)[0]

    cdef void prefetch_end(self, uint64_t word) noexcept nogil:
        cdef uint32_t count = word_count(word), capacity
        cdef char* block
        if count == 0:
            return
        capacity = self.capacity_of[word_class(word)]
        block = self.pool.at(word_block(word))
        __builtin_prefetch(block + <size_t>count * 4)
        __builtin_prefetch(block + (<size_t>capacity + count) * 4)
        __builtin_prefetch(block + <size_t>capacity * 8 + <size_t>count * 2)

    cdef int append(self, uint64_t* word, uint32_t peer, uint32_t edge, uint32_t relation) noexcept nogil:
        cdef uint64_t old = word[0]
        cdef uint32_t count = word_count(old)
        cdef uint32_t klass = word_class(old)
        cdef uint32_t ref = word_block(old)
        cdef uint32_t capacity
        cdef uint32_t* peers
        if count >= MAX_DEGREE:
            return -1
        if ref == 0:
            ref = self.pool.alloc(block_bytes(self.capacity_of[0]))
            if ref == 0:
                return -1
        elif count == self.capacity_of[klass]:
            return self.grow(word, peer, edge, relation)
        capacity = self.capacity_of[klass]
        peers = <uint32_t*>self.pool.at(ref)
        peers[count] = peer
        peers[capacity + count] = edge
        (<uint16_t*>(peers + 2 * capacity))[count] = <uint16_t>(relation if relation < RELATION_FAR else RELATION_FAR)
        __atomic_store_n(word, make_word(ref, klass, word_has_dead(old), count + 1), __ATOMIC_RELEASE)
        return 0

    cdef int grow(self, uint64_t* word, uint32_t peer, uint32_t edge, uint32_t relation) noexcept nogil:
        # The old block stays as it was for those who are reading it.
        cdef uint64_t fresh = self.rewrite(word[0], <uint32_t>NONE32, word_count(word[0]) - self.dead_in(word[0]) + 1)
        if fresh == 0:
            return -1
        if self.retire(word[0]) < 0:
            return -1
        __atomic_store_n(word, fresh, __ATOMIC_RELEASE)
        return self.append(word, peer, edge, relation)

    cdef uint32_t dead_in(self, uint64_t word) noexcept nogil:
        cdef list_view_t old
        self.view(word, &old)
        return old.dead

    cdef uint64_t rewrite(self, uint64_t word, uint32_t without, uint32_t room) noexcept nogil:
        # A new block with the live entries of the old one, less the edge `without`. 0: no memory.
        cdef list_view_t old
        cdef uint32_t klass = 0, capacity, ref, i, count = 0
        cdef uint32_t* peers
        cdef uint32_t* edges
        cdef uint16_t* relations
        self.view(word, &old)
        while self.capacity_of[klass] < room:
            klass += 1
        capacity = self.capacity_of[klass]
        ref = self.pool.alloc(block_bytes(capacity))
        if ref == 0:
            return 0
        peers = <uint32_t*>self.pool.at(ref)
        edges = peers + capacity
        relations = <uint16_t*>(edges + capacity)
        if capacity > SMALL:
            dead_count(<char*>peers, capacity)[0] = 0
        if old.dead == 0 and without == <uint32_t>NONE32:
            memcpy(peers, old.peers, <size_t>old.count * 4)
            memcpy(edges, old.edges, <size_t>old.count * 4)
            memcpy(relations, old.relations, <size_t>old.count * 2)
            return make_word(ref, klass, False, old.count)
        for i in range(old.count):
            if old.relations[i] & RELATION_DEAD or old.edges[i] == without:
                continue
            peers[count] = old.peers[i]
            edges[count] = old.edges[i]
            relations[count] = old.relations[i]
            count += 1
        return make_word(ref, klass, False, count)

    cdef int remove(self, uint64_t* word, uint32_t edge) noexcept nogil:
        """Takes an edge out of a list: 1 taken, 0 it was not there, -1 no memory.

        The caller has frozen the open results, since a large list is marked in place.
        """
        cdef uint64_t old = word[0], fresh
        cdef list_view_t entries
        cdef uint32_t at, live
        cdef uint16_t* relations
        cdef uint32_t* dead
        self.view(old, &entries)
        at = bisect(entries.edges, entries.count, edge)
        if at == entries.count or entries.edges[at] != edge or entries.relations[at] & RELATION_DEAD:
            return 0
        self.removals += 1
        live = entries.count - entries.dead - 1
        if live == 0:
            return 1 if self.clear(word) == 0 else -1
        if entries.count <= SMALL or entries.dead + 1 > live:
            fresh = self.rewrite(old, edge, live)
            if fresh == 0 or self.retire(old) < 0:
                return -1
            __atomic_store_n(word, fresh, __ATOMIC_RELEASE)
            return 1
        relations = <uint16_t*>entries.relations
        relations[at] |= RELATION_DEAD
        dead = dead_count(self.pool.at(word_block(old)), self.capacity_of[word_class(old)])
        dead[0] += 1
        __atomic_store_n(word, old | (<uint64_t>1 << 38), __ATOMIC_RELEASE)
        return 1

    cdef int clear(self, uint64_t* word) noexcept nogil:
        if word_block(word[0]) == 0:
            return 0
        if self.retire(word[0]) < 0:
            return -1
        self.removals += 1
        __atomic_store_n(word, 0, __ATOMIC_RELEASE)
        return 0

    cdef int retire(self, uint64_t word) noexcept nogil:
        cdef uint32_t nbytes = <uint32_t>block_bytes(self.capacity_of[word_class(word)])
        return keep_waiting(self, self.epochs.advance(), word_block(word), nbytes)

    cdef bint wants_reclaim(self) noexcept nogil:
        return self.retired_bytes >= RECLAIM_BYTES

    cdef void reclaim(self) noexcept:
        # With the GIL held and the open results frozen: only batch readers in an epoch slot can still be reading.
        cdef retired_t* items = <retired_t*>self.retired
        cdef uint64_t oldest = self.epochs.oldest()
        cdef size_t i, kept = 0
        self.retired_bytes = 0
        for i in range(self.retired_count):
            if items[i].epoch <= oldest:
                self.pool.free(items[i].block, items[i].bytes)
            else:
                items[kept] = items[i]
                self.retired_bytes += items[i].bytes
                kept += 1
        self.retired_count = kept
