# Lists of nodes and edges: by type, by domain, by relation, around a start. Each call is one look: the GIL is held from the first number
# to the last object, so no write comes between.

from libc.stdint cimport uint32_t

from primecore._adjacency cimport RELATION_DEAD, list_view_t
from primecore._event cimport NONE32
from primecore._graph cimport Graph
from primecore._index cimport DomainIndex, TypeIndex
from primecore._reads cimport Reader
from primecore._records cimport edge_t, node_t

from heapq import merge

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


cdef class _Chain:
    # The live nodes of one type from a place on, as (born, number).
    cdef Graph graph
    cdef uint32_t at

    def __iter__(self):
        return self

    def __next__(self):
        cdef uint32_t node = self.at
        if node == NONE32:
            raise StopIteration
        self.at = self.graph.cold(node).type_next
        return self.graph.node(node).born, node


cdef _Chain chain_from(Graph graph, TypeIndex index, uint32_t number, uint32_t after):
    cdef _Chain chain = _Chain.__new__(_Chain)
    chain.graph = graph
    chain.at = index.chain(number).first
    if after == NONE32:
        return chain
    if index.type_of(graph, after) == number:
        chain.at = graph.cold(after).type_next
        return chain
    while chain.at != NONE32 and graph.node(chain.at).born < graph.node(after).born:
        chain.at = graph.cold(chain.at).type_next
    return chain


cdef list gather(Reader reader, pairs, label, limit):
    cdef list found = []
    if limit == 0:
        return found
    for _, number in pairs:
        node = reader.make_node(number)
        if label is not None and label not in node.labels:
            continue
        found.append(node)
        if limit is not None and len(found) >= limit:
            break
    return found


def nodes_of_type(Reader reader not None, TypeIndex index not None, name, after, label, limit):
    """Live nodes of a type (None: of all), in order of creation, from behind node `after` on."""
    cdef Graph graph = reader.graph
    cdef uint32_t number, place
    reader.check()
    place = place_behind(reader, after)
    if name is None:
        pairs = merge(*[chain_from(graph, index, number, place) for number in range(index.types.count)])
    else:
        number = index.find((<str?>name).encode("utf-8", "replace"))
        pairs = () if number == NONE32 else chain_from(graph, index, number, place)
    return gather(reader, pairs, label, limit)


def nodes_of_domain(Reader reader not None, DomainIndex index not None, str domain not None, type_name, after, label, limit):
    """Live nodes of a domain (and of a type, unless None), in order of creation, from behind node `after` on."""
    cdef Graph graph = reader.graph
    cdef uint32_t place, number, born
    cdef list pairs = []
    reader.check()
    place = place_behind(reader, after)
    born = 0 if place == NONE32 else graph.node(place).born
    prefix = None if type_name is None else f"node:{type_name}:"
    for number in index.numbers(graph, domain.encode("utf-8", "replace")):
        if graph.node(number).born > born and (prefix is None or graph.nodes.key_str(number).startswith(prefix)):
            pairs.append((graph.node(number).born, number))
    pairs.sort()
    return gather(reader, pairs, label, limit)


def edges(Reader reader not None, relation, after, limit):
    """Live edges (of a relation, unless None) in order of creation, from behind edge `after` on."""
    cdef Graph graph = reader.graph
    cdef uint32_t wanted = reader.relation_number(relation)
    cdef uint32_t number = 0
    cdef edge_t* edge
    cdef list found = []
    reader.check()
    if after is not None:
        number = reader.find_edge(after)
        if number == NONE32:
            raise InvalidArgument(f"after: expected the id of an edge, found {after!r}")
        number += 1
    while number < graph.edges.count and (limit is None or <size_t>len(found) < limit):
        edge = graph.edge(number)
        if edge.born and edge.died == 0 and (wanted == NONE32 or edge.relation == wanted):
            found.append(reader.make_edge(number))
        number += 1
    return found


def edges_of_node(Reader reader not None, source, target, relation, after, limit):
    """Live edges from `source` (unless None) to `target` (unless None), in order of creation, from behind edge `after` on."""
    cdef Graph graph = reader.graph
    cdef uint32_t wanted = reader.relation_number(relation)
    cdef uint32_t own = reader.find_node(target if source is None else source)
    cdef uint32_t peer = NONE32 if source is None or target is None else reader.find_node(target)
    cdef uint32_t behind = NONE32 if after is None else reader.find_edge(after)
    cdef uint32_t i
    cdef list_view_t entries
    cdef list found = []
    reader.check()
    if own == NONE32 or (source is not None and target is not None and peer == NONE32):
        return found
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
        found.append(reader.make_edge(entries.edges[i]))
    return found


def subgraph(Reader reader not None, list ids not None, uint32_t depth, size_t limit):
    """The live nodes within `depth` edges of the starts, at most `limit`, nearest first, and the live edges among them."""
    cdef Graph graph = reader.graph
    cdef uint32_t number, i
    cdef list_view_t entries
    cdef list starts = []
    cdef dict inside = {}
    cdef list found = []
    reader.check()
    for id in ids:
        number = reader.find_node(id)
        if number != NONE32 and number not in inside:
            inside[number] = None
            starts.append(number)
    steps, cut, _ = breadth_first(graph, starts, depth)
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
    return Subgraph(
        tuple([reader.make_node(number) for number in kept]), tuple([reader.make_edge(number) for number in found]), cut
    )
