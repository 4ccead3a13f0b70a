"""Eight threads that write and eight that read in one process, and two processes that read beside them.

`python -m torture.crowd PATH SECONDS` is such a process: it follows the store, looks at what batches change, and says
where it ended.
"""

from __future__ import annotations

import io
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from support.children import child

import primecore
from primecore.segments import SegmentSizes
from torture.stores import log_options

WRITERS, READERS, PROCESSES = 8, 8, 2
FAN = 6
HANGS_S = 240


def text_of(n: int) -> str:
    """A long text of one number: a torn read would mix two."""
    return f"{n:08d}" * 40


def batch(writer: int, n: int) -> list[dict[str, Any]]:
    """Two nodes get the number and so does a fan of edges; every third batch takes an older fan away."""
    events = [
        {
            "event_type": "prime.node.created",
            "entity_id": f"node:w{writer}:{name}",
            "payload": {"properties": {"n": n, "text": text_of(n)}},
        }
        for name in "ab"
    ]
    for k in range(FAN):
        ends = {"source": f"node:w{writer}:hub", "target": f"node:leaf:{k}", "relation": f"r{writer}", "weight": n}
        events.append({"event_type": "prime.edge.created", "entity_id": f"edge:{writer}-{n % 7}-{k}", "payload": ends})
        if n % 3 == 2:
            events.append({"event_type": "prime.edge.deleted", "entity_id": f"edge:{writer}-{(n - 2) % 7}-{k}"})
    return events


def look(prime: Any, writer: int) -> None:
    """One look at what one writer's batches change: whole, or not at all."""
    nodes = [node.properties for node in prime.nodes(type=f"w{writer}")]
    assert len({one["n"] for one in nodes}) <= 1, "a batch in part"
    assert all(one["text"] == text_of(one["n"]) for one in nodes), "a torn read"
    around = prime.subgraph([f"node:w{writer}:a", f"node:w{writer}:b"], depth=0)
    assert len({node.properties["n"] for node in around.nodes}) <= 1, "a batch in part"
    near = prime.neighbors(f"node:w{writer}:hub")
    weights = [one.weight for one in near]
    assert len(weights) == len(near) and all(weights.count(w) % FAN == 0 for w in set(weights)), "a fan in part"
    first, second = prime.neighbors_many([f"node:w{writer}:hub"] * 2)
    assert list(first) == list(second) and len(first) % FAN == 0
    node = prime.node(f"node:w{writer}:a")
    assert node is None or node.properties["text"] == text_of(node.properties["n"])


def watch(prime: Any, until_s: float, seed: int) -> int:
    """Looks until the time is over; gives how often."""
    rng, last, looks = random.Random(seed), 0, 0
    while time.monotonic() < until_s:
        position = prime.position
        assert position >= last, f"went back from {last} to {position}"
        last = position
        look(prime, rng.randrange(WRITERS))
        tail = [event.position for event in prime.events(after=max(position - 20, 0))]
        assert tail == list(range(max(position - 20, 0) + 1, max(position - 20, 0) + 1 + len(tail))), "a gap"
        assert not tail or tail[-1] >= position
        looks += 1
    return looks


