# Type index, domain index, cross-domain counts, counters. The contract stands in _index.pxd.

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memchr, memcmp, memcpy

from primecore._event cimport NONE32, slice_t
from primecore._graph cimport Graph, Part
from primecore._image cimport Draft, Image
from primecore._memory cimport Region
from primecore._records cimport (
    CHANGE_CROSS, CHANGE_DANGLING, CHANGE_EDGE_GONE, CHANGE_EDGE_LIVE, CHANGE_IGNORED, CHANGE_NODE_DOMAIN,
    CHANGE_NODE_GONE, CHANGE_NODE_LIVE, CHANGE_VECTORS, CHANGE_VECTORS_EMPTIED, change_t, node_cold_t,
)
from primecore._shards cimport KeyTable


cdef char* item(Region region, size_t number, size_t nbytes) except NULL:
    # The number-th item of a table that grows as it is asked for; fresh items are zero.
    cdef size_t end = (number + 1) * nbytes
    if end > region.used_bytes and region.grow(end) < 0:
        raise MemoryError("no room for an index")
    return region.base + number * nbytes


cdef class TypeIndex(Part):
    """Live nodes by type, in order of creation."""

    def __cinit__(self, Graph graph not None):
        self.types = KeyTable(24, graph.epochs)
        self.chains = Region(<size_t>16 << 30)
        self.by_prefix = Region(<size_t>16 << 30)

    @property
    def used_bytes(self):
        """Bytes in use."""
        return self.chains.used_bytes + self.by_prefix.used_bytes

    def dump(self, Draft draft not None, str name not None):
        """Adds names and chains to a draft."""
        self.types.dump(draft, f"{name}.types")
        draft.region(f"{name}.chains", self.chains)
        draft.region(f"{name}.by_prefix", self.by_prefix)

    def load(self, Image image not None, str name not None):
        """Takes over what `dump` added."""
        self.types.load(image, f"{name}.types")
        image.region(f"{name}.chains", self.chains)
        image.region(f"{name}.by_prefix", self.by_prefix)

    cdef members_t* chain(self, uint32_t number) noexcept nogil:
        return (<members_t*>self.chains.base) + number

    cdef int fold(self, Graph graph, const change_t* changes, size_t count) except -1:
        cdef size_t i
        for i in range(count):
            if changes[i].kind == CHANGE_NODE_LIVE:
                self.join(graph, changes[i].subject, self.chain(self.type_of(graph, changes[i].subject)))
            elif changes[i].kind == CHANGE_NODE_GONE:
                self.leave(graph, changes[i].subject, self.chain(self.type_of(graph, changes[i].subject)))
        return 0

    cdef void join(self, Graph graph, uint32_t node, members_t* chain) noexcept:
        cdef node_cold_t* cold = graph.cold(node)
        cold.type_previous = chain.last
        cold.type_next = NONE32
        if chain.last == NONE32:
            chain.first = node
        else:
            graph.cold(chain.last).type_next = node
        chain.last = node
        chain.count += 1

    cdef void leave(self, Graph graph, uint32_t node, members_t* chain) noexcept:
        cdef node_cold_t* cold = graph.cold(node)
        if cold.type_previous == NONE32:
            chain.first = cold.type_next
        else:
            graph.cold(cold.type_previous).type_next = cold.type_next
        if cold.type_next == NONE32:
            chain.last = cold.type_previous
        else:
            graph.cold(cold.type_next).type_previous = cold.type_previous
        chain.count -= 1

    cdef uint32_t number_of(self, const char* name, uint32_t size) except? 0xFFFFFFFF:
        cdef uint32_t before = self.types.count
        cdef uint32_t number = self.types.add(self.types.hash(name, size), name, size)
        cdef members_t* chain
        if number == NONE32:
            raise MemoryError("no room for types")
        chain = <members_t*>item(self.chains, number, sizeof(members_t))
        if number == before:
            chain.first = NONE32
            chain.last = NONE32
        return number

    cdef uint32_t type_of(self, Graph graph, uint32_t node) except? 0xFFFFFFFF:
        # NONE32 for a key that is no node id: an edge may end anywhere.
        cdef uint32_t prefix = graph.nodes.prefix_of(node)
        cdef uint32_t* cached = <uint32_t*>item(self.by_prefix, prefix, sizeof(uint32_t))
        cdef slice_t text
        cdef char[1100] key
        cdef const char* colon
        if cached[0]:
            return cached[0] - 1
        if prefix:
            text = graph.nodes.prefix_text(prefix)
            if text.size <= 6 or memcmp(text.data, b"node:", 5) != 0 or text.data[text.size - 1] != c":":
                return NONE32
            cached[0] = self.number_of(text.data + 5, text.size - 6) + 1
            return cached[0] - 1
        text.size = graph.nodes.copy_key(node, key)
        if text.size <= 6 or memcmp(key, b"node:", 5) != 0:
            return NONE32
        colon = <const char*>memchr(key + 5, c":", text.size - 5)
        if colon == NULL or colon == key + 5:
            return NONE32
        return self.number_of(key + 5, <uint32_t>(colon - key - 5))

    cdef uint32_t find(self, bytes name) noexcept:
        return self.types.find(self.types.hash(name, <uint32_t>len(name)), name, <uint32_t>len(name))

    def counts(self):
        """Live nodes by type name, without the empty ones."""
        cdef uint32_t number
        return {
            self.types.key_str(number): self.chain(number).count
            for number in range(self.types.count) if self.chain(number).count
        }


