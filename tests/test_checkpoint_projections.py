"""Projections of one's own that save join a store's checkpoints, and go on from there."""

from __future__ import annotations

from typing import Any

from support.disks import open_on

import primecore
from primecore.memory_storage import MemoryStorage


def write(prime: Any, count: int) -> None:
    """Some events."""
    for number in range(count):
        prime.append("note", f"n:{number % 3}", {"n": number})


class Counting(primecore.Projection):
    name = "counting"

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.restored = 0

    def apply(self, event: Any) -> None:
        self.seen.append(event.position)

    def save(self) -> bytes:
        return b",".join(b"%d" % position for position in self.seen)

    def restore(self, data: bytes) -> None:
        self.seen = [int(number) for number in data.split(b",") if number]
        self.restored = len(self.seen)


def test_projections_that_save_go_on_from_there() -> None:
    storage = MemoryStorage()
    with open_on(storage) as prime:
        prime.register(Counting())
        write(prime, 10)
        assert prime.projection("counting", timeout=30).seen
        saved = prime.position
        prime.checkpoint()
        write(prime, 5)
    with open_on(storage) as prime:
        prime.append("note", "n", {})
        prime.register(Counting())
        again = prime.projection("counting", timeout=30)
        assert again.restored == saved
        assert again.seen == list(range(1, prime.position + 1))
    # Not registered when the next checkpoint is written: what it saved is handed on.
    with open_on(storage) as prime:
        prime.checkpoint()
    with open_on(storage) as prime:
        prime.register(Counting())
        assert prime.projection("counting", timeout=30).seen == list(range(1, prime.position + 1))


def test_another_version_of_a_projection_begins_anew() -> None:
    storage = MemoryStorage()
    with open_on(storage) as prime:
        prime.register(Counting())
        write(prime, 10)
        prime.projection("counting", timeout=30)
        prime.checkpoint()

    class Newer(Counting):
        version = 2

    with open_on(storage) as prime:
        prime.register(Newer())
        found = prime.projection("counting", timeout=30)
        assert found.restored == 0 and found.seen == list(range(1, prime.position + 1))
