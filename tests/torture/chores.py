"""Whole stores on a simulated disk: writes beside checkpoints, compaction, backups and readers, any operation failing.

A life ends with a close, kill -9 or loss of power. What is there afterwards is a beginning of what was written, with
all that was confirmed; every projection is the fold of it, `verify` finds no damage, a backup restores what it said.
"""

from __future__ import annotations

import contextlib
import errno
import random
from typing import Any

from support.disks import STORE, open_on
from support.generate import Generator

from primecore import checking, copies
from primecore._mapping import Faults
from primecore.errors import EnvironmentFailure
from primecore.log import Log
from primecore.memory_storage import MemoryStorage
from primecore.segments import SegmentSizes
from primecore.storage import FaultyStorage

SIZES = [SegmentSizes(8192, 8192), SegmentSizes(16384, 65536)]
BACKUP = "/backup"


def facts(prime: Any) -> list[tuple[Any, ...]]:
    """All that the log says."""
    return [
        (it.position, it.version, it.event_id, it.event_type, it.entity_id, it.payload, it.metadata, it.timestamp)
        for it in prime.events()
    ]


class Chores:
    """One store's lives. `kept` is what was there, `confirmed` how much of it no power loss may take."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(f"chores/{seed}")
        self.disk = MemoryStorage()
        self.faults = Faults()
        self.sizes = self.rng.choice(SIZES)
        self.events = iter(Generator(seed, repeats=False, vectors=False).events(4000))
        self.kept: list[tuple[Any, ...]] = []
        self.sure = self.confirmed = self.operations = 0

    def life(self) -> None:
        """Open, look, work, end."""
        rng = self.rng
        prime = open_on(FaultyStorage(self.disk, self.faults), sizes=self.sizes)
        self.look(prime)
        before = self.faults.operations
        self.arm()
        for _ in range(rng.randrange(25)):
            with contextlib.suppress(EnvironmentFailure, OSError):  # a backup's are the system's
                self.act(prime)
        self.operations += self.faults.operations - before
        self.faults.disarm()
        written = facts(prime)
        assert written[: len(self.kept)] == self.kept, "what was there has changed"
        self.kept, self.confirmed = written, prime.durable_position  # before the clone: a thread syncs meanwhile
        ending = rng.choice(("close", "kill", "power"))
        crashed = self.disk.crash_clone(rng, keep_everything=ending == "kill")
        if rng.random() < 0.5:
            self.arm()
        closed = False
        with contextlib.suppress(EnvironmentFailure):
            prime.close()
            closed = not prime._engine.log.wal.error
        self.faults.disarm()
        if ending != "close":
            self.disk = crashed
        whole = ending == "kill" or (ending == "close" and closed)
        self.sure = len(self.kept) if whole else self.confirmed

    def look(self, prime: Any) -> None:
        """What opening found."""
        found = facts(prime)
        assert len(found) >= self.sure, f"{self.sure} events must be there, {len(found)} are"
        assert found == self.kept[: len(found)], "events that were never written, or in another order"
        assert prime.replay(verify=True).equal is True
        damage = [it for it in checking.check_store(self.disk, STORE).findings if it.severity == "damage"]
        assert not damage, damage
        self.kept, self.sure = found, len(found)
        if self.disk.is_file(f"{BACKUP}/{copies.NAME}"):
            self.restored()

    def restored(self) -> None:
        """The backup is a beginning of what was written: it was made up to a durable position."""
        clone = self.disk.crash_clone(self.rng, keep_everything=True)
        told = copies.load(clone, BACKUP)
        assert told is not None and told.position <= len(self.kept)
        copies.restore(clone, BACKUP, STORE + "-again")
        assert not checking.check_store(clone, STORE + "-again").findings
        with Log.open(STORE + "-again", storage=clone) as log:
            assert log.wal.last_position == told.position

    def act(self, prime: Any) -> None:
        """One chore."""
        rng, chore = self.rng, self.rng.random()
        if chore < 0.5:
            batch = [event for _, event in zip(range(rng.randrange(1, 12)), self.events, strict=False)]
            prime.append_many(batch, durable=rng.random() < 0.1)
        elif chore < 0.65:
            assert prime.flush() == prime.position
        elif chore < 0.75 and prime.position:
            prime.checkpoint()
        elif chore < 0.87:
            prime.compact()
        elif chore < 0.95:
            copies.backup(FaultyStorage(self.disk, self.faults), STORE, BACKUP, until=prime.flush())
        else:
            with open_on(self.disk, sizes=self.sizes, read_only=True) as reader:
                assert facts(reader) == facts(prime) and reader.digest() == prime.digest()

    def arm(self) -> None:
        error = self.rng.choice((errno.EIO, errno.ENOSPC, errno.ENOMEM))
        if self.rng.random() < 0.8:
            self.faults.arm(self.rng.randrange(1, 80), error, sticky=self.rng.random() < 0.3)


def run(seed: int, lives: int = 8) -> int:
    """All lives of one seed; gives how many operations of the disk they took. Raises AssertionError."""
    chores = Chores(seed)
    for _ in range(lives):
        chores.life()
    chores.look(open_on(chores.disk, sizes=chores.sizes))
    return chores.operations