class Crowd:
    """Threads on one store, and what was acknowledged to each of those that write."""

    def __init__(self, prime: Any, until_s: float) -> None:
        self.prime, self.until_s = prime, until_s
        self.batches = [0] * WRITERS
        self.singles = [0] * WRITERS
        self.lines = [0] * WRITERS
        self.looks = 0
        self.errors: list[BaseException] = []

    def write(self, writer: int) -> None:
        rng = random.Random(writer)
        while time.monotonic() < self.until_s:
            kind = rng.random()
            if kind < 0.4:
                assert len(self.prime.append_many(batch(writer, self.batches[writer]), durable=rng.random() < 0.1))
                self.batches[writer] += 1
            elif kind < 0.9:
                what = {"n": self.singles[writer]}
                self.prime.append("single", f"single:{writer}", what, durable=rng.random() < 0.2)
                self.singles[writer] += 1
            else:
                start, count = self.lines[writer], rng.choice((1, 10, 200))
                text = "".join(
                    f'{{"event_type":"line","entity_id":"line:{writer}","payload":{{"n":{n}}}}}\n'
                    for n in range(start, start + count)
                )
                assert self.prime.ingest(io.BytesIO(text.encode())).appended == count
                self.lines[writer] += count

    def read(self, reader: int) -> None:
        self.looks += watch(self.prime, self.until_s, reader)

    def run(self) -> None:
        def guarded(body: Callable[[int], None], number: int) -> None:
            try:
                body(number)
            except BaseException as error:
                self.errors.append(error)
                self.until_s = 0

        threads = [threading.Thread(target=guarded, args=(self.write, number)) for number in range(WRITERS)]
        threads += [threading.Thread(target=guarded, args=(self.read, number)) for number in range(READERS)]
        for thread in threads:
            thread.daemon = True
            thread.start()
        deadline_s = self.until_s + HANGS_S
        for thread in threads:
            thread.join(max(deadline_s - time.monotonic(), 1))
            assert not thread.is_alive(), "a thread hangs"
        if self.errors:
            raise self.errors[0]

    def check(self) -> None:
        """All that was acknowledged is in the log, once, in each writer's order, and nothing else; batches unbroken."""
        wanted = {f"single:{w}": count for w, count in enumerate(self.singles)}
        wanted |= {f"line:{w}": count for w, count in enumerate(self.lines)}
        numbers: dict[str, list[int]] = {entity: [] for entity in wanted}
        wholes = [0] * WRITERS
        events = iter(self.prime.events())
        position = 0
        for event in events:
            position += 1
            assert event.position == position
            if event.entity_id in numbers:
                numbers[event.entity_id].append(event.payload["n"])
                continue
            writer = int(event.entity_id.removeprefix("node:w").partition(":")[0])
            for number, expected in enumerate(batch(writer, wholes[writer])):
                found = event if number == 0 else next(events)
                position += number > 0
                assert (found.position, found.entity_id) == (position, expected["entity_id"]), "a broken batch"
                assert found.payload == expected.get("payload", {})
            wholes[writer] += 1
        assert wholes == self.batches
        for entity, count in wanted.items():
            assert numbers[entity] == list(range(count)), f"{entity}: {len(numbers[entity])} of {count}"
        assert position == self.prime.position
        assert self.prime.replay(verify=True).equal is True


def run(seed: int, folder: Path, seconds: float = 60, processes: int = PROCESSES) -> int:
    """Gives how many events went in. Raises AssertionError."""
    path = folder / f"crowd-{seed}"
    sizes = SegmentSizes(65536, 1 << 20)
    fsync = ("interval", "always", "never")[seed % 3]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        with log_options(segment_sizes=sizes, fsync_interval_ms=5), primecore.open(path, fsync=fsync) as prime:
            prime.append_many(batch(0, 0))
            command = ("-m", "torture.crowd", path, seconds)
            with ExitStack() as stack:
                readers = [stack.enter_context(child(*command)) for _ in range(processes)]
                crowd = Crowd(prime, time.monotonic() + seconds)
                crowd.batches[0] = 1
                crowd.run()
                crowd.check()
                followers = [ended(process) for process in readers]
            assert followers == [(prime.position, prime.digest())] * processes, followers
            assert crowd.looks
            return int(prime.position)
    finally:
        sys.setswitchinterval(before)


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """Lets a reading process look once more at what there is now; what it says."""
    said, _ = process.communicate(b"end\n", timeout=HANGS_S)
    assert process.returncode == 0, "a reading process failed"
    position, digest = said.decode().split()
    return int(position), digest


def main(path: str, seconds: float) -> None:
    with primecore.open(path, read_only=True) as prime:
        assert watch(prime, time.monotonic() + seconds, 1)
        sys.stdin.readline()
        print(prime.position, prime.digest(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
