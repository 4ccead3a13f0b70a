"""The sections about what a store costs while nobody asks: opening it, memory and disk for each thing it holds."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator

import primecore
from primecore.bench import measure, tables, weigh, workloads
from primecore.bench.line import PRIME, Line, Setting, values


def opening(setting: Setting) -> Iterator[Line]:
    """From nothing to the first answer: Prime folds the log, a dict would have to read a file of events."""
    count = setting.size(200_000, 100_000)
    setting.say(f"writing stores of {count:,} events to open")
    path = workloads.file_of(setting.folder, "mixed", count)
    store, file = measure.fresh(setting.folder / "opened"), tables.without(setting.folder / "opened.db")
    first = workloads.node_id(0)
    with primecore.open(store) as prime:
        prime.ingest(path)
        prime.add_node("person", {"name": "Person 0"}, id=first.rpartition(":")[2])
    with tables.database(file, tables.GRAPH) as connection:
        tables.fill(connection, setting.size(50_000, 20_000))
    setting.say("opening them")

    def ours() -> float:
        begun = time.perf_counter()
        with primecore.open(store) as prime:
            assert prime.node(first) is not None
            return time.perf_counter() - begun

    def parsed() -> float:
        begun, nodes = time.perf_counter(), {}
        with open(path, "rb") as lines:
            for line in lines:
                it = json.loads(line)
                nodes[it["entity_id"]] = it["payload"]
        assert len(nodes) > 1
        return time.perf_counter() - begun

    def sqlite() -> float:
        begun = time.perf_counter()
        with tables.database(file) as connection:
            assert connection.execute("select properties from nodes where id = ?", (first,)).fetchone()
            return time.perf_counter() - begun

    what = f"open, {count:,} events, until the first answer"
    yield values(setting, "open", what, "s", {PRIME: ours, "json.loads": parsed, "sqlite": sqlite})


def memory(setting: Setting) -> Iterator[Line]:
    """Memory of a node and of an edge, each contender in a process of its own; then what lies on the disk."""
    count = setting.size(100_000, 20_000)
    found = {}
    for contender in (PRIME, "dict", "sqlite"):
        setting.say(f"weighing {count:,} nodes and {count * workloads.LINKS_EACH:,} edges: {contender}")
        found[contender] = weighed(setting, contender, count)
    for part, what in (
        ("node", "memory of a node with its properties"),
        ("edge", "memory of an edge, found from both ends"),
        ("event", "disk of an event, in the log"),
    ):
        figures = {name: {"value": one[part]} for name, one in found.items() if part in one}
        yield Line("memory and disk", what, "bytes", figures)


def weighed(setting: Setting, contender: str, count: int) -> dict[str, float]:
    """Bytes by what they hold, from a child that does nothing else."""
    place = measure.fresh(setting.folder / "weighed")
    place.mkdir()
    command = [sys.executable, "-m", weigh.__name__, contender, str(place), str(count)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return dict(json.loads(done.stdout))
