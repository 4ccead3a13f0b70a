"""Opening stores with other segments and backends than the engine asks for, and holding them against the naive fold."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from support.compare import assert_same
from support.feed import feed
from support.fold import Fold, dimensions_of, space_defined
from support.writer import BATCH_EVENTS

import primecore
from primecore.log import Log
from primecore.segments import SegmentSizes

SMALL = SegmentSizes(first_bytes=16384, max_bytes=65536)
WAYS = ("append", "append_many", "ingest")
MODES = ("interval", "always", "never")
BACKENDS = ("mapping", "pwrite")


@contextlib.contextmanager
def log_options(**options: Any) -> Iterator[None]:
    """Every log that is opened meanwhile gets these options too."""
    plain = Log.__dict__["open"]

    def opened(cls: type[Log], path: Any, **given: Any) -> Log:
        return plain.__func__(cls, path, **given | options)

    Log.open = classmethod(opened)  # type: ignore[method-assign]
    try:
        yield
    finally:
        Log.open = plain  # type: ignore[method-assign]


class Folded(NamedTuple):
    """The fold of a prefix of a sequence; `taken` events of it are in, and a space may be defined for the next one."""

    fold: Fold
    taken: int
    defined: bool


def folded(events: list[dict[str, Any]], position: int) -> Folded:
    """The fold of as many events as take the log to `position`."""
    fold, taken = Fold(), 0
    while fold.position < position:
        event = events[taken]
        if event["event_type"] == "prime.vector.stored" and fold.position == position - 1:
            outcome = fold.apply(space_defined(dimensions_of(event))) if fold.dimensions is None else None
            if outcome is not None:
                return Folded(fold, taken, True)
        fold.apply(event)
        taken += 1
    assert fold.position == position
    return Folded(fold, taken, False)


def batch_ends(events: list[dict[str, Any]], start: int) -> set[int]:
    """Positions at which the log may end, where a process wrote `events[start:]` in batches."""
    fold = Fold()
    ends = set()
    for number, event in enumerate(events):
        if number >= start and (number - start) % BATCH_EVENTS == 0:
            ends.add(fold.position)
        fold.apply(event)
    return ends | {fold.position}


def check_recovered(path: Path, events: list[dict[str, Any]], acknowledged: int, backend: str) -> Folded:
    """After a crash: all acknowledged events are there, in order, none twice, none invented.

    Tables and digests are those of a naive fold of the same events.
    """
    with log_options(segment_sizes=SMALL, backend=backend), primecore.open(path) as prime:
        position = prime.position
        assert position >= acknowledged, f"{acknowledged} events were acknowledged, {position} are there"
        assert prime.durable_position == position
        found = folded(events, position)
        assert_same(prime, found.fold)
        digest = prime.digest()
        assert prime.replay(verify=True).equal is True
    if not found.defined:
        with primecore.open(":memory:") as fresh:
            feed(fresh, events[: found.taken], "append")
            assert fresh.digest() == digest
    return found
