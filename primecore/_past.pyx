# Reads of the past at a position: which edges a node had, and which events tell what an entity was.
# Knows the tables; never the log: what only the log tells (a weight that has changed since) it asks its caller for.
#
# Edges that live stand in their node's list in order of birth, those that died in the graveyard in order of death. So
# the edges of a node at a position cost what the node had then and what died since, whatever happened elsewhere.
# Each call is one look: the GIL is held and no Python code runs between the first read and the last copy.

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, qsort, realloc

from primecore._adjacency cimport RELATION_DEAD, list_view_t
from primecore._event cimport NONE32
from primecore._graph cimport Graph
from primecore._graveyard cimport grave_t
from primecore._reads cimport Neighbors, Reader
from primecore._records cimport SUPERSEDED, edge_t, node_t
from primecore._states cimport EDGE_HEADER, UNBOUNDED, state_t

from primecore._walks import direction_bits
from primecore.model import Neighbor


cdef enum:
    OUTWARD = 1
    INWARD = 2
    AHEAD = 32                      # edges fetched into the cache before they are looked at


cdef extern from * nogil:
    void __builtin_prefetch(const void* address) noexcept


ctypedef struct found_t:
    uint32_t peer
    uint32_t edge
    double weight
    uint8_t outward
    uint8_t changed                 # the weight may have been another then


ctypedef struct founds_t:
    found_t* items
    size_t count
    size_t capacity


cdef str BOTH = "both"
cdef str OUT = "out"
cdef str IN = "in"


cdef int by_edge(const void* a, const void* b) noexcept nogil:
    cdef uint32_t first = (<const found_t*>a).edge
    cdef uint32_t second = (<const found_t*>b).edge
    return (first > second) - (first < second)


cdef bint has_changed(Graph graph, const edge_t* edge, uint64_t position) noexcept nogil:
    # Whether an event of this life may have changed it after `position`. The event that ended it has not.
    cdef uint32_t last = edge.last_position
    if last == edge.died and last > position:
        last = graph.history.previous(last)
    return last > position


cdef int take(Graph graph, founds_t* found, uint32_t number, bint outward, uint64_t position) except -1:
    cdef edge_t* edge = graph.edge(number)
    cdef size_t capacity
    cdef found_t* items
    if found.count == found.capacity:
        capacity = found.capacity * 2 if found.capacity else 32
        items = <found_t*>realloc(found.items, capacity * sizeof(found_t))
        if items == NULL:
            raise MemoryError("no room for edges")
        found.items = items
        found.capacity = capacity
    items = &found.items[found.count]
    items.peer = edge.target if outward else edge.source
    items.edge = number
    items.weight = edge.weight
    items.outward = outward
    items.changed = has_changed(graph, edge, position)
    found.count += 1
    return 0


cdef int gather(Graph graph, founds_t* found, uint32_t node, bint outward, uint64_t position, bint dead_too,
                bint skip_loops, uint32_t relation) except -1:
    # The edges of one direction that lived at `position` (with `dead_too` all that were born by then), oldest first.
    cdef list_view_t entries
    cdef edge_t* edge
    cdef grave_t* grave
    cdef size_t begin = found.count, begin_dead
    cdef uint32_t i, number
    cdef node_t* record = graph.node(node)
    graph.adjacency.view(record.out_list if outward else record.in_list, &entries)
    for i in range(entries.count if entries.count < AHEAD else <uint32_t>AHEAD):
        __builtin_prefetch(graph.edge(entries.edges[i]))
    for i in range(entries.count):
        if entries.relations[i] & RELATION_DEAD:
            continue
        edge = graph.edge(entries.edges[i])
        if edge.born > position:
            break
        if (relation == NONE32 or edge.relation == relation) and not (skip_loops and entries.peers[i] == node):
            take(graph, found, entries.edges[i], outward, position)
    begin_dead = found.count
    number = graph.graveyard.latest(node, outward)
    while number:
        grave = graph.graveyard.grave(number)
        edge = graph.edge(grave.edge)
        if edge.died <= position and not dead_too:
            break
        if edge.born <= position and (relation == NONE32 or edge.relation == relation):
            if not (skip_loops and edge.source == edge.target):
                take(graph, found, grave.edge, outward, position)
        number = grave.next_out if outward else grave.next_in
    if found.count > begin_dead:
        qsort(&found.items[begin], found.count - begin, sizeof(found_t), by_edge)
    return 0


