"""Starting child processes that import what this one imports, and killing them for certain."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def child_environment() -> dict[str, str]:
    """This process's environment, with the same import path."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, sys.path)])}


@contextmanager
def child(*arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """A Python child with pipes to its stdin and stdout; killed (SIGKILL) and reaped on the way out."""
    process = subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=child_environment(),
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
