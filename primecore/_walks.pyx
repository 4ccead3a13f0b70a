# Walks over the live graph: breadth first, shortest paths, and neighbours of many.
# Knows numbers; results are arrays of numbers.
#
# A walk runs without the GIL inside an epoch slot. If the writer folded anything meanwhile, its answer is dropped and
# the walk runs once more with the GIL held, when nothing can fold: so an answer is always that of one position.

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc

from primecore._adjacency cimport (
    RELATION_DEAD, RELATION_FAR, list_view_t, load_word,
)
from primecore._collector cimport collector_pause, collector_resume
from primecore._event cimport NONE32
from primecore._graph cimport Graph
from primecore._records cimport node_t

from primecore.errors import InvalidArgument


cdef enum:
    OUTWARD = 1
    INWARD = 2
    NO_MEMORY = -1
    NEGATIVE = -2                   # an edge weighs less than nothing


ctypedef struct walk_t:             # how to step
    uint32_t relation               # NONE32: any
    uint8_t direction
    uint32_t nodes                  # numbers from here on were not there when the walk began


ctypedef struct step_t:             # one edge that was taken
    uint32_t peer
    uint32_t edge
    uint32_t depth
    uint8_t direction


ctypedef struct steps_t:
    step_t* items
    size_t count
    size_t capacity


ctypedef struct heap_item_t:
    double cost
    uint32_t node


ctypedef struct heap_t:
    heap_item_t* items
    size_t count
    size_t capacity


cdef int push_step(steps_t* steps, uint32_t peer, uint32_t edge, uint32_t depth, uint8_t direction) noexcept nogil:
    cdef size_t capacity
    cdef step_t* items
    if steps.count == steps.capacity:
        capacity = steps.capacity * 2 if steps.capacity else 64
        items = <step_t*>realloc(steps.items, capacity * sizeof(step_t))
        if items == NULL:
            return NO_MEMORY
        steps.items = items
        steps.capacity = capacity
    items = &steps.items[steps.count]
    items.peer = peer
    items.edge = edge
    items.depth = depth
    items.direction = direction
    steps.count += 1
    return 0


cdef inline bint counts(Graph graph, const list_view_t* entries, uint32_t i, const walk_t* walk) noexcept nogil:
    cdef uint32_t relation = entries.relations[i]
    if relation & RELATION_DEAD or entries.peers[i] >= walk.nodes:
        return False
    if walk.relation == NONE32:
        return True
    if relation == RELATION_FAR:
        relation = graph.edge(entries.edges[i]).relation
    return relation == walk.relation


cdef inline bint mark(uint8_t* seen, uint32_t number) noexcept nogil:
    # True the first time.
    if seen[number >> 3] & (1 << (number & 7)):
        return False
    seen[number >> 3] |= <uint8_t>(1 << (number & 7))
    return True


cdef int spread(Graph graph, const walk_t* walk, uint32_t node, uint32_t depth, size_t limit, uint8_t* seen,
                steps_t* steps) noexcept nogil:
    # The peers of one node that were not seen before: out first, then in.
    cdef list_view_t entries
    cdef uint32_t i
    cdef uint8_t side
    cdef node_t* record = graph.node(node)
    for side in range(OUTWARD, INWARD + 1):
        if not walk.direction & side:
            continue
        graph.adjacency.view(load_word(&record.out_list if side == OUTWARD else &record.in_list), &entries)
        for i in range(entries.count):
            if counts(graph, &entries, i, walk) and mark(seen, entries.peers[i]):
                if steps.count >= limit:
                    return 1
                if push_step(steps, entries.peers[i], entries.edges[i], depth, side) < 0:
                    return NO_MEMORY
    return 0


cdef int run_breadth_first(Graph graph, const walk_t* walk, const uint32_t* starts, size_t start_count, uint32_t depth,
                           size_t limit, uint8_t* seen, steps_t* steps) noexcept nogil:
    # 1: cut short by the limit.
    cdef size_t done = 0, end, i
    cdef uint32_t level
    cdef int status
    steps.count = 0
    for i in range(start_count):
        mark(seen, starts[i])
    for level in range(1, depth + 1):
        end = steps.count
        if level == 1:
            for i in range(start_count):
                status = spread(graph, walk, starts[i], level, limit, seen, steps)
                if status != 0:
                    return status
            continue
        if done == end:
            break
        while done < end:
            status = spread(graph, walk, steps.items[done].peer, level, limit, seen, steps)
            if status != 0:
                return status
            done += 1
    return 0


