"""A closed store gives its address space back at once, not when the garbage collector happens to come by."""

from __future__ import annotations

import gc
import time
from pathlib import Path

import pytest
from support.disks import STORE, open_on

import primecore
from primecore import checkpoint
from primecore._memory import reserved_total
from primecore.memory_storage import MemoryStorage


@pytest.mark.parametrize("arguments", [{}, {"read_only": True}, {"via_owner": True}])
def test_a_closed_store_lets_go_of_its_ranges(tmp_path: Path, arguments: dict[str, bool]) -> None:
    with primecore.open(tmp_path) as prime:
        alice, bob = (prime.add_node("person", {"name": name}, id=name) for name in ("alice", "bob"))
        prime.add_edge(alice, bob, "knows")
    del prime
    gc.collect()
    gc.disable()
    try:
        before = reserved_total()
        with primecore.open(tmp_path, **arguments) as prime:
            assert len(prime.neighbors(alice)) == 1
            assert [hit.id for hit in prime.search("alice")] == [alice]
            assert [node.id for node in prime.at(position=1).nodes()] == [alice]
            assert reserved_total() > before
        del prime
        for _ in range(100):  # a follower's thread looks up ten times a second
            if reserved_total() == before:
                break
            time.sleep(0.1)
        assert reserved_total() == before
    finally:
        gc.enable()


def test_a_checkpoint_that_is_refused_leaves_no_ranges_behind() -> None:
    storage = MemoryStorage()
    with open_on(storage) as prime:
        prime.add_node("person", {"name": "Alice"})
        prime.checkpoint()
    found, _ = checkpoint.find(storage, STORE)
    assert found is not None
    del prime
    gc.collect()
    gc.disable()
    try:
        before = reserved_total()
        with pytest.raises(checkpoint.Refused):
            checkpoint.restore(found, found.position, lambda position: "another event")
        assert reserved_total() <= before  # what earlier tests left may go meanwhile
    finally:
        gc.enable()


def test_stores_that_were_forgotten_open_do_not_use_up_the_address_space() -> None:
    for _ in range(60):
        primecore.open(":memory:").add_node("a", {})
