"""How the server faces open a store that may be another's: reads follow it live, writes are handed to its owner."""

from __future__ import annotations

from typing import Any, NamedTuple

import primecore
from primecore.service import Prime


class Opened(NamedTuple):
    """An open store, and what a user of it should know: "" where it is this process's own."""

    prime: Prime
    note: str


def open_to_share(path: str | None, **how: Any) -> Opened:
    """Opens a store to write, through its owner where it has one. `how` is for open(). Raises what open() does."""
    prime = primecore.open(path, via_owner=True, **how)
    owner = getattr(prime, "owner", "")
    note = (
        f"{prime.path} belongs to {owner}. What is written here is handed to that process, which keeps it; what it "
        "writes is seen here at once. When it goes, this one takes over."
    )
    return Opened(prime, note if owner else "")
