"""Domain index: the live nodes of a domain."""

from __future__ import annotations

from primecore import _digest, _listing
from primecore._graph import Graph
from primecore._index import DomainIndex as Table
from primecore._reads import Reader
from primecore.model import Domain, Node
from primecore.projections.base import AtOnce


class DomainIndex(AtOnce):
    """Live nodes by domain."""

    name = "domains"

    def __init__(self, graph: Graph, reader: Reader) -> None:
        self._graph = graph
        self._reader = reader
        self._table = Table(graph)
        graph.add_part(self._table)

    def numbers(self, domain: str) -> list[int]:
        """Numbers of the live nodes of a domain."""
        return self._table.members(self._graph, domain)

    def nodes(
        self,
        domain: str,
        type_name: str | None = None,
        after: str | None = None,
        label: str | None = None,
        limit: int | None = None,
    ) -> list[Node]:
        """The live nodes of a domain (and of a type) in order of creation, from behind node `after` on."""
        return _listing.nodes_of_domain(self._reader, self._table, domain, type_name, after, label, limit)

    def counts(self) -> dict[str, int]:
        """Live nodes by domain, without the empty ones."""
        return self._table.counts(self._graph)

    def domains(self) -> list[Domain]:
        """Every domain that has live nodes, the largest first, then by name."""
        return sorted((Domain(*pair) for pair in self.counts().items()), key=lambda domain: (-domain.nodes, domain.name))

    def digest(self) -> bytes:
        """Of the members of every domain."""
        return _digest.domains(self._graph, self._table)

    def memory_bytes(self) -> dict[str, int]:
        """The heads of the chains; the chains stand in the nodes' records."""
        return {"domains": self._table.used_bytes}
