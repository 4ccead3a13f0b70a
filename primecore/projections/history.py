"""History: the positions of an entity's events."""

from __future__ import annotations

from primecore import _digest
from primecore._graph import Graph
from primecore._reads import Reader
from primecore.projections.base import AtOnce


class History(AtOnce):
    """Backward chains of positions, four bytes an event."""

    name = "history"

    def __init__(self, graph: Graph, reader: Reader) -> None:
        self._graph = graph
        self._reader = reader

    def positions(self, entity_id: str) -> list[int]:
        """Positions of an entity's events, oldest first."""
        _, latest = self._reader.latest(entity_id)
        positions: list[int] = self._graph.history.chain(latest)
        positions.reverse()
        return positions

    def digest(self) -> bytes:
        """Of every entity's version and latest position, and of every event's predecessor."""
        return _digest.history(self._graph)

    def memory_bytes(self) -> dict[str, int]:
        """The chains."""
        return {"history": self._graph.history.used_bytes, "entities": self._graph.table_bytes["entities"]}
