"""Stats: counters that fall as well as rise."""

from __future__ import annotations

from primecore import _digest
from primecore._graph import Graph
from primecore._index import Counters
from primecore.projections.base import AtOnce


class Stats(AtOnce):
    """Live nodes, edges, dangling edges and vectors, edges by relation, and events that changed nothing."""

    name = "stats"

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.counters = Counters()
        graph.add_part(self.counters)

    def relations(self) -> dict[str, int]:
        """Live edges by relation, without the empty ones."""
        return self.counters.relations(self._graph)

    def digest(self) -> bytes:
        """Of every counter."""
        return _digest.stats(self._graph, self.counters)

    def memory_bytes(self) -> dict[str, int]:
        """The counters by relation."""
        return {"stats": self.counters.used_bytes}
