"""Type index: the live nodes of a type."""

from __future__ import annotations

from collections.abc import Iterator

from primecore import _digest
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
        self._table = Table(graph)
        graph.add_part(self._table)

    def nodes(self, type_name: str, after: str | None = None) -> Iterator[Node]:
        """The live nodes of a type in the order in which the log first names them, from behind node `after` on."""
        if after is None:
            numbers = self._table.members(self._graph, type_name)
        else:
            start = self._reader.node_number(after)
            numbers = iter(()) if start is None else self._table.members(self._graph, type_name, start)
        for number in numbers:
            node = self._reader.node_at(number)
            if node is not None:
                yield node

    def counts(self) -> dict[str, int]:
        """Live nodes by type, without the empty ones."""
        return self._table.counts()

    def digest(self) -> bytes:
        """Of the members and the count of every type."""
        return _digest.types(self._graph, self._table)

    def memory_bytes(self) -> dict[str, int]:
        """The names; the chains stand in the nodes' records."""
        return {"types": self._table.used_bytes}
