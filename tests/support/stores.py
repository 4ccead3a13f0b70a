"""Small helpers around an open store. Knows the public API only."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

WHEN = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)


def new_id() -> str:
    """An event id that was never used."""
    return str(uuid.uuid4())


def note(entity: str = "e", **fields: Any) -> dict[str, Any]:
    """The envelope of a custom event."""
    return {"event_type": "note", "entity_id": entity, **fields}


def pair(prime: Any) -> tuple[str, str, str]:
    """Adds two nodes of different domains and an edge between them; returns (alice, auth, edge)."""
    alice = prime.add_node("person", {"name": "Alice", "domain": "engineering"}, id="alice")
    auth = prime.add_node("project", {"name": "Auth", "domain": "product"}, id="auth")
    return alice, auth, prime.add_edge(alice, auth, "works_on", weight=0.9)


class unchanged:
    """Asserts that a block of calls leaves the store as it was."""

    def __init__(self, prime: Any) -> None:
        self.prime = prime

    def __enter__(self) -> None:
        self.before = self.prime.position, self.prime.digest()

    def __exit__(self, *_: object) -> None:
        assert (self.prime.position, self.prime.digest()) == self.before
