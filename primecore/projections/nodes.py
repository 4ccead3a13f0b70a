"""Node state: what each live node is."""

from __future__ import annotations

from primecore import _briefs, _digest
from primecore._graph import Graph
from primecore._reads import Reader
from primecore.model import Node
from primecore.projections.base import AtOnce


class NodeState(AtOnce):
    """Type, properties, domain, labels, times and version of every live node."""

    name = "nodes"

    def __init__(self, graph: Graph, reader: Reader) -> None:
        self._graph = graph
        self._reader = reader

    def node(self, node_id: str) -> Node | None:
        """The live node of this id."""
        return self._reader.node(node_id)

    def properties_json(self, ids: list[str]) -> list[bytes | None]:
        """For each id the live node's properties as JSON text, None where there is none."""
        return _briefs.properties_json(self._reader, ids)

    def digest(self) -> bytes:
        """Of every live node and all it holds."""
        return _digest.nodes(self._graph)

    def memory_bytes(self) -> dict[str, int]:
        """Tables (records, keys, index) and the arena of properties."""
        return {"nodes": self._graph.table_bytes["nodes"], "properties": self._graph.states.used_bytes}
