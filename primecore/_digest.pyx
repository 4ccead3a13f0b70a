# Digests of what the tables hold, by content: equal for equal content, however it came about and wherever it lies.
#
# Each item (a node, an edge, a place in a list ...) is written out canonically and hashed by XXH3-128; the hashes are
# added up, so no order of tables matters. Runs without the GIL; the caller holds the writer's lock, so nothing changes
# meanwhile.

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from primecore._adjacency cimport RELATION_DEAD, list_view_t
from primecore._buffers cimport buffer_append, buffer_free, buffer_init, buffer_reserve, buffer_t
from primecore._event cimport NONE32, slice_t
from primecore._graph cimport Graph
from primecore._index cimport CrossCounts, Counters, DomainIndex, TypeIndex
from primecore._jsontree cimport json_canonical
from primecore._records cimport SUPERSEDED, edge_t, node_t
from primecore._shards cimport KeyTable
from primecore._states cimport EDGE_HEADER, NODE_HEADER, state_t
from primecore._vectors cimport Space, vector_t


cdef extern from "xxhash.h" nogil:
    ctypedef struct XXH128_hash_t:
        uint64_t low64
        uint64_t high64
    XXH128_hash_t XXH3_128bits(const void* data, size_t size) noexcept


ctypedef struct sum_t:              # 128 bits, and the item being written out
    uint64_t low
    uint64_t high
    buffer_t item
    int failed                      # out of memory


cdef void begin(sum_t* total, uint8_t kind) noexcept nogil:
    total.item.size = 0
    if buffer_append(&total.item, <char*>&kind, 1) < 0:
        total.failed = 1


cdef void number(sum_t* total, uint64_t value) noexcept nogil:
    if buffer_append(&total.item, <char*>&value, 8) < 0:
        total.failed = 1


cdef void key(sum_t* total, KeyTable table, uint32_t at) noexcept nogil:
    cdef uint32_t size
    if at == NONE32:
        number(total, NONE32)
        return
    size = table.key_size(at)
    number(total, size)
    if buffer_reserve(&total.item, size) < 0:
        total.failed = 1
        return
    table.copy_key(at, total.item.data + total.item.size)
    total.item.size += size


cdef void canonical(sum_t* total, slice_t value) noexcept nogil:
    cdef size_t before = total.item.size
    if value.size and json_canonical(value, &total.item) < 0:
        total.failed = 1
    number(total, total.item.size - before)


cdef void end(sum_t* total) noexcept nogil:
    cdef XXH128_hash_t hashed = XXH3_128bits(total.item.data, total.item.size)
    total.low += hashed.low64
    total.high += hashed.high64 + (1 if total.low < hashed.low64 else 0)


cdef bytes finish(sum_t* total):
    cdef int failed = total.failed
    buffer_free(&total.item)
    if failed:
        raise MemoryError("no room for a digest")
    return int(total.high).to_bytes(8, "big") + int(total.low).to_bytes(8, "big")


cdef void start(sum_t* total) noexcept nogil:
    total.low = 0
    total.high = 0
    total.failed = 0
    buffer_init(&total.item)


def nodes(Graph graph not None):
    """Node state: 16 bytes."""
    cdef sum_t total
    cdef uint32_t i
    cdef node_t* node
    start(&total)
    with nogil:
        for i in range(graph.nodes.count):
            node = graph.node(i)
            if node.born == 0:
                continue
            begin(&total, 1)
            key(&total, graph.nodes, i)
            canonical(&total, graph.states.properties(node.state, NODE_HEADER))
            canonical(&total, graph.states.labels(node.state, NODE_HEADER))
            key(&total, graph.domains, node.domain)
            number(&total, <uint64_t>graph.cold(i).created_us)
            number(&total, <uint64_t>graph.updated_us(i))
            number(&total, node.born)
            end(&total)
    return finish(&total)


def adjacency(Graph graph not None):
    """Edges, and every node's lists in their order: 16 bytes."""
    cdef sum_t total
    cdef uint32_t i
    cdef edge_t* edge
    cdef state_t state
    cdef uint64_t weight
    start(&total)
    with nogil:
        for i in range(graph.edges.count):
            edge = graph.edge(i)
            if edge.born == 0 or edge.died:
                continue
            memcpy(&weight, &edge.weight, 8)
            graph.states.read(edge.state, EDGE_HEADER, &state)
            begin(&total, 2)
            key(&total, graph.edges, i)
            key(&total, graph.nodes, edge.source)
            key(&total, graph.nodes, edge.target)
            key(&total, graph.relations, edge.relation)
            number(&total, weight)
            canonical(&total, graph.states.properties(edge.state, EDGE_HEADER))
            number(&total, <uint64_t>state.valid_from_us)
            number(&total, <uint64_t>state.valid_to_us)
            number(&total, edge.born)
            end(&total)
        for i in range(graph.nodes.count):
            list_items(graph, &total, i, graph.node(i).out_list, 1)
            list_items(graph, &total, i, graph.node(i).in_list, 2)
    return finish(&total)


cdef void list_items(Graph graph, sum_t* total, uint32_t node, uint64_t word, uint8_t side) noexcept nogil:
    cdef list_view_t entries
    cdef uint32_t i, place = 0
    graph.adjacency.view(word, &entries)
    for i in range(entries.count):
        if entries.relations[i] & RELATION_DEAD:
            continue
        begin(total, 3)
        key(total, graph.nodes, node)
        number(total, side)
        number(total, place)
        key(total, graph.edges, entries.edges[i])
        key(total, graph.nodes, entries.peers[i])
        end(total)
        place += 1


