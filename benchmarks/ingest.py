"""Ingest of a file: events per second from the first byte read to the last event durable, beside json and orjson.

Each round takes the same lines through json.loads, orjson.loads and a new store (fsync="interval"), one after another,
garbage collector off, parsed values dropped. The parsers get their lines ready in memory; the store reads the file. The
store is measured twice: with the cores that the machine has (helper threads zero memory and sync), and on one core.
"""

from __future__ import annotations

import json
from pathlib import Path

import common
import orjson
import workloads

import primecore


def parse_all(loads: object, lines: list[bytes]) -> None:
    for line in lines:
        loads(line)  # type: ignore[operator]


def ingest(store: Path, path: Path, count: int) -> common.Span:
    """What it takes until everything is durable in a new store. Opening and closing it are left out."""
    with primecore.open(common.fresh(store), fsync="interval") as prime:

        def work() -> None:
            assert prime.ingest(path).appended == count
            assert prime.flush() == count

        return common.timed(work)


def main() -> None:
    arguments = common.parser(__doc__.splitlines()[0]).parse_args()
    every = common.cores()
    head, rounds = common.start(arguments), []
    one = common.cores()
    count = common.scaled(1_000_000, arguments.scale)
    with common.workplace(arguments) as folder:
        common.say(f"making {count:,} events")
        path = workloads.file_of(folder, "mixed", count)
        lines = path.read_bytes().splitlines(keepends=True)
        for number in range(arguments.rounds):
            by_json = common.timed(lambda: parse_all(json.loads, lines))
            by_orjson = common.timed(lambda: parse_all(orjson.loads, lines))
            common.run_on(every)
            ours = ingest(folder / "store", path, count)
            common.run_on(one)
            alone = ingest(folder / "store", path, count)
            rounds.append(
                {
                    "prime_events_per_second": count / ours.wall,
                    "json_loads_per_second": count / by_json.wall,
                    "orjson_loads_per_second": count / by_orjson.wall,
                    "prime_ns_per_event": ours.wall / count * 1e9,
                    "prime_cpu_ns_per_event": ours.cpu / count * 1e9,
                    "prime_ns_per_event_one_core": alone.wall / count * 1e9,
                    "times_json": by_json.wall / ours.wall,
                    "times_orjson": by_orjson.wall / ours.wall,
                    "times_json_one_core": by_json.wall / alone.wall,
                    "times_json_by_cpu": by_json.cpu / ours.cpu,
                    "times_orjson_by_cpu": by_orjson.cpu / ours.cpu,
                }
            )
            common.say(f"round {number + 1}: {rounds[-1]}")
        common.fresh(folder / "store")
        size = path.stat().st_size
    figures = {"events": count, "bytes_per_event": round(size / count, 1), **common.middle(rounds), "each": rounds}
    common.finish("ingest", arguments, head, figures)


if __name__ == "__main__":
    main()
