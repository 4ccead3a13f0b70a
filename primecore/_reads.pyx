# Nodes, edges and neighbours out of the tables. The contract stands in _reads.pxd.

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.list cimport PyList_GET_ITEM, PyList_New, PyList_SET_ITEM
from cpython.object cimport Py_EQ, Py_NE
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.tuple cimport PyTuple_GET_ITEM
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc

from primecore._adjacency cimport (
    RELATION_DEAD, RELATION_FAR, OpenResult, list_view_t, ring_insert, word_count, word_has_dead,
)
from primecore._collector cimport collector_pause, collector_resume
from primecore._event cimport NONE32, slice_t
from primecore._graph cimport Graph
from primecore._records cimport edge_t, node_cold_t, node_t
from primecore._shards cimport KeyTable
from primecore._states cimport EDGE_HEADER, NODE_HEADER, UNBOUNDED, state_t
from primecore._values cimport datetime_of, loads, loads_bytes

from collections.abc import Sequence

from primecore.errors import InvalidArgument
from primecore._walks import breadth_first
from primecore.model import DistantNeighbor, Edge, Neighbor, Node


cdef extern from "Python.h":
    ctypedef struct PyTypeObject:
        object (*tp_alloc)(PyTypeObject*, Py_ssize_t)
    void PyTuple_SET_ITEM(object tuple, Py_ssize_t at, object item)
    Py_ssize_t PyUnicode_FindChar(object text, Py_UCS4 char, Py_ssize_t start, Py_ssize_t end, int direction)
    object PyUnicode_Substring(object text, Py_ssize_t start, Py_ssize_t end)


cdef extern from "spare_rows.h":
    void spare_rows_of(PyTypeObject* type)
    object spare_row_new()


cdef extern from "atomics.h" nogil:
    uint64_t load_acquire_u64(const uint64_t*)


cdef extern from * nogil:
    void __builtin_prefetch(const void* address) noexcept


# Result tuples are filled in C: a call of the class would be Python code, in which the GIL may change hands.
cdef PyTypeObject* NEIGHBOR = <PyTypeObject*>Neighbor
spare_rows_of(NEIGHBOR)
cdef PyTypeObject* DISTANT = <PyTypeObject*>DistantNeighbor
cdef PyTypeObject* NODE = <PyTypeObject*>Node
cdef PyTypeObject* EDGE = <PyTypeObject*>Edge
cdef str BOTH = "both"
cdef frozenset DIRECTIONS = frozenset(("out", "in", "both"))
cdef str OUT = "out"
cdef str IN = "in"
cdef object ONE = 1.0
cdef object ONE_STEP = 1
cdef uint32_t NO_LIMIT = 0xFFFFFFFF
cdef uint32_t ABSENT_RELATION = 0xFFFFFFFE      # a relation that no edge has


cdef object finish(object result, Py_ssize_t at):
    # Turns the JSON text at `at` of a tuple that nobody has seen yet into its value.
    cdef bytes text = <bytes>PyTuple_GET_ITEM(result, at)
    put(result, at, loads_bytes(text))
    Py_DECREF(text)
    return result


cdef object finish_node(object node):
    return finish(node, 2)

cdef object finish_edge(object edge):
    return finish(edge, 5)


cdef const char* utf8(str text, Py_ssize_t* size) except NULL:
    try:
        return PyUnicode_AsUTF8AndSize(text, size)
    except UnicodeEncodeError:
        raise InvalidArgument("expected valid Unicode, found a lone surrogate") from None


cdef uint32_t check_limit(limit) except? 0xFFFFFFFE:
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
        raise InvalidArgument(f"limit: expected an integer from 0 up, found {limit!r}")
    return min(limit, NO_LIMIT)


cdef inline void put(object result, Py_ssize_t at, object item) noexcept:
    Py_INCREF(item)
    PyTuple_SET_ITEM(result, at, item)


