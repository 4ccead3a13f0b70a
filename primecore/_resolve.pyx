# Before an event is logged: the numbers of its keys, and its entity's version. The contract stands in _resolve.pxd.

from libc.stdint cimport uint32_t, uint64_t

from primecore._adjacency cimport MAX_DEGREE, word_count
from primecore._event cimport (
    CODE_EDGE_CREATED, CODE_EDGE_DELETED, CODE_EDGE_UPDATED, CODE_NODE_CREATED, CODE_NODE_DELETED, CODE_NODE_UPDATED,
    FIELD_SET, NONE32, event_t, slice_t,
)
from primecore._graph cimport FOLD_NO_MEMORY, FOLD_OK, KIND_EDGE, KIND_NODE, Graph, entity_kind
from primecore._records cimport node_cold_t


cdef extern from * nogil:
    void __builtin_prefetch(const void* address) noexcept


cdef enum:
    MAX_UNFOLDED = 1 << 19          # more events than a batch of 32 MiB has


cdef void look_up(Graph graph, event_t* events, size_t count) noexcept nogil:
    # A key that is there keeps its number (an edge's may be superseded, which shows): what is found holds later on,
    # and what is not found is asked for again.
    cdef size_t i
    cdef int slot = graph.epochs.enter()
    for i in range(count):
        if events[i].code == CODE_EDGE_CREATED:
            graph.nodes.prefetch(events[i].source_hash)
            graph.nodes.prefetch(events[i].target_hash)
            graph.edges.prefetch(events[i].entity_hash)
        else:
            graph.nodes.prefetch(events[i].entity_hash)
    for i in range(count):
        if events[i].code == CODE_EDGE_CREATED:
            graph.nodes.prefetch_record(events[i].source_hash)
            graph.nodes.prefetch_record(events[i].target_hash)
        else:
            graph.nodes.prefetch_record(events[i].entity_hash)
    for i in range(count):
        look_up_one(graph, &events[i])
    graph.epochs.leave(slot)


cdef void look_up_one(Graph graph, event_t* event) noexcept nogil:
    cdef slice_t key = event.entity
    cdef int kind = entity_kind(key.data, key.size)
    if kind == KIND_NODE:
        event.entity_number = graph.nodes.find(event.entity_hash, key.data, key.size)
    elif kind == KIND_EDGE:
        event.entity_number = graph.edges.find(event.entity_hash, key.data, key.size)
    else:
        event.entity_number = graph.entities.find(event.entity_hash, key.data, key.size)
    event.relation_number = NONE32
    event.domain_number = NONE32
    if event.code == CODE_EDGE_CREATED:
        event.source_number = graph.nodes.find(event.source_hash, event.source.data, event.source.size)
        event.target_number = graph.nodes.find(event.target_hash, event.target.data, event.target.size)
        key = event.relation
        event.relation_number = graph.relations.find(graph.relations.hash(key.data, key.size), key.data, key.size)
    elif event.domain_state == FIELD_SET:
        key = event.domain
        event.domain_number = graph.domains.find(graph.domains.hash(key.data, key.size), key.data, key.size)
    event.looked_up = 1


cdef inline void prefetch_node(Graph graph, uint32_t number, uint64_t hash) noexcept nogil:
    if number == NONE32:
        graph.nodes.prefetch(hash)
    else:
        __builtin_prefetch(graph.node(number))


cdef void prefetch_looked_up(Graph graph, const event_t* event) noexcept nogil:
    # Records of keys that are known, the line of the index where a new one goes.
    if event.code == CODE_EDGE_CREATED:
        prefetch_node(graph, event.source_number, event.source_hash)
        prefetch_node(graph, event.target_number, event.target_hash)
        if event.entity_number == NONE32:
            graph.edges.prefetch(event.entity_hash)
        else:
            __builtin_prefetch(graph.edge(event.entity_number))
    elif event.code == CODE_EDGE_UPDATED or event.code == CODE_EDGE_DELETED:
        if event.entity_number != NONE32:
            __builtin_prefetch(graph.edge(event.entity_number))
    elif event.code == CODE_NODE_CREATED or event.code == CODE_NODE_UPDATED or event.code == CODE_NODE_DELETED:
        prefetch_node(graph, event.entity_number, event.entity_hash)


cdef int resolve(Graph graph, event_t* event) noexcept nogil:
    cdef int kind
    if not event.looked_up:
        event.entity_number = NONE32
        event.source_number = NONE32
        event.target_number = NONE32
        event.relation_number = NONE32
        event.domain_number = NONE32
        event.looked_up = 1
    kind = entity_kind(event.entity.data, event.entity.size)
    if event.entity_number != NONE32:
        if kind == KIND_EDGE:
            event.entity_number = graph.latest_edge(event.entity_number)
    elif kind == KIND_NODE:
        event.entity_number = graph.nodes.add(event.entity_hash, event.entity.data, event.entity.size)
    elif kind == KIND_EDGE:
        event.entity_number = graph.edges.add(event.entity_hash, event.entity.data, event.entity.size)
    else:
        event.entity_number = graph.entities.add(event.entity_hash, event.entity.data, event.entity.size)
    if event.code == CODE_EDGE_CREATED:
        if event.source_number == NONE32:
            event.source_number = graph.nodes.add(event.source_hash, event.source.data, event.source.size)
        if event.target_number == NONE32:
            event.target_number = graph.nodes.add(event.target_hash, event.target.data, event.target.size)
        if event.source_number == NONE32 or event.target_number == NONE32:
            return FOLD_NO_MEMORY
    if event.entity_number == NONE32:
        return FOLD_NO_MEMORY
    cdef size_t end = <size_t>graph.nodes.count * sizeof(node_cold_t)
    if end > graph.cold_region.used_bytes and graph.cold_region.grow(end) < 0:
        return FOLD_NO_MEMORY
    return FOLD_OK


cdef bint is_crowded(Graph graph, event_t* event) noexcept nogil:
    # Judged with room to spare for what is logged but not folded yet.
    return event.code == CODE_EDGE_CREATED and (
        word_count(graph.node(event.source_number).out_list) > MAX_DEGREE - MAX_UNFOLDED
        or word_count(graph.node(event.target_number).in_list) > MAX_DEGREE - MAX_UNFOLDED
    )


cdef uint32_t version_of(Graph graph, event_t* event) noexcept nogil:
    cdef int kind = entity_kind(event.entity.data, event.entity.size)
    if kind == KIND_NODE:
        return graph.node(event.entity_number).version
    if kind == KIND_EDGE:
        return graph.edge(graph.latest_edge(event.entity_number)).version
    return graph.entity(event.entity_number).version
