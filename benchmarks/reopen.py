"""Opening a store by replay, in a new process each time, until it has answered its first question.

Two stores: a million mixed events, and a million nodes with five million edges. Their files are in the page cache. On
one core, and on all that there are, where a second thread reads the log ahead; the two take turns.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import common
import graphs
import workloads

import primecore


def measure(store: Path) -> dict[str, float]:
    """Runs in the child: seconds to open, to answer, and what it took."""
    begun = time.perf_counter()
    with primecore.open(store, checkpoint_events=0) as prime:
        opened = time.perf_counter() - begun
        first = next(iter(prime.nodes(limit=1)))
        degree = len(prime.neighbors(first.id))
        answered = time.perf_counter() - begun
        events = prime.position
    return {
        "open_s": opened,
        "answer_s": answered,
        "events": events,
        "events_per_second": events / opened,
        "degree_of_first": degree,
    }


def mixed(folder: Path, count: int) -> Path:
    path = folder / f"mixed-{count}"
    with (
        primecore.open(common.fresh(path), checkpoint_events=0) as prime,
        workloads.stream("mixed", count) as lines,
    ):
        assert prime.ingest(lines).appended == count
    return path


def main() -> None:
    arguments = common.parser(__doc__.splitlines()[0]).parse_args()
    every = common.cores()
    head, figures = common.start(arguments), {}
    one = common.cores()
    count = common.scaled(1_000_000, arguments.scale)
    with common.workplace(arguments) as folder:
        for name, make in (("mixed", mixed), ("graph", lambda where, n: graphs.build(where / f"graph-{n}", n))):
            store = make(folder, count)
            rounds, free = [], []
            for _ in range(arguments.rounds):
                rounds.append(common.child("reopen.py", "--measure", store))
                common.run_on(every)
                free.append(common.child("reopen.py", "--measure", store))
                common.run_on(one)
            figures[name] = {
                **common.middle(rounds),
                "open_all_cores_s": common.middle(free)["open_s"],
                "each_open_s": [round_["open_s"] for round_ in rounds],
                "each_open_all_cores_s": [round_["open_s"] for round_ in free],
            }
            common.say(f"{name}: {figures[name]['open_s']:.2f} s for {figures[name]['events']:,.0f} events")
    common.finish("reopen", arguments, head, figures)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(Path(sys.argv[2]))))
    else:
        main()
