"""Random work on a simulated disk against a plain list: appends, batches, syncs, failures, crashes, damage."""

from __future__ import annotations

import contextlib
import errno
import random
from typing import Any

from wal_kit import append, append_batch, contents, event, expected

from primecore._mapping import Faults
from primecore.errors import CorruptLog, EnvironmentFailure, PrimeError
from primecore.log import Log
from primecore.memory_storage import MemoryStorage
from primecore.segments import SegmentSizes
from primecore.storage import FaultyStorage

SIZES = [SegmentSizes(8192, 8192), SegmentSizes(8192, 32768), SegmentSizes(16384, 65536)]


class Simulation:
    """One store's lives. `model` is all that was appended, `confirmed` how much of it no power loss may take."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(f"simulation/{seed}")
        self.disk = MemoryStorage()
        self.faults = Faults()
        self.model: list[tuple[Any, ...]] = []
        self.confirmed = 0
        self.sure = 0  # what kill -9 may not take: all that an append returned from
        self.sizes = self.rng.choice(SIZES)

    def open(self, disk: Any, **options: Any) -> Log:
        return Log.open("/s", storage=disk, segment_sizes=self.sizes, fsync_interval_ms=60_000, **options)

    def life(self) -> None:
        """Open, look, work, end: with a close, kill -9 or power loss."""
        rng = self.rng
        if rng.random() < 0.3:
            self.open_badly()
        if rng.random() < 0.3 and self.disk.is_file("/s/MANIFEST"):
            self.damaged_clone()
        log = self.open(FaultyStorage(self.disk, self.faults))
        self.look(log)
        try:
            for _ in range(rng.randrange(60)):
                self.act(log)
        except EnvironmentFailure:
            assert contents(log) == self.model, "reading must go on"
        ending = rng.choice(("close", "kill", "power"))
        crashed = self.disk.crash_clone(rng, keep_everything=ending == "kill")
        kept = self.confirmed
        self.faults.disarm()
        with contextlib.suppress(EnvironmentFailure):
            log.close()
            if ending == "close" and not log.wal.error:
                self.confirmed = len(self.model)
        if ending == "close":
            self.sure = self.confirmed
        else:
            self.disk = crashed
            self.confirmed = kept
            self.sure = len(self.model) if ending == "kill" else kept

    def look(self, log: Log) -> None:
        held = contents(log)
        assert len(held) >= self.sure, f"{self.sure} events must be there, {len(held)} are"
        assert held == self.model[: len(held)], "events that were never written, or in another order"
        assert log.recovery is None or (log.recovery.message and not log.recovery.damaged)
        self.model = held
        self.confirmed = log.wal.durable_position
        assert self.confirmed == len(held)
        self.sure = len(held)

    def act(self, log: Log) -> None:
        rng = self.rng
        action = rng.random()
        if action < 0.45:
            fields = event(rng, biggest=rng.choice((50, 900, 5000)))
            append(log, fields)
            self.model.append(expected(fields))
        elif action < 0.75:
            many = [event(rng, biggest=600) for _ in range(rng.randrange(1, 25))]
            commit = rng.random() < 0.85
            append_batch(log, many, commit=commit)
            if commit:
                self.model += [expected(fields) for fields in many]
        elif action < 0.9:
            self.confirmed = log.flush()
            assert self.confirmed == len(self.model)
        elif action < 0.93:
            assert contents(log) == self.model
        elif action < 0.96:
            with self.open(self.disk, read_only=True) as reader:
                assert contents(reader) == self.model
        else:
            self.arm()

    def arm(self) -> None:
        error = self.rng.choice((errno.EIO, errno.ENOSPC, errno.EMFILE))
        self.faults.arm(self.rng.randrange(1, 8), error, sticky=self.rng.random() < 0.3)

    def open_badly(self) -> None:
        """Opening meets a failing disk, and may be killed or lose power in the middle of it."""
        self.faults.arm(self.rng.randrange(1, 30), self.rng.choice((errno.EIO, errno.ENOSPC)), sticky=True)
        try:
            self.open(FaultyStorage(self.disk, self.faults)).close()
            self.confirmed = max(self.confirmed, self.sure)
        except EnvironmentFailure:
            pass
        finally:
            self.faults.disarm()
        if self.rng.random() < 0.7:
            keep = self.rng.random() < 0.5
            self.disk = self.disk.crash_clone(self.rng, keep_everything=keep)
            if not keep:
                self.sure = self.confirmed

    def damaged_clone(self) -> None:
        """A byte of a copy is changed: never a wrong event; refused, set aside with a report, or of no matter."""
        rng = self.rng
        copy = self.disk.crash_clone(rng, keep_everything=True)
        names = [f"/s/wal/{name}" for name in copy.names("/s/wal")] + ["/s/MANIFEST"]
        path = rng.choice(names)
        data = copy.read(path)
        if not data:
            return
        used = len(data.rstrip(b"\0")) + 16
        offset = rng.randrange(min(used, len(data)))
        copy.patch(path, offset, bytes([data[offset] ^ (1 << rng.randrange(8))]))
        for read_only in (True, False):
            try:
                log = self.open(copy, read_only=read_only)
            except CorruptLog as error:
                text = str(error)
                assert error.path.startswith("/s/") and "prime " in text, text
                continue
            with contextlib.suppress(PrimeError):
                held = contents(log)
                assert held == self.model[: len(held)], "a changed byte gave an event that nobody wrote"
                if not read_only and len(held) < len(self.model) and len(held) < self.sure:
                    assert log.recovery is not None, f"{path} at {offset}: events are gone and nothing was said"
            log.close()


def run(seed: int, lives: int = 12) -> dict[str, int]:
    """All lives of one seed. Raises AssertionError."""
    simulation = Simulation(seed)
    for _ in range(lives):
        simulation.life()
    with simulation.open(simulation.disk) as log:
        simulation.look(log)
    return {"lives": lives, "events": len(simulation.model)}