cdef int gather_both(Graph graph, founds_t* found, uint32_t node, int direction, uint64_t position, bint dead_too,
                     bint skip_loops, uint32_t relation) except -1:
    if direction & OUTWARD:
        gather(graph, found, node, True, position, dead_too, False, relation)
    if direction & INWARD:
        gather(graph, found, node, False, position, dead_too, skip_loops and direction & OUTWARD, relation)
    return 0


def neighbors(Reader reader not None, str id not None, uint64_t position, relation, direction, limit, weight_of):
    """The neighbours that a node had at a position, as Reader.neighbors() gives those it has now.

    `weight_of(edge number)` is asked for weights that may have changed since.
    """
    cdef Graph graph = reader.graph
    cdef uint32_t number = reader.find_node(id)
    cdef uint32_t wanted = reader.relation_number(relation)
    cdef int bits = OUTWARD | INWARD if direction is BOTH else direction_bits(direction)
    cdef Neighbors result = Neighbors.__new__(Neighbors)
    cdef founds_t found = founds_t(NULL, 0, 0)
    cdef size_t i, count
    result.graph = graph
    result.items = []
    if number == NONE32:
        return result
    try:
        gather_both(graph, &found, number, bits, position, False, True, wanted)
        count = found.count if limit is None or <size_t>limit > found.count else <size_t>limit
        for i in range(count if count < AHEAD else <size_t>AHEAD):
            __builtin_prefetch(graph.node(found.items[i].peer))
        for i in range(count):
            item = result.row(OUT if found.items[i].outward else IN)
            result.fill(item, found.items[i].peer, found.items[i].edge)
            if found.items[i].changed:
                item = Neighbor(item[0], item[1], item[2], item[3], weight_of(found.items[i].edge))
            result.items.append(item)
    finally:
        free(found.items)
    return result


def listed(Reader reader not None, list items not None):
    """Neighbours that were found elsewhere as the sequence that reads of neighbours give."""
    cdef Neighbors result = Neighbors.__new__(Neighbors)
    result.graph = reader.graph
    result.items = items
    return result


def adjacent(Reader reader not None, uint32_t node, int direction, uint64_t position, bint dead_too=False):
    """[(peer, edge, outward, weight or None where it may have been another then)] of a node number at a position.

    Out first, then in, each in order of creation; self-loops in both. `dead_too` gives every life that began by then.
    """
    cdef founds_t found = founds_t(NULL, 0, 0)
    cdef size_t i
    cdef list result = []
    reader.check()
    try:
        gather_both(reader.graph, &found, node, direction, position, dead_too, False, NONE32)
        for i in range(found.count):
            result.append((
                found.items[i].peer, found.items[i].edge, bool(found.items[i].outward),
                None if found.items[i].changed else found.items[i].weight,
            ))
    finally:
        free(found.items)
    return result


def present_node(Reader reader not None, str id not None, uint64_t position):
    """What a node was at a position, where the tables of the present tell.

    The Node, or None where it was not live. Where only the log tells: the positions of its events up to `position`,
    newest first, as far back as the begin of its present life if that had begun.
    """
    cdef Graph graph = reader.graph
    cdef uint32_t number = reader.find_node(id)
    cdef uint32_t at, begin
    cdef node_t* node
    cdef list positions = []
    if number == NONE32:
        return None
    node = graph.node(number)
    if node.last_position <= position:
        return reader.make_node(number) if node.born else None
    begin = node.born if node.born and node.born <= position else 0
    at = node.last_position
    while at and at >= begin:
        if at <= position:
            positions.append(at)
        at = graph.history.previous(at)
    return positions


