"""Processes that write and are killed, at random moments or at an exact call to the system, and what is there then."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support.children import child_environment
from support.compare import assert_same, assert_same_log
from support.fold import Fold, numbers_of, space_defined
from support.writer import BATCH_EVENTS

import primecore
from torture import nursery
from torture.nursery import CLOSED, DONE, OPENED, THREADS, Progress, of_thread, sequence
from torture.stores import BACKENDS, MODES, SMALL, WAYS, log_options

POINTS = ("before", "after", "half")
KILLED = signal.SIGKILL


class Nursery:
    """The process that bears the children. Use it as a context manager."""

    def __init__(self, preload: Path | None = None) -> None:
        environment = child_environment() | ({"LD_PRELOAD": str(preload)} if preload else {})
        self.process = subprocess.Popen(
            [sys.executable, "-m", "torture.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def _ask(self, task: dict[str, Any]) -> int:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(task).encode() + b"\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def bear(self, task: dict[str, Any]) -> int:
        return self._ask(task)

    def reap(self, pid: int) -> int:
        """The exit code of an ended child, or minus the signal that ended it."""
        return os.waitstatus_to_exitcode(self._ask({"reap": pid}))


class Life:
    """One store: what was written to it, what must be there, and what was found there last."""

    def __init__(self, path: Path, seed: int, count: int, way: str, fsync: str, backend: str) -> None:
        self.path, self.way, self.fsync, self.backend = path, way, fsync, backend
        self.seed, self.count = seed, count
        self.events = [] if way == "threads" else sequence(seed, count)
        self.fold, self.taken, self.defined = Fold(), 0, False
        self.fresh = primecore.open(":memory:")
        self.fed = 0
        self.seen: list[tuple[Any, ...]] = []
        self.kept = [0] * THREADS
        self.progress = Progress(path.with_suffix(".progress"))
        self.position: int | None = None
        self.ends = self._ends()

    def _ends(self) -> list[int]:
        fold, ends = Fold(), [0]
        for event in self.events:
            fold.apply(event)
            ends.append(fold.position)
        return ends

    def task(self, **more: Any) -> dict[str, Any]:
        self.progress.clear()
        return {
            "path": str(self.path),
            "progress": str(self.path.with_suffix(".progress")),
            "sequence": [self.seed, self.count],
            "taken": self.taken,
            "position": self.position,
            "way": self.way,
            "fsync": self.fsync,
            "backend": self.backend,
            "close": False,
            **more,
        }

    def check(self, *, read_only: bool, wholly: bool) -> None:
        """All that was acknowledged is there, in order, none twice, none invented; the tables are a fold of the log."""
        stage, acknowledged = self.progress["stage"], self.progress["position"]
        if not (self.path / "MANIFEST").exists():
            assert stage == 0 and self.position in (None, 0), "a store is gone"
            return
        with (
            log_options(segment_sizes=SMALL, backend=self.backend),
            primecore.open(self.path, read_only=read_only) as prime,
        ):
            position, digest = prime.position, prime.digest()
            assert position >= (self.position or 0), f"{self.position} events were there, {position} are"
            assert position >= acknowledged, f"{acknowledged} events were acknowledged, {position} are there"
            assert read_only or prime.durable_position == position
            found = [(event.position, event.event_id, event.timestamp, event.version) for event in prime.events()]
            assert len({event_id for _, event_id, *_ in found}) == position
            assert found[: len(self.seen)] == self.seen, "what was there has changed"
            self.seen = found
            if self.way == "threads":
                self._check_threads(prime, digest)
            else:
                self._check_sequence(prime, digest)
            if wholly:
                assert_same(prime, self.fold)
                assert prime.replay(verify=True).equal is True
        self.position = position

    def _check_sequence(self, prime: Any, digest: str) -> None:
        begun = self.taken
        self._advance(prime.position)
        assert_same_log(prime, self.fold)
        if self.way == "append_many" and self.taken != begun:
            possible = {*self.ends[begun::BATCH_EVENTS], self.ends[-1]}
            assert prime.position in possible, "a part of a batch was recovered"
        if not self.defined:
            if self.fed < self.taken:
                self.fresh.append_many(self.events[self.fed : self.taken])
                self.fed = self.taken
            assert self.fresh.digest() == digest, "the tables are not a fold of what was written"

    def _advance(self, position: int) -> None:
        # As stores.folded does it from the beginning.
        fold = self.fold
        while fold.position < position:
            self.defined = False
            event = self.events[self.taken]
            first = event["event_type"] == "prime.vector.stored" and fold.dimensions is None
            if first and fold.position == position - 1:
                fold.apply(space_defined(len(numbers_of(event))))
                self.defined = True
                break
            fold.apply(event)
            self.taken += 1
        assert fold.position == position

    def _check_threads(self, prime: Any, digest: str) -> None:
        events = [event._asdict() | {"timestamp": event.timestamp.isoformat()} for event in prime.events()]
        for event in events[self.fold.position :]:
            assert self.fold.apply(event).verdict == "appended"
            fields = {name: event[name] for name in ("event_id", "timestamp")}
            self.fresh.append(event["event_type"], event["entity_id"], event["payload"], **fields)
        for number in range(THREADS):
            numbers = [e["payload"]["n"] for e in events if e["entity_id"] == of_thread(number)]
            assert numbers == list(range(len(numbers))), f"thread {number} wrote in order"
            acknowledged = max(self.kept[number], self.progress[f"thread_{number}"])
            # A thread writes one event at a time.
            assert acknowledged <= len(numbers) <= acknowledged + 1, (acknowledged, len(numbers))
            self.kept[number] = len(numbers)
        assert len(events) == sum(self.kept), "events that nobody wrote"
        assert self.fresh.digest() == digest, "the tables are not a fold of the log"

    def close(self) -> None:
        self.fresh.close()
        self.progress.page.close()
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.with_suffix(".progress").unlink()


@contextlib.contextmanager
def life(*arguments: Any) -> Iterator[Life]:
    one = Life(*arguments)
    try:
        yield one
    finally:
        one.close()


def bear_and_kill(nurse: Nursery, one: Life, rng: random.Random) -> bool:
    """One child that is killed at a random moment; whether it was at work."""
    progress = one.progress
    pid = nurse.bear(one.task(close=rng.random() < 0.5))
    if rng.random() < 0.3:  # while it opens the store, perhaps
        time.sleep(rng.random() ** 2 * 0.02)
    else:
        target = rng.choice((1, 3, 10, 40, 150))
        until_s = time.monotonic() + 1
        while progress["stage"] < DONE and time.monotonic() < until_s:
            moved = progress["position"] - progress["opened_at"] if one.way != "threads" else progress["thread_0"]
            if progress["stage"] == OPENED and moved >= target:
                break
            time.sleep(0.0002)
        time.sleep(rng.random() ** 2 * 0.003)
    os.kill(pid, KILLED)
    status = nurse.reap(pid)
    assert status == -KILLED, f"it ended by itself with {status} at stage {progress['stage']}"
    return progress["stage"] < CLOSED


def run(seed: int, folder: Path, kills: int = 60) -> int:
    """Stores one after the other, each written to by children that are killed; gives how many were at work."""
    rng = random.Random(f"kills/{seed}")
    hits = done = stores = 0
    with Nursery() as nurse:
        while done < kills:
            way = rng.choice((*WAYS, "threads"))
            count = rng.choice((40, 120, 400, 900))
            arguments = (seed * 1000 + stores, count, way, rng.choice(MODES), rng.choice(BACKENDS))
            stores += 1
            with life(folder / f"kills-{stores}", *arguments) as one:
                try:
                    for _ in range(rng.choice((3, 8, 16))):
                        hits += bear_and_kill(nurse, one, rng)
                        done += 1
                        one.check(read_only=rng.random() < 0.4, wholly=rng.random() < 0.1)
                        if one.progress["stage"] == CLOSED and way != "threads":
                            break
                    one.check(read_only=False, wholly=True)
                except BaseException as error:
                    error.add_note(f"seed {seed}, store {stores} {arguments}, kill {done}")
                    raise
    return hits


# --- at exact points


def interposer(folder: Path) -> Path:
    """The library that kills; compiled here. Raises FileNotFoundError without a compiler."""
    target = folder / "interpose.so"
    source = Path(nursery.__file__).with_name("interpose.c")
    command = [os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", target, source, "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return target


def at_points(seed: int, folder: Path, way: str, backend: str, fsync: str, step: int = 1) -> int:
    """A scripted workload is killed before, after and within each `step`-th call; gives how many kills there were."""
    kills = 0
    with contextlib.ExitStack() as stack:
        if os.access("/dev/shm", os.W_OK):  # the death of a process asks nothing of a disk, whose syncs take longest
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/dev/shm")))
        nurse = stack.enter_context(Nursery(interposer(folder)))
        for when, word in enumerate(POINTS):
            number = 1 + (seed + when) % step
            while True:
                with life(folder / f"at-{word}-{number}", seed, 60, way, fsync, backend) as one:
                    try:
                        pid = nurse.bear(one.task(point=number, when=when, close=True, interval_ms=1))
                        status = nurse.reap(pid)
                        assert status in (0, -KILLED), status
                        one.check(read_only=number % 2 == 0, wholly=number % 7 == 0)
                        if number % 2 == 0:
                            one.check(read_only=False, wholly=False)
                    except BaseException as error:
                        error.add_note(f"{word} call {number} of {way}, {fsync}, {backend}, seed {seed}")
                        raise
                if status == 0:
                    break
                kills += 1
                number += step
    return kills


def points(seed: int, folder: Path) -> int:
    """Every call of one way, mode and backend; seeds that follow each other take turns through all of them."""
    every = list(itertools.product(WAYS, BACKENDS, MODES))
    return at_points(seed, folder, *every[seed % len(every)])
