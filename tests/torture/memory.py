"""Memory runs out while events are taken in: what is in the log shows, or nobody may read on.

`python -m torture.memory PATH SEED EXTRA_BYTES` limits its own address space to what it has and a little more, writes
until that fails, and says what became of it. It checks itself, and the store after reopening it.
"""

from __future__ import annotations

import itertools
import resource
import sys
from pathlib import Path

from support.children import child_environment

import primecore
from primecore.errors import PrimeError, StorePoisoned
from primecore.segments import SegmentSizes
from torture.stores import log_options

WHAT = {"properties": {"name": "somebody"}}


def address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def main(path: str, seed: int, extra_bytes: int) -> str:
    # A segment that is not filled here: it is the tables that are to find no room.
    with log_options(segment_sizes=SegmentSizes(16 << 20, 16 << 20)):
        return fill(path, seed, extra_bytes)


def fill(path: str, seed: int, extra_bytes: int) -> str:
    prime = primecore.open(path, fsync="never")
    for number in range(200):
        prime.add_node("warm", {"n": number}, id=str(number))
    said = "nothing failed"
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (address_space() + extra_bytes, before[1]))
    try:
        for number in itertools.count():
            ids = [f"{seed}-{number}-{part}" for part in range(1 + number * (seed + 1) % 97)]
            if seed % 2:
                what = {"event_type": "prime.node.created", "payload": WHAT}
                prime.append_many([what | {"entity_id": f"node:t{number}:{one}"} for one in ids])
            else:
                for one in ids:
                    prime.add_edge("node:warm:1", "node:warm:2", f"r{one}", id=one)
            if number > 3000:
                break
    except MemoryError:
        said = "memory"
    except PrimeError as error:
        said = error.code
    resource.setrlimit(resource.RLIMIT_AS, before)
    try:
        report = prime.replay(verify=True)
    except StorePoisoned as error:
        assert "memory ran out" in str(error), error
        said += ", torn"
    else:
        assert report.equal is True, "the log holds events that do not show"
        prime.add_node("after", {}, id="it")
        assert prime.replay(verify=True).equal is True, "the log holds events that do not show"
    prime.close()
    with primecore.open(path) as again:
        assert again.replay(verify=True).equal is True
        assert [event.position for event in again.events()] == list(range(1, again.position + 1))
    return said


def run(seed: int, folder: Path) -> str:
    """One child; gives what it said."""
    import random
    import subprocess

    extra = random.Random(f"memory/{seed}").randrange(4 << 20)
    done = subprocess.run(
        [sys.executable, "-m", "torture.memory", folder / f"memory-{seed}", str(seed), str(extra)],
        capture_output=True,
        text=True,
        env=child_environment(),
        check=False,
    )
    assert done.returncode == 0, f"extra {extra}: {done.stdout[-300:]}{done.stderr[-1500:]}"
    return done.stdout.strip()


if __name__ == "__main__":
    print(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
