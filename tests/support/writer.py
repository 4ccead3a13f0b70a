"""A child process that writes a known random sequence to a store and says how far it got, until it is killed.

Run as `python writer.py PATH SEED COUNT WAY FSYNC`; prints the acknowledged position, a line each.
"""

from __future__ import annotations

import io
import os
import sys

from support.fold import Fold
from support.generate import Generator, to_lines

BATCH_EVENTS = 7


def acceptable(seed: int, count: int) -> list[dict]:
    """The events of the sequence that a store takes or knows, in order."""
    fold = Fold()
    return [e for e in Generator(seed).events(count) if fold.apply(e).verdict in ("appended", "duplicate")]


def main(path: str, seed: int, count: int, way: str, fsync: str) -> None:
    import primecore

    prime = primecore.open(path, fsync=fsync)
    events = acceptable(seed, count)

    def tell(*_: object) -> None:
        os.write(1, b"%d\n" % prime.position)

    if way == "ingest":
        prime.ingest(io.BytesIO(to_lines(events, seed)), name="child", progress=tell)
        tell()
    elif way == "append_many":
        for start in range(0, len(events), BATCH_EVENTS):
            prime.append_many(events[start : start + BATCH_EVENTS])
            tell()
    else:
        for event in events:
            fields = {name: event[name] for name in ("event_id", "timestamp", "metadata") if name in event}
            prime.append(event["event_type"], event["entity_id"], event.get("payload"), **fields)
            tell()
    os.write(1, b"done\n")
    sys.stdin.read()  # the parent kills this process, so that it never closes the store


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5])
