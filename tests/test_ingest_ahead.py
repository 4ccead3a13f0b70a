"""Ingest of chunks so long that a helper scans them and looks their keys up, while this thread logs and folds them.

Replay of as many events, where a helper decodes them and does the same.
"""

from __future__ import annotations

import io
import threading

import pytest
from support.compare import assert_same
from support.fold import Fold
from support.generate import Generator, to_lines

import primecore

EVENTS = 8000  # some chunks of a MiB, each with many slices; and more than replay needs for a helper of its own


@pytest.mark.parametrize("seed", range(4))
def test_colliding_keys_that_are_looked_up_ahead(seed):
    # Few ids: what a slice makes, supersedes or deletes is what the slices that are already looked up speak of.
    events = Generator(seed, repeats=True).events(EVENTS)
    fold = Fold()
    verdicts = [fold.apply(event).verdict for event in events]
    with primecore.open(":memory:") as prime:
        report = prime.ingest(io.BytesIO(to_lines(events, seed)), on_error="skip")
        assert report.appended == verdicts.count("appended") > 4096
        assert_same(prime, fold)
        replayed = prime.replay(verify=True)
        assert replayed.equal and replayed.position == prime.position


def edge(name: str, version: int) -> bytes:
    return (
        b'{"event_type":"prime.edge.created","entity_id":"edge:%s","payload":{"source":"node:t:%d","target":"node:t:x",'
        b'"relation":"r%d"}}\n' % (name.encode(), version, version % 9)
    )


@pytest.mark.parametrize("turn", range(3))
def test_edges_made_again_and_again_keep_their_versions(turn):
    # An edge that is made again gets another number, and slices ahead know the old one, some of them only for their
    # first events: long names, so that looking a slice up takes as long as folding some edges.
    names, times = [f"{number:0900}" for number in range(30)], 400
    lines = b"".join(edge(name, version) for version in range(1, times + 1) for name in names)
    with primecore.open(":memory:") as prime:
        assert prime.ingest(io.BytesIO(lines)).appended == len(names) * times
        for name in names:
            assert [event.version for event in prime.history(f"edge:{name}")] == list(range(1, times + 1))
            found = prime.edge(f"edge:{name}")
            assert (found.source, found.relation) == (f"node:t:{times}", f"r{times % 9}")
        assert prime.stats().edges == len(names)
        assert len(prime.neighbors(f"node:t:{times}", direction="out")) == len(names)
        assert prime.replay(verify=True).equal


def test_readers_beside_keys_that_are_looked_up_ahead():
    lines = b"".join(edge(str(number), number // 3) for number in range(20_000))
    stop, seen = threading.Event(), []

    def read() -> None:
        ids = [f"node:t:{n}" for n in range(7000)]
        while not stop.is_set():
            seen.append(sum(len(row) for row in prime.neighbors_many(ids, direction="out")))

    with primecore.open(":memory:") as prime:
        reader = threading.Thread(target=read)
        reader.start()
        try:
            prime.ingest(io.BytesIO(lines))
        finally:
            stop.set()
            reader.join()
        assert seen == sorted(seen) and seen[-1] <= 20_000
        assert prime.stats().edges == 20_000