def direction_bits(direction):
    """"out", "in" or "both" as the bits that walks take. Raises InvalidArgument."""
    if direction == "both":
        return OUTWARD | INWARD
    if direction == "out":
        return OUTWARD
    if direction == "in":
        return INWARD
    raise InvalidArgument(f"direction: expected 'out', 'in' or 'both', found {direction!r}")


def breadth_first(Graph graph not None, list start_numbers not None, uint32_t depth, uint32_t relation=NONE32,
                  direction="both", size_t limit=<size_t>-1):
    """Peers within `depth` edges of the starts, each once.

    Returns ([(peer, edge, depth, outward)], whether `limit` cut it short, position).
    """
    cdef walk_t walk
    cdef steps_t steps
    cdef uint8_t* seen = NULL
    cdef uint32_t* starts = NULL
    cdef size_t count = <size_t>len(start_numbers), i
    cdef uint64_t stamp
    cdef int slot, status, collects
    steps.items = NULL
    steps.count = 0
    steps.capacity = 0
    walk.relation = relation
    walk.direction = direction_bits(direction)
    walk.nodes = graph.nodes.known()
    position = graph.applied_position
    try:
        starts = <uint32_t*>malloc((count + 1) * sizeof(uint32_t))
        seen = <uint8_t*>calloc((walk.nodes >> 3) + 1, 1)
        if starts == NULL or seen == NULL:
            raise MemoryError("no room for a walk")
        for i in range(count):
            starts[i] = start_numbers[i]
        stamp = graph.stamp
        with nogil:
            slot = graph.epochs.enter()
            status = run_breadth_first(graph, &walk, starts, count, depth, limit, seen, &steps)
            graph.epochs.leave(slot)
        if graph.stamp != stamp:
            free(seen)
            walk.nodes = graph.nodes.known()
            position = graph.applied_position
            seen = <uint8_t*>calloc((walk.nodes >> 3) + 1, 1)
            if seen == NULL:
                raise MemoryError("no room for a walk")
            status = run_breadth_first(graph, &walk, starts, count, depth, limit, seen, &steps)
        if status == NO_MEMORY:
            raise MemoryError("no room for a walk")
        collects = collector_pause()        # who asked goes on with nothing folded since
        try:
            found = [
                (steps.items[i].peer, steps.items[i].edge, steps.items[i].depth, steps.items[i].direction == OUTWARD)
                for i in range(steps.count)
            ]
            return found, status == 1, position
        finally:
            collector_resume(collects)
    finally:
        free(starts)
        free(seen)
        free(steps.items)


# Shortest paths. `via[n]` is the edge that reached node n, plus one; 0: not reached.


cdef int expand(Graph graph, const walk_t* walk, steps_t* frontier, size_t* begin, uint32_t* via, uint32_t* other_via,
                uint32_t* meeting) noexcept nogil:
    # One level from one side; 1 when it met the other side. The whole level is looked through, so that ties go to the
    # lowest node.
    cdef size_t at = begin[0], end = frontier.count
    cdef list_view_t entries
    cdef uint32_t i, peer
    cdef uint8_t side
    cdef node_t* record
    begin[0] = end
    while at < end:
        record = graph.node(frontier.items[at].peer)
        at += 1
        for side in range(OUTWARD, INWARD + 1):
            if not walk.direction & side:
                continue
            graph.adjacency.view(load_word(&record.out_list if side == OUTWARD else &record.in_list), &entries)
            for i in range(entries.count):
                peer = entries.peers[i]
                if not counts(graph, &entries, i, walk) or via[peer]:
                    continue
                via[peer] = entries.edges[i] + 1
                if push_step(frontier, peer, entries.edges[i], 0, side) < 0:
                    return NO_MEMORY
                if other_via[peer] and peer < meeting[0]:
                    meeting[0] = peer
    return 1 if meeting[0] != NONE32 else 0


