"""What happens while a sync runs: the disk is held at an exact moment, by a library that stands before fdatasync."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.children import child_environment

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="stands before a call of the C library")

HELD = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
int fdatasync(int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    int result = real(fd);
    const char *told = getenv("HELD_TOLD"), *go = getenv("HELD_GO");
    char byte = 's';
    if (told && go && (write(atoi(told), &byte, 1) != 1 || read(atoi(go), &byte, 1) != 1)) abort();
    return result;
}
"""

BEGIN = """
import os, sys, threading
from wal_kit import append, event
from primecore.log import Log
from primecore.segments import SegmentSizes
import random
rng = random.Random(1)
log = Log.open(sys.argv[1], fsync_interval_ms=3_600_000, backend=sys.argv[2],
               segment_sizes=SegmentSizes(first_bytes=8192, max_bytes=8192))
one = lambda: append(log, event(rng, biggest=100))
told, tell = os.pipe()
wait, go = os.pipe()
one()
os.environ["HELD_TOLD"], os.environ["HELD_GO"] = str(tell), str(wait)
flush = threading.Thread(target=log.flush)
flush.start()
assert os.read(told, 1)         # the sync has reached the disk and is held before it returns
"""

@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("held")
    (folder / "held.c").write_text(HELD)
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", folder / "held.so", folder / "held.c", "-ldl"]
    subprocess.run(command, check=True)
    return folder / "held.so"


def run(library: Path, body: str, path: Path, backend: str) -> str:
    environment = child_environment() | {"LD_PRELOAD": str(library)}
    command = [sys.executable, "-c", body, path, backend]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("backend", ["mapping", "pwrite"])
def test_what_comes_while_a_sync_runs_is_not_durable_by_it(library, tmp_path, backend):
    """Once it is acknowledged as durable it must have been there when the disk was asked."""
    body = (
        BEGIN
        + """
one(); one()
print(log.wal.committed_position, log.wal.durable_position)
os.write(go, b"g")
flush.join()
print(log.wal.committed_position, log.wal.durable_position)
os._exit(0)
"""
    )
    assert run(library, body, tmp_path / "s", backend).split() == ["3", "0", "3", "1"]


@pytest.mark.parametrize("backend", ["mapping", "pwrite"])
def test_a_segment_that_comes_while_a_sync_runs_is_synced_by_the_next(library, tmp_path, backend):
    """Its events, the end of the segment before it and its name: the next flush asks the disk for all of them."""
    body = (
        BEGIN
        + """
while len(log.wal.segment_list) < 3:
    one()
last = log.wal.committed_position
os.write(go, b"g")
flush.join()
assert log.wal.durable_position == 1, log.wal.durable_position
flush = threading.Thread(target=log.flush)
flush.start()
synced = 0
while flush.is_alive():
    os.set_blocking(told, False)
    try:
        synced += len(os.read(told, 1))
        os.write(go, b"g")
    except BlockingIOError:
        flush.join(0.01)
print(synced, log.wal.durable_position == last)
os._exit(0)
"""
    )
    synced, durable = run(library, body, tmp_path / "s", backend).split()
    assert int(synced) >= 3 and durable == "True"
