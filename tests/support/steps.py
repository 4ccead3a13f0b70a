"""Every operation of the file seam that some work takes: each fails once, or from then on; power is cut before each.

Knows how stores are opened on a simulated disk; the caller knows the work, and what must hold whatever happens.
"""

from __future__ import annotations

import contextlib
import errno
import random
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from primecore._mapping import Faults
from primecore.errors import PrimeError
from primecore.memory_storage import MemoryStorage
from primecore.storage import FaultyStorage
from support.disks import open_on

State = TypeVar("State")
AT_MOST = 80  # operations; no work here takes so many


def fail_each(
    prepare: Callable[[Any], State],
    work: Callable[[Any], object],
    check: Callable[[Any, State], None],
    *,
    sticky: bool,
) -> None:
    """Do `work` again and again, its first operation failing, then its second ... until none is left.

    After each, `check(store, what prepare gave)` must hold for the store itself and for what a crash leaves of the
    disk, and the work must be possible there.
    """
    rng = random.Random(11)
    for number in range(1, AT_MOST):
        disk, faults = MemoryStorage(), Faults()
        prime = open_on(FaultyStorage(disk, faults))
        try:
            state = prepare(prime)
            begun, failed = faults.operations, False
            faults.arm(number, errno.EIO, sticky=sticky)
            try:
                work(prime)
            except PrimeError:
                failed = True
            used = faults.operations - begun
            faults.disarm()
            check(prime, state)
            for everything in (True, False, False):
                with open_on(disk.crash_clone(rng, keep_everything=everything)) as again:
                    check(again, state)
                    work(again)
                    check(again, state)
            if not prime._engine.log.wal.error:
                work(prime)
                check(prime, state)
        finally:
            with contextlib.suppress(PrimeError):
                prime.close()
        if used < number:
            assert not failed
            return
    pytest.fail(f"it takes fewer operations than {AT_MOST}")


def cut_at_each(
    prepare: Callable[[Any], State], work: Callable[[Any], object], each: int = 2
) -> tuple[State, list[MemoryStorage]]:
    """What `prepare` gave, and disks as power cuts before each operation of `work` leave them, `each` times."""
    rng, pictures, disk = random.Random(6), [], MemoryStorage()

    class Camera(Faults):
        def check(self, path: str = "") -> None:
            pictures.extend(disk.crash_clone(rng) for _ in range(each))

    with open_on(FaultyStorage(disk, Camera())) as prime:
        state = prepare(prime)
        pictures.clear()
        work(prime)
        taken = pictures[:]
    return state, taken