cdef int run_meeting(Graph graph, walk_t walk, uint32_t source, uint32_t target, uint32_t max_depth, uint32_t* forward,
                     uint32_t* backward, steps_t* from_source, steps_t* from_target, uint32_t* meeting) noexcept nogil:
    # Breadth first from both ends, the smaller frontier next (Pohl 1971). 1: met, 0: no path.
    cdef size_t source_begin = 0, target_begin = 0
    cdef uint32_t depth = 0
    cdef walk_t back = walk
    cdef int status
    if walk.direction != (OUTWARD | INWARD):
        back.direction = walk.direction ^ (OUTWARD | INWARD)
    from_source.count = 0
    from_target.count = 0
    meeting[0] = NONE32
    forward[source] = NONE32
    backward[target] = NONE32
    if push_step(from_source, source, 0, 0, 0) < 0 or push_step(from_target, target, 0, 0, 0) < 0:
        return NO_MEMORY
    while depth < max_depth and source_begin < from_source.count and target_begin < from_target.count:
        if from_source.count - source_begin <= from_target.count - target_begin:
            status = expand(graph, &walk, from_source, &source_begin, forward, backward, meeting)
        else:
            status = expand(graph, &back, from_target, &target_begin, backward, forward, meeting)
        if status != 0:
            return status
        depth += 1
    return 0


cdef inline bint lower(const heap_item_t* a, const heap_item_t* b) noexcept nogil:
    return a.cost < b.cost or (a.cost == b.cost and a.node < b.node)


cdef int heap_push(heap_t* heap, double cost, uint32_t node) noexcept nogil:
    cdef size_t capacity, at = heap.count
    cdef heap_item_t* items
    cdef heap_item_t item
    if heap.count == heap.capacity:
        capacity = heap.capacity * 2 if heap.capacity else 256
        items = <heap_item_t*>realloc(heap.items, capacity * sizeof(heap_item_t))
        if items == NULL:
            return NO_MEMORY
        heap.items = items
        heap.capacity = capacity
    item.cost = cost
    item.node = node
    heap.count += 1
    while at and lower(&item, &heap.items[(at - 1) >> 1]):
        heap.items[at] = heap.items[(at - 1) >> 1]
        at = (at - 1) >> 1
    heap.items[at] = item
    return 0


cdef heap_item_t heap_pop(heap_t* heap) noexcept nogil:
    cdef heap_item_t top = heap.items[0]
    cdef heap_item_t last
    cdef size_t at = 0, child = 1
    heap.count -= 1
    last = heap.items[heap.count]
    while child < heap.count:
        if child + 1 < heap.count and lower(&heap.items[child + 1], &heap.items[child]):
            child += 1
        if not lower(&heap.items[child], &last):
            break
        heap.items[at] = heap.items[child]
        at = child
        child = 2 * at + 1
    heap.items[at] = last
    return top


cdef int run_dijkstra(Graph graph, const walk_t* walk, uint32_t source, uint32_t target, uint32_t* via, double* costs,
                      heap_t* heap) noexcept nogil:
    # Dijkstra 1959, with stale entries left in the heap. 1: reached, 0: no path.
    cdef heap_item_t item
    cdef list_view_t entries
    cdef uint32_t i, peer
    cdef uint8_t side
    cdef double cost, weight
    cdef node_t* record
    heap.count = 0
    via[source] = NONE32
    if heap_push(heap, 0.0, source) < 0:
        return NO_MEMORY
    while heap.count:
        item = heap_pop(heap)
        if item.cost > costs[item.node]:
            continue
        if item.node == target:
            return 1
        record = graph.node(item.node)
        for side in range(OUTWARD, INWARD + 1):
            if not walk.direction & side:
                continue
            graph.adjacency.view(load_word(&record.out_list if side == OUTWARD else &record.in_list), &entries)
            for i in range(entries.count):
                if not counts(graph, &entries, i, walk):
                    continue
                peer = entries.peers[i]
                weight = graph.edge(entries.edges[i]).weight
                if weight < 0:
                    return NEGATIVE
                cost = item.cost + weight
                if via[peer] == 0 or cost < costs[peer]:
                    via[peer] = entries.edges[i] + 1
                    costs[peer] = cost
                    if heap_push(heap, cost, peer) < 0:
                        return NO_MEMORY
    return 0


