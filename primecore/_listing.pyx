# Lists of nodes and edges: by type, by domain, by relation, around a start.
#
# Each call is one look: the GIL is held from the first number to the last copy, and no Python code runs in between
# (where the GIL could change hands; the collector is paused), so no write comes in between either.
# Properties are parsed after that, from the copies.

from libc.stdint cimport uint32_t, uint64_t

from primecore._adjacency cimport RELATION_DEAD, list_view_t
from primecore._collector cimport collector_pause, collector_resume
from primecore._event cimport NONE32
from primecore._graph cimport Graph
from primecore._index cimport DomainIndex, TypeIndex
from primecore._reads cimport Reader, finish_edge, finish_node
from primecore._records cimport edge_t

from heapq import heapify, heappop, heapreplace

from primecore._walks import breadth_first
from primecore.errors import InvalidArgument
from primecore.model import Subgraph


cdef uint32_t place_behind(Reader reader, after) except? 0xFFFFFFFE:
    # The number of the live node that a page ended with, NONE32 for the first page.
    cdef uint32_t number
    if after is None:
        return NONE32
    number = reader.find_node(after)
    if number == NONE32 or reader.graph.node(number).born == 0:
        raise InvalidArgument(f"after: expected the id of a live node, found {after!r}")
    return number


cdef uint32_t chain_from(Graph graph, TypeIndex index, uint32_t number, uint32_t after) except? 0xFFFFFFFE:
    # The first node of a type that was born behind node `after`.
    cdef uint32_t node = index.chain(number).first
    if after == NONE32:
        return node
    if index.type_of(graph, after) == number:
        return graph.cold(after).type_next
    while node != NONE32 and graph.node(node).born < graph.node(after).born:
        node = graph.cold(node).type_next
    return node


cdef bint take(Reader reader, uint32_t number, label, limit, list found):
    # Adds a node that has the label; False when there is room for no more.
    node = reader.raw_node(number)
    if label is None or label in <tuple>node[4]:
        found.append(node)
    return limit is None or <size_t>len(found) < <size_t>limit


cdef list parsed(list nodes):
    return [finish_node(node) for node in nodes]


def nodes_of_type(Reader reader not None, TypeIndex index not None, name, after, label, limit):
    """Live nodes of a type (None: of all), in order of creation, from behind node `after` on."""
    cdef Graph graph = reader.graph
    cdef uint32_t number, place, node
    cdef list found = []
    cdef int collects
    reader.check()
    place = place_behind(reader, after)
    if limit == 0:
        return found
    collects = collector_pause()
    try:
        if name is None:
            take_all(reader, index, place, label, limit, found)
        else:
            number = index.find((<str?>name).encode("utf-8", "replace"))
            node = NONE32 if number == NONE32 else chain_from(graph, index, number, place)
            while node != NONE32 and take(reader, node, label, limit, found):
                node = graph.cold(node).type_next
    finally:
        collector_resume(collects)
    return parsed(found)


cdef int take_all(Reader reader, TypeIndex index, uint32_t place, label, limit, list found) except -1:
    # Of all types, in order of creation.
    cdef Graph graph = reader.graph
    cdef uint32_t number, node
    cdef list heads = []
    for number in range(index.types.count):
        node = chain_from(graph, index, number, place)
        if node != NONE32:
            heads.append((graph.node(node).born, node))
    heapify(heads)
    while heads:
        node = heads[0][1]
        if not take(reader, node, label, limit, found):
            break
        node = graph.cold(node).type_next
        if node == NONE32:
            heappop(heads)
        else:
            heapreplace(heads, (graph.node(node).born, node))
    return 0


def nodes_of_domain(Reader reader not None, DomainIndex index not None, str domain not None, type_name, after, label,
                    limit):
    """Live nodes of a domain (and of a type, unless None), in order of creation, from behind node `after` on."""
    cdef Graph graph = reader.graph
    cdef uint32_t place, number, born
    cdef list pairs = []
    cdef list found = []
    cdef int collects
    reader.check()
    place = place_behind(reader, after)
    if limit == 0:
        return found
    collects = collector_pause()
    try:
        born = 0 if place == NONE32 else graph.node(place).born
        prefix = None if type_name is None else f"node:{type_name}:"
        for number in index.numbers(graph, domain.encode("utf-8", "replace")):
            if graph.node(number).born > born and (prefix is None or graph.nodes.key_str(number).startswith(prefix)):
                pairs.append((graph.node(number).born, number))
        pairs.sort()
        for pair in pairs:
            if not take(reader, pair[1], label, limit, found):
                break
    finally:
        collector_resume(collects)
    return parsed(found)


