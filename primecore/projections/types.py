"""Type index: the live nodes of a type."""

from __future__ import annotations

from primecore import _digest, _listing
from primecore._graph import Graph
from primecore._index import TypeIndex as Table
from primecore._reads import Reader
from primecore.model import Node
from primecore.projections.base import AtOnce


class TypeIndex(AtOnce):
    """Live nodes by type."""

    name = "types"

    def __init__(self, graph: Graph, reader: Reader) -> None:
        self._graph = graph
        self._reader = reader
        self.table = Table(graph)
        graph.add_part(self.table)

    def nodes(
        self, type_name: str | None, after: str | None = None, label: str | None = None, limit: int | None = None
    ) -> list[Node]:
        """The live nodes of a type (None: of all) in order of creation, from behind node `after` on."""
        return _listing.nodes_of_type(self._reader, self.table, type_name, after, label, limit)

    def counts(self) -> dict[str, int]:
        """Live nodes by type, without the empty ones."""
        return self.table.counts()

    def digest(self) -> bytes:
        """Of the members and the count of every type."""
        return _digest.types(self._graph, self.table)

    def memory_bytes(self) -> dict[str, int]:
        """The names; the chains stand in the nodes' records."""
        return {"types": self.table.used_bytes}
