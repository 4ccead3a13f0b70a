"""Adjacency: edges, and who is joined to whom. Queries for neighbours, edges, walks and paths."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from primecore import _digest, _walks
from primecore._graph import Graph
from primecore._many import ManyNeighbors, neighbors_many
from primecore._reads import Reader
from primecore.model import Edge, Node, Path, Subgraph
from primecore.projections.base import AtOnce

NO_LIMIT = 0xFFFFFFFF


class Adjacency(AtOnce):
    """Live edges and both directions of every node's lists."""

    name = "adjacency"

    def __init__(self, graph: Graph, reader: Reader) -> None:
        self._graph = graph
        self._reader = reader
        self.neighbors = reader.neighbors

    def edge(self, edge_id: str) -> Edge | None:
        """The live edge of this id."""
        return self._reader.edge(edge_id)

    def all(self, relation: str | None = None, after: str | None = None) -> Iterator[Edge]:
        """All live edges in order of creation, from behind edge `after` on."""
        wanted = self._reader.relation_of(relation)
        number = -1 if after is None else self._reader.edge_number(after)
        while number is not None:
            number = self._reader.next_edge(number + 1, wanted)
            if number is not None:
                edge = self._reader.edge_at(number)
                if edge is not None:
                    yield edge

    def of_node(self, node_id: str, direction: str, relation: str | None) -> Iterator[Edge]:
        """The live edges of one node."""
        for neighbor in self._reader.neighbors(node_id, direction=direction, relation=relation):
            edge = self._reader.edge(neighbor.edge_id)
            if edge is not None:
                yield edge

    def neighbors_many(
        self, ids: Iterable[str], relation: str | None = None, direction: str = "both"
    ) -> ManyNeighbors:
        """Rows of neighbours for many ids, at one position."""
        return neighbors_many(self._graph, ids, self._reader.relation_of(relation), direction)

    def subgraph(self, ids: Iterable[str], depth: int, limit: int) -> Subgraph:
        """The live nodes within `depth` edges of the starts, at most `limit`, and the live edges among them."""
        starts = [number for number in map(self._reader.node_number, ids) if number is not None]
        starts = list(dict.fromkeys(starts))
        steps, truncated, _ = _walks.breadth_first(self._graph, starts, depth, limit=max(limit - len(starts), 0))
        truncated = truncated or len(starts) > limit
        nodes: dict[str, Node] = {}
        for number in (starts + [step[0] for step in steps])[:limit]:
            node = self._reader.node_at(number)
            if node is not None:
                nodes[node.id] = node
        edges: dict[str, Edge] = {}
        for node_id in nodes:
            for neighbor in self._reader.neighbors(node_id, direction="out"):
                if neighbor.peer in nodes:
                    edge = self._reader.edge(neighbor.edge_id)
                    if edge is not None:
                        edges[edge.id] = edge
        return Subgraph(tuple(nodes.values()), tuple(edges.values()), truncated)

    def shortest_path(
        self, source: str, target: str, weighted: bool, direction: str, relation: str | None, max_depth: int | None
    ) -> Path | None:
        """A shortest path; of equal ones always the same."""
        _walks.direction_bits(direction)
        first, last = self._reader.node_number(source), self._reader.node_number(target)
        if first is None or last is None:
            return None
        found = _walks.shortest_path(
            self._graph,
            first,
            last,
            weighted=weighted,
            relation=self._reader.relation_of(relation),
            direction=direction,
            max_depth=NO_LIMIT if max_depth is None else max_depth,
        )
        if found is None:
            return None
        nodes, edges, cost = found
        return Path(
            tuple(self._graph.node_id(number) for number in nodes),
            tuple(self._graph.edge_id(number) for number in edges),
            cost,
        )

    def digest(self) -> bytes:
        """Of every live edge and of every list in its order."""
        return _digest.adjacency(self._graph)

    def memory_bytes(self) -> dict[str, int]:
        """Edge tables (records, keys, index) and the lists of both directions."""
        return {"edges": self._graph.edge_bytes, "lists": self._graph.adjacency.used_bytes}
