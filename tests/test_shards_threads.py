"""Readers without the GIL beside a writer: what is surely there is found, and no answer belongs to another key.

A value carries its key in the high bits, so a record given to another key, a torn number or a freed table would
show. 0 is a record published but not yet filled in.
"""

import random
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from primecore._keys import Keys
from primecore._memory import Epochs

ABSENT = 2**64 - 1
SECONDS = 2.0


@pytest.fixture(autouse=True)
def threads_take_turns_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    yield
    sys.setswitchinterval(before)


def run(writer: Callable[[], None], readers: list[Callable[[], None]]) -> int:
    """Runs the writer over and over for SECONDS beside the readers; the number of rounds it made."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def repeat(work: Callable[[], None]) -> None:
        try:
            while not stop.is_set():
                work()
        except BaseException as e:
            failures.append(e)
            stop.set()

    threads = [threading.Thread(target=repeat, args=(reader,)) for reader in readers]
    for thread in threads:
        thread.start()
    rounds = 0
    end = time.monotonic() + SECONDS
    try:
        while time.monotonic() < end and not stop.is_set():
            writer()
            rounds += 1
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]
    return rounds


def name(i: int) -> str:
    return f"node:document:a/rather/long/path/{i}" if i % 3 == 0 else f"node:person:{i}"


def test_present_keys_are_always_found_while_others_come_and_go() -> None:
    keys = Keys(epochs=Epochs())
    present, passing = range(500), range(500, 1100)
    for i in present:
        keys.set_value(keys.add(name(i)), i << 32 | 1)
    rng = random.Random(5)
    reads = 0

    def write() -> None:
        i = rng.choice(passing)
        if keys.number(name(i)) is None:
            keys.set_value(keys.add(name(i)), i << 32 | 1)
        else:
            keys.remove(name(i))
        renewed = rng.choice(present)
        if rng.random() < 0.1:
            keys.set_value(keys.renew(name(renewed)), renewed << 32 | 2)
        if rng.random() < 0.2:
            keys.reclaim()

    asked = [*present, *passing] * 8
    random.Random(6).shuffle(asked)
    batch = tuple(map(name, asked))

    def read() -> None:
        nonlocal reads
        for i, value in zip(asked, keys.values_many(batch), strict=True):
            if value == ABSENT:
                assert i in passing, f"{name(i)} was not found"
            else:
                assert value == 0 or value >> 32 == i, f"{name(i)} gave the record of {name(value >> 32)}"
        reads += 1

    rounds = run(write, [read, read])
    assert rounds > 1000 and reads > 3


def test_present_keys_are_always_found_while_tables_grow() -> None:
    box: list[tuple[Keys, int]] = [(Keys(seed=1), 0)]
    checked = 0

    def write() -> None:
        keys = Keys(epochs=Epochs())
        box[0] = (keys, 0)
        for i in range(20_000):
            keys.set_value(keys.add(name(i)), i << 32 | 1)
            if i % 64 == 0:
                box[0] = (keys, i)
                keys.reclaim()

    names = [name(i) for i in range(20_000)]

    def read() -> None:
        nonlocal checked
        keys, known = box[0]
        first = max(0, known - 4000)
        for i, value in enumerate(keys.values_many(names[first:known]), first):
            assert value >> 32 == i, f"{name(i)} gave {value:#x}"
        checked += known - first

    run(write, [read])
    assert checked > 10_000