cdef class DomainIndex(Part):
    """Live nodes by domain."""

    def __cinit__(self, Graph graph not None):
        self.chains = Region(<size_t>16 << 30)

    @property
    def used_bytes(self):
        """Bytes in use."""
        return self.chains.used_bytes

    def dump(self, Draft draft not None, str name not None):
        """Adds the chains to a draft."""
        draft.region(name, self.chains)

    def load(self, Image image not None, str name not None):
        """Takes over what `dump` added."""
        image.region(name, self.chains)

    cdef members_t* chain(self, uint32_t domain) except NULL:
        cdef members_t* chain = <members_t*>item(self.chains, domain, sizeof(members_t))
        if chain.count == 0:
            chain.first = NONE32
            chain.last = NONE32
        return chain

    cdef int fold(self, Graph graph, const change_t* changes, size_t count) except -1:
        cdef size_t i
        for i in range(count):
            if changes[i].kind == CHANGE_NODE_DOMAIN:
                if changes[i].before != NONE32:
                    self.leave(graph, changes[i].subject, changes[i].before)
                if changes[i].after != NONE32:
                    self.join(graph, changes[i].subject, changes[i].after)
        return 0

    cdef int join(self, Graph graph, uint32_t node, uint32_t domain) except -1:
        cdef members_t* chain = self.chain(domain)
        cdef node_cold_t* cold = graph.cold(node)
        cold.domain_previous = chain.last
        cold.domain_next = NONE32
        if chain.last == NONE32:
            chain.first = node
        else:
            graph.cold(chain.last).domain_next = node
        chain.last = node
        chain.count += 1
        return 0

    cdef int leave(self, Graph graph, uint32_t node, uint32_t domain) except -1:
        cdef members_t* chain = self.chain(domain)
        cdef node_cold_t* cold = graph.cold(node)
        if cold.domain_previous == NONE32:
            chain.first = cold.domain_next
        else:
            graph.cold(cold.domain_previous).domain_next = cold.domain_next
        if cold.domain_next == NONE32:
            chain.last = cold.domain_previous
        else:
            graph.cold(cold.domain_next).domain_previous = cold.domain_previous
        chain.count -= 1
        return 0

    def counts(self, Graph graph not None):
        """Live nodes by domain name, without the empty ones."""
        cdef uint32_t domain
        return {
            graph.domains.key_str(domain): self.chain(domain).count
            for domain in range(graph.domains.count) if self.chain(domain).count
        }

    cdef list numbers(self, Graph graph, bytes name):
        # Numbers of the live nodes of a domain, in order of joining.
        cdef uint32_t size = <uint32_t>len(name)
        cdef uint32_t domain = graph.domains.find(graph.domains.hash(name, size), name, size)
        cdef uint32_t node
        cdef list numbers = []
        if domain == NONE32:
            return numbers
        node = self.chain(domain).first
        while node != NONE32:
            numbers.append(node)
            node = graph.cold(node).domain_next
        return numbers

    def members(self, Graph graph not None, str name not None):
        """Numbers of the live nodes of a domain."""
        return self.numbers(graph, name.encode("utf-8", "replace"))