def edges(Reader reader not None, relation, after, limit):
    """Live edges (of a relation, unless None) in order of creation, from behind edge `after` on."""
    cdef Graph graph = reader.graph
    cdef uint32_t wanted
    cdef uint32_t number = 0
    cdef edge_t* edge
    cdef list found = []
    cdef int collects
    reader.check()                  # first: a follower may learn of the relation by it
    wanted = reader.relation_number(relation)
    if after is not None:
        number = reader.find_edge(after)
        if number == NONE32:
            raise InvalidArgument(f"after: expected the id of an edge, found {after!r}")
        number += 1
    collects = collector_pause()
    try:
        while number < graph.edges.known() and (limit is None or <size_t>len(found) < limit):
            edge = graph.edge(number)
            if edge.born and edge.died == 0 and (wanted == NONE32 or edge.relation == wanted):
                found.append(reader.raw_edge(number))
            number += 1
    finally:
        collector_resume(collects)
    return [finish_edge(edge_found) for edge_found in found]


def edges_of_node(Reader reader not None, source, target, relation, after, limit):
    """Live edges from `source` to `target` (None: any), in order of creation, from behind edge `after` on."""
    cdef Graph graph = reader.graph
    cdef uint32_t own = reader.find_node(target if source is None else source)
    cdef uint32_t wanted = reader.relation_number(relation)
    cdef uint32_t peer = NONE32 if source is None or target is None else reader.find_node(target)
    cdef uint32_t behind = NONE32 if after is None else reader.find_edge(after)
    cdef uint32_t i
    cdef list_view_t entries
    cdef list found = []
    cdef int collects
    reader.check()
    if own == NONE32 or (source is not None and target is not None and peer == NONE32):
        return found
    collects = collector_pause()
    try:
        graph.adjacency.view(graph.node(own).in_list if source is None else graph.node(own).out_list, &entries)
        for i in range(entries.count):
            if limit is not None and <size_t>len(found) >= limit:
                break
            if entries.relations[i] & RELATION_DEAD or (behind != NONE32 and entries.edges[i] <= behind):
                continue
            if peer != NONE32 and entries.peers[i] != peer:
                continue
            if wanted != NONE32 and graph.edge(entries.edges[i]).relation != wanted:
                continue
            found.append(reader.raw_edge(entries.edges[i]))
    finally:
        collector_resume(collects)
    return [finish_edge(edge) for edge in found]


def subgraph(Reader reader not None, list ids not None, uint32_t depth, size_t limit):
    """The live nodes within `depth` edges of the starts, nearest first, at most `limit`, and the edges among them."""
    cdef Graph graph = reader.graph
    cdef uint32_t number, i
    cdef list_view_t entries
    cdef list starts
    cdef dict inside = {}
    cdef list found = []
    cdef uint64_t stamp
    cdef int collects
    reader.check()
    while True:
        # Each look-up of a follower may take in more: all of them at one position, or a batch would show in part.
        stamp = graph.stamp
        inside.clear()
        for id in ids:
            number = reader.find_node(id)
            if number != NONE32:
                inside[number] = None
        if graph.stamp == stamp:
            break
    starts = list(inside)
    steps, cut, _ = breadth_first(graph, starts, depth)
    collects = collector_pause()
    try:
        for step in steps:
            inside[step[0]] = None
        kept = [number for number in inside if graph.node(number).born]
        cut = cut or <size_t>len(kept) > limit
        kept = kept[:limit]
        inside = dict.fromkeys(kept)
        for number in kept:
            graph.adjacency.view(graph.node(number).out_list, &entries)
            for i in range(entries.count):
                if not entries.relations[i] & RELATION_DEAD and entries.peers[i] in inside:
                    found.append(entries.edges[i])
        nodes = [reader.raw_node(number) for number in kept]
        joined = [reader.raw_edge(number) for number in found]
    finally:
        collector_resume(collects)
    return Subgraph(tuple(parsed(nodes)), tuple([finish_edge(edge) for edge in joined]), cut)
