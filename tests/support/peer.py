"""A child process that does one thing with a store that others use too, and says on stdout what it did, a line each.

Run as `python peer.py WHAT PATH ...`. It ends when its stdin does, or is killed.
"""

from __future__ import annotations

import os
import random
import select
import sys
import time
import uuid

NAMES = uuid.UUID("6f1d1c52-0c62-4a0e-93d4-7bbf6f1c2a10")


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def told_to_stop() -> bool:
    return bool(select.select([0], [], [], 0)[0])


def small_segments(nbytes: int) -> None:
    from primecore import log
    from primecore.segments import SegmentSizes

    log.SegmentSizes = lambda: SegmentSizes(nbytes, nbytes)


def own(path: str, nbytes: str = "0") -> None:
    """Owns the store and writes when told to: `N` appends N events, `batch N` a batch, `close` closes."""
    import primecore

    if int(nbytes):
        small_segments(int(nbytes))
    prime = primecore.open(path)
    say("up", prime.position)
    for line in sys.stdin:
        words = line.split()
        if words[0] == "close":
            prime.close()
            say("closed")
        elif words[0] == "batch":
            prime.append_many([{"event_type": "x", "entity_id": f"x:{n % 9}"} for n in range(int(words[1]))])
            say(prime.position)
        else:
            for n in range(int(words[0])):
                prime.append("x", f"x:{n % 9}", {"n": n, "pad": "p" * 100})
            say(prime.position)


def pairs(path: str, nbytes: str) -> None:
    """Owns the store and writes batches for ever: two nodes with the same number, and a fan of edges at a hub."""
    import primecore

    small_segments(int(nbytes))
    prime = primecore.open(path, fsync="never")
    say("up")
    count = prime.stats().edges
    while not told_to_stop():
        count += 1
        batch = [
            {"event_type": kind, "entity_id": f"node:pair:{name}", "payload": {"properties": {"n": count}}}
            for kind, name in (("prime.node.created", "a"), ("prime.node.created", "b"))
        ]
        batch += [
            {
                "event_type": "prime.edge.created",
                "entity_id": f"edge:{uuid.uuid4()}",
                "payload": {"source": "node:pair:hub", "target": f"node:leaf:{n}", "relation": "r"},
            }
            for n in range(100)
        ]
        prime.append_many(batch)
        say(prime.position)


def work(path: str, name: str, first: str, until: str, pause_ms: str) -> None:
    """Writes numbered events through whoever owns the store, each until it is acknowledged; says each when it is."""
    import primecore

    number = int(first)
    prime = primecore.open(path, via_owner=True)
    while number < int(until) and not told_to_stop():
        time.sleep(random.random() * int(pause_ms) / 500)
        event_id = uuid.uuid5(NAMES, f"{name}/{number}")
        try:
            receipt = prime.append("work.done", f"worker:{name}", {"n": number}, event_id=event_id)
        except (primecore.OutcomeUnknown, primecore.StoreLocked):
            continue
        if number % 5 == 0 and prime.position < receipt.position:
            say("cannot read what it wrote", receipt.position, prime.position)
        say("ack", number)
        number += 1
    prime.close()


def follow(path: str, seconds: str) -> None:
    """Follows for some seconds, checking what one call may show; says the position and digest it ended at."""
    import primecore

    prime = primecore.open(path, read_only=True)
    until_s, last = time.monotonic() + float(seconds), 0
    while time.monotonic() < until_s:
        position = prime.position
        if position < last:
            say("went back", last, position)
        last = position
        numbers = {node.properties["n"] for node in prime.nodes(type="pair")}
        around = {node.properties["n"] for node in prime.subgraph(["node:pair:a", "node:pair:b"]).nodes}
        if len(numbers) > 1 or len(around) > 1:
            say("a batch in part", numbers, around)
        fan = len(prime.neighbors("node:pair:hub"))
        if fan % 100:
            say("a fan in part", fan)
    say("reading", last)
    sys.stdin.readline()
    end = -1
    while end != prime.position:  # a read waits some milliseconds at most for what a busy owner appended
        end = prime.position
        time.sleep(0.2)
    say(prime.position, prime.digest())


if __name__ == "__main__":
    {"own": own, "pairs": pairs, "work": work, "follow": follow}[sys.argv[1]](*sys.argv[2:])
