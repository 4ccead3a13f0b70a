"""Stores on a simulated disk, with segments so small that a few events seal some. Knows how an engine is opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from primecore import config
from primecore.segments import SegmentSizes
from primecore.service import Prime
from primecore.storage import Storage

STORE = "/store"
SMALL = SegmentSizes(16384, 65536)


def open_on(storage: Storage, *, sizes: SegmentSizes = SMALL, **settings: Any) -> Prime:
    """A store on `storage`; without checkpoints of its own accord."""
    settings.setdefault("checkpoint_events", 0)
    return Prime(config.settings(Path(STORE), **settings), None, storage, sizes)


def events_of(prime: Any) -> list[Any]:
    """The whole log."""
    return list(prime.events())
