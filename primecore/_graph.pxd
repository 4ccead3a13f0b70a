# The graph's tables and the fold of events into them: nodes, edges, vectors' liveness. Knows events and numbers; no files, no JSON beyond
# handing properties to the merge, no queries.

cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp

from primecore._adjacency cimport Adjacency, link_t
from primecore._event cimport event_t, slice_t
from primecore._changes cimport Changes
from primecore._graveyard cimport Graveyard
from primecore._history cimport History
from primecore._memory cimport Epochs, Region
from primecore._records cimport change_t, edge_t, entity_t, node_cold_t, node_t
from primecore._shards cimport KeyTable
from primecore._states cimport UNBOUNDED, States
from primecore._vectors cimport Vectors


cdef enum fold_status:
    FOLD_OK = 0
    FOLD_NO_MEMORY = -1


cdef class Part:
    # A projection kept at once: fed with each batch after the graph itself.
    cdef int fold(self, Graph graph, const change_t* changes, size_t count) except -1


@cython.final
cdef class Graph:
    cdef readonly Epochs epochs
    cdef readonly KeyTable nodes            # node_t
    cdef readonly KeyTable edges            # edge_t
    cdef readonly KeyTable entities         # entity_t
    cdef readonly KeyTable relations        # names, numbered
    cdef readonly KeyTable domains          # names, numbered
    cdef readonly Adjacency adjacency
    cdef readonly States states             # properties and labels
    cdef readonly History history
    cdef readonly Graveyard graveyard       # dead edges, for reads of the past
    cdef readonly Vectors vectors
    cdef Region cold_region
    cdef Changes changes
    cdef list parts
    cdef link_t open_head                   # ring of the open lazy results
    cdef list names                         # relation names as str, by number
    cdef readonly uint64_t stamp                     # odd while a batch is being folded
    cdef readonly uint64_t applied_position # published: every part shows it
    cdef uint32_t next_edge                 # above every edge number that stands in a list

    cdef inline node_t* node(self, uint32_t number) noexcept nogil:
        return <node_t*>self.nodes.record(number)

    cdef inline node_cold_t* cold(self, uint32_t number) noexcept nogil:
        return (<node_cold_t*>self.cold_region.base) + number

    cdef inline edge_t* edge(self, uint32_t number) noexcept nogil:
        return <edge_t*>self.edges.record(number)

    cdef inline entity_t* entity(self, uint32_t number) noexcept nogil:
        return <entity_t*>self.entities.record(number)

    cdef inline int64_t updated_us(self, uint32_t number) noexcept nogil:    # of a live node
        cdef int64_t changed_us = self.states.changed_us(self.node(number).state)
        return self.cold(number).created_us if changed_us == UNBOUNDED else changed_us

    cdef KeyTable table_of(self, const char* entity, uint32_t size)
    cdef uint32_t latest_edge(self, uint32_t number) noexcept nogil
    cdef bint node_is_live(self, const char* key, uint32_t size) noexcept nogil
    cdef bint edge_is_live(self, const char* key, uint32_t size) noexcept nogil
    cdef uint32_t domain_at(self, uint32_t number) noexcept nogil
    cdef int fold(self, event_t* events, size_t count) except -1
    cdef int fold_all(self, event_t* events, size_t count) except -1
    cdef int freeze_open(self) except -1
    cdef str relation_name(self, uint32_t number)
    cdef void reclaim(self)

    # Steps inside.
    cdef int fold_one(self, event_t* event) except -1
    cdef int change(self, uint8_t kind, uint32_t subject=*, uint32_t before=*, uint32_t after=*, uint32_t relation=*, int32_t sign=*) except -1
    cdef int node_created(self, event_t* event, uint32_t number) except -1
    cdef int node_updated(self, event_t* event, uint32_t number) except -1
    cdef int node_deleted(self, event_t* event, uint32_t number) except -1
    cdef int cut_edges(self, uint32_t number, uint64_t word, uint32_t position) except -1
    cdef int32_t live_peers(self, uint64_t word, uint32_t other_than) noexcept nogil
    cdef int settle_dangling(self, uint32_t number) except -1
    cdef uint32_t name(self, KeyTable names, slice_t text) except? 0xFFFFFFFF
    cdef uint32_t domain_of(self, event_t* event) except? 0xFFFFFFFF
    cdef int set_domain(self, uint32_t number, uint32_t domain) except -1
    cdef int cross(self, uint32_t edge, uint32_t source_domain, uint32_t target_domain, int32_t sign) except -1
    cdef uint32_t edge_created(self, event_t* event, uint32_t number) except? 0xFFFFFFFF
    cdef int edge_updated(self, event_t* event, uint32_t number) except -1
    cdef int edge_deleted(self, event_t* event, uint32_t number) except -1
    cdef int cut_edge(self, uint32_t number, uint32_t position) except -1
    cdef int end_edge(self, uint32_t number, uint32_t position) except -1
    cdef int edge_ends(self, uint32_t number, int32_t sign) except -1
    cdef int tell_vectors(self, int shown) except -1
    cdef int vector_stored(self, event_t* event, uint32_t number) except -1
    cdef int vector_deleted(self, event_t* event, uint32_t number) except -1
    cdef int space_defined(self, event_t* event) except -1


cdef enum:
    KIND_NODE = 0
    KIND_EDGE = 1
    KIND_OTHER = 2


cdef inline int entity_kind(const char* entity, uint32_t size) noexcept nogil:
    if size >= 5 and memcmp(entity, b"node:", 5) == 0:
        return KIND_NODE
    if size >= 5 and memcmp(entity, b"edge:", 5) == 0:
        return KIND_EDGE
    return KIND_OTHER
