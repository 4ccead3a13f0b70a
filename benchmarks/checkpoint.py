"""Opening a store from a checkpoint against replaying its log; and what one question costs a shell, beside sqlite3.

A million mixed events, files in the page cache, a new process each time. Opening is timed with the modules imported,
which is told apart. `prime query neighbors` is measured on the wall from start to end, interpreter, imports (from byte
code, as in every installation) and all, beside Python's sqlite3 and the sqlite3 shell on a table with an index that
answers the same. It does not show a cold disk, where a checkpoint costs what reading its file once costs.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time
from pathlib import Path

import common
import workloads

import primecore

ASK_SQLITE = """
import sqlite3, sys
rows = sqlite3.connect(sys.argv[1]).execute(
    "select target, id, relation, 'out', weight from edges where source = ? union all "
    "select source, id, relation, 'in', weight from edges where target = ?", (sys.argv[2], sys.argv[2]))
for row in rows: print(*row, sep="\\t")
"""


def measure(store: Path) -> dict[str, float]:
    """Runs in the child: seconds to import, to open and to answer first, and whether a checkpoint was used."""
    begun = time.perf_counter()
    primecore.open(":memory:").close()  # now all is imported that an open store needs
    imported = time.perf_counter() - begun
    begun = time.perf_counter()
    with primecore.open(store, checkpoint_events=0) as prime:
        opened = time.perf_counter() - begun
        len(prime.neighbors(prime.nodes(limit=1)[0].id))
        answered = time.perf_counter() - begun
        return {
            "import_s": imported,
            "open_s": opened,
            "answer_s": answered,
            "events": prime.position,
            "from_checkpoint": prime.opening.checkpoint_position,
        }


def wall_ms(command: list[str], rounds: int) -> float:
    """The median time of a command, from start to end."""
    spans = []
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # the first one leaves byte code behind
    for _ in range(max(rounds, 3)):
        begun = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        spans.append((time.perf_counter() - begun) * 1000)
    return round(statistics.median(spans), 2)


def sqlite_copy(store: Path, path: Path) -> Path:
    """The edges as a table with an index at either end."""
    path.unlink(missing_ok=True)
    with primecore.open(store, read_only=True) as prime, sqlite3.connect(path) as base:
        base.execute("create table edges (id text primary key, source text, target text, relation text, weight real)")
        base.executemany("insert into edges values (?, ?, ?, ?, ?)", (edge[:5] for edge in prime.edges()))
        base.execute("create index by_source on edges (source)")
        base.execute("create index by_target on edges (target)")
    return path


def main() -> None:
    arguments = common.parser(__doc__.splitlines()[0]).parse_args()
    head, figures = common.start(arguments), {}
    count = common.scaled(1_000_000, arguments.scale)
    with common.workplace(arguments) as folder:
        store = common.fresh(folder / f"checkpointed-{count}")
        with primecore.open(store, checkpoint_events=0) as prime, workloads.stream("mixed", count) as lines:
            prime.ingest(lines)
            node = prime.nodes(limit=1)[0].id
        rounds = [common.child("checkpoint.py", "--measure", store) for _ in range(arguments.rounds)]
        figures["replay"] = common.middle(rounds)
        figures["query_ms_replay"] = wall_ms(ask(store, node), arguments.rounds)
        with primecore.open(store, checkpoint_events=0) as prime:
            written = prime.checkpoint()
        figures["written"] = {"bytes": written.bytes, "seconds": written.seconds, "paused_ms": written.paused_ms}
        rounds = [common.child("checkpoint.py", "--measure", store) for _ in range(arguments.rounds)]
        figures["checkpoint"] = common.middle(rounds)
        assert figures["checkpoint"]["from_checkpoint"] == count
        figures["open_ratio"] = round(figures["checkpoint"]["open_s"] / figures["replay"]["open_s"], 4)
        base = sqlite_copy(store, folder / "edges.sqlite")
        figures["query_ms_checkpoint"] = wall_ms(ask(store, node), arguments.rounds)
        figures["query_ms_python_sqlite3"] = wall_ms(
            [sys.executable, "-c", ASK_SQLITE, str(base), node], arguments.rounds
        )
        if shutil.which("sqlite3"):
            text = f"select * from edges where source = '{node}' or target = '{node}'"
            figures["query_ms_sqlite3_shell"] = wall_ms(["sqlite3", str(base), text], arguments.rounds)
        common.say(f"open: {figures['checkpoint']['open_s'] * 1000:.1f} ms, {figures['open_ratio']:.3f} of a replay")
    common.finish("checkpoint", arguments, head, figures)


def ask(store: Path, node: str) -> list[str]:
    """The shell's question."""
    return [sys.executable, "-m", "primecore.cli", "--data-dir", str(store), "query", "neighbors", node]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(Path(sys.argv[2]))))
    else:
        main()