cdef list trace(Graph graph, uint32_t* via, uint32_t start, bint from_source):
    # [(edge, node it leads to on the way back)] from `start` to where the search began.
    cdef list steps = []
    cdef uint32_t node = start, edge
    while via[node] != NONE32:
        edge = via[node] - 1
        node = graph.edge(edge).source if graph.edge(edge).source != node else graph.edge(edge).target
        steps.append((edge, node))
    return steps


def shortest_path(Graph graph not None, uint32_t source, uint32_t target, *, bint weighted=False,
                  uint32_t relation=NONE32, direction="both", uint32_t max_depth=0xFFFFFFFF):
    """(node numbers, edge numbers, cost) of a shortest path, or None.

    Raises InvalidArgument for a negative weight on the way.
    """
    cdef walk_t walk
    cdef int attempt
    walk.relation = relation
    walk.direction = direction_bits(direction)
    if source == target:
        return [source], [], 0.0
    for attempt in range(2):
        walk.nodes = graph.nodes.known()
        if weighted:
            found, certain = weighted_path(graph, walk, source, target, attempt)
        else:
            found, certain = plain_path(graph, walk, source, target, max_depth, attempt)
        if certain:
            return found


cdef tuple plain_path(Graph graph, walk_t walk, uint32_t source, uint32_t target, uint32_t max_depth, bint hold_gil):
    cdef uint32_t* forward = <uint32_t*>calloc(walk.nodes, sizeof(uint32_t))
    cdef uint32_t* backward = <uint32_t*>calloc(walk.nodes, sizeof(uint32_t))
    cdef steps_t from_source, from_target
    cdef uint32_t meeting = NONE32
    cdef uint64_t stamp = graph.stamp
    cdef int status, slot
    from_source = steps_t(NULL, 0, 0)
    from_target = steps_t(NULL, 0, 0)
    try:
        if forward == NULL or backward == NULL:
            raise MemoryError("no room for a walk")
        if hold_gil:
            status = run_meeting(
                graph, walk, source, target, max_depth, forward, backward, &from_source, &from_target, &meeting
            )
        else:
            with nogil:
                slot = graph.epochs.enter()
                status = run_meeting(
                    graph, walk, source, target, max_depth, forward, backward, &from_source, &from_target, &meeting
                )
                graph.epochs.leave(slot)
            if graph.stamp != stamp:
                return None, False
        if status == NO_MEMORY:
            raise MemoryError("no room for a walk")
        if status == 0:
            return None, True
        first = trace(graph, forward, meeting, True)
        second = trace(graph, backward, meeting, False)
        nodes = [node for _, node in reversed(first)] + [meeting] + [node for _, node in second]
        edges = [edge for edge, _ in reversed(first)] + [edge for edge, _ in second]
        return (nodes, edges, float(len(edges))), True
    finally:
        free(forward)
        free(backward)
        free(from_source.items)
        free(from_target.items)


cdef tuple weighted_path(Graph graph, walk_t walk, uint32_t source, uint32_t target, bint hold_gil):
    cdef uint32_t* via = <uint32_t*>calloc(walk.nodes, sizeof(uint32_t))
    cdef double* costs = <double*>calloc(walk.nodes, sizeof(double))
    cdef heap_t heap = heap_t(NULL, 0, 0)
    cdef uint64_t stamp = graph.stamp
    cdef int status, slot
    try:
        if via == NULL or costs == NULL:
            raise MemoryError("no room for a walk")
        if hold_gil:
            status = run_dijkstra(graph, &walk, source, target, via, costs, &heap)
        else:
            with nogil:
                slot = graph.epochs.enter()
                status = run_dijkstra(graph, &walk, source, target, via, costs, &heap)
                graph.epochs.leave(slot)
            if graph.stamp != stamp:
                return None, False
        if status == NO_MEMORY:
            raise MemoryError("no room for a walk")
        if status == NEGATIVE:
            raise InvalidArgument(
                "a weighted path needs weights of 0 or more",
                hint="give a relation whose weights are, or ask unweighted",
            )
        if status == 0:
            return None, True
        steps = trace(graph, via, target, True)
        nodes = [node for _, node in reversed(steps)] + [target]
        return (nodes, [edge for edge, _ in reversed(steps)], costs[target]), True
    finally:
        free(via)
        free(costs)
        free(heap.items)