@cython.final
@cython.no_gc
cdef class Neighbors(OpenResult):
    """The neighbours of one node as they were when it was asked: an immutable sequence of Neighbor.

    Its items are made when first looked into. Out first, then in, each in order of the edges' creation. Supports len,
    index, slices, iteration and equality with sequences.
    """

    def __dealloc__(self):
        self.unlink()

    cdef uint32_t collect(self, uint64_t word, bint skip_loops, uint32_t room, uint32_t* peers,
                          uint32_t* edges) noexcept:
        # The entries that count, at most `room`; a NULL target is only counted.
        cdef list_view_t entries
        cdef uint32_t i, count = 0, relation
        self.graph.adjacency.view(word, &entries)
        for i in range(entries.count):
            if count == room:
                break
            if entries.relations[i] & RELATION_DEAD or (skip_loops and entries.peers[i] == self.own):
                continue
            if self.relation != NONE32:
                relation = entries.relations[i]
                if relation == RELATION_FAR:
                    relation = self.graph.edge(entries.edges[i]).relation
                if relation != self.relation:
                    continue
            if peers != NULL:
                peers[count] = entries.peers[i]
                edges[count] = entries.edges[i]
            count += 1
        return count

    cdef uint32_t length(self) noexcept:
        cdef uint32_t count, dead = 0
        cdef list_view_t entries
        if self.relation == NONE32 and self.limit == NO_LIMIT:
            count = word_count(self.out_word) + word_count(self.in_word)
            if word_has_dead(self.out_word):
                self.graph.adjacency.view(self.out_word, &entries)
                dead = entries.dead
            if word_has_dead(self.in_word):
                self.graph.adjacency.view(self.in_word, &entries)
                dead += entries.dead
            return count - dead - (self.loops if self.out_word and self.in_word else 0)
        count = self.collect(self.out_word, False, self.limit, NULL, NULL)
        return count + self.collect(self.in_word, self.out_word != 0, self.limit - count, NULL, NULL)

    cdef list rows(self, bint whole):
        # All entries, or the peers' ids alone.
        cdef uint32_t out_count, count, i, room = word_count(self.out_word) + word_count(self.in_word)
        cdef uint32_t[2 * FEW] few
        cdef uint32_t* peers = few
        cdef uint32_t* edges
        cdef list items
        cdef int collects
        if room > FEW:
            peers = <uint32_t*>malloc(2 * <size_t>room * sizeof(uint32_t))
            if peers == NULL:
                raise MemoryError("no room for neighbours")
        edges = peers + room
        collects = collector_pause()        # all as they are now
        try:
            out_count = self.collect(self.out_word, False, self.limit, peers, edges)
            count = out_count + self.collect(
                self.in_word, self.out_word != 0, self.limit - out_count, peers + out_count, edges + out_count
            )
            for i in range(count):
                __builtin_prefetch(self.graph.node(peers[i]))
                if whole:
                    __builtin_prefetch(self.graph.edge(edges[i]))
            items = PyList_New(count)
            for i in range(count):
                # Rows first, which need no look at the records: those are on their way.
                item = self.row(OUT if i < out_count else IN) if whole else self.graph.nodes.key_str(peers[i])
                Py_INCREF(item)
                PyList_SET_ITEM(items, i, item)
            for i in range(count if whole else 0):
                self.fill(<object>PyList_GET_ITEM(items, i), peers[i], edges[i])
        finally:
            collector_resume(collects)
            if peers != few:
                free(peers)
        return items

    cdef list make(self):
        if self.items is None:
            self.items = self.rows(True)
            self.unlink()
        return self.items

    cdef object row(self, str direction):
        cdef object result = spare_row_new()
        put(result, 3, direction)
        return result

    cdef int fill(self, object row, uint32_t peer, uint32_t number) except -1:
        cdef edge_t* edge = self.graph.edge(number)
        put(row, 0, self.graph.nodes.key_str(peer))
        put(row, 1, self.graph.edges.key_str(number))
        put(row, 2, self.graph.relation_name(edge.relation))
        put(row, 4, ONE if edge.weight == 1.0 else edge.weight)
        return 0

    cdef int freeze(self) except -1:
        self.make()
        return 0

    def __len__(self):
        return len(self.items) if self.items is not None else self.length()

    def __iter__(self):
        return iter(self.make())

    def __getitem__(self, at):
        return self.make()[at]

    def __contains__(self, item):
        return item in self.make()

    def __reversed__(self):
        return reversed(self.make())

    def index(self, item, *bounds):
        """As list.index."""
        return self.make().index(item, *bounds)

    def count(self, item):
        """As list.count."""
        return self.make().count(item)

    def peers(self):
        """The peers' ids alone, in the same order."""
        return self.rows(False) if self.items is None else [item[0] for item in self.items]

    def __richcmp__(self, other, int operation):
        if operation not in (Py_EQ, Py_NE) or not isinstance(other, (list, tuple, Neighbors)):
            return NotImplemented
        same = self.make() == list(other)
        return same if operation == Py_EQ else not same

    __hash__ = None

    def __repr__(self):
        return repr(self.make())


