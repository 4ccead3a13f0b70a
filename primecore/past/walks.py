"""Walks over the graph of the past: breadth first and shortest paths, in the same order as those of the present.

The compiled walks know only the lists of the present; these ask a PastReader, node by node.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

from primecore._walks import direction_bits
from primecore.errors import InvalidArgument
from primecore.model import DistantNeighbor, Edge, Node, Path, Subgraph
from primecore.past.reader import IN, OUT, PastReader, Step

NO_LIMIT = 0xFFFFFFFF
Via = dict[int, tuple[int, int] | None]  # node -> the edge that reached it, and from where


def breadth_first(
    past: PastReader, starts: Sequence[int], depth: int, relation: str | None, bits: int, limit: int
) -> tuple[list[tuple[Step, int]], bool]:
    """(Steps with their depth, whether `limit` cut it short): each peer once, the starts never."""
    seen = set(starts)
    found: list[tuple[Step, int]] = []
    level = list(starts)
    for away in range(1, depth + 1):
        if not level:
            break
        reached = []
        for node in level:
            for step in past.adjacent(node, bits):
                if step[0] in seen or (relation is not None and past.relation_of(step[1]) != relation):
                    continue
                seen.add(step[0])
                if len(found) >= limit:
                    return found, True
                found.append((step, away))
                reached.append(step[0])
        level = reached
    return found, False


def distant(
    past: PastReader, node_id: str, relation: str | None, direction: str, depth: int, limit: int | None
) -> list[DistantNeighbor]:
    """Neighbours within `depth` edges."""
    bits = direction_bits(direction)
    number = past.number(node_id)
    if number is None:
        return []
    found, _ = breadth_first(past, [number], depth, relation, bits, NO_LIMIT if limit is None else limit)
    return [DistantNeighbor(*past.neighbor(step), away) for step, away in found]


def subgraph(past: PastReader, ids: list[str], depth: int, limit: int) -> Subgraph:
    """The nodes within `depth` edges of the starts, nearest first, at most `limit`, and the edges among them."""
    starts = list(dict.fromkeys(number for number in map(past.number, ids) if number is not None))
    steps, cut = breadth_first(past, starts, depth, None, OUT | IN, NO_LIMIT)
    nodes: dict[int, Node] = {}
    for number in dict.fromkeys([*starts, *(step[0] for step, _ in steps)]):
        node = past.node(past.node_id(number))
        if node is None:
            continue
        if len(nodes) == limit:
            cut = True
            break
        nodes[number] = node
    edges: list[Edge] = [
        past.edge_number(step[1]) for number in nodes for step in past.adjacent(number, OUT) if step[0] in nodes
    ]
    return Subgraph(tuple(nodes.values()), tuple(edges), cut)


def shortest_path(
    past: PastReader,
    source: str,
    target: str,
    weighted: bool,
    direction: str,
    relation: str | None,
    max_depth: int | None,
) -> Path | None:
    """A shortest path; of equal ones the one that the compiled search would give."""
    bits = direction_bits(direction)
    first, last = past.number(source), past.number(target)
    if first is None or last is None or not past.was_named(source) or not past.was_named(target):
        return None
    if first == last:
        return Path((source,), (), 0.0)

    def steps(node: int, way: int) -> list[Step]:
        found = past.adjacent(node, way)
        return [step for step in found if relation is None or past.relation_of(step[1]) == relation]

    if weighted:
        return _dijkstra(past, first, last, lambda node: steps(node, bits))
    return _meet(past, first, last, bits, steps, NO_LIMIT if max_depth is None else max_depth)


def _meet(
    past: PastReader, first: int, last: int, bits: int, steps: Callable[[int, int], list[Step]], max_depth: int
) -> Path | None:
    # Breadth first from both ends, the smaller frontier next (Pohl 1971); ties go to the lowest node.
    back_bits = bits if bits == OUT | IN else bits ^ (OUT | IN)
    sides: tuple[Via, Via] = ({first: None}, {last: None})
    frontiers = [[first], [last]]
    for _ in range(max_depth):
        if not frontiers[0] or not frontiers[1]:
            return None
        side = 0 if len(frontiers[0]) <= len(frontiers[1]) else 1
        own, other = sides[side], sides[1 - side]
        reached, met = [], []
        for node in frontiers[side]:
            for step in steps(node, back_bits if side else bits):
                if step[0] not in own:
                    own[step[0]] = (step[1], node)
                    reached.append(step[0])
                    if step[0] in other:
                        met.append(step[0])
        frontiers[side] = reached
        if met:
            return _joined(past, sides, min(met))
    return None


def _joined(past: PastReader, sides: tuple[Via, Via], meeting: int) -> Path:
    before, after = (_trace(via, meeting) for via in sides)
    nodes = [node for _, node in reversed(before)] + [meeting] + [node for _, node in after]
    edges = [edge for edge, _ in reversed(before)] + [edge for edge, _ in after]
    return _path(past, nodes, edges, float(len(edges)))


def _trace(via: Via, start: int) -> list[tuple[int, int]]:
    found = []
    while (step := via[start]) is not None:
        found.append(step)
        start = step[1]
    return found


def _dijkstra(past: PastReader, first: int, last: int, steps: Callable[[int], list[Step]]) -> Path | None:
    # Dijkstra 1959, with stale entries left in the heap.
    via: Via = {first: None}
    costs = {first: 0.0}
    heap = [(0.0, first)]
    while heap:
        cost, node = heapq.heappop(heap)
        if cost > costs[node]:
            continue
        if node == last:
            found = _trace(via, last)
            nodes = [before for _, before in reversed(found)] + [last]
            return _path(past, nodes, [edge for edge, _ in reversed(found)], cost)
        for step in steps(node):
            weight = past.weight_of(step)
            if weight < 0:
                raise InvalidArgument(
                    "a weighted path needs weights of 0 or more",
                    hint="give a relation whose weights are, or ask unweighted",
                )
            reached = cost + weight
            if step[0] not in costs or reached < costs[step[0]]:
                costs[step[0]] = reached
                via[step[0]] = (step[1], node)
                heapq.heappush(heap, (reached, step[0]))
    return None


def _path(past: PastReader, nodes: list[int], edges: list[int], cost: float) -> Path:
    return Path(tuple(map(past.node_id, nodes)), tuple(map(past.edge_id, edges)), cost)
