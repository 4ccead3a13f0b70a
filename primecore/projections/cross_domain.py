"""Cross-domain: the live edges that lead from one domain into another."""

from __future__ import annotations

from collections.abc import Callable

from primecore import _digest
from primecore._graph import Graph
from primecore._index import CrossCounts as Table
from primecore._reads import Reader
from primecore.model import CrossDomain as Result
from primecore.projections.base import AtOnce


class CrossDomain(AtOnce):
    """Counts by (source domain, target domain, relation).

    The edges' ids are found from a domain's members when asked for.
    """

    name = "cross_domain"

    def __init__(self, graph: Graph, reader: Reader, members: Callable[[str], list[int]]) -> None:
        self._graph = graph
        self._reader = reader
        self._members = members
        self._table = Table()
        graph.add_part(self._table)

    @property
    def total(self) -> int:
        """Live edges between different domains."""
        return self._table.total

    def pairs(self, source: str | None = None, target: str | None = None) -> list[Result]:
        """Pairs of domains that an edge joins (from `source`, to `target`), by name, with relations and edge ids."""
        counts = self._table.counts(self._graph)
        edges: dict[str, dict[str, list[int]]] = {}
        results = []
        for (first, second), relations in sorted(counts.items()):
            if source not in (None, first) or target not in (None, second):
                continue
            if first not in edges:
                edges[first] = self._reader.edges_between(first, self._members(first))
            ids = tuple(self._graph.edge_id(number) for number in edges[first].get(second, ()))
            results.append(Result(first, second, sum(relations.values()), dict(sorted(relations.items())), ids))
        return results

    def digest(self) -> bytes:
        """Of every count that is not zero."""
        return _digest.cross_domain(self._graph, self._table)

    def memory_bytes(self) -> dict[str, int]:
        """The table of counts."""
        return {"cross_domain": self._table.used_bytes}
