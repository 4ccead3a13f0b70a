"""Seconds per GiB of log: reading it, verifying it, recovering it after a crash without and with the graph, backing up.

The store is that of reopen.py, a million mixed events, copied while it was open: what a killed process leaves. Each
figure comes from a new process; the files are in the page cache. The baseline is reading the same bytes.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import common
import reopen

import primecore
from primecore.log import Log

GIB = 1 << 30


def read(store: Path) -> None:
    """The baseline: every byte of the segments, once."""
    for path in sorted((store / "wal").iterdir()):
        with path.open("rb") as file:
            while file.read(1 << 20):
                pass


def verify_log(store: Path) -> None:
    assert primecore.verify(store, log_only=True).ok


def verify(store: Path) -> None:
    assert primecore.verify(store).ok


def recover_log(store: Path) -> None:
    Log.open(store).close()


def recover(store: Path) -> None:
    primecore.open(store, checkpoint_events=0).close()


def backup(store: Path) -> None:
    primecore.backup(store, store.with_name("backup"))


WORK: dict[str, Callable[[Path], None]] = {
    "read": read,
    "verify_log": verify_log,
    "verify": verify,
    "recover_log": recover_log,
    "recover": recover,
    "backup": backup,
}


def measure(name: str, store: Path) -> dict[str, float]:
    """Runs in the child."""
    begun = time.perf_counter()
    WORK[name](store)
    return {"seconds": time.perf_counter() - begun}


def crashed(source: Path, target: Path) -> Path:
    """A copy of the store as a killed process leaves it: without the marks of a clean close."""
    shutil.copytree(source, common.fresh(target), ignore=shutil.ignore_patterns("writer.*"))
    return target


def main() -> None:
    arguments = common.parser(__doc__.splitlines()[0]).parse_args()
    head, figures = common.start(arguments), {}
    count = common.scaled(1_000_000, arguments.scale)
    with common.workplace(arguments) as folder:
        with primecore.open(reopen.mixed(folder, count)) as prime:
            prime.append("benchmark.open", "benchmark")  # the clean mark goes with the first append
            prime.flush()
            store = crashed(Path(prime.path), folder / "crashed")
            log_bytes = prime.stats().wal_bytes
        figures |= {"events": float(count), "log_bytes": float(log_bytes)}
        for name in WORK:
            seconds = []
            for _ in range(arguments.rounds):
                fresh = crashed(store, folder / "copy")
                shutil.rmtree(folder / "backup", ignore_errors=True)
                os.sync()
                seconds.append(common.child("verify.py", "--measure", name, fresh))
            spent = common.middle(seconds)["seconds"]
            figures[f"{name}_s_per_gib"] = spent * GIB / log_bytes
            common.say(f"{name}: {spent:.3f} s, {figures[f'{name}_s_per_gib']:.2f} s per GiB")
        figures["verify_log_times_read"] = figures["verify_log_s_per_gib"] / figures["read_s_per_gib"]
    common.finish("verify", arguments, head, figures)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(sys.argv[2], Path(sys.argv[3]))))
    else:
        main()
