"""Every operation of the disk fails in its turn, once or from then on, in work, rotation and recovery alike."""

from __future__ import annotations

import contextlib
import errno
import random
from pathlib import Path
from typing import Any

from wal_kit import append, append_batch, contents, event, expected

from primecore._mapping import Faults
from primecore.errors import EnvironmentFailure
from primecore.log import Log
from primecore.memory_storage import MemoryStorage
from primecore.segments import SegmentSizes
from primecore.storage import FaultyStorage, RealStorage

TINY = SegmentSizes(first_bytes=8192, max_bytes=16384)
KINDS = [(code, sticky) for code in (errno.EIO, errno.ENOSPC, errno.ENOMEM) for sticky in (False, True)]


def events(seed: int, count: int) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    return [event(rng, biggest=500) for _ in range(count)]


def crashed_disk(seed: int) -> tuple[MemoryStorage, list[tuple[Any, ...]], int]:
    """A disk as power loss left it, with several segments, most of them not listed yet, and often a torn tail."""
    disk, rng = MemoryStorage(), random.Random(f"crashed/{seed}")
    many = events(seed, 60)
    log = Log.open("/s", storage=disk, segment_sizes=TINY, fsync_interval_ms=60_000)
    for number, fields in enumerate(many):
        append(log, fields)
        if number == 25:
            log.flush()
    crashed = disk.crash_clone(rng, keep_everything=rng.random() < 0.5)
    log.close()
    return crashed, [expected(fields) for fields in many], 26


class Work:
    """Some work on a log: what was written, and how much of it no power loss may take."""

    def __init__(self, written: list[tuple[Any, ...]], confirmed: int) -> None:
        self.written, self.confirmed = written, confirmed

    def run(self, storage: Any, seed: int, **options: Any) -> None:
        """Recover, write, rotate, sync, close: until something fails. Raises AssertionError for a wrong answer."""
        log = None
        try:
            with contextlib.suppress(EnvironmentFailure):
                log = Log.open(storage=storage, segment_sizes=TINY, fsync_interval_ms=60_000, **options)
                held = contents(log)
                assert len(held) >= self.confirmed and held == self.written[: len(held)]
                self.written = held
                for number in range(6):
                    many = events(1000 * seed + number, 12)
                    if number % 2:
                        append_batch(log, many)
                        self.written += [expected(fields) for fields in many]
                    else:
                        for fields in many:
                            append(log, fields)
                            self.written.append(expected(fields))
                    if number % 3 != 1:
                        self.confirmed = log.flush()
                        assert self.confirmed == len(self.written)
        finally:
            if log is not None:
                with contextlib.suppress(EnvironmentFailure):
                    log.close()
                    self.confirmed = max(self.confirmed, log.wal.durable_position)


def in_memory(seed: int, step: int = 1) -> int:
    """Counts operations first, then fails each `step`-th; gives how many failures were tried."""
    tried = 0
    for code, sticky in KINDS:
        number = 1 + seed % step
        while True:
            disk, written, confirmed = crashed_disk(seed)
            faults = Faults()
            faults.arm(number, code, sticky=sticky)
            work = Work(written, confirmed)
            work.run(FaultyStorage(disk, faults), seed, path="/s")
            reached = faults.operations >= number
            faults.disarm()
            rng = random.Random(f"{seed}/{number}/{code}/{sticky}")
            for survived, sure in (
                (disk.crash_clone(rng), work.confirmed),
                (disk.crash_clone(rng, keep_everything=True), work.confirmed),
            ):
                with Log.open("/s", storage=survived, segment_sizes=TINY) as log:
                    held = contents(log)
                assert len(held) >= sure, f"operation {number} ({code}, {sticky}): {sure} were sure, {len(held)} left"
                assert held[: len(work.written)] == work.written[: len(held)], f"operation {number} ({code})"
            tried += 1
            if not reached:
                break
            number += step
    return tried


def on_disk(seed: int, folder: Path, backend: str, step: int = 1) -> int:
    """The same on a real file system: the bytes are as after kill -9."""
    tried = 0
    for code, sticky in KINDS:
        number = 1 + seed % step
        while True:
            path = folder / f"{backend}-{code}-{sticky}-{number}"
            faults = Faults()
            faults.arm(number, code, sticky=sticky)
            work = Work([], 0)
            work.run(FaultyStorage(RealStorage(), faults), seed, path=path, backend=backend)
            reached = faults.operations >= number
            faults.disarm()
            with Log.open(path, segment_sizes=TINY, backend=backend) as log:
                held = contents(log)
            assert len(held) >= work.confirmed
            # An append whose write failed may have arrived: its caller heard that the outcome is unknown.
            assert held[: len(work.written)] == work.written[: len(held)], f"operation {number} ({code}, {sticky})"
            remove(path)
            tried += 1
            if not reached:
                break
            number += step
    return tried


def remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()


