"""Ways of getting events into a store: one by one, in batches, as a file. Each also says what the fold made of them.

Knows the public writes of the engine and the fold's verdicts; compares receipts and reports as it goes.
"""

from __future__ import annotations

import io
import random
from collections import Counter
from typing import Any

import pytest

from primecore.errors import IdempotencyConflict, InvalidEvent
from support.fold import Fold, Json, Outcome
from support.generate import to_lines

WAYS = ("append", "append_many", "ingest")


def feed(prime: Any, events: list[Json], way: str, seed: int = 0) -> Fold:
    """Write the events to a store, and return the fold of them. Raises AssertionError where the answers differ."""
    return feed_on(prime, Fold(), events, way, seed)


def feed_on(prime: Any, fold: Fold, events: list[Json], way: str, seed: int = 0) -> Fold:
    """As `feed`, onto a store whose content `fold` already holds."""
    start = fold.position
    outcomes = [fold.apply(event) for event in events]
    if way == "append":
        for event, outcome in zip(events, outcomes, strict=True):
            append_one(prime, event, outcome)
    elif way == "append_many":
        append_batches(prime, events, outcomes, random.Random(seed))
    else:
        name = f"sequence-{seed}-{start}"
        report = prime.ingest(io.BytesIO(to_lines(events, seed)), name=name, on_error="skip")
        counts = Counter(outcome.verdict for outcome in outcomes)
        assert report.read == len(events)
        assert report.duplicates == counts["duplicate"]
        assert report.refused == counts["conflict"] + counts["refused"]
        assert report.appended == counts["appended"]
        assert report.position == prime.position == fold.position
    return fold


def append_one(prime: Any, event: Json, outcome: Outcome) -> None:
    """One `append`, whose receipt or error must be what the fold said."""
    fields = {name: event[name] for name in ("event_id", "timestamp", "metadata") if name in event}
    call = (event["event_type"], event["entity_id"], event.get("payload"))
    if outcome.verdict in ("conflict", "refused"):
        error = IdempotencyConflict if outcome.verdict == "conflict" else InvalidEvent
        before = prime.position
        with pytest.raises(error):
            prime.append(*call, **fields)
        assert prime.position == before
    else:
        assert_receipt(prime.append(*call, **fields), event, outcome)


def append_batches(prime: Any, events: list[Json], outcomes: list[Outcome], rng: random.Random) -> None:
    """`append_many` in batches of random sizes, without what would be refused: that would take all along."""
    good = [(e, o) for e, o in zip(events, outcomes, strict=True) if o.verdict in ("appended", "duplicate")]
    while good:
        size = rng.choice((1, 2, 7, 50, 300))
        batch, good = good[:size], good[size:]
        receipts = prime.append_many([event for event, _ in batch])
        assert len(receipts) == len(batch)
        for receipt, (event, outcome) in zip(receipts, batch, strict=True):
            assert_receipt(receipt, event, outcome)


def assert_receipt(receipt: Any, event: Json, outcome: Outcome) -> None:
    assert (receipt.position, receipt.version) == (outcome.position, outcome.version)
    assert receipt.duplicate is (outcome.verdict == "duplicate")
    if "event_id" in event:
        assert receipt.event_id == event["event_id"].lower()
