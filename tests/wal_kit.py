"""What the log's tests share: events as plain dicts, and appending them the way the engine does."""

from __future__ import annotations

import random
from typing import Any

from primecore import _wal_door as door
from primecore.log import Log
from primecore.segments import SegmentSizes

SMALL = SegmentSizes(first_bytes=16384, max_bytes=32768)
KINDS = ["prime.node.created", "prime.edge.created", "my.own_event", "prime.vector.deleted", "note"]
COMPARED = (
    "event_type",
    "entity_id",
    "payload",
    "metadata",
    "event_id",
    "time_us",
    "has_time",
    "has_event_id",
    "version",
)


def event(rng: random.Random, *, biggest: int = 300) -> dict[str, Any]:
    given_time, given_id = rng.random() < 0.5, rng.random() < 0.5
    fields: dict[str, Any] = {
        "entity_id": f"node:person:{rng.randrange(50)}" + "ü" * rng.randrange(3),
        "event_type": rng.choice(KINDS),
        "payload": rng.randbytes(rng.choice([0, 1, rng.randrange(biggest)])),
        "metadata": rng.randbytes(rng.choice([0, 0, rng.randrange(40)])),
        "version": rng.randrange(1, 1000),
    }
    if given_time:
        fields["time_us"] = rng.randrange(-(10**15), 10**15)
    else:
        fields["assigned_time_us"] = rng.randrange(10**15)
    if given_id:
        fields["event_id"] = rng.randbytes(16)
    return fields


def expected(fields: dict[str, Any]) -> tuple[Any, ...]:
    """What reading the event must give."""
    return (
        fields["event_type"],
        fields["entity_id"],
        fields.get("payload", b""),
        fields.get("metadata", b""),
        fields.get("event_id", bytes(16)),
        fields.get("time_us", fields.get("assigned_time_us", 0)),
        "time_us" in fields,
        "event_id" in fields,
        fields.get("version", 1),
    )


def append(log: Log, fields: dict[str, Any]) -> None:
    status = door.append_event(log.wal, fields)
    if status == "no room":
        log.make_room(door.event_bytes(log.wal, fields))
        status = door.append_event(log.wal, fields)
    if status != "ok":
        raise log.refusal()


def append_batch(log: Log, many: list[dict[str, Any]], *, commit: bool = True) -> None:
    if door.begin_batch(log.wal) != "ok":
        raise log.refusal()
    try:
        for fields in many:
            append(log, fields)
    except BaseException:
        door.abort_batch(log.wal)
        raise
    status = door.commit_batch(log.wal) if commit else door.abort_batch(log.wal)
    if status != "ok":
        raise log.refusal()


def contents(log: Log) -> list[tuple[Any, ...]]:
    """The whole log by scan, checked against read() for every position."""
    found = door.scan_events(log.wal, 1)
    assert [one["position"] for one in found] == list(range(1, len(found) + 1))
    for one in found:
        assert door.read_event(log.wal, one["position"]) == one
    assert door.read_event(log.wal, len(found) + 1) is None
    return [tuple(one[name] for name in COMPARED) for one in found]
