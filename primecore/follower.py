"""The thread behind a store that another process owns: it keeps the tables near the log's end, also while nobody reads.

Reads look for themselves (see _follow.pxd). What a read must not wait for is done here: going on under another owner,
and reading the log anew where a new owner recovered less of it than was read. Knows engines; nothing of who asks.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable

from primecore._follow import Follow
from primecore.engine import Engine
from primecore.errors import PrimeError

LOOK_US = 100_000  # between two looks at the files, whatever is published
IDLE_SECONDS = 0.01  # between two looks for a LIVE that is not there yet, and at an owner that recovers
RETRY_SECONDS = 0.5


class Follower:
    """Follows the owner of the store that `engine` reads. `replaced(new, old)` hears of one that was read anew."""

    def __init__(self, engine: Engine, replaced: Callable[[Engine, Engine], None]) -> None:
        self.engine = engine
        self._replaced = replaced
        self._stopped = threading.Event()
        self._looked_s = time.monotonic()
        threading.Thread(target=_run, args=(weakref.ref(self),), name="prime-follower", daemon=True).start()

    def stop(self) -> None:
        """Ends the thread, at its next turn."""
        self._stopped.set()

    def turn(self) -> bool:
        """Does what is to be done now; False when the thread may go."""
        if self._stopped.is_set() or not self.engine.usable:
            return False
        self._take_turn()
        return True

    def _take_turn(self) -> None:
        follow = self.engine.follow
        if follow is None:
            self._read_anew_if_moved()
            return
        live = self.engine.log.live
        assert live is not None
        epoch = live.epoch
        if epoch != follow.epoch:
            if epoch & 1 == 0 and not self.engine.accept(epoch):
                self._read_anew()
            return
        while not follow.catch_up():
            time.sleep(0)
        # What is published and was not found may have become history already: it is not looked for much later.
        behind = self.engine.log.wal.last_position < live.committed_position
        if behind or time.monotonic() > self._looked_s + LOOK_US / 1e6:
            self._looked_s = time.monotonic()
            follow.refresh()
            self._read_anew_if_moved()

    def _read_anew_if_moved(self) -> None:
        if self.engine.log.has_moved():
            self._read_anew()

    def _read_anew(self) -> None:
        old = self.engine
        new = old.again()
        if self._stopped.is_set():
            new.close()
            return
        self.engine = new
        self._replaced(new, old)

    def wait(self) -> Callable[[], object]:
        """What to call, without holding this object, to sleep until there may be something to do."""
        follow: Follow | None = self.engine.follow
        live = self.engine.log.live
        if follow is None or live is None or live.epoch != follow.epoch:
            return lambda: time.sleep(IDLE_SECONDS)
        return lambda: follow.wait(LOOK_US)


def _run(reference: weakref.ref[Follower]) -> None:
    pid = os.getpid()
    while True:
        follower = reference()
        if follower is None or os.getpid() != pid:
            return
        try:
            if not follower.turn():
                return
            sleep = follower.wait()
        except (PrimeError, MemoryError):
            # Reads meet the same error and tell it; it may pass.
            sleep = lambda: time.sleep(RETRY_SECONDS)  # noqa: E731
        del follower
        sleep()
