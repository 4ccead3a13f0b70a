"""backup and restore: whole at a stated position, beside a writer, through crashes; never over what is there."""

from __future__ import annotations

import errno
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from support.children import child, child_environment
from support.command_line import Shell, node
from support.compare import assert_same
from support.feed import feed_on
from support.fold import Fold
from support.generate import Generator, to_lines
from support.stores import note
from test_salvage import events
from test_verify import OWNER, TINY, build, numbered
from wal_kit import append, append_batch

import primecore
from primecore import checking, copies, manifest, salvaging
from primecore._mapping import Faults
from primecore.errors import PrimeError
from primecore.log import Log
from primecore.memory_storage import MemoryStorage
from primecore.storage import FaultyStorage


def grow(disk: MemoryStorage, seed: int, count: int = 25) -> None:
    """More events for the store in /s."""
    rng = random.Random(seed)
    counts: dict[str, int] = {}
    for it in events(disk):
        counts[it["entity_id"]] = it["version"]
    with Log.open("/s", storage=disk, segment_sizes=TINY) as log:
        for _ in range(count):
            append(log, numbered(rng, counts))
            append_batch(log, [numbered(rng, counts) for _ in range(2)])


def restored(disk: MemoryStorage, target: str, source: str = "/b") -> list[dict]:
    report = copies.restore(disk, source, target)
    assert checking.check_store(disk, target).findings == []
    held = events(disk, target)
    assert len(held) == report.position
    return held


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "SECOND_LOOK_S", 0.0)


def test_only_what_is_new_is_copied():
    disk = build()
    first = copies.backup(disk, "/s", "/b")
    assert first.copied_segments == first.segments > 2 and first.copied_bytes == first.bytes
    again = copies.backup(disk, "/s", "/b")
    assert (again.copied_segments, again.copied_bytes, again.position) == (0, 0, first.position)
    grow(disk, 1)
    third = copies.backup(disk, "/s", "/b")
    assert third.position == first.position + 75
    assert third.copied_segments == third.segments - first.segments + 1  # the one that was active has grown
    assert restored(disk, "/r") == events(disk)


def test_a_restored_store_goes_on_by_itself():
    disk = build()
    copies.backup(disk, "/s", "/b")
    before = events(disk)
    report = copies.restore(disk, "/b", "/r")
    assert report.store_uuid != report.source_uuid
    for path, seed in (("/s", 1), ("/r", 2)):
        with Log.open(path, storage=disk, segment_sizes=TINY) as log:
            assert log.recovery is None and log.store_uuid == (
                report.source_uuid if path == "/s" else report.store_uuid
            )
            append(log, numbered(random.Random(seed), {}, version=9))
    assert events(disk, "/r")[:-1] == before == events(disk)[:-1]
    with pytest.raises(primecore.InvalidArgument, match="another store"):
        copies.backup(disk, "/r", "/b")


def test_a_prefix_at_every_position(tmp_path: Path):
    """Up to each position that ends an event or a batch: what is restored is that prefix, and its fold."""
    disk = build(events=30)
    model = events(disk)
    done = 0
    for position in range(len(model) + 1):
        target = f"/b{position}"
        try:
            assert copies.backup(disk, "/s", target, until=position).position == position
        except ValueError:
            continue  # inside a batch
        assert restored(disk, f"/r{position}", target) == model[:position]
        done += 1
    assert 10 < done < len(model)


@pytest.mark.parametrize("way", ["append", "append_many", "ingest"])
def test_a_restored_store_is_the_fold_of_its_events(tmp_path: Path, way: str):
    with primecore.open(tmp_path / "s") as prime:
        fold = feed_on(prime, Fold(), Generator(3).events(300), way, 3)
        prime.backup(tmp_path / "b")
        digest = prime.digest()
        prime.append("t", "behind the backup")
    primecore.restore(tmp_path / "b", tmp_path / "r")
    assert primecore.verify(tmp_path / "r").ok
    with primecore.open(tmp_path / "r") as prime:
        assert prime.digest() == digest
        assert_same(prime, fold)
        made = (path for path in (tmp_path / "r").rglob("*") if path.name != "writer.new")  # it gets its name just now
        for path in made:
            assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600)


# --- beside a writer


