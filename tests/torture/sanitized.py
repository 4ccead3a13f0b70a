"""Fuzzing for so many seconds: `python -m torture.sanitized SECONDS`. Meant for the build that make asan makes."""

from __future__ import annotations

import itertools
import sys
import time

from primecore import _wal
from torture import fuzz


def main(seconds: float) -> None:
    assert "asan" in _wal.__file__, f"{_wal.__file__} is not the build with sanitizers"
    until, seed, tried = time.monotonic() + seconds, int(time.time()), dict.fromkeys(fuzz.KINDS, 0)
    print(f"fuzzing for {seconds:.0f} s, first seed {seed}", flush=True)
    for kind in fuzz.KINDS:
        for data in fuzz.corpus(kind):
            fuzz.KINDS[kind][1](data)
    for kind in itertools.cycle(fuzz.KINDS):
        tried[kind] += fuzz.run(kind, seed, 100)
        seed += 1
        if time.monotonic() > until:
            break
    print(", ".join(f"{count} {kind}" for kind, count in tried.items()))


if __name__ == "__main__":
    main(float(sys.argv[1]))
