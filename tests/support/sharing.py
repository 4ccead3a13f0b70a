"""Several processes at one store: an owner elsewhere, or here, and waiting for what others do. Knows the public API."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import primecore
from support import peer
from support.children import child

PEER = peer.__file__


def new_owner(path: Path) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Another process that owns the store; it says a line when it does."""
    return child(PEER, "own", path)


def wait_until(holds: Callable[[], object]) -> None:
    """Returns when `holds()`; fails after two minutes."""
    until_s = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < until_s, "it never came"
        time.sleep(0.005)


@contextmanager
def shared(path: Path) -> Iterator[tuple[primecore.Prime, primecore.Prime]]:
    """A store of this process's own, and the same store as another process sees it: forwarded."""
    with primecore.open(path) as own:
        wait_until((path / "writer.sock").exists)
        with primecore.open(path, via_owner=True) as other:
            yield own, other
