"""A process that has imported everything and opens no store, and forks children that write until they are killed.

`python -m torture.nursery` reads a line of JSON for each child from stdin and answers with its pid; `{"reap": pid}` is
answered with its exit status. So a kill costs a fork, not the start of an interpreter. Children tell how far they got
in a page that they share with whoever kills them (`Progress`): what is written there outlives them.
"""

from __future__ import annotations

import ctypes
import functools
import io
import json
import mmap
import os
import struct
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from support.generate import to_lines
from support.writer import BATCH_EVENTS, acceptable

import primecore
from torture.stores import SMALL, log_options

OPENED, DONE, CLOSED, BROKEN = 1, 2, 3, 4
THREADS = 4
FIELDS = ("stage", "opened_at", "position", "durable", *(f"thread_{n}" for n in range(THREADS)))
sequence = functools.lru_cache(maxsize=4)(acceptable)


class Progress:
    """Numbers of a child in a shared page: how far it is, where the log began, and what was acknowledged."""

    def __init__(self, path: str | Path) -> None:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(file, 4096)
        self.page = mmap.mmap(file, 4096)
        os.close(file)

    def clear(self) -> None:
        self.page[: 8 * len(FIELDS)] = bytes(8 * len(FIELDS))

    def __getitem__(self, name: str) -> int:
        return int(struct.unpack_from("<Q", self.page, 8 * FIELDS.index(name))[0])

    def __setitem__(self, name: str, value: int) -> None:
        at = 8 * FIELDS.index(name)
        self.page[at : at + 8] = value.to_bytes(8, "little")


def write(prime: Any, task: dict[str, Any], progress: Progress) -> None:
    """Writes on where the log ends, by the task's way."""

    def tell(*_: object) -> None:
        progress["durable"] = prime.durable_position
        progress["position"] = prime.position

    if task["way"] == "threads":
        return write_together(prime, progress)
    events = sequence(*task["sequence"])[task["taken"] :]
    if task["way"] == "ingest":
        prime.ingest(io.BytesIO(to_lines(events, task["sequence"][0])), progress=tell)
        tell()
        return
    for start in range(0, len(events), BATCH_EVENTS if task["way"] == "append_many" else 1):
        if task["way"] == "append_many":
            prime.append_many(events[start : start + BATCH_EVENTS], durable=start % 4 == 1)
        else:
            event = events[start]
            fields = {name: event[name] for name in ("event_id", "timestamp", "metadata") if name in event}
            what = (event["event_type"], event["entity_id"], event.get("payload"))
            prime.append(*what, durable=start % 32 == 1, **fields)
        tell()


def write_together(prime: Any, progress: Progress) -> None:
    """Threads that share syncs: each writes what comes after the last that the log holds of it, and waits for some."""
    held = {entity: len(list(prime.history(entity))) for entity in map(of_thread, range(THREADS))}

    def work(number: int) -> None:
        entity = of_thread(number)
        for n in range(held[entity], held[entity] + 60):
            prime.append("work.done", entity, {"n": n}, durable=n % 3 == 0)
            progress[f"thread_{number}"] = n + 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def of_thread(number: int) -> str:
    """The entity to which a thread writes."""
    return f"node:thread:{number}"


def live(task: dict[str, Any]) -> None:
    """One child from its birth to its end, if it is let live so long."""
    progress = Progress(task["progress"])
    if "point" in task:
        ctypes.CDLL(None).torture_arm(ctypes.c_long(task["point"]), ctypes.c_int(task["when"]))
    with log_options(segment_sizes=SMALL, backend=task["backend"], fsync_interval_ms=task.get("interval_ms", 5)):
        prime = primecore.open(task["path"], fsync=task["fsync"])
        progress["opened_at"] = prime.position
        progress["stage"] = OPENED
        assert task["position"] in (None, prime.position), f"recovered {prime.position}, read {task['position']}"
        write(prime, task, progress)
        progress["stage"] = DONE
        if task["close"]:
            prime.close()
        progress["stage"] = CLOSED
    if "point" in task:
        os._exit(0)
    threading.Event().wait()


def main() -> None:
    with primecore.open(":memory:") as prime:  # so that nothing is left to be imported by the children
        prime.ingest(io.BytesIO(to_lines(sequence(0, 40), 0)))
        prime.stats(), prime.digest(), prime.events()
    for line in sys.stdin:
        task = json.loads(line)
        if "reap" in task:
            answer = os.waitpid(task["reap"], 0)[1]
        else:
            sequence(*task["sequence"])
            answer = os.fork()
            if not answer:
                try:
                    live(task)
                except BaseException:
                    traceback.print_exc()
                    sys.stderr.flush()
                os._exit(BROKEN)
        os.write(1, b"%d\n" % answer)


if __name__ == "__main__":
    main()
