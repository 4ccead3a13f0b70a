"""Checkpoints that another process writes out: of one position while writers go on, and nothing wrong when it fails."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from support.children import child, child_environment
from support.stores import new_id

import primecore
from primecore import checkpoint
from primecore._image import Aside, Draft
from primecore.errors import PrimeError
from primecore.storage import RealStorage

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at processes in /proc")
LONG_BYTES = 64 << 20  # of one section, which stands in a draft many times


@pytest.fixture(autouse=True)
def always_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "ASIDE_FROM_BYTES", 0)


def long_draft() -> Draft:
    """Seconds of hashing."""
    draft, data = Draft(), bytes(LONG_BYTES)
    for number in range(400):
        draft.add_bytes(f"section {number}", data)
    return draft


def nothing() -> int:
    return os.open("/dev/null", os.O_WRONLY | os.O_CLOEXEC)


def children_of(pid: int) -> set[int]:
    found = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == pid and fields[0] != "Z":
                found.add(int(name))
    return found


def open_files(process: int | str) -> list[str]:
    found = []
    for name in os.listdir(f"/proc/{process}/fd"):
        try:
            found.append(os.readlink(f"/proc/{process}/fd/{name}"))
        except OSError:
            continue  # that of the listing itself
    return found


def test_each_holds_one_position_while_writers_go_on(tmp_path: Path) -> None:
    path, stop, kept = tmp_path / "store", threading.Event(), []

    def write(number: int) -> None:
        turn = 0
        while not stop.is_set():
            node = prime.add_node("thing", {"turn": turn, "text": "x" * (turn % 300)}, id=f"{number}-{turn}")
            prime.update_node(node, {"seen": True})
            edge = prime.add_edge(node, f"node:thing:{number}-0", "follows", event_id=new_id())
            if turn % 3 == 0:
                prime.delete_edge(edge)
            prime.embed(node, [turn, 1.0, 0.5, number])
            turn += 1

    with primecore.open(path, checkpoint_events=0) as prime:
        threads = [threading.Thread(target=write, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for _ in range(8):
            while prime.position < (kept[-1][0] if kept else 0) + 50:
                time.sleep(0.001)
            report = prime.checkpoint()
            kept.append((report.position, Path(report.file).read_bytes()))
        stop.set()
        for thread in threads:
            thread.join()
        digest = prime.digest()
    assert len({position for position, _ in kept}) == len(kept)
    for position, data in kept:
        for old in (path / "checkpoints").iterdir():
            old.unlink()
        Path(checkpoint.path_of(str(path), position)).write_bytes(data)
        with primecore.open(path, read_only=True) as prime:
            assert (prime.opening.checkpoint_position, prime.opening.note) == (position, "")
            assert prime.digest() == digest


def test_a_program_never_meets_the_process(tmp_path: Path) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGCHLD, lambda number, frame: heard.append(number))
    try:
        with primecore.open(tmp_path, checkpoint_events=0) as prime:
            prime.add_node("thing", {}, id="a")
            for _ in range(5):
                prime.checkpoint()
            assert not [name for name in open_files("self") if "checkpoints" in name]
            with pytest.raises(ChildProcessError):
                os.waitpid(-1, os.WNOHANG)
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert not heard


def test_where_there_can_be_no_process_it_is_written_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr("primecore.storage.Aside", refuse)
    with primecore.open(tmp_path, checkpoint_events=0) as prime:
        prime.add_node("thing", {}, id="a")
        assert prime.checkpoint().position == prime.position
        digest = prime.digest()
    with primecore.open(tmp_path, read_only=True) as prime:
        assert prime.opening.checkpoint_position == prime.position and prime.digest() == digest


FULL_DISK = """
import resource, signal, sys
import primecore
from primecore import checkpoint
checkpoint.ASIDE_FROM_BYTES = 0
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # which would end the process that writes, were it not held off
with primecore.open(sys.argv[1], checkpoint_events=0) as prime:
    prime.add_node("thing", {}, id="a")
    first = prime.checkpoint()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    prime.add_node("thing", {}, id="b")
    resource.setrlimit(resource.RLIMIT_FSIZE, (first.bytes // 2, before[1]))
    try:
        prime.checkpoint()
    except primecore.PrimeError as error:
        print(type(error).__name__, error)
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    prime.add_node("thing", {}, id="c")
    print(prime.checkpoint().position)
"""


def test_a_file_that_cannot_be_written_leaves_the_former_and_the_store_goes_on(tmp_path: Path) -> None:
    store = tmp_path / "store"
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(store)], capture_output=True, text=True, env=child_environment()
    )
    failed, last = done.stdout.splitlines()
    assert done.returncode == 0 and failed.startswith("StorageFailure") and last == "3", done.stderr
    assert [path.name for path in (store / "checkpoints").iterdir()] == [f"{3:020d}.checkpoint"]


def test_a_failed_write_keeps_its_reason() -> None:
    draft = Draft()
    draft.add_bytes("section", bytes(1 << 20))
    reading, writing = os.pipe()
    try:
        with pytest.raises(OSError) as caught:
            Aside(draft, writing, 4096, 1).wait()
        assert caught.value.errno == errno.ESPIPE
    finally:
        os.close(reading)


def test_a_process_that_is_killed_is_an_error_and_no_zombie() -> None:
    aside = Aside(long_draft(), nothing(), 0, 1)
    [pid] = children_of(os.getpid())
    while open_files(pid) != ["/dev/null"]:  # a moment after it began
        time.sleep(0.001)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(OSError, match="killed"):
        aside.wait()
    assert not Path(f"/proc/{pid}").exists()


def test_who_is_let_go_of_ends_its_process() -> None:
    aside = Aside(long_draft(), nothing(), 0, 1)
    [pid] = children_of(os.getpid())
    del aside
    assert not Path(f"/proc/{pid}").exists()


OWNER = """
import sys
import primecore
sys.path.insert(0, sys.argv[2])
from test_checkpoint_aside import long_draft, nothing
from primecore._image import Aside
prime = primecore.open(sys.argv[1])
prime.add_node("thing", {}, id="a")
aside = Aside(long_draft(), nothing(), 0, 1)
print("begun", flush=True)
aside.wait()
"""


def test_when_the_owner_is_killed_its_lock_is_free(tmp_path: Path) -> None:
    with child("-c", OWNER, tmp_path, Path(__file__).parent) as process:
        assert process.stdout is not None and process.stdout.readline() == b"begun\n"
        [pid] = children_of(process.pid)
        process.kill()
        process.wait()
        with primecore.open(tmp_path) as prime:
            assert prime.position == 1
        deadline = time.monotonic() + 10
        while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not Path(f"/proc/{pid}").exists(), "it goes on without the process it works for"


def test_hashes_are_those_of_the_draft(tmp_path: Path) -> None:
    draft = Draft()
    for number, size in enumerate((1, 4096, 3 << 20, 0, (1 << 20) - 7)):
        draft.add_bytes(str(number), os.urandom(size))
    aside = RealStorage().write_aside(str(tmp_path / "file"), draft, 8192, 77)
    assert aside is not None
    assert aside.wait() == draft.hashes(77)
    aside.finish(b"head".ljust(8192, b"."))
    whole = b"head".ljust(8192, b".") + b"".join(bytes(part) for part in draft.parts())
    assert (tmp_path / "file").read_bytes() == whole
    with pytest.raises((PrimeError, OSError)):
        aside.finish(b"again")
