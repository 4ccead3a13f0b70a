"""What history takes as Parquet against the log, by codec; and what reads notice of compaction and checkpoints
meanwhile.

Sizes are of the mixed workload, and of the real logs named with --log (JSONL, also .gz). Bytes are those of the
segments that were closed, records only, against those of the files. Reads are neighbors() of nodes with 64 edges at
most, on one core, while something else works on the others from its begin to its end: compaction in a thread, gently
as the background worker does it and without rest; the helper process that writes checkpoints; `checkpoint()`, which is
what closing does. Their p99 is compared with that of the same reads alone, right before. A machine with one core
cannot show this.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import common
import workloads

import primecore

READS = 200_000
FAN = 64  # neighbours of a node that is asked for, at most


def sizes(folder: Path, fill: Callable[[Any], None]) -> dict[str, float]:
    """Bytes before and after, and the share saved, by codec."""
    found: dict[str, float] = {}
    for codec in ("zstd", "snappy"):
        with primecore.open(common.fresh(folder / "sizes"), checkpoint_events=0) as prime:
            fill(prime)
            prime.flush()
            report = prime.compact(codec=codec)
            found["log_bytes"] = report.bytes_before
            found["vector_bytes"] = report.vector_bytes
            found[f"{codec}_bytes"] = report.bytes_after
            found[f"{codec}_saved"] = 1 - report.bytes_after / report.bytes_before if report.bytes_before else 0.0
            found[f"{codec}_events_per_second"] = report.events / report.seconds
            if report.events and codec == "zstd":
                rng = random.Random(1)
                positions = [rng.randrange(report.events) for _ in range(2000)]
                spans = common.each_ns(lambda after: list(prime.events(after=after, limit=1)), positions)
                found["event_by_position_us_p50"] = common.percentiles(spans, common.clock_ns())["p50"] / 1000
    return found


def beside(prime: Any, reads: list[str], elsewhere: set[int], work: Callable[[], object]) -> dict[str, float]:
    """Percentiles of reads while `work` is done once in another thread, on cores of its own."""

    def go_on() -> None:
        if elsewhere:
            os.sched_setaffinity(0, elsewhere)  # this thread alone
        work()

    worker = threading.Thread(target=go_on)
    worker.start()
    spans = common.each_ns(lambda node: list(prime.neighbors(node)), reads)
    while worker.is_alive():
        spans += common.each_ns(lambda node: list(prime.neighbors(node)), reads)
    worker.join()
    return common.percentiles(spans, common.clock_ns())


def help_out(store: Path) -> None:
    """What the keeper of a store does now and then: a process that writes a checkpoint."""
    for old in (store / "checkpoints").glob("*.checkpoint"):
        old.unlink(missing_ok=True)
    subprocess.run([sys.executable, "-m", "primecore.checkpointer", str(store)], check=True)


def main() -> None:
    parser = common.parser(__doc__.splitlines()[0])
    parser.add_argument("--log", type=Path, action="append", default=[], help="a real log to measure too (repeat)")
    arguments = parser.parse_args()
    allowed = common.cores()
    head, figures = common.start(arguments), {}
    count = common.scaled(1_000_000, arguments.scale)
    with common.workplace(arguments) as folder:

        def mixed(prime: Any) -> None:
            with workloads.stream("mixed", count) as lines:
                prime.ingest(lines)

        figures["sizes"] = {"mixed": sizes(folder, mixed)}
        for log in arguments.log:
            figures["sizes"][log.name.partition(".")[0]] = sizes(folder, lambda prime: prime.ingest(str(log)))  # noqa: B023
        elsewhere = set(allowed) - {head["core"]} if head["core"] >= 0 else set()
        measured: dict[str, dict[str, list[dict[str, float]]]] = {}
        for number in range(arguments.rounds):
            # A compaction comes last, and one to a store: there is only so much to do.
            for compacting, gently in (("compact()", False), ("compact(gently=True)", True)):
                store = common.fresh(folder / "reads")
                with primecore.open(store, checkpoint_events=0) as prime:
                    mixed(prime)
                    prime.flush()
                    # Not the hubs: what takes a millisecond by itself would hide what the others wait.
                    ids = [node.id for node in prime.nodes(limit=100_000) if len(prime.neighbors(node.id)) <= FAN]
                    rng = random.Random(number)
                    count_reads = common.scaled(READS, arguments.scale)
                    reads = [ids[int(len(ids) * rng.random() ** 3)] for _ in range(count_reads)]
                    works: dict[str, Callable[[], object]] = {compacting: lambda: prime.compact(gently=gently)}  # noqa: B023
                    if gently:
                        others = {"the helper": lambda: help_out(store), "checkpoint()": prime.checkpoint}  # noqa: B023
                        works = others | works
                    beside(prime, reads, set(), lambda: None)
                    for name, work in works.items():
                        found = measured.setdefault(name, {"alone": [], "beside": []})
                        found["alone"].append(beside(prime, reads, set(), lambda: None))
                        found["beside"].append(beside(prime, reads, elsewhere, work))
        figures["neighbors_ns"] = {
            name: {how: common.middle(rounds) for how, rounds in found.items()} for name, found in measured.items()
        }
        figures["p99_ratio"] = {
            name: round(found["beside"]["p99"] / found["alone"]["p99"], 3)
            for name, found in figures["neighbors_ns"].items()
        }
        figures["cores"] = len(allowed)
    common.finish("compaction", arguments, head, figures)


if __name__ == "__main__":
    main()
