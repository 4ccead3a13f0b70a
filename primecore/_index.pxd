# The small projections kept at once beside the graph: type index, domain index, cross-domain counts, counters.
# Each folds the graph's changes; none knows another, none knows events.

from libc.stdint cimport int64_t, uint32_t

from primecore._graph cimport Graph, Part
from primecore._memory cimport Region
from primecore._records cimport change_t
from primecore._shards cimport KeyTable


ctypedef struct members_t:          # a chain of nodes
    uint32_t first                  # NONE32: none
    uint32_t last
    uint32_t count                  # live nodes


cdef class TypeIndex(Part):
    cdef readonly KeyTable types    # names, numbered
    cdef Region chains              # members_t by type
    cdef Region by_prefix           # type + 1 by key prefix, 0: not looked up yet

    cdef uint32_t find(self, bytes name) noexcept      # NONE32: no such type
    cdef void join(self, Graph graph, uint32_t node, members_t* chain) noexcept
    cdef void leave(self, Graph graph, uint32_t node, members_t* chain) noexcept
    cdef members_t* chain(self, uint32_t number) noexcept nogil
    cdef uint32_t type_of(self, Graph graph, uint32_t node) except? 0xFFFFFFFF

    # Steps inside.
    cdef int fold(self, Graph graph, const change_t* changes, size_t count) except -1
    cdef uint32_t number_of(self, const char* name, uint32_t size) except? 0xFFFFFFFF


cdef class DomainIndex(Part):
    cdef Region chains              # members_t by domain

    cdef members_t* chain(self, uint32_t domain) except NULL
    cdef list numbers(self, Graph graph, bytes name)

    # Steps inside.
    cdef int fold(self, Graph graph, const change_t* changes, size_t count) except -1
    cdef int join(self, Graph graph, uint32_t node, uint32_t domain) except -1
    cdef int leave(self, Graph graph, uint32_t node, uint32_t domain) except -1


ctypedef struct cross_t:            # live edges of one relation from one domain to another
    uint32_t source_domain
    uint32_t target_domain
    uint32_t relation
    uint32_t used
    int64_t count


cdef class CrossCounts(Part):
    cdef cross_t* slots
    cdef size_t mask
    cdef size_t used
    cdef readonly int64_t total

    cdef cross_t* slot(self, uint32_t source_domain, uint32_t target_domain, uint32_t relation) noexcept nogil
    cdef int double(self) except -1

    # Steps inside.
    cdef int fold(self, Graph graph, const change_t* changes, size_t count) except -1


cdef class Counters(Part):
    cdef readonly int64_t nodes
    cdef readonly int64_t edges
    cdef readonly int64_t dangling_edges
    cdef readonly int64_t ignored_events
    cdef readonly int64_t vectors
    cdef Region by_relation         # int64 by relation

    cdef int64_t* relation(self, uint32_t number) except NULL

    # Steps inside.
    cdef int fold(self, Graph graph, const change_t* changes, size_t count) except -1
