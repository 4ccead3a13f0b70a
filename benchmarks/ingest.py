"""Ingest of a file: events per second from the first byte read to the last event durable, beside json and orjson.

Each round takes the same lines through json.loads, orjson.loads and a new store (fsync="interval"), one after another,
garbage collector off, parsed values dropped. The parsers get their lines ready in memory; the store reads the file.
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


def ingest(store: Path, path: Path, count: int) -> float:
    """Seconds until everything is durable in a new store. Opening and closing it are left out."""
    with primecore.open(common.fresh(store), fsync="interval") as prime:

        def work() -> None:
            assert prime.ingest(path).appended == count
            assert prime.flush() == count

        return common.timed(work)


def main() -> None:
    arguments = common.parser(__doc__.splitlines()[0]).parse_args()
    head, rounds = common.start(arguments), []
    count = common.scaled(1_000_000, arguments.scale)
    with common.workplace(arguments) as folder:
        common.say(f"making {count:,} events")
        path = workloads.file_of(folder, "mixed", count)
        lines = path.read_bytes().splitlines(keepends=True)
        for number in range(arguments.rounds):
            json_s = common.timed(lambda: parse_all(json.loads, lines))
            orjson_s = common.timed(lambda: parse_all(orjson.loads, lines))
            prime_s = ingest(folder / "store", path, count)
            rounds.append(
                {
                    "prime_events_per_second": count / prime_s,
                    "json_loads_per_second": count / json_s,
                    "orjson_loads_per_second": count / orjson_s,
                    "prime_ns_per_event": prime_s / count * 1e9,
                    "times_json": json_s / prime_s,
                    "times_orjson": orjson_s / prime_s,
                }
            )
            common.say(f"round {number + 1}: {count / prime_s:,.0f} events/s, {json_s / prime_s:.2f} x json.loads")
        common.fresh(folder / "store")
        size = path.stat().st_size
    figures = {"events": count, "bytes_per_event": round(size / count, 1), **common.middle(rounds), "each": rounds}
    common.finish("ingest", arguments, head, figures)


if __name__ == "__main__":
    main()