def types(Graph graph not None, TypeIndex index not None):
    """The type index as its own chains have it: 16 bytes."""
    cdef sum_t total
    cdef uint32_t i, node
    start(&total)
    with nogil:
        for i in range(index.types.count):
            node = index.chain(i).first
            while node != NONE32:
                begin(&total, 4)
                key(&total, index.types, i)
                key(&total, graph.nodes, node)
                end(&total)
                node = graph.cold(node).type_next
            if index.chain(i).count:
                begin(&total, 5)
                key(&total, index.types, i)
                number(&total, index.chain(i).count)
                end(&total)
    return finish(&total)


def domains(Graph graph not None, DomainIndex index not None):
    """The domain index as its own chains have it: 16 bytes."""
    cdef sum_t total
    cdef uint32_t i, node
    start(&total)
    for i in range(graph.domains.count):
        node = index.chain(i).first
        while node != NONE32:
            begin(&total, 6)
            key(&total, graph.domains, i)
            key(&total, graph.nodes, node)
            end(&total)
            node = graph.cold(node).domain_next
    return finish(&total)


def cross_domain(Graph graph not None, CrossCounts index not None):
    """Cross-domain counts: 16 bytes."""
    cdef sum_t total
    cdef size_t i
    start(&total)
    with nogil:
        if index.slots != NULL:
            for i in range(index.mask + 1):
                if index.slots[i].used and index.slots[i].count:
                    begin(&total, 7)
                    key(&total, graph.domains, index.slots[i].source_domain)
                    key(&total, graph.domains, index.slots[i].target_domain)
                    key(&total, graph.relations, index.slots[i].relation)
                    number(&total, <uint64_t>index.slots[i].count)
                    end(&total)
    return finish(&total)


def stats(Graph graph not None, Counters counters not None):
    """Counters: 16 bytes."""
    cdef sum_t total
    cdef uint32_t i
    start(&total)
    begin(&total, 8)
    number(&total, <uint64_t>counters.nodes)
    number(&total, <uint64_t>counters.edges)
    number(&total, <uint64_t>counters.dangling_edges)
    number(&total, <uint64_t>counters.ignored_events)
    number(&total, <uint64_t>counters.vectors)
    end(&total)
    for i in range(graph.relations.count):
        if counters.relation(i)[0]:
            begin(&total, 9)
            key(&total, graph.relations, i)
            number(&total, <uint64_t>counters.relation(i)[0])
            end(&total)
    return finish(&total)


def vectors(Graph graph not None):
    """The space in force, and what every live vector of it holds: 16 bytes."""
    cdef sum_t total
    cdef uint32_t i
    cdef Space space = graph.vectors.current
    cdef vector_t* vector
    cdef slice_t text
    cdef bytes model
    start(&total)
    if space is None:
        return finish(&total)
    model = b"" if space.model is None else b"m" + (<str>space.model).encode("utf-8", "replace")
    begin(&total, 13)
    number(&total, space.dimensions)
    number(&total, graph.vectors.awaiting)
    raw(&total, model, len(model))
    end(&total)
    with nogil:
        for i in range(space.count):
            vector = space.record(i)
            if vector.born == 0 or vector.died:
                continue
            begin(&total, 14)
            key(&total, graph.entities, vector.entity)
            number(&total, vector.born)
            number(&total, vector.shown)
            raw(&total, <const char*>space.numbers(i), space.dimensions * sizeof(float))
            text = space.text(i)
            raw(&total, text.data, text.size)
            canonical(&total, space.about(i))
            end(&total)
    return finish(&total)


cdef void raw(sum_t* total, const char* data, size_t size) noexcept nogil:
    number(total, size)
    if size and buffer_append(&total.item, data, size) < 0:
        total.failed = 1


def history(Graph graph not None):
    """Every entity's latest event and version, and every event's predecessor: 16 bytes."""
    cdef sum_t total
    cdef uint32_t i
    cdef uint64_t position
    start(&total)
    with nogil:
        for i in range(graph.nodes.count):
            head(&total, graph.nodes, i, graph.node(i).version, graph.node(i).last_position)
        for i in range(graph.edges.count):
            if graph.edge(i).version != SUPERSEDED:
                head(&total, graph.edges, i, graph.edge(i).version, graph.edge(i).last_position)
        for i in range(graph.entities.count):
            head(&total, graph.entities, i, graph.entity(i).version, graph.entity(i).last_position)
            if graph.vectors.is_live(i):
                begin(&total, 12)
                key(&total, graph.entities, i)
                number(&total, graph.entity(i).born)
                end(&total)
        for position in range(1, graph.applied_position + 1):
            begin(&total, 11)
            number(&total, position)
            number(&total, graph.history.previous(position))
            end(&total)
    return finish(&total)


cdef void head(sum_t* total, KeyTable table, uint32_t at, uint32_t version, uint32_t position) noexcept nogil:
    # A key that no event has (the end of an edge, what a failed write left) says nothing.
    if version == 0:
        return
    begin(total, 10)
    key(total, table, at)
    number(total, version)
    number(total, position)
    end(total)
