"""What a contender must offer for each kind of workload, so that all are asked alike. Knows no contender."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Unavailable(Exception):
    """Something that a contender needs is not on this machine."""


class Contender:
    """What all kinds have in common."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def processes(self) -> list[int]:
        """Servers that hold its data, besides this process."""
        return []

    def close(self) -> None:
        """Lets go."""


class Graph(Contender):
    """Nodes with properties, edges with relation and weight. Ids are strings; a neighbour is whatever has one entry."""

    def open(self) -> None:
        """Opens what is in the folder, or makes it."""

    def load(self, people: list[Any], links: list[tuple[str, str, str, str, float]]) -> None:
        """Takes all at once, by the fastest way that the contender documents. A link: id, source, target, ..."""

    def add(self, link: tuple[str, str, str, str, float]) -> None:
        """Takes one edge; as durable as the table says when it returns."""

    def node(self, key: str) -> dict[str, Any]:
        """Properties."""
        raise LookupError(key)

    def neighbors(self, key: str) -> list[Any]:
        """Entries of both directions; the peer comes first in each."""
        raise LookupError(key)

    def two_hops(self, key: str) -> int:
        """How many different nodes are one or two edges away, the start among them if a path leads back to it."""
        near = {entry[0] for entry in self.neighbors(key)}
        return len(near.union(*({entry[0] for entry in self.neighbors(peer)} for peer in near)))

    def close(self) -> None:
        """Lets go. Opening again must find all that was loaded, or start anew where nothing is kept."""


class Vectors(Contender):
    """Unit vectors under numbers, the nearest by cosine."""

    def __init__(self, folder: Path, dimensions: int) -> None:
        super().__init__(folder)
        self.dimensions = dimensions

    def load(self, vectors: Any) -> None:
        """Takes a float32 matrix, a row each, numbered from 0, and is ready to answer."""

    def add(self, number: int, vector: Any) -> None:
        """Takes one more; the next query sees it."""

    def nearest(self, vector: Any, k: int) -> list[int]:
        """The numbers of the k nearest."""
        raise LookupError(k)


class Log(Contender):
    """Events by entity: appended one by one or in batches, all read back."""

    def append(self, event: tuple[str, str, dict[str, Any]]) -> None:
        """One event: type, entity, payload."""

    def append_many(self, events: list[tuple[str, str, dict[str, Any]]]) -> None:
        """A batch: all or none."""

    def payloads(self) -> Iterator[dict[str, Any]]:
        """Reads every event: its payload as Python values, in the order of the log."""
        raise LookupError


class Memory(Contender):
    """Short texts, found by their words or by what they mean."""

    def load(self, texts: list[str]) -> None:
        """Takes all, by the fastest way that the contender documents, and is ready to answer."""

    def add(self, text: str) -> None:
        """Takes one more; the next query sees it."""

    def search(self, query: str, k: int) -> list[str]:
        """The k best, as texts."""
        raise LookupError(k)
