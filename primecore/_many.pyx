# Neighbours of many nodes at once, as arrays of numbers (compressed sparse rows).
# Knows the tables; runs without the GIL.

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc

from primecore._adjacency cimport RELATION_DEAD, RELATION_FAR, OpenResult, list_view_t, load_word, ring_insert
from primecore._event cimport NONE32
from primecore._graph cimport Graph
from primecore._records cimport node_t

from primecore._walks import direction_bits
from primecore.model import Neighbor


cdef enum:
    FREE_TRIES = 3                  # reads beside a writer, before one that holds it off


ctypedef struct key_t:
    const char* data
    uint32_t size
    uint32_t number
    uint64_t hash


ctypedef struct rows_t:
    uint64_t* offsets               # one more than there are rows
    uint32_t* peers
    uint32_t* edges
    uint32_t* relations
    uint8_t* outward
    size_t capacity


cdef int reserve(rows_t* rows, size_t count) noexcept nogil:
    cdef size_t capacity = rows.capacity * 2 if rows.capacity else 1024
    cdef uint32_t* peers
    cdef uint32_t* edges
    cdef uint32_t* relations
    cdef uint8_t* outward
    if count <= rows.capacity:
        return 0
    while capacity < count:
        capacity *= 2
    peers = <uint32_t*>realloc(rows.peers, capacity * 4)
    if peers != NULL:
        rows.peers = peers
    edges = <uint32_t*>realloc(rows.edges, capacity * 4)
    if edges != NULL:
        rows.edges = edges
    relations = <uint32_t*>realloc(rows.relations, capacity * 4)
    if relations != NULL:
        rows.relations = relations
    outward = <uint8_t*>realloc(rows.outward, capacity)
    if outward != NULL:
        rows.outward = outward
    if peers == NULL or edges == NULL or relations == NULL or outward == NULL:
        return -1
    rows.capacity = capacity
    return 0


cdef int run(Graph graph, key_t* keys, size_t count, uint32_t relation, uint8_t direction, rows_t* rows) noexcept nogil:
    # Three passes over blocks of keys, so that the misses of one overlap those of the next.
    cdef size_t i, block, end, at = 0
    for block in range(0, count, 64):
        end = block + 64 if block + 64 < count else count
        for i in range(block, end):
            keys[i].hash = graph.nodes.hash(keys[i].data, keys[i].size)
            graph.nodes.prefetch(keys[i].hash)
        for i in range(block, end):
            graph.nodes.prefetch_record(keys[i].hash)
        for i in range(block, end):
            keys[i].number = graph.nodes.find(keys[i].hash, keys[i].data, keys[i].size)
            if keys[i].number != NONE32:
                prefetch_lists(graph, keys[i].number, direction)
        for i in range(block, end):
            rows.offsets[i] = at
            if keys[i].number != NONE32:
                at = row(graph, keys[i].number, relation, direction, rows, at)
                if at == <size_t>-1:
                    return -1
    rows.offsets[count] = at
    return 0


cdef inline void prefetch_lists(Graph graph, uint32_t number, uint8_t direction) noexcept nogil:
    cdef node_t* node = graph.node(number)
    cdef list_view_t entries
    graph.adjacency.view(load_word(&node.out_list), &entries)
    if direction & 1 and entries.count:
        __builtin_prefetch(entries.peers)
        __builtin_prefetch(entries.relations)
    graph.adjacency.view(load_word(&node.in_list), &entries)
    if direction & 2 and entries.count:
        __builtin_prefetch(entries.peers)
        __builtin_prefetch(entries.relations)


cdef extern from * nogil:
    void __builtin_prefetch(const void* address) noexcept


cdef inline bint copied_whole(list_view_t* entries, rows_t* rows, size_t at, bint outward) noexcept nogil:
    # A list all of whose entries count, with the relations' numbers in it, is copied in loops without branches.
    cdef uint32_t i, odd = 0
    for i in range(entries.count):
        rows.peers[at + i] = entries.peers[i]
    for i in range(entries.count):
        rows.edges[at + i] = entries.edges[i]
    for i in range(entries.count):
        rows.relations[at + i] = entries.relations[i]
        odd |= <uint32_t>entries.relations[i] + 1
    for i in range(entries.count):
        rows.outward[at + i] = outward
    return odd <= RELATION_FAR          # neither far nor dead


cdef size_t row(Graph graph, uint32_t number, uint32_t relation, uint8_t direction, rows_t* rows,
                size_t at) noexcept nogil:
    cdef node_t* node = graph.node(number)
    cdef list_view_t entries
    cdef uint32_t i, name
    cdef uint8_t side
    for side in range(1, 3):
        if not direction & side:
            continue
        graph.adjacency.view(load_word(&node.out_list if side == 1 else &node.in_list), &entries)
        if reserve(rows, at + entries.count) < 0:
            return <size_t>-1
        if relation == NONE32 and (side == 1 or direction != 3 or node.loops == 0):
            if copied_whole(&entries, rows, at, side == 1):
                at += entries.count
                continue
        for i in range(entries.count):
            name = entries.relations[i]
            if name & RELATION_DEAD or (side == 2 and direction == 3 and entries.peers[i] == number):
                continue
            if name == RELATION_FAR:
                name = graph.edge(entries.edges[i]).relation
            if relation != NONE32 and name != relation:
                continue
            rows.peers[at] = entries.peers[i]
            rows.edges[at] = entries.edges[i]
            rows.relations[at] = name
            rows.outward[at] = side == 1
            at += 1
    return at


