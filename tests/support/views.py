"""What queries should answer, worked out from the naive fold in the plainest way. Knows the fold, never the engine.

Everything here costs a pass over all nodes or edges: good for small states, or once per state.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter, defaultdict, deque
from typing import Any

from support.fold import Fold

NeighborTuple = tuple[str, str, str, str, float]  # peer, edge id, relation, direction, weight


def node(fold: Fold, node_id: str) -> dict[str, Any] | None:
    """The fields of a live node, or None."""
    if node_id not in fold.nodes:
        return None
    positions = fold.history[node_id]
    return {
        "id": node_id,
        "type": node_id.split(":", 2)[1],
        **fold.nodes[node_id],
        "version": len(positions),
        "position": positions[-1],
    }


def edge(fold: Fold, edge_id: str) -> dict[str, Any] | None:
    """The fields of a live edge, or None."""
    return {"id": edge_id, **fold.edges[edge_id]} if edge_id in fold.edges else None


def neighbor_lists(fold: Fold) -> dict[str, tuple[list[NeighborTuple], list[NeighborTuple]]]:
    """For each id that an edge touches: its "out" neighbours and its "in" neighbours, in order of creation."""
    lists: dict[str, tuple[list[NeighborTuple], list[NeighborTuple]]] = defaultdict(lambda: ([], []))
    for edge_id, e in fold.edges.items():
        lists[e["source"]][0].append((e["target"], edge_id, e["relation"], "out", e["weight"]))
        lists[e["target"]][1].append((e["source"], edge_id, e["relation"], "in", e["weight"]))
    return lists


def neighbors(
    lists: dict[str, tuple[list[NeighborTuple], list[NeighborTuple]]],
    entity_id: str,
    direction: str = "both",
    relation: str | None = None,
) -> list[NeighborTuple]:
    """Out first, then in; a self-loop only as "out" when both are asked for."""
    out, into = lists.get(entity_id, ([], []))
    both = out + [n for n in into if n[0] != entity_id]
    return [n for n in {"both": both, "out": out, "in": into}[direction] if relation in (None, n[2])]


def distant_neighbors(
    lists: dict[str, tuple[list[NeighborTuple], list[NeighborTuple]]],
    entity_id: str,
    depth: int,
    direction: str = "both",
    relation: str | None = None,
) -> list[tuple[str, str, str, str, float, int]]:
    """Breadth first, each peer once, the start never."""
    seen, found = {entity_id}, []
    queue = deque([(entity_id, 0)])
    while queue:
        here, level = queue.popleft()
        if level == depth:
            continue
        for n in neighbors(lists, here, direction, relation):
            if n[0] not in seen:
                seen.add(n[0])
                found.append((*n, level + 1))
                queue.append((n[0], level + 1))
    return found


def path_cost(
    lists: dict[str, tuple[list[NeighborTuple], list[NeighborTuple]]],
    source: str,
    target: str,
    weighted: bool,
    direction: str = "both",
    relation: str | None = None,
) -> float | None:
    """The cost of the cheapest walk, or None where there is none (Dijkstra, so weights must not be negative)."""
    heap, done = [(0.0, source)], set()
    while heap:
        cost, here = heapq.heappop(heap)
        if here == target:
            return cost
        if here in done:
            continue
        done.add(here)
        for n in neighbors(lists, here, direction, relation):
            heapq.heappush(heap, (cost + (n[4] if weighted else 1.0), n[0]))
    return None


def cross_domain(fold: Fold) -> dict[tuple[str, str], list[str]]:
    """(domain of source, domain of target) -> ids of the live edges between live nodes of these two domains."""
    pairs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for edge_id, e in fold.edges.items():
        ends = [fold.nodes[end]["domain"] if end in fold.nodes else None for end in (e["source"], e["target"])]
        if None not in ends and ends[0] != ends[1]:
            pairs[ends[0], ends[1]].append(edge_id)
    return dict(pairs)


def shown_vectors(fold: Fold) -> list[str]:
    """Entity ids whose vector a query may return: that of a `node:` id only while the node is live."""
    return [entity for entity in fold.vectors if not entity.startswith("node:") or entity in fold.nodes]


def similar(fold: Fold, query: list[float], k: int) -> list[tuple[str, float]]:
    """(entity id, cosine) of the nearest, best first, equal ones by id."""

    def cosine(numbers: list[float]) -> float:
        dot = math.fsum(a * b for a, b in zip(numbers, query, strict=True))
        return dot / math.sqrt(math.fsum(a * a for a in numbers)) / math.sqrt(math.fsum(b * b for b in query))

    scored = [(-cosine(fold.vectors[entity]["numbers"]), entity) for entity in shown_vectors(fold)]
    return [(entity, -score) for score, entity in sorted(scored)[:k]]


def stats(fold: Fold) -> dict[str, Any]:
    """The counters, by recount."""
    return {
        "events": fold.position,
        "position": fold.position,
        "nodes": len(fold.nodes),
        "edges": len(fold.edges),
        "dangling_edges": sum(
            e["source"] not in fold.nodes or e["target"] not in fold.nodes for e in fold.edges.values()
        ),
        "ignored_events": fold.ignored,
        "vectors": len(shown_vectors(fold)),
        "nodes_by_type": dict(Counter(node_id.split(":", 2)[1] for node_id in fold.nodes)),
        "edges_by_relation": dict(Counter(e["relation"] for e in fold.edges.values())),
        "domains": dict(Counter(n["domain"] for n in fold.nodes.values() if n["domain"] is not None)),
        "cross_domain_edges": sum(map(len, cross_domain(fold).values())),
    }