@pytest.mark.parametrize("backend", ["mapping", "pwrite"])
def test_beside_an_owner_of_another_process(tmp_path: Path, backend: str):
    with child("-c", OWNER, tmp_path / "s", backend) as owner:
        assert owner.stdout is not None
        owner.stdout.read(1)
        last, until, runs = 0, time.monotonic() + 2, 0
        while time.monotonic() < until:
            report = primecore.backup(tmp_path / "s", tmp_path / "b")
            assert report.position >= last
            last, runs = report.position, runs + 1
        assert owner.poll() is None and runs > 3
    primecore.restore(tmp_path / "b", tmp_path / "r")
    assert primecore.verify(tmp_path / "r", log_only=True).ok
    with Log.open(tmp_path / "s") as one, Log.open(tmp_path / "r") as other:
        assert one.wal.last_position >= other.wal.last_position == last
    primecore.backup(tmp_path / "s", tmp_path / "b")


def test_beside_threads_that_write_batches(tmp_path: Path):
    with primecore.open(tmp_path / "s") as prime:
        stop = threading.Event()

        def write(name: str) -> None:
            while not stop.is_set():
                prime.append_many([note(f"{name}{n}") for n in range(7)])

        threads = [threading.Thread(target=write, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        try:
            for number in range(6):
                said = prime.position
                report = prime.backup(tmp_path / "b")
                assert report.position >= said and report.position % 7 == 0
                primecore.restore(tmp_path / "b", tmp_path / f"r{number}")
                with primecore.open(tmp_path / f"r{number}", read_only=True) as again:
                    assert again.position == report.position
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def test_power_loss_leaves_no_store_behind_its_backup():
    """A process that is killed leaves events that no disk has yet: what is backed up is brought there first."""
    for seed in range(12):
        disk, rng = MemoryStorage(), random.Random(seed)
        with Log.open("/s", storage=disk, segment_sizes=TINY, fsync_interval_ms=60_000) as log:
            for _ in range(40):
                append(log, numbered(rng, {}))
            killed = disk.crash_clone(rng, keep_everything=True)
        report = copies.backup(killed, "/s", "/b")
        assert report.position == 40
        with Log.open("/s", storage=killed.crash_clone(rng), segment_sizes=TINY) as log:
            assert log.wal.last_position == report.position


def test_what_the_store_does_later_does_not_reach_the_backup(tmp_path: Path):
    with primecore.open(tmp_path / "s") as prime:
        prime.append("t", "x", {"text": "y" * 100_000})
        prime.backup(tmp_path / "b")
        before = {path: path.read_bytes() for path in (tmp_path / "b").rglob("*") if path.is_file()}
        for _ in range(30):
            prime.append("t", "x", {"text": "z" * 100_000})
    for path in (tmp_path / "s/wal").iterdir():
        path.write_bytes(bytes(path.stat().st_size))
    assert before == {path: path.read_bytes() for path in before}
    assert all(path.stat().st_nlink == 1 for path in before)
    primecore.restore(tmp_path / "b", tmp_path / "r")


def test_nothing_but_the_backup_is_written(tmp_path: Path):
    with primecore.open(tmp_path / "s") as prime:
        prime.append("t", "x")
    before = {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (tmp_path / "s").rglob("*") if path.is_file()
    }
    primecore.backup(tmp_path / "s", tmp_path / "b")
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before}


# --- what is refused


def test_damage_is_not_backed_up():
    disk = build()
    copies.backup(disk, "/s", "/b")
    good = {name: disk.read(f"/b/segments/{name}") for name in disk.names("/b/segments")}
    path = f"/s/wal/{disk.names('/s/wal')[0]}"
    disk.patch(path, 5000, b"\xff\xff\xff")
    with pytest.raises(primecore.CorruptLog):
        copies.backup(disk, "/s", "/b")
    assert good == {name: disk.read(f"/b/segments/{name}") for name in disk.names("/b/segments")}
    assert len(restored(disk, "/r")) >= 60


def test_every_flipped_byte_of_a_backup_is_found_before_anything_is_made():
    disk, rng = build(), random.Random(0)
    copies.backup(disk, "/s", "/b")
    for path in ["/b/BACKUP", *(f"/b/segments/{name}" for name in disk.names("/b/segments"))]:
        data = disk.read(path)
        for offset in rng.sample(range(len(data)), 60):
            disk.patch(path, offset, bytes([data[offset] ^ (1 << rng.randrange(8))]))
            with pytest.raises(primecore.CorruptLog):
                copies.restore(disk, "/b", "/r")
            assert not disk.is_directory("/r") and not disk.is_directory("/r.part")
            disk.patch(path, offset, data[offset : offset + 1])
    name = disk.names("/b/segments")[1]
    disk.remove(f"/b/segments/{name}")
    with pytest.raises(primecore.CorruptLog, match="missing"):
        copies.restore(disk, "/b", "/r")


def test_a_backup_that_is_ahead_of_the_store_is_kept():
    """A disk that lost what it had called durable must not take the backup along."""
    disk = build()
    early = disk.crash_clone(random.Random(0), keep_everything=True)
    grow(disk, 1)
    copies.backup(disk, "/s", "/b")
    for name in ("BACKUP", *(f"segments/{it}" for it in disk.names("/b/segments"))):
        early.make_directory(os.path.dirname(f"/b/{name}"))
        early.write(f"/b/{name}", disk.read(f"/b/{name}"))
    before = early.read("/b/BACKUP")
    ends = [int(name[:20]) - 1 for name in disk.names("/s/wal")][1:]
    with pytest.raises(primecore.DataError, match="parted"):
        copies.backup(disk, "/s", "/b", until=ends[-1])  # all it has is there, but whole segments fewer
    with pytest.raises(primecore.DataError, match="parted"):
        copies.backup(early, "/s", "/b")
    grow(early, 2, count=40)  # as long again, with other events
    with pytest.raises(primecore.DataError, match="parted"):
        copies.backup(early, "/s", "/b")
    assert early.read("/b/BACKUP") == before and len(restored(early, "/r")) == len(events(disk))


def test_places_that_are_refused(tmp_path: Path):
    with primecore.open(tmp_path / "s") as prime:
        prime.append("t", "x")
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine/file").write_text("mine")
        for target in (tmp_path / "s", tmp_path / "s/inside", tmp_path, tmp_path / "mine"):
            with pytest.raises(primecore.InvalidArgument):
                prime.backup(target)
        prime.backup(tmp_path / "b")
        for target in (tmp_path / "s", tmp_path / "mine", tmp_path / "b"):
            with pytest.raises(primecore.InvalidArgument):
                primecore.restore(tmp_path / "b", target)
        with pytest.raises(primecore.StoreNotFound):
            primecore.restore(tmp_path / "mine", tmp_path / "r")
        with pytest.raises(primecore.StoreNotFound):
            primecore.backup(tmp_path / "nothing", tmp_path / "c")
        assert (tmp_path / "mine/file").read_text() == "mine" and not (tmp_path / "r").exists()
    with primecore.open(":memory:") as prime, pytest.raises(primecore.InvalidArgument):
        prime.backup(tmp_path / "c")


def test_a_link_to_an_empty_directory_is_followed(tmp_path: Path):
    with primecore.open(tmp_path / "s") as prime:
        prime.append("t", "x")
        prime.backup(tmp_path / "b")
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    primecore.restore(tmp_path / "b", tmp_path / "link")
    assert (tmp_path / "disk/MANIFEST").exists() and (tmp_path / "link").is_symlink()


def test_two_runs_do_not_write_into_one_place():
    disk = build()
    copies.backup(disk, "/s", "/b")
    held = disk.lock("/b/LOCK", b"")
    with pytest.raises(primecore.StoreLocked, match="another backup"):
        copies.backup(disk, "/s", "/b")
    held.close()
    copies.backup(disk, "/s", "/b")


def test_a_log_without_its_beginning_is_not_copied_as_if_it_were_whole():
    disk = build()
    known = manifest.load(disk, "/s")
    assert known is not None
    disk.remove(f"/s/wal/{disk.names('/s/wal')[0]}")
    later = known._replace(segments=known.segments[1:], first_position=known.segments[1].base_position)
    manifest.store(disk, "/s", later)
    assert checking.check_store(disk, "/s").findings == []
    with pytest.raises(primecore.DataError, match="begin at position"):
        copies.backup(disk, "/s", "/b")
    with pytest.raises(primecore.DataError, match="begin at position"):
        salvaging.salvage(disk, "/s", "/new")
    assert not disk.is_directory("/new.part") and not disk.is_directory("/b")


def test_an_empty_store():
    disk = MemoryStorage()
    Log.open("/s", storage=disk, segment_sizes=TINY).close()
    assert copies.backup(disk, "/s", "/b").position == 0
    assert restored(disk, "/r") == []


# --- crashes


@pytest.mark.parametrize("sticky", [False, True])
def test_a_backup_that_fails_anywhere_leaves_the_one_before(sticky: bool):
    """Operation 1 fails, then 2, ...; after each, also with power lost, what can be restored is the old or the new."""
    start = build(events=30)
    copies.backup(start, "/s", "/b")
    old = events(start)
    start = start.crash_clone(random.Random(0))
    grow(start, 1, count=12)
    new = events(start)
    number, seen = 0, set()
    while True:
        number += 1
        disk, faults = start.crash_clone(random.Random(0), keep_everything=True), Faults()
        faults.arm(number, errno.ENOSPC, sticky=sticky)
        try:
            copies.backup(FaultyStorage(disk, faults), "/s", "/b")
            failed = False
        except (OSError, PrimeError):
            failed = True
        ended = not faults.armed
        faults.disarm()
        crashed = disk.crash_clone(random.Random(number))
        for after in (disk, crashed):
            held = restored(after, "/r")
            assert held in (old, new) if failed else held == new
            seen.add(len(held))
        copies.backup(crashed, "/s", "/b")
        assert restored(crashed, "/again") == new
        listed = {part.file for part in copies.load(crashed, "/b").parts}  # type: ignore[union-attr]
        assert set(crashed.names("/b/segments")) == listed
        if not ended and not failed:
            break
    assert seen == {len(old), len(new)} and number > 10


@pytest.mark.parametrize("sticky", [False, True])
def test_a_restore_that_fails_anywhere_leaves_nothing_or_all(sticky: bool):
    start = build(events=30)
    copies.backup(start, "/s", "/b")
    model, number = events(start), 0
    while True:
        number += 1
        disk, faults = start.crash_clone(random.Random(0), keep_everything=True), Faults()
        faults.arm(number, errno.EIO, sticky=sticky)
        try:
            copies.restore(FaultyStorage(disk, faults), "/b", "/r")
            failed = False
        except (OSError, PrimeError):
            failed = True
        ended = not faults.armed
        faults.disarm()
        for after in (disk, disk.crash_clone(random.Random(number))):
            if after.is_directory("/r"):
                assert checking.check_store(after, "/r").findings == [] and events(after, "/r") == model
            else:
                assert failed and restored(after, "/r") == model
        if not ended and not failed:
            break
    assert number > 15


COPIER = """
import os, shutil, sys
import primecore
while True:
    primecore.backup(sys.argv[1], sys.argv[2])
    sys.stdout.write("."); sys.stdout.flush()
    shutil.rmtree(sys.argv[3] + ".old", ignore_errors=True)
    if os.path.exists(sys.argv[3]):
        os.rename(sys.argv[3], sys.argv[3] + ".old")
    primecore.restore(sys.argv[2], sys.argv[3])
"""


def test_kill_9_at_any_moment(tmp_path: Path):
    rng, known = random.Random(7), 0
    prime = primecore.open(tmp_path / "s", fsync="never")
    for _ in range(8):
        prime.ingest(io.BytesIO(to_lines([note(str(rng.random()), payload={"t": "x" * 3000}) for _ in range(300)], 0)))
        process = subprocess.Popen(
            [sys.executable, "-c", COPIER, tmp_path / "s", tmp_path / "b", tmp_path / "r"],
            stdout=subprocess.PIPE, env=child_environment(),
        )  # fmt: skip
        assert process.stdout is not None and process.stdout.read(1) == b"."
        known = prime.position
        time.sleep(rng.random() * 0.1)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        if (tmp_path / "r").exists():
            assert primecore.verify(tmp_path / "r", log_only=True).position == known
        shutil.rmtree(tmp_path / "r", ignore_errors=True)
        assert primecore.restore(tmp_path / "b", tmp_path / "r").position == known
        with primecore.open(tmp_path / "r", read_only=True) as again:
            assert again.digest() == prime.digest()
        shutil.rmtree(tmp_path / "r")
    prime.close()


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    prime = Shell(tmp_path, monkeypatch)
    assert prime("backup", "b").code == 66
    prime("ingest", "-", stdin=node("a") + node("b"))
    assert prime("backup", "b", "--json").document["position"] == 2
    assert json.loads((tmp_path / "b/BACKUP").read_text().splitlines()[0])["position"] == 2
    assert prime("restore", "b").code == 2  # the store is there
    assert prime("restore", "b", "--into", "r", "--json").document["position"] == 2
    assert prime("--data-dir", "r", "verify").code == 0
    assert prime("restore", "b", "--data-dir", "r2").code == 0 and (tmp_path / "r2/MANIFEST").exists()
    assert prime("restore", "nothing", "--into", "r3").code == 66
    part = next((tmp_path / "b/segments").iterdir())
    part.write_bytes(part.read_bytes()[:-1])
    assert prime("restore", "b", "--into", "r3").code == 65 and not (tmp_path / "r3").exists()