cdef class CrossCounts(Part):
    """Live edges by (source domain, target domain, relation) where the domains differ."""

    @property
    def used_bytes(self):
        """Bytes in use."""
        return (self.mask + 1) * sizeof(cross_t) if self.slots != NULL else 0

    def __dealloc__(self):
        free(self.slots)

    def dump(self, Draft draft not None, str name not None):
        """Adds the counts to a draft."""
        draft.add(f"{name}.slots", self.slots, self.used_bytes)
        draft.notes[name] = {"used": self.used, "total": self.total}

    def load(self, Image image not None, str name not None):
        """Takes over what `dump` added."""
        cdef size_t nbytes
        cdef char* at = image.at(f"{name}.slots", &nbytes)
        noted = image.note(name)
        if nbytes == 0:
            return
        self.slots = <cross_t*>calloc(nbytes // sizeof(cross_t), sizeof(cross_t))
        if self.slots == NULL:
            raise MemoryError("no room for cross-domain counts")
        memcpy(self.slots, at, nbytes)
        self.mask = nbytes // sizeof(cross_t) - 1
        self.used = noted["used"]
        self.total = noted["total"]

    cdef int fold(self, Graph graph, const change_t* changes, size_t count) except -1:
        cdef size_t i
        cdef cross_t* slot
        for i in range(count):
            if changes[i].kind != CHANGE_CROSS:
                continue
            if 4 * self.used >= 3 * self.mask:
                self.double()
            slot = self.slot(changes[i].before, changes[i].after, changes[i].relation)
            if not slot.used:
                slot.source_domain = changes[i].before
                slot.target_domain = changes[i].after
                slot.relation = changes[i].relation
                slot.used = 1
                self.used += 1
            slot.count += changes[i].sign
            self.total += changes[i].sign
        return 0

    cdef cross_t* slot(self, uint32_t source_domain, uint32_t target_domain, uint32_t relation) noexcept nogil:
        # Linear probing; slots are never given back, since triples return.
        cdef uint64_t mixed = (<uint64_t>source_domain << 32 | target_domain) * 0x9E3779B97F4A7C15ULL
        cdef size_t at = <size_t>((mixed ^ <uint64_t>relation * 0xC2B2AE3D27D4EB4FULL) >> 17)
        cdef cross_t* slot
        while True:
            slot = &self.slots[at & self.mask]
            if not slot.used or (
                slot.source_domain == source_domain and slot.target_domain == target_domain
                and slot.relation == relation
            ):
                return slot
            at += 1

    cdef int double(self) except -1:
        cdef cross_t* former = self.slots
        cdef size_t size = self.mask + 1 if former != NULL else 0
        cdef size_t fresh = size * 2 if size else 64
        cdef size_t i
        cdef cross_t* slots = <cross_t*>calloc(fresh, sizeof(cross_t))
        if slots == NULL:
            raise MemoryError("no room for cross-domain counts")
        self.slots = slots
        self.mask = fresh - 1
        for i in range(size):
            if former[i].used:
                self.slot(former[i].source_domain, former[i].target_domain, former[i].relation)[0] = former[i]
        free(former)
        return 0

    def counts(self, Graph graph not None):
        """{(source domain, target domain): {relation: live edges}}, names, without the empty ones."""
        cdef size_t i
        cdef dict pairs = {}
        if self.slots == NULL:
            return pairs
        for i in range(self.mask + 1):
            if self.slots[i].used and self.slots[i].count:
                pair = (
                    graph.domains.key_str(self.slots[i].source_domain),
                    graph.domains.key_str(self.slots[i].target_domain),
                )
                pairs.setdefault(pair, {})[graph.relations.key_str(self.slots[i].relation)] = self.slots[i].count
        return pairs


cdef class Counters(Part):
    """Counts that fall as well as rise."""

    def __cinit__(self):
        self.by_relation = Region(<size_t>16 << 30)

    @property
    def used_bytes(self):
        """Bytes in use."""
        return self.by_relation.used_bytes

    def dump(self, Draft draft not None, str name not None):
        """Adds the counts to a draft."""
        draft.region(f"{name}.by_relation", self.by_relation)
        draft.notes[name] = {
            "nodes": self.nodes, "edges": self.edges, "dangling_edges": self.dangling_edges,
            "ignored_events": self.ignored_events, "vectors": self.vectors,
        }

    def load(self, Image image not None, str name not None):
        """Takes over what `dump` added."""
        noted = image.note(name)
        image.region(f"{name}.by_relation", self.by_relation)
        self.nodes = noted["nodes"]
        self.edges = noted["edges"]
        self.dangling_edges = noted["dangling_edges"]
        self.ignored_events = noted["ignored_events"]
        self.vectors = noted["vectors"]

    cdef int64_t* relation(self, uint32_t number) except NULL:
        return <int64_t*>item(self.by_relation, number, sizeof(int64_t))

    cdef int fold(self, Graph graph, const change_t* changes, size_t count) except -1:
        cdef size_t i
        cdef int kind
        for i in range(count):
            kind = changes[i].kind
            if kind == CHANGE_EDGE_LIVE:
                self.edges += 1
                self.relation(changes[i].relation)[0] += 1
            elif kind == CHANGE_NODE_LIVE:
                self.nodes += 1
            elif kind == CHANGE_DANGLING:
                self.dangling_edges += changes[i].sign
            elif kind == CHANGE_EDGE_GONE:
                self.edges -= 1
                self.relation(changes[i].relation)[0] -= 1
            elif kind == CHANGE_NODE_GONE:
                self.nodes -= 1
            elif kind == CHANGE_IGNORED:
                self.ignored_events += 1
            elif kind == CHANGE_VECTORS:
                self.vectors += changes[i].sign
            elif kind == CHANGE_VECTORS_EMPTIED:
                self.vectors = 0
        return 0

    def relations(self, Graph graph not None):
        """Live edges by relation name, without the empty ones."""
        cdef uint32_t number
        return {
            graph.relations.key_str(number): self.relation(number)[0]
            for number in range(graph.relations.count) if self.relation(number)[0]
        }
