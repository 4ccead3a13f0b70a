"""Ten processes write to one store through whichever of them owns it; the owner is killed and replaced, and again."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from support.children import child
from support.sharing import PEER

import primecore

WORKERS = 10
HANGS_S = 300


def owner_of(path: Path) -> int:
    """The process that wrote the lock's note, 0 if none can be told."""
    try:
        return int(json.loads((path / "LOCK").read_text())["pid"])
    except (OSError, ValueError, KeyError):
        return 0


class Crew:
    """The processes, by name, and how many writes of each were acknowledged."""

    def __init__(self, path: Path, writes: int, pause_ms: int, stack: ExitStack) -> None:
        self.path, self.writes, self.pause_ms, self.stack = path, writes, pause_ms, stack
        self.acknowledged = dict.fromkeys((f"w{n}" for n in range(WORKERS)), 0)
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.listeners: dict[str, threading.Thread] = {}
        self.complaints: list[str] = []

    def start(self, name: str) -> None:
        """Start it where it was stopped: with the first write that nobody acknowledged, which may be in the log."""
        if name in self.listeners:
            self.running[name].wait()
            self.listeners[name].join()
        work = (PEER, "work", self.path, name, self.acknowledged[name], self.writes, self.pause_ms)
        self.running[name] = self.stack.enter_context(child(*work))
        self.listeners[name] = threading.Thread(target=self._listen, args=(name, self.running[name]))
        self.listeners[name].start()

    def _listen(self, name: str, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout
        for line in process.stdout:
            words = line.split()
            if words[:1] == [b"ack"] and len(words) == 2 and line.endswith(b"\n"):
                self.acknowledged[name] = int(words[1]) + 1
            elif line.endswith(b"\n"):
                self.complaints.append(line.decode())

    def kill_owner(self) -> bool:
        """Kill whoever holds the lock and start it again; False when nobody does who is still to write."""
        pid = owner_of(self.path)
        name = next((name for name, process in self.running.items() if process.pid == pid), None)
        if name is None or self.running[name].poll() is not None:
            return False
        os.kill(pid, signal.SIGKILL)
        self.start(name)
        return True

    def finish(self) -> None:
        until_s = time.monotonic() + HANGS_S
        for name, process in self.running.items():
            assert process.wait(timeout=until_s - time.monotonic()) == 0, f"{name} failed"
            self.listeners[name].join()
        assert not self.complaints, self.complaints


def run(seed: int, folder: Path, writes: int = 1000, kill_every_s: float = 2.5, pause_ms: int = 10) -> int:
    """Every process writes `writes` events; gives how often an owner was killed. Raises AssertionError."""
    rng = random.Random(f"owners/{seed}")
    path, kills = folder / f"owners-{seed}", 0
    with ExitStack() as stack:
        crew = Crew(path, writes, pause_ms, stack)
        for name in crew.acknowledged:
            crew.start(name)
        until_s = time.monotonic() + HANGS_S
        while any(count < writes for count in crew.acknowledged.values()):
            assert time.monotonic() < until_s, f"it hangs: {crew.acknowledged}"
            time.sleep(rng.uniform(0.3, 1.7) * kill_every_s)
            kills += crew.kill_owner()
        crew.finish()
    with primecore.open(path) as prime:
        found = [(event.entity_id, event.payload["n"]) for event in prime.events()]
        assert prime.replay(verify=True).equal is True
    assert set(Counter(found).values()) == {1}, "an event is there twice"
    for name in crew.acknowledged:
        numbers = [n for entity, n in found if entity == f"worker:{name}"]
        assert numbers == list(range(writes)), f"{name}: {len(numbers)} of {writes}, in order"
    assert len(found) == WORKERS * writes, "an event that nobody wrote"
    return kills
