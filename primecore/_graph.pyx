# The graph's tables and the fold of events into them. The contract stands in _graph.pxd, the rules in docs/architecture.md.

import os
import sys

from cpython.list cimport PyList_GET_ITEM
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from primecore._adjacency cimport (
    RELATION_DEAD, Adjacency, OpenResult, __ATOMIC_RELEASE, __atomic_store_n, list_view_t, ring_init,
)
from primecore._event cimport (
    CODE_EDGE_CREATED, CODE_EDGE_DELETED, CODE_EDGE_UPDATED, CODE_NODE_CREATED, CODE_NODE_DELETED, CODE_NODE_UPDATED,
    CODE_SPACE_DEFINED, CODE_VECTOR_DELETED, CODE_VECTOR_STORED, FIELD_ABSENT, FIELD_SET, NONE32, event_t, slice_t,
)
from primecore._changes cimport Changes
from primecore._collector cimport collector_pause, collector_resume
from primecore._graveyard cimport Graveyard
from primecore._history cimport History
from primecore._memory cimport Arena, Epochs, Region
from primecore._records cimport (
    CHANGE_CROSS, CHANGE_DANGLING, CHANGE_EDGE_GONE, CHANGE_EDGE_LIVE, CHANGE_IGNORED, CHANGE_NODE_DOMAIN,
    CHANGE_NODE_GONE, CHANGE_NODE_LIVE, CHANGE_NODE_STATE, CHANGE_VECTORS, CHANGE_VECTORS_EMPTIED, CHANGE_VECTOR_GONE,
    CHANGE_VECTOR_SHOWN, SUPERSEDED, change_t, edge_t, entity_t, node_cold_t, node_t,
)
from primecore._shards cimport KeyTable
from primecore._states cimport EDGE_HEADER, NODE_HEADER, UNBOUNDED, States, changed_at, state_t
from primecore._vectors cimport Vectors


cdef size_t bytes_in(KeyTable table):
    return table.record_bytes_used + table.index_bytes + table.key_arena_bytes


cdef class Part:
    cdef int fold(self, Graph graph, const change_t* changes, size_t count) except -1:
        return 0


