"""What runs without the GIL, all at once, under ThreadSanitizer: `python -m torture.raced SECONDS TEST...` (make tsan).

It first sees whether the sanitizer is at work: a race planted in a library of its own must be found. Then threads meet
for so many seconds, then the tests are run. What is found makes it exit with the code that TSAN_OPTIONS names.
"""

from __future__ import annotations

import ctypes
import importlib
import io
import os
import pkgutil
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import primecore
from primecore import _wal, _wal_door
from primecore.log import Log
from primecore.segments import SegmentSizes
from torture import crowd
from torture.stores import log_options

FOUND = 66
PLANTED = """
#include <unistd.h>
static volatile int shared;
void count(int times) { for (int i = 0; i < times; i++) { shared++; usleep(100); } }
"""


def planted(folder: Path) -> int:
    """The exit code of a process in which two threads count in one variable."""
    source, library = folder / "planted.c", folder / "planted.so"
    source.write_text(PLANTED)
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    compiler = [os.environ.get("CC", "gcc"), "-shared", "-fPIC", "-g", "-O1", "-fsanitize=thread"]
    subprocess.run([*compiler, "-o", library, source], check=True, env=environment)
    done = subprocess.run([sys.executable, "-m", "torture.raced", "plant", library], capture_output=True, check=False)
    return done.returncode if b"data race" in done.stderr else 0


def count_together(library: str) -> None:
    count = ctypes.CDLL(library).count
    together([lambda: count(500)] * 2)


def together(bodies: list[Callable[[], Any]]) -> None:
    """Runs each in a thread; raises what the first of them raised."""
    errors: list[BaseException] = []

    def guarded(body: Callable[[], Any]) -> None:
        try:
            body()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def growth(folder: Path, seconds: float) -> None:
    """Tables grow under one who ingests while others read many things at once, walk, search and digest."""
    until_s = time.monotonic() + seconds
    count = [0]

    def grow(prime: Any) -> None:
        rng = random.Random(1)
        while time.monotonic() < until_s:
            lines = []
            for _ in range(300):
                n = count[0] = count[0] + 1
                head = f'"event_type":"prime.node.created","entity_id":"node:t:{n}"'
                lines.append(f'{{{head},"payload":{{"properties":{{"name":"number {n} {"x" * (n % 50)}"}}}}}}')
                source = f'"source":"node:t:{rng.randrange(n) + 1}"'
                ends = f'{source},"target":"node:t:{n}","relation":"r{n % 9}","weight":1'
                lines.append(f'{{"event_type":"prime.edge.created","entity_id":"edge:{n}","payload":{{{ends}}}}}')
                if n % 4 == 0:
                    numbers = f'"embedding":[{n % 7},1,{n % 5},2]'
                    kind = '"event_type":"prime.vector.stored"'
                    lines.append(f'{{{kind},"entity_id":"vec:node:t:{n}","payload":{{{numbers},"text":"number {n}"}}}}')
                if n % 11 == 0:
                    lines.append(f'{{"event_type":"prime.node.deleted","entity_id":"node:t:{n // 2}","payload":{{}}}}')
            prime.ingest(io.BytesIO("\n".join(lines).encode()))

    def read(prime: Any, seed: int) -> None:
        rng = random.Random(seed)
        while time.monotonic() < until_s:
            top = count[0] + 1
            ids = [f"node:t:{rng.randrange(top) + 1}" for _ in range(200)]
            prime.neighbors_many(ids)
            list(prime.neighbors(ids[0]))
            prime.node(ids[1])
            prime.subgraph(ids[:2], depth=2)
            prime.shortest_path(ids[0], ids[1])
            prime.shortest_path(ids[2], ids[3], weighted=True)
            list(prime.history(ids[0])), list(prime.events(after=max(prime.position - 30, 0)))
            prime.stats()
            if rng.random() < 0.1:
                prime.digest(), prime.nodes(type="t"), prime.edges(relation="r3")
            if top > 1000:
                prime.similar([1, 1, 1, 2], k=5)
                prime.search("number")

    with log_options(segment_sizes=SegmentSizes(65536, 1 << 20), fsync_interval_ms=2):
        with primecore.open(folder / "growth") as prime:
            together([lambda: grow(prime), *[lambda seed=seed: read(prime, seed) for seed in range(4)]])
            assert prime.replay(verify=True).equal is True


def waiting(folder: Path, seconds: float, fsync: str, backend: str) -> None:
    """Durable writes share syncs, one reads behind them, one asks for figures, and the store is closed in the end."""
    until_s = time.monotonic() + seconds

    def write(prime: Any, number: int) -> None:
        while time.monotonic() < until_s:
            prime.append("x", f"x:{number}", {"pad": "p" * 200}, durable=number % 3 != 0)

    def look(prime: Any) -> None:
        while time.monotonic() < until_s:
            assert prime.stats().durable_position <= prime.position
            prime.flush(timeout=0.01)

    options = {"segment_sizes": SegmentSizes(16384, 65536), "fsync_interval_ms": 1, "backend": backend}
    with log_options(**options), primecore.open(folder / f"waiting-{fsync}-{backend}", fsync=fsync) as prime:
        together([*[lambda number=number: write(prime, number) for number in range(8)], lambda: look(prime)])


def raw_log(folder: Path, seconds: float) -> None:
    """Appends without the GIL beside scans without it."""
    until_s = time.monotonic() + seconds
    with Log.open(folder / "raw", segment_sizes=SegmentSizes(1 << 20, 4 << 20), fsync_interval_ms=1) as log:
        fields = {"entity_id": "e", "event_type": "t", "payload": b"p" * 80}

        def write() -> None:
            while time.monotonic() < until_s:
                if not _wal_door.append_many_times(log.wal, fields, 500):
                    log.make_room(_wal_door.event_bytes(log.wal, fields))
                time.sleep(0)

        def read() -> None:
            while time.monotonic() < until_s:
                last = log.wal.committed_position
                first = max(last - 100, 1)
                found = _wal_door.scan_events(log.wal, first)
                assert [event["position"] for event in found][: last - first + 1] == list(range(first, last + 1))
                log.flush()

        together([write, read, read])


def load_all() -> None:
    """Every compiled module: the sanitizer names functions of those only that were there at its first finding."""
    for module in pkgutil.iter_modules(primecore.__path__):
        if module.name.startswith("_"):
            importlib.import_module(f"primecore.{module.name}")


def main(seconds: float, tests: list[str]) -> int:
    assert "tsan" in _wal.__file__, f"{_wal.__file__} is not the build with ThreadSanitizer"
    load_all()
    with tempfile.TemporaryDirectory(prefix="raced-") as name:
        folder = Path(name)
        assert planted(folder) == FOUND, "ThreadSanitizer does not find a race that is there"
        sys.setswitchinterval(1e-4)
        part = seconds / 6
        raw_log(folder, part)
        growth(folder, 2 * part)
        for fsync, backend in (("interval", "mapping"), ("always", "pwrite")):
            waiting(folder, part / 2, fsync, backend)
        crowd.run(int(time.time()), folder, 2 * part, processes=0)
    print(f"{seconds:.0f} s are over", flush=True)
    # Not captured: a finding in a test that passes would go unseen.
    options = ["-q", "-s", "-p", "no:cacheprovider", "-o", "faulthandler_timeout=0"]
    return int(pytest.main([*tests, *options])) if tests else 0


if __name__ == "__main__":
    if sys.argv[1] == "plant":
        count_together(sys.argv[2])
    else:
        sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
