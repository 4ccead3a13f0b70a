"""Single appends and batches through the Python API, in each fsync mode: latencies and rates.

"durable" waits for stable storage each time, alone and from eight threads that share syncs. `append_times_orjson` is an
append against orjson.dumps of the same payload, the least that any log must do, in the same round.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import common
import orjson

import primecore

TEXT = "what the agent learned, in a sentence or two of ordinary length, as it comes from a conversation"


def event(number: int) -> tuple[str, str, dict[str, Any]]:
    name = f"Person {number}"
    payload = {"properties": {"name": name, "domain": "people", "text": TEXT, "score": number / 7}}
    return "prime.node.created", f"node:person:{number:08d}", payload


def singles(store: Path, fsync: str, count: int) -> dict[str, float]:
    """Nanoseconds of an append(type, id, dict), which the caller made before."""
    items = [event(n) for n in range(count)]
    with primecore.open(common.fresh(store), fsync=fsync) as prime:
        append = prime.append
        spans = common.each_ns(lambda item: append(*item), items)
    return common.percentiles(spans, common.clock_ns())


def dumps(count: int) -> dict[str, float]:
    """Nanoseconds of orjson.dumps of the same payloads."""
    payloads = [event(n)[2] for n in range(count)]
    encode = orjson.dumps
    spans = common.each_ns(lambda payload: encode(payload), payloads)  # noqa: PLW0108 (appends pay for a lambda, too)
    return common.percentiles(spans, common.clock_ns())


def batches(store: Path, size: int, count: int) -> float:
    """Events per second of append_many."""
    rows = [dict(zip(("event_type", "entity_id", "payload"), event(n), strict=True)) for n in range(count)]
    groups = [rows[n : n + size] for n in range(0, count, size)]
    with primecore.open(common.fresh(store)) as prime:
        return count / common.timed(lambda: [prime.append_many(group) for group in groups]).wall


def durable(store: Path, threads: int, count: int) -> float:
    """Durable events per second of `threads` callers."""
    with primecore.open(common.fresh(store)) as prime:

        def write(start: int) -> None:
            for n in range(start, count, threads):
                prime.append(*event(n), durable=True)

        def run() -> None:
            running = [threading.Thread(target=write, args=(start,)) for start in range(threads)]
            for thread in running:
                thread.start()
            for thread in running:
                thread.join()

        seconds = common.timed(run).wall
        assert prime.durable_position == count
    return count / seconds


def one_round(folder: Path, scale: float) -> dict[str, float]:
    many, few = common.scaled(200_000, scale), common.scaled(2_000, scale)
    found = {}
    for fsync, count in (("never", many), ("interval", many), ("always", few)):
        for name, value in singles(folder / "store", fsync, count).items():
            found[f"append_{fsync}_ns_{name}"] = value
    found |= {f"orjson_dumps_ns_{name}": value for name, value in dumps(many).items()}
    for kind in ("p50", "mean"):
        found[f"append_times_orjson_{kind}"] = found[f"append_interval_ns_{kind}"] / max(
            found[f"orjson_dumps_ns_{kind}"], 1
        )
    for size in (10, 100, 1000):
        found[f"append_many_{size}_events_per_second"] = batches(folder / "store", size, many)
    for threads in (1, 8):
        found[f"durable_{threads}_threads_events_per_second"] = durable(folder / "store", threads, few)
    return found


def main() -> None:
    arguments = common.parser(__doc__.splitlines()[0]).parse_args()
    head = common.start(arguments)
    with common.workplace(arguments) as folder:
        rounds = [one_round(folder, arguments.scale) for _ in range(arguments.rounds)]
        common.fresh(folder / "store")
    common.finish("append", arguments, head, common.middle(rounds))


if __name__ == "__main__":
    main()