cdef class Graph:
    """All tables that are kept at once. One writer folds into it, under the GIL."""

    def __cinit__(self):
        seed = int.from_bytes(os.urandom(8), "little")
        self.epochs = Epochs()
        self.nodes = KeyTable(sizeof(node_t), self.epochs, seed)
        self.edges = KeyTable(sizeof(edge_t), self.epochs, seed)
        self.entities = KeyTable(sizeof(entity_t), self.epochs, seed)
        self.relations = KeyTable(24, self.epochs, seed)
        self.domains = KeyTable(24, self.epochs, seed)
        self.adjacency = Adjacency(Arena(), self.epochs)
        self.states = States()
        self.history = History()
        self.graveyard = Graveyard()
        self.changes = Changes()
        self.vectors = Vectors(self.entities, self.nodes, self.epochs)
        self.cold_region = Region(<size_t>128 << 30)
        self.parts = []
        self.names = []
        ring_init(&self.open_head, NULL)

    def add_part(self, Part part not None):
        """Feeds a projection from now on, after those added before it."""
        self.parts.append(part)

    def close(self):
        """Settles open lazy results, and lets go of the parts, which hold the graph: nothing is folded any more."""
        self.freeze_open()
        self.parts.clear()              # some of them hold the graph

    @property
    def table_bytes(self):
        """Bytes of records, keys and index by table; relations' names count with the edges."""
        return {
            "nodes": bytes_in(self.nodes) + self.cold_region.used_bytes,
            "edges": bytes_in(self.edges) + bytes_in(self.relations),
            "entities": bytes_in(self.entities),
        }

    def node_id(self, uint32_t number):
        """The id of a node number that a read gave."""
        return self.nodes.key_str(number)

    def edge_id(self, uint32_t number):
        """The id of an edge number that a read gave."""
        return self.edges.key_str(number)

    # Records.

    cdef KeyTable table_of(self, const char* entity, uint32_t size):
        cdef int kind = entity_kind(entity, size)
        return self.nodes if kind == KIND_NODE else self.edges if kind == KIND_EDGE else self.entities

    cdef uint32_t latest_edge(self, uint32_t number) noexcept nogil:
        # Within one batch an edge may be made again after its number was looked up.
        while self.edge(number).version == SUPERSEDED:
            number = self.edge(number).state
        return number

    cdef bint node_is_live(self, const char* key, uint32_t size) noexcept nogil:
        cdef uint32_t number = self.nodes.find(self.nodes.hash(key, size), key, size)
        return number != NONE32 and self.node(number).born != 0

    cdef bint edge_is_live(self, const char* key, uint32_t size) noexcept nogil:
        cdef uint32_t number = self.edges.find(self.edges.hash(key, size), key, size)
        return number != NONE32 and self.edge(number).born != 0 and self.edge(number).died == 0

    # The fold.

    cdef int fold(self, event_t* events, size_t count) except -1:
        cdef int collects = collector_pause()       # freezing makes objects; a reader that came in would see half of it
        try:
            return self.fold_all(events, count)
        finally:
            collector_resume(collects)

    cdef int fold_all(self, event_t* events, size_t count) except -1:
        cdef size_t i
        self.changes.count = 0
        self.vectors.reclaim()
        __atomic_store_n(&self.stamp, self.stamp + 1, __ATOMIC_RELEASE)
        for i in range(count):
            self.fold_one(&events[i])
        for part in self.parts:
            (<Part>part).fold(self, self.changes.items, self.changes.count)
        if count:
            self.applied_position = events[count - 1].position
        if self.adjacency.wants_reclaim():
            self.freeze_open()
            self.adjacency.reclaim()
        __atomic_store_n(&self.stamp, self.stamp + 1, __ATOMIC_RELEASE)
        return 0

    cdef int fold_one(self, event_t* event) except -1:
        cdef int kind = entity_kind(event.entity.data, event.entity.size)
        cdef uint32_t number = event.entity_number
        cdef uint32_t* version
        cdef uint32_t* last
        if event.code == CODE_NODE_CREATED:
            self.node_created(event, number)
        elif event.code == CODE_EDGE_CREATED:
            number = self.edge_created(event, self.latest_edge(number))
        elif event.code == CODE_NODE_UPDATED:
            self.node_updated(event, number)
        elif event.code == CODE_NODE_DELETED:
            self.node_deleted(event, number)
        elif event.code == CODE_EDGE_UPDATED:
            self.edge_updated(event, self.latest_edge(number))
        elif event.code == CODE_EDGE_DELETED:
            self.edge_deleted(event, self.latest_edge(number))
        elif event.code == CODE_VECTOR_STORED:
            self.vector_stored(event, number)
        elif event.code == CODE_VECTOR_DELETED:
            self.vector_deleted(event, number)
        elif event.code == CODE_SPACE_DEFINED:
            self.space_defined(event)
        if kind == KIND_NODE:
            self.change(CHANGE_NODE_STATE, number)
            version = &self.node(number).version
            last = &self.node(number).last_position
        elif kind == KIND_EDGE:
            number = self.latest_edge(number)
            version = &self.edge(number).version
            last = &self.edge(number).last_position
        else:
            version = &self.entity(number).version
            last = &self.entity(number).last_position
        version[0] = event.version
        if self.history.link(event.position, last[0], event.time_us) < 0:
            raise MemoryError("history")
        last[0] = <uint32_t>event.position
        return 0

    cdef int change(self, uint8_t kind, uint32_t subject=0, uint32_t before=0, uint32_t after=0, uint32_t relation=0,
                    int32_t sign=0) except -1:
        return self.changes.add(kind, subject, before, after, relation, sign)

    # Nodes.

    cdef int node_created(self, event_t* event, uint32_t number) except -1:
        cdef node_t* node = self.node(number)
        cdef node_cold_t* cold = self.cold(number)
        cdef bint fresh = node.born == 0
        self.states.drop(&node.state, NODE_HEADER)
        if fresh:
            cold.created_us = event.time_us
        self.states.put(
            &node.state, NODE_HEADER, event.properties, event.labels, changed_at(event.time_us, cold.created_us), UNBOUNDED
        )
        if fresh:
            node.born = <uint32_t>event.position
            node.domain = NONE32
            self.change(CHANGE_NODE_LIVE, number)
            self.settle_dangling(number)
            self.tell_vectors(self.vectors.node_born(number, event))
        self.set_domain(number, self.domain_of(event))
        return 0

    cdef int node_updated(self, event_t* event, uint32_t number) except -1:
        cdef node_t* node = self.node(number)
        if node.born == 0:
            return self.change(CHANGE_IGNORED)
        self.states.merge(
            &node.state, NODE_HEADER, event.properties, event.labels,
            changed_at(event.time_us, self.cold(number).created_us), UNBOUNDED,
        )
        if event.domain_state != FIELD_ABSENT:
            self.set_domain(number, self.domain_of(event))
        return 0

    cdef int node_deleted(self, event_t* event, uint32_t number) except -1:
        cdef node_t* node = self.node(number)
        self.graveyard.note_deletion(number)
        if node.born == 0:
            return self.change(CHANGE_IGNORED)
        self.freeze_open()
        self.cut_edges(number, node.out_list, <uint32_t>event.position)
        self.cut_edges(number, node.in_list, <uint32_t>event.position)
        if self.adjacency.clear(&node.out_list) < 0 or self.adjacency.clear(&node.in_list) < 0:
            raise MemoryError("adjacency")
        self.set_domain(number, NONE32)
        self.states.drop(&node.state, NODE_HEADER)
        self.tell_vectors(self.vectors.node_died(event))
        node.born = 0
        self.change(CHANGE_NODE_GONE, number)
        return 0

    cdef int cut_edges(self, uint32_t number, uint64_t word, uint32_t position) except -1:
        # The node's edges go with it; a self-loop stands in both of its lists and goes once.
        cdef list_view_t edges
        cdef uint32_t i
        cdef uint64_t* other
        cdef edge_t* edge
        self.adjacency.view(word, &edges)
        for i in range(edges.count):
            edge = self.edge(edges.edges[i])
            if edges.relations[i] & RELATION_DEAD or edge.died:
                continue
            if edge.source != edge.target:
                other = &self.node(edge.target).in_list if edge.source == number else &self.node(edge.source).out_list
                if self.adjacency.remove(other, edges.edges[i]) < 0:
                    raise MemoryError("adjacency")
            self.end_edge(edges.edges[i], position)
        return 0

    cdef int settle_dangling(self, uint32_t number) except -1:
        # Edges that waited for this node dangle no longer, if their other end is live.
        cdef node_t* node = self.node(number)
        cdef int32_t settled = self.live_peers(node.out_list, NONE32) + self.live_peers(node.in_list, number)
        return self.change(CHANGE_DANGLING, number, 0, 0, 0, -settled) if settled else 0

    cdef int32_t live_peers(self, uint64_t word, uint32_t other_than) noexcept nogil:
        cdef list_view_t edges
        cdef uint32_t i
        cdef int32_t count = 0
        self.adjacency.view(word, &edges)
        for i in range(edges.count):
            if edges.peers[i] != other_than and not edges.relations[i] & RELATION_DEAD and self.node(edges.peers[i]).born:
                count += 1
        return count

    cdef uint32_t name(self, KeyTable names, slice_t text) except? 0xFFFFFFFF:
        cdef uint32_t number = names.add(names.hash(text.data, text.size), text.data, text.size)
        if number == NONE32:
            raise MemoryError("names")
        return number

    cdef uint32_t domain_of(self, event_t* event) except? 0xFFFFFFFF:
        if event.domain_state != FIELD_SET:
            return NONE32
        return event.domain_number if event.domain_number != NONE32 else self.name(self.domains, event.domain)

    cdef int set_domain(self, uint32_t number, uint32_t domain) except -1:
        cdef node_t* node = self.node(number)
        cdef uint32_t before = node.domain
        cdef uint32_t i, peer
        cdef list_view_t edges
        if before == domain:
            return 0
        self.adjacency.view(node.out_list, &edges)
        for i in range(edges.count):
            if edges.peers[i] != number and not edges.relations[i] & RELATION_DEAD:
                peer = self.domain_at(edges.peers[i])
                self.cross(edges.edges[i], before, peer, -1)
                self.cross(edges.edges[i], domain, peer, 1)
        self.adjacency.view(node.in_list, &edges)
        for i in range(edges.count):
            if edges.peers[i] != number and not edges.relations[i] & RELATION_DEAD:
                peer = self.domain_at(edges.peers[i])
                self.cross(edges.edges[i], peer, before, -1)
                self.cross(edges.edges[i], peer, domain, 1)
        node.domain = domain
        self.change(CHANGE_NODE_DOMAIN, number, before, domain)
        return 0

    cdef uint32_t domain_at(self, uint32_t number) noexcept nogil:
        # A node that is not live has none, whatever its record says.
        return self.node(number).domain if self.node(number).born else <uint32_t>NONE32

    cdef int cross(self, uint32_t edge, uint32_t source_domain, uint32_t target_domain, int32_t sign) except -1:
        if source_domain == NONE32 or target_domain == NONE32 or source_domain == target_domain:
            return 0
        return self.change(CHANGE_CROSS, edge, source_domain, target_domain, self.edge(edge).relation, sign)

    # Edges.

    cdef uint32_t edge_created(self, event_t* event, uint32_t number) except? 0xFFFFFFFF:
        cdef edge_t* edge = self.edge(number)
        cdef edge_t* former
        cdef uint32_t fresh
        if edge.born and edge.died == 0:
            self.cut_edge(number, <uint32_t>event.position)
        if edge.born or number < self.next_edge:
            # Lists are searched by bisection, so what joins them has a higher number than all that did before.
            fresh = self.edges.renew(number)
            if fresh == NONE32:
                raise MemoryError("edges")
            former = self.edge(number)
            edge = self.edge(fresh)
            edge.version = former.version
            edge.last_position = former.last_position
            former.version = SUPERSEDED
            former.state = fresh
            number = fresh
        self.next_edge = number + 1
        edge.source = event.source_number
        edge.target = event.target_number
        edge.weight = event.weight if event.has_weight else 1.0
        edge.relation = event.relation_number
        if edge.relation == NONE32:
            edge.relation = self.name(self.relations, event.relation)
        edge.born = <uint32_t>event.position
        self.states.put(
            &edge.state, EDGE_HEADER, event.properties, slice_t(NULL, 0),
            event.valid_from_us if event.valid_from_state == FIELD_SET else UNBOUNDED,
            event.valid_to_us if event.valid_to_state == FIELD_SET else UNBOUNDED,
        )
        if (
            self.adjacency.append(&self.node(edge.source).out_list, edge.target, number, edge.relation) < 0
            or self.adjacency.append(&self.node(edge.target).in_list, edge.source, number, edge.relation) < 0
        ):
            raise MemoryError("adjacency")
        if edge.source == edge.target:
            self.node(edge.source).loops += 1
        self.change(CHANGE_EDGE_LIVE, number, 0, 0, edge.relation)
        self.edge_ends(number, 1)
        return number

    cdef int edge_updated(self, event_t* event, uint32_t number) except -1:
        cdef edge_t* edge = self.edge(number)
        cdef state_t old
        if edge.born == 0 or edge.died:
            return self.change(CHANGE_IGNORED)
        if event.has_weight and event.weight != edge.weight:
            self.freeze_open()
            edge.weight = event.weight
        self.states.read(edge.state, EDGE_HEADER, &old)
        if event.valid_from_state != FIELD_ABSENT:
            old.valid_from_us = event.valid_from_us if event.valid_from_state == FIELD_SET else UNBOUNDED
        if event.valid_to_state != FIELD_ABSENT:
            old.valid_to_us = event.valid_to_us if event.valid_to_state == FIELD_SET else UNBOUNDED
        return self.states.merge(
            &edge.state, EDGE_HEADER, event.properties, slice_t(NULL, 0), old.valid_from_us, old.valid_to_us
        )

    cdef int edge_deleted(self, event_t* event, uint32_t number) except -1:
        cdef edge_t* edge = self.edge(number)
        if edge.born == 0 or edge.died:
            return self.change(CHANGE_IGNORED)
        return self.cut_edge(number, <uint32_t>event.position)

    cdef int cut_edge(self, uint32_t number, uint32_t position) except -1:
        cdef edge_t* edge = self.edge(number)
        self.freeze_open()
        if (
            self.adjacency.remove(&self.node(edge.source).out_list, number) < 0
            or self.adjacency.remove(&self.node(edge.target).in_list, number) < 0
        ):
            raise MemoryError("adjacency")
        return self.end_edge(number, position)

    cdef int end_edge(self, uint32_t number, uint32_t position) except -1:
        cdef edge_t* edge = self.edge(number)
        self.edge_ends(number, -1)
        self.change(CHANGE_EDGE_GONE, number, 0, 0, edge.relation)
        edge.died = position
        if edge.source == edge.target:
            self.node(edge.source).loops -= 1
        self.states.drop(&edge.state, EDGE_HEADER)
        return self.graveyard.bury(number, edge.source, edge.target)

    cdef int edge_ends(self, uint32_t number, int32_t sign) except -1:
        # What an edge counts for by its ends: dangling while either is not live, cross while their domains differ.
        cdef edge_t* edge = self.edge(number)
        cdef node_t* source = self.node(edge.source)
        cdef node_t* target = self.node(edge.target)
        if source.born == 0 or target.born == 0:
            return self.change(CHANGE_DANGLING, number, 0, 0, 0, sign)
        return self.cross(number, source.domain, target.domain, sign)

    # Vectors.

    cdef int tell_vectors(self, int shown) except -1:
        # What the last call did to the vectors, for the parts.
        cdef Vectors vectors = self.vectors
        if vectors.gone != NONE32:
            self.change(CHANGE_VECTOR_GONE, vectors.current.record(vectors.gone).entity, vectors.gone)
        if vectors.came != NONE32:
            self.change(CHANGE_VECTOR_SHOWN, vectors.current.record(vectors.came).entity, 0, vectors.came)
        return self.change(CHANGE_VECTORS, 0, 0, 0, 0, shown) if shown else 0

    cdef int vector_stored(self, event_t* event, uint32_t number) except -1:
        return self.tell_vectors(self.vectors.stored(number, event))

    cdef int vector_deleted(self, event_t* event, uint32_t number) except -1:
        cdef bint live = self.vectors.is_live(number)
        self.tell_vectors(self.vectors.deleted(number, event))
        return 0 if live else self.change(CHANGE_IGNORED)

    cdef int space_defined(self, event_t* event) except -1:
        return self.change(CHANGE_VECTORS_EMPTIED) if self.vectors.define_space(event) else 0

    # Open lazy results.

    cdef int freeze_open(self) except -1:
        cdef OpenResult result                      # held: freezing it makes objects, and its last holder may go then
        while self.open_head.next != &self.open_head:
            result = <OpenResult>self.open_head.next.owner
            result.freeze()
        return 0

    cdef str relation_name(self, uint32_t number):
        cdef list names = self.names
        while <uint32_t>len(names) <= number:
            names.append(sys.intern(self.relations.key_str(<uint32_t>len(names))))
        return <str>PyList_GET_ITEM(names, number)

    cdef void reclaim(self):
        self.nodes.reclaim()
        self.edges.reclaim()
        self.entities.reclaim()
        self.relations.reclaim()
        self.domains.reclaim()
