"""A child that goes on writing a known sequence where the store left off, and tells what was acknowledged.

`python -m torture.worker PATH SEED COUNT WAY FSYNC BACKEND` prints a line for each acknowledgement: the position, and
the durable position. `failed CODE` is printed for a write that was refused, after which it tries one more.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any

from support.generate import to_lines
from support.writer import BATCH_EVENTS, acceptable

import primecore
from primecore.errors import PrimeError
from torture.stores import SMALL, folded, log_options


def write(prime: Any, events: list[dict[str, Any]], way: str, seed: int) -> None:
    def tell(*_: object) -> None:
        os.write(1, b"%d %d\n" % (prime.position, prime.durable_position))

    tell()
    if way == "ingest":
        prime.ingest(io.BytesIO(to_lines(events, seed)), progress=tell)
        tell()
        return
    for start in range(0, len(events), BATCH_EVENTS if way == "append_many" else 1):
        if way == "append_many":
            prime.append_many(events[start : start + BATCH_EVENTS])
        else:
            event = events[start]
            fields = {name: event[name] for name in ("event_id", "timestamp", "metadata") if name in event}
            prime.append(event["event_type"], event["entity_id"], event.get("payload"), **fields)
        tell()


def main(path: str, seed: int, count: int, way: str, fsync: str, backend: str) -> None:
    events = acceptable(seed, count)
    with log_options(segment_sizes=SMALL, backend=backend, fsync_interval_ms=5):
        prime = primecore.open(path, fsync=fsync)
        taken = folded(events, prime.position).taken
        try:
            write(prime, events[taken:], way, seed)
        except PrimeError as error:
            os.write(1, b"failed %s %d\n" % (error.code.encode(), prime.durable_position))
            try:
                prime.append("note", "after", {})
            except PrimeError as second:
                os.write(1, b"then %s\n" % second.code.encode())
            assert sum(1 for _ in prime.events()) == prime.position
        os.write(1, b"done\n")
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5], sys.argv[6])
