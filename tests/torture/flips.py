"""Every byte of a small log is changed: refused, reported, or of no matter; never an event that nobody wrote."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from wal_kit import append, append_batch, contents, event

from primecore.errors import CorruptLog, PrimeError
from primecore.log import Log
from primecore.memory_storage import MemoryStorage
from primecore.segments import SegmentSizes

TINY = SegmentSizes(first_bytes=8192, max_bytes=8192)


def small_store(closed: bool) -> tuple[MemoryStorage, list[tuple[Any, ...]]]:
    disk, rng = MemoryStorage(), random.Random(5)
    log = Log.open("/s", storage=disk, segment_sizes=TINY, fsync_interval_ms=60_000)
    for number in range(30):
        append(log, event(rng, biggest=160))
        if number == 10:
            log.flush()
    append_batch(log, [event(rng, biggest=160) for _ in range(4)])
    model = contents(log)
    if closed:
        log.close()
    source = disk.crash_clone(rng, keep_everything=True)
    log.close()
    return source, model


def places(source: MemoryStorage) -> list[tuple[str, int]]:
    """(path, offset) of each byte that means something, and some behind the end."""
    found = []
    for path in [*(f"/s/wal/{name}" for name in source.names("/s/wal")), "/s/MANIFEST"]:
        data = source.read(path)
        used = len(data.rstrip(b"\0"))
        found += [(path, offset) for offset in range(min(used + 64, len(data)))] if used else []
    return found


def outcome(disk: MemoryStorage, model: list[tuple[Any, ...]], closed: bool) -> str:
    try:
        with Log.open("/s", storage=disk, read_only=True, segment_sizes=TINY) as reader:
            seen = contents(reader)
            assert seen == model[: len(seen)]
            assert len(seen) == len(model) or reader.recovery is not None
    except PrimeError as error:
        assert "prime " in str(error), error
    try:
        log = Log.open("/s", storage=disk, segment_sizes=TINY)
    except CorruptLog as error:
        assert error.path.startswith("/s/") and ("prime verify" in str(error) or "read_only" in str(error)), error
        return "refused"
    with log:
        held = contents(log)
        assert held == model[: len(held)]
        assert len(held) == len(model) or (log.recovery and log.recovery.bytes_set_aside), "events went, unsaid"
        assert not closed or len(held) == len(model), "events that were durable went"
        return "set aside" if log.recovery else "no matter"


def run(closed: bool, start: int = 0, step: int = 1) -> Counter[str]:
    """Flips each `step`-th byte from `start` on; gives how the outcomes are spread."""
    source, model = small_store(closed)
    rng = random.Random(f"flips/{start}/{closed}")
    found: Counter[str] = Counter()
    for path, offset in places(source)[start::step]:
        disk = source.crash_clone(rng, keep_everything=True)
        data = disk.read(path)
        bit = 1 << rng.randrange(8)
        disk.patch(path, offset, bytes([data[offset] ^ bit]))
        try:
            found[outcome(disk, model, closed)] += 1
        except AssertionError as error:
            raise AssertionError(f"{path}, offset {offset}, bit {bit}: {error}") from error
    return found