def chain(Reader reader not None, str id not None, uint64_t position):
    """The positions of an entity's events up to `position`, newest first."""
    cdef list positions = []
    cdef uint32_t at = reader.latest(id)[1]
    while at:
        if at <= position:
            positions.append(at)
        at = reader.graph.history.previous(at)
    return positions


def lives(Reader reader not None, str id not None, str source, uint32_t born, uint64_t position):
    """Whether the edge of this id that was born at `born`, out of `source`, lived at `position`."""
    cdef Graph graph = reader.graph
    cdef uint32_t number = reader.find_edge(id)
    cdef uint32_t grave
    cdef edge_t* edge
    if number == NONE32:
        return False
    if graph.edge(number).born == born:
        return graph.edge(number).died == 0 or graph.edge(number).died > position
    number = reader.find_node(source)
    if number == NONE32:
        return False
    grave = graph.graveyard.latest(number, True)
    while grave:
        edge = graph.edge(graph.graveyard.grave(grave).edge)
        if edge.died <= position:
            return False
        if edge.born == born:
            return True
        grave = graph.graveyard.grave(grave).next_out
    return False


def edge_facts(Reader reader not None, uint32_t number):
    """(id, source number, target number, relation, born, died or 0, latest position of this life) of an edge number."""
    cdef Graph graph = reader.graph
    cdef edge_t* edge = graph.edge(number)
    reader.check()
    return (
        graph.edges.key_str(number), edge.source, edge.target, graph.relation_name(edge.relation), edge.born, edge.died,
        edge.last_position,
    )


def life_chain(Reader reader not None, uint32_t number, uint64_t position):
    """The positions of the events of one life of an edge up to `position`, newest first, its birth last."""
    cdef Graph graph = reader.graph
    cdef edge_t* edge = graph.edge(number)
    cdef uint32_t at = edge.last_position
    cdef list positions = []
    reader.check()
    while at >= edge.born:
        if at <= position:
            positions.append(at)
        if at == edge.born:
            break
        at = graph.history.previous(at)
    return positions


def later_chain(Reader reader not None, uint32_t number, uint64_t position):
    """The positions of the events of an edge's id behind the birth of this life, up to `position`, newest first."""
    cdef Graph graph = reader.graph
    cdef uint32_t at = graph.edge(graph.latest_edge(number)).last_position
    cdef uint32_t born = graph.edge(number).born
    cdef list positions = []
    reader.check()
    while at > born:
        if at <= position:
            positions.append(at)
        at = graph.history.previous(at)
    return positions


def validity(Reader reader not None, uint32_t number, uint64_t position):
    """(valid_from, valid_to) of an edge number in microseconds, None where unbounded; None where only the log knows."""
    cdef Graph graph = reader.graph
    cdef edge_t* edge = graph.edge(number)
    cdef state_t state
    reader.check()
    if edge.died or edge.version == SUPERSEDED or has_changed(graph, edge, position):
        return None
    graph.states.read(edge.state, EDGE_HEADER, &state)
    return (
        None if state.valid_from_us == UNBOUNDED else state.valid_from_us,
        None if state.valid_to_us == UNBOUNDED else state.valid_to_us,
    )


def present_edge(Reader reader not None, uint32_t number, uint64_t position):
    """The Edge of a number, where it still is what it was at `position`; else None."""
    cdef edge_t* edge = reader.graph.edge(number)
    reader.check()
    if edge.died or edge.version == SUPERSEDED or has_changed(reader.graph, edge, position):
        return None
    return reader.make_edge(number)


def was_deleted(Reader reader not None, uint32_t node):
    """Whether an event ever said that a node number is deleted."""
    reader.check()
    return reader.graph.graveyard.was_deleted(node)
