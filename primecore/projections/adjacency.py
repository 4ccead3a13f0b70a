"""Adjacency: edges, and who is joined to whom. Queries for neighbours, edges, walks and paths."""

from __future__ import annotations

from collections.abc import Iterable

from primecore import _briefs, _digest, _listing, _walks
from primecore._graph import Graph
from primecore._many import ManyNeighbors, neighbors_many
from primecore._reads import Reader
from primecore.model import Edge, Path, Subgraph
from primecore.projections.base import AtOnce

NO_LIMIT = 0xFFFFFFFF


class Adjacency(AtOnce):
    """Live edges and both directions of every node's lists."""

    name = "adjacency"

    def __init__(self, graph: Graph, reader: Reader) -> None:
        self._graph = graph
        self._reader = reader
        self.neighbors = reader.neighbors

    def neighbors_json(self, node_id: str, relation: str | None, direction: str, limit: int) -> bytes:
        """The neighbours of a node, at most `limit`, and the live ones among them, as one JSON object."""
        return _briefs.neighbors_json(self._reader, node_id, relation, direction, limit)

    def edge(self, edge_id: str) -> Edge | None:
        """The live edge of this id."""
        return self._reader.edge(edge_id)

    def edges(
        self,
        relation: str | None = None,
        source: str | None = None,
        target: str | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[Edge]:
        """The live edges that fit, in order of creation, from behind edge `after` on."""
        if source is None and target is None:
            return _listing.edges(self._reader, relation, after, limit)
        return _listing.edges_of_node(self._reader, source, target, relation, after, limit)

    def neighbors_many(
        self, ids: Iterable[str], relation: str | None = None, direction: str = "both"
    ) -> ManyNeighbors:
        """Rows of neighbours for many ids, at one position."""
        return neighbors_many(self._graph, ids, self._reader.relation_of(relation), direction)

    def subgraph(self, ids: Iterable[str], depth: int, limit: int) -> Subgraph:
        """The live nodes within `depth` edges of the starts, at most `limit`, and the live edges among them."""
        return _listing.subgraph(self._reader, list(ids), depth, limit)

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
        """Edge tables (records, keys, index), the lists of both directions, and the dead edges that the past needs."""
        return {
            "edges": self._graph.table_bytes["edges"],
            "lists": self._graph.adjacency.used_bytes,
            "graveyard": self._graph.graveyard.used_bytes,
        }
