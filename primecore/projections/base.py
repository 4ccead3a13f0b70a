"""What a projection is. Knows events and the result types, nothing of the engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from primecore.model import Event


class Projection(ABC):
    """A view of your own: subclass it, give it a name, and `prime.register()` it.

    `apply` hears of every event once and in order, first of those in the log already, on a background thread. If it
    raises, the projection is parked where it stands; the log and the others go on.

    One that also has `save() -> bytes` and `restore(data: bytes)` joins the store's checkpoints: after opening, it is
    given back what it saved and goes on from there. Raise `version` when what it saves changes: then it begins anew
    from the log.

    >>> class Mentions(Projection):
    ...     name = "mentions"
    ...     def __init__(self):
    ...         self.count = 0
    ...     def apply(self, event):
    ...         self.count += "mention" in event.event_type
    """

    name: ClassVar[str] = ""
    version: ClassVar[int] = 1

    @abstractmethod
    def apply(self, event: Event) -> None:
        """Takes in one event."""

    def digest(self) -> str:
        """A hash of what it holds, by content; empty where it has none."""
        return ""


class AtOnce(ABC):
    """A projection that the compiled fold keeps current: what an append wrote shows before the append returns."""

    name: ClassVar[str]
    version: ClassVar[int] = 1

    @abstractmethod
    def digest(self) -> bytes:
        """16 bytes that depend on what it holds alone. The caller holds the writer's lock."""

    @abstractmethod
    def memory_bytes(self) -> dict[str, int]:
        """Bytes in use, by what they hold."""
