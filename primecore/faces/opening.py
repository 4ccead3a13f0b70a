"""How the server faces open a store that may be another process's: to write if they can, else to read."""

from __future__ import annotations

from typing import NamedTuple

from primecore import opening
from primecore.errors import StoreLocked
from primecore.service import Prime


class Opened(NamedTuple):
    """An open store, and what a user of it should know."""

    prime: Prime
    note: str


def open_to_share(path: str | None) -> Opened:
    """Opens a store to write; where another process owns it, to read what is there. Raises what open() does."""
    try:
        return Opened(opening.open(path), "")
    except StoreLocked as locked:
        prime = opening.open(path, read_only=True)
        return Opened(
            prime,
            f"{locked.message}. This process reads what was there at position {prime.position:,}, when it started; "
            "writes have to go through the other one.",
        )