@cython.no_gc
cdef class ManyNeighbors(OpenResult):
    """Neighbours of many nodes at one position, as rows of numbers; row i belongs to the i-th id that was asked for.

    Arrays (numpy, n ids, m neighbours): offsets uint64[n + 1], peers uint32[m], edges uint32[m], relations uint32[m],
    outward uint8[m]. Row i spans offsets[i] to offsets[i + 1]. Indexing gives a row as a list of Neighbor;
    peer_id() and edge_id() name numbers.
    """

    cdef Graph graph
    cdef rows_t rows
    cdef double* weights            # once the writer is about to change one
    cdef size_t count
    cdef readonly uint64_t position

    def __dealloc__(self):
        self.unlink()
        free(self.rows.offsets)
        free(self.rows.peers)
        free(self.rows.edges)
        free(self.rows.relations)
        free(self.rows.outward)
        free(self.weights)

    cdef int freeze(self) except -1:
        cdef size_t i, count = <size_t>self.rows.offsets[self.count]
        if self.weights == NULL:
            self.weights = <double*>malloc((count + 1) * sizeof(double))
            if self.weights == NULL:
                raise MemoryError("no room for weights")
            for i in range(count):
                self.weights[i] = self.graph.edge(self.rows.edges[i]).weight
        self.unlink()
        return 0

    def __len__(self):
        return self.count

    def __getitem__(self, Py_ssize_t at):
        cdef size_t i
        if at < 0:
            at += <Py_ssize_t>self.count
        if not 0 <= at < <Py_ssize_t>self.count:
            raise IndexError("no such row")
        return [self.neighbor(i) for i in range(self.rows.offsets[at], self.rows.offsets[at + 1])]

    cdef object neighbor(self, size_t i):
        cdef Graph graph = self.graph
        return Neighbor(
            graph.nodes.key_str(self.rows.peers[i]), graph.edges.key_str(self.rows.edges[i]),
            graph.relation_name(self.rows.relations[i]), "out" if self.rows.outward[i] else "in",
            graph.edge(self.rows.edges[i]).weight if self.weights == NULL else self.weights[i],
        )

    def peer_id(self, uint32_t number):
        """The id of a node number. Raises IndexError for a number that no node has."""
        if number >= self.graph.nodes.known():
            raise IndexError("no such node")
        return self.graph.nodes.key_str(number)

    def edge_id(self, uint32_t number):
        """The id of an edge number. Raises IndexError for a number that no edge has."""
        if number >= self.graph.edges.known():
            raise IndexError("no such edge")
        return self.graph.edges.key_str(number)

    cdef object array(self, const void* data, size_t count, size_t nbytes, dtype):
        import numpy

        if count == 0:
            return numpy.empty(0, dtype)
        return numpy.frombuffer((<const char*>data)[:count * nbytes], dtype)

    @property
    def offsets(self):
        """uint64[n + 1]."""
        return self.array(self.rows.offsets, self.count + 1, 8, "u8")

    @property
    def peers(self):
        """uint32[m], node numbers."""
        return self.array(self.rows.peers, self.rows.offsets[self.count], 4, "u4")

    @property
    def edges(self):
        """uint32[m], edge numbers."""
        return self.array(self.rows.edges, self.rows.offsets[self.count], 4, "u4")

    @property
    def relations(self):
        """uint32[m], relation numbers."""
        return self.array(self.rows.relations, self.rows.offsets[self.count], 4, "u4")

    @property
    def outward(self):
        """uint8[m], 1 where the edge leads away from the node asked for."""
        return self.array(self.rows.outward, self.rows.offsets[self.count], 1, "u1")


def neighbors_many(Graph graph not None, ids not None, uint32_t relation=NONE32, direction="both"):
    """ManyNeighbors of an iterable of ids. An id that nothing names has an empty row."""
    cdef list texts = list(ids)
    cdef size_t count = <size_t>len(texts), i
    cdef ManyNeighbors many = ManyNeighbors.__new__(ManyNeighbors)
    cdef key_t* keys = <key_t*>PyMem_Malloc((count + 1) * sizeof(key_t))
    cdef uint8_t bits = direction_bits(direction)
    cdef Py_ssize_t size
    cdef uint64_t stamp
    cdef int status, slot, tries
    many.graph = graph
    many.count = count
    many.rows.offsets = <uint64_t*>malloc((count + 1) * sizeof(uint64_t))
    try:
        if keys == NULL or many.rows.offsets == NULL or reserve(&many.rows, 8 * count + 1) < 0:
            raise MemoryError("no room for neighbours")
        for i in range(count):
            keys[i].data = PyUnicode_AsUTF8AndSize(<str?>texts[i], &size)
            keys[i].size = <uint32_t>size
        for tries in range(FREE_TRIES):
            stamp = graph.stamp
            many.position = graph.applied_position
            with nogil:
                slot = graph.epochs.enter()
                status = run(graph, keys, count, relation, bits, &many.rows)
                graph.epochs.leave(slot)
            if graph.stamp == stamp:
                break
        else:
            # Whoever writes all the time waits once: under the GIL nothing is folded.
            many.position = graph.applied_position
            status = run(graph, keys, count, relation, bits, &many.rows)
        if status < 0:
            raise MemoryError("no room for neighbours")
        ring_insert(&graph.open_head, &many.link)
    finally:
        PyMem_Free(keys)
    return many
