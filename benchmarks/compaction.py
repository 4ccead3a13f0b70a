"""What history takes as Parquet against the log, by codec; and what reads notice of compaction and checkpoints
meanwhile.

Sizes are of the mixed workload, and of the real logs named with --log (JSONL, also .gz). Bytes are those of the
segments that were closed, records only, against those of the files. Reads are neighbors() of skewed nodes in one
thread while another compacts or writes checkpoints, against the same reads alone.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import common
import workloads

import primecore

READS = 200_000


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


def beside(prime: Any, reads: list[str], work: Callable[[], object] | None) -> dict[str, float]:
    """Percentiles of reads while `work` is repeated in another thread."""
    stop = threading.Event()

    def go_on() -> None:
        while work is not None and not stop.is_set():
            work()

    worker = threading.Thread(target=go_on)
    worker.start()
    try:
        spans = common.each_ns(lambda node: list(prime.neighbors(node)), reads)
    finally:
        stop.set()
        worker.join()
    return common.percentiles(spans, common.clock_ns())


def main() -> None:
    parser = common.parser(__doc__.splitlines()[0])
    parser.add_argument("--log", type=Path, action="append", default=[], help="a real log to measure too (repeat)")
    arguments = parser.parse_args()
    head, figures = common.start(arguments), {}
    count = common.scaled(1_000_000, arguments.scale)
    with common.workplace(arguments) as folder:

        def mixed(prime: Any) -> None:
            with workloads.stream("mixed", count) as lines:
                prime.ingest(lines)

        figures["sizes"] = {"mixed": sizes(folder, mixed)}
        for log in arguments.log:
            figures["sizes"][log.name.partition(".")[0]] = sizes(folder, lambda prime: prime.ingest(str(log)))  # noqa: B023
        with primecore.open(common.fresh(folder / "reads"), checkpoint_events=0) as prime:
            mixed(prime)
            ids, rng = [node.id for node in prime.nodes(limit=100_000)], random.Random(2)
            reads = [ids[int(len(ids) * rng.random() ** 3)] for _ in range(common.scaled(READS, arguments.scale))]
            beside(prime, reads[:1000], None)
            figures["neighbors_ns"] = {
                "alone": beside(prime, reads, None),
                "compacting": beside(prime, reads, lambda: prime.compact(gently=True)),
                "checkpointing": beside(prime, reads, prime.checkpoint),
            }
    common.finish("compaction", arguments, head, figures)


if __name__ == "__main__":
    main()