Sequence.register(Neighbors)


cdef class Reader:
    """Reads of the present, each at the position published when it begins."""

    def __cinit__(self, Graph graph not None):
        self.graph = graph

    def close(self, error not None):
        """From now on every read raises `error`."""
        self.closed_error = error
        self.closed = True
        self.watched = True
        self.catch_up = None            # who follows knows this reader

    def look(self):
        """Brings a follower's tables up to what is published. Raises what a read would raise."""
        self.check()

    def hold(self, bint held):
        """Lets reads of a follower take the tables as they are, while the caller keeps them from changing."""
        self.held = held

    def succeed(self, Reader successor not None):
        """Hands on calls of `neighbors` from those who kept the method."""
        self.successor = successor
        self.watched = True

    cdef int check(self) except -1:
        if self.watched:
            self.attend()
        return 0

    cdef int attend(self) except -1:
        if self.closed:
            raise self.closed_error
        if self.published != NULL and not self.held and load_acquire_u64(self.published) != self.seen:
            self.catch_up()
        return 0

    cdef uint32_t find_node(self, str id) except? 0xFFFFFFFE:
        cdef Py_ssize_t size
        cdef const char* key
        if self.watched:
            self.attend()
        key = utf8(id, &size)
        return self.graph.nodes.find(self.graph.nodes.hash(key, <uint32_t>size), key, <uint32_t>size)

    cdef uint32_t find_edge(self, str id) except? 0xFFFFFFFE:
        cdef Py_ssize_t size
        cdef const char* key
        if self.watched:
            self.attend()
        key = utf8(id, &size)
        return self.graph.edges.find(self.graph.edges.hash(key, <uint32_t>size), key, <uint32_t>size)

    cdef uint32_t relation_number(self, relation) except? 0xFFFFFFFD:
        cdef Py_ssize_t size
        cdef const char* key
        cdef uint32_t number
        if relation is None:
            return NONE32
        if not isinstance(relation, str):
            raise InvalidArgument(f"relation: expected a string, found {type(relation).__name__}")
        key = utf8(relation, &size)
        number = self.graph.relations.find(self.graph.relations.hash(key, <uint32_t>size), key, <uint32_t>size)
        return ABSENT_RELATION if number == NONE32 else number

    def neighbors(self, str id not None, *, relation=None, direction="both", depth=1, limit=None):
        """The neighbours of a node, as they are now: a sequence of Neighbor.

        Out first, then in, each in order of the edges' creation. `relation` keeps one relation, `direction` is "out",
        "in" or "both" (a self-loop then shows once, as "out"), `limit` keeps the first ones. Edges whose other end is
        not live show too; an id that nothing names has no neighbours. With `depth` over 1, breadth first: a list of
        DistantNeighbor, each peer once. Raises InvalidArgument.

        >>> prime.neighbors("node:person:alice", relation="works_on").peers()
        ['node:project:auth']
        """
        cdef uint32_t number
        cdef Neighbors result
        cdef node_t* node
        if self.watched and self.successor is not None and not self.closed:
            return self.successor.neighbors(id, relation=relation, direction=direction, depth=depth, limit=limit)
        number = self.find_node(id)
        if direction is not BOTH and direction is not OUT and direction is not IN and direction not in DIRECTIONS:
            raise InvalidArgument(f"direction: expected 'out', 'in' or 'both', found {direction!r}")
        if depth is not ONE_STEP and depth != 1:
            return self.distant(number, relation, direction, depth, limit)
        result = Neighbors.__new__(Neighbors)
        result.graph = self.graph
        result.relation = NONE32 if relation is None else self.relation_number(relation)
        result.limit = NO_LIMIT if limit is None else check_limit(limit)
        if number == NONE32:
            return result
        node = self.graph.node(number)
        result.own = number
        result.loops = node.loops
        if direction is BOTH or direction != IN:
            result.out_word = node.out_list
            self.graph.adjacency.prefetch_start(result.out_word)
        if direction is BOTH or direction != OUT:
            result.in_word = node.in_list
            self.graph.adjacency.prefetch_start(result.in_word)
        ring_insert(&self.graph.open_head, &result.link)
        return result

    def distant(self, uint32_t number, relation, direction, depth, limit):
        """Neighbours within `depth` edges: a list of DistantNeighbor, breadth first, each peer once."""
        cdef uint32_t peer, edge
        cdef int collects
        if not isinstance(depth, int) or isinstance(depth, bool) or depth < 1:
            raise InvalidArgument(f"depth: expected an integer from 1 up, found {depth!r}")
        if number == NONE32:
            return []
        found, _, _ = breadth_first(
            self.graph, [number], min(depth, NO_LIMIT), self.relation_number(relation), direction,
            NO_LIMIT if limit is None else check_limit(limit),
        )
        collects = collector_pause()
        try:
            items = []
            for peer, edge, away, outward in found:
                item = DISTANT.tp_alloc(DISTANT, 6)
                put(item, 0, self.graph.nodes.key_str(peer))
                put(item, 1, self.graph.edges.key_str(edge))
                put(item, 2, self.graph.relation_name(self.graph.edge(edge).relation))
                put(item, 3, OUT if outward else IN)
                put(item, 4, self.graph.edge(edge).weight)
                put(item, 5, away)
                items.append(item)
        finally:
            collector_resume(collects)
        return items

    def node(self, str id not None):
        """The live node of this id, or None."""
        cdef uint32_t number = self.find_node(id)
        if number == NONE32 or self.graph.node(number).born == 0:
            return None
        return self.make_node(number)

    def edge(self, str id not None):
        """The live edge of this id, or None."""
        cdef uint32_t number = self.find_edge(id)
        if number == NONE32 or self.graph.edge(number).born == 0 or self.graph.edge(number).died:
            return None
        return self.make_edge(number)

    cdef object make_node(self, uint32_t number):
        cdef int collects = collector_pause()
        try:
            node = self.raw_node(number)
        finally:
            collector_resume(collects)
        return finish_node(node)

    cdef object raw_node(self, uint32_t number):
        # A Node whose properties are still text. The collector is paused: no Python code runs, no write comes between.
        cdef Graph graph = self.graph
        cdef node_t* node = graph.node(number)
        cdef node_cold_t* cold = graph.cold(number)
        cdef slice_t properties = graph.states.properties(node.state, NODE_HEADER)
        cdef slice_t labels = graph.states.labels(node.state, NODE_HEADER)
        cdef str key = graph.nodes.key_str(number)
        cdef int64_t changed_us = graph.states.changed_us(node.state)
        cdef object created = datetime_of(cold.created_us)
        cdef object result = NODE.tp_alloc(NODE, 9)
        put(result, 0, key)
        put(result, 1, PyUnicode_Substring(key, 5, PyUnicode_FindChar(key, c":", 5, len(key), 1)))     # node:{type}:{id}
        put(result, 2, PyBytes_FromStringAndSize(properties.data, properties.size))
        put(result, 3, None if node.domain == NONE32 else graph.domains.key_str(node.domain))
        put(result, 4, tuple(loads(labels)) if labels.size else ())
        put(result, 5, created)
        put(result, 6, created if changed_us == UNBOUNDED else datetime_of(changed_us))
        put(result, 7, node.version)
        put(result, 8, node.last_position)
        return result

    cdef object make_edge(self, uint32_t number):
        cdef int collects = collector_pause()
        try:
            edge = self.raw_edge(number)
        finally:
            collector_resume(collects)
        return finish_edge(edge)

    cdef object raw_edge(self, uint32_t number):
        # An Edge whose properties are still text; as raw_node().
        cdef Graph graph = self.graph
        cdef edge_t* edge = graph.edge(number)
        cdef slice_t properties = graph.states.properties(edge.state, EDGE_HEADER)
        cdef state_t state
        cdef object result = EDGE.tp_alloc(EDGE, 8)
        graph.states.read(edge.state, EDGE_HEADER, &state)
        put(result, 0, graph.edges.key_str(number))
        put(result, 1, graph.nodes.key_str(edge.source))
        put(result, 2, graph.nodes.key_str(edge.target))
        put(result, 3, graph.relation_name(edge.relation))
        put(result, 4, edge.weight)
        put(result, 5, PyBytes_FromStringAndSize(properties.data, properties.size))
        put(result, 6, None if state.valid_from_us == UNBOUNDED else datetime_of(state.valid_from_us))
        put(result, 7, None if state.valid_to_us == UNBOUNDED else datetime_of(state.valid_to_us))
        return result

    def node_number(self, str id not None):
        """The number of a node id that an event or an edge has named, or None."""
        cdef uint32_t number = self.find_node(id)
        return None if number == NONE32 else number

    def relation_of(self, relation):
        """The number of a relation's name; one that no edge has where it is unknown."""
        return self.relation_number(relation)

    def edges_between(self, str source_domain not None, members):
        """Numbers, by target domain, of the live edges that lead from nodes of `source_domain` to another domain."""
        cdef list_view_t entries
        cdef uint32_t number, i, peer
        cdef dict found = {}
        cdef int collects
        self.check()
        collects = collector_pause()
        try:
            for number in members:
                self.graph.adjacency.view(self.graph.node(number).out_list, &entries)
                for i in range(entries.count):
                    if entries.relations[i] & RELATION_DEAD:
                        continue
                    peer = self.graph.domain_at(entries.peers[i])
                    if peer != NONE32 and peer != self.graph.domain_at(number):
                        found.setdefault(peer, []).append(entries.edges[i])
        finally:
            collector_resume(collects)
        return {self.graph.domains.key_str(domain): sorted(edges) for domain, edges in found.items()}

    def latest(self, str entity_id not None):
        """(version, position) of the latest event of an entity, (0, 0) where there is none."""
        cdef Py_ssize_t size
        cdef const char* key = utf8(entity_id, &size)
        cdef KeyTable table = self.graph.table_of(key, <uint32_t>size)
        cdef uint32_t number
        self.check()
        number = table.find(table.hash(key, <uint32_t>size), key, <uint32_t>size)
        if number == NONE32:
            return 0, 0
        if table is self.graph.nodes:
            return self.graph.node(number).version, self.graph.node(number).last_position
        if table is self.graph.edges:
            return self.graph.edge(number).version, self.graph.edge(number).last_position
        return self.graph.entity(number).version, self.graph.entity(number).last_position
