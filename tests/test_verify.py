"""verify: every flipped bit of what must not change is found and placed, nothing is found where nothing is wrong."""

from __future__ import annotations

import json
import os
import random
import shutil
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from support.children import child
from support.command_line import Shell, node
from wal_kit import append, append_batch, event

import primecore
from primecore import _wal_door as door
from primecore import checking, copies, manifest
from primecore._crc32c import crc32c
from primecore._mapping import Mapping
from primecore.log import Log
from primecore.memory_storage import MemoryStorage
from primecore.segments import SegmentSizes

TINY = SegmentSizes(first_bytes=8192, max_bytes=8192)
TORTURE_SECONDS = float(os.environ.get("TORTURE_SECONDS") or 0)


def numbered(rng: random.Random, counts: dict[str, int], **fields: object) -> dict[str, object]:
    """An event whose version is the next of its entity, as the engine would give it."""
    made = event(rng, biggest=120) | fields
    counts[made["entity_id"]] = made["version"] = counts.get(made["entity_id"], 0) + 1
    return made


def build(events: int = 60, *, close: bool = True, seed: int = 5) -> MemoryStorage:
    """A store of several segments with single events and batches."""
    disk, rng, counts = MemoryStorage(), random.Random(seed), {}
    log = Log.open("/s", storage=disk, segment_sizes=TINY, fsync_interval_ms=60_000)
    done = 0
    while done < events:
        if rng.random() < 0.3:
            append_batch(log, [numbered(rng, counts) for _ in range(3)])
            done += 3
        else:
            append(log, numbered(rng, counts))
            done += 1
    log.flush()
    if close:
        log.close()
        return disk
    clone = disk.crash_clone(random.Random(0), keep_everything=True)
    log.close()
    return clone


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "SECOND_LOOK_S", 0.0)


def damage(look: checking.Look) -> list[primecore.Finding]:
    return [finding for finding in look.findings if finding.severity == "damage"]


def test_a_whole_store_has_no_findings():
    for close in (True, False):
        look = checking.check_store(build(close=close), "/s")
        assert look.findings == [] and look.position >= 60 and look.segments >= 3


def test_every_flipped_byte_of_a_closed_store_is_found_and_placed():
    """Sealed segments, headers, MANIFEST, and the zeros between; in the last segment too, since it was closed."""
    disk = build()
    rng = random.Random(1)
    until = time.monotonic() + TORTURE_SECONDS
    known = manifest.load(disk, "/s")
    assert known is not None and len(known.segments) >= 2
    last = f"/s/wal/{disk.names('/s/wal')[-1]}"
    for path in ["/s/MANIFEST", *(f"/s/wal/{name}" for name in disk.names("/s/wal"))]:
        data = disk.read(path)
        offsets = range(len(data))
        if not TORTURE_SECONDS:
            fixed = [*range(0, 128), 508, 511, 512, 1024, 1055, 1056, 1536, 1567, 4095, 4096, 8191]
            offsets = sorted({*(o for o in fixed if o < len(data)), *rng.sample(offsets, min(150, len(data)))})
        for offset in offsets:
            if TORTURE_SECONDS and time.monotonic() > until:
                return
            disk.patch(path, offset, bytes([data[offset] ^ (1 << rng.randrange(8))]))
            found = checking.check_store(disk, "/s").findings
            disk.patch(path, offset, data[offset : offset + 1])
            # What lies behind the end of the last segment may be a write that power loss cut off: then it is a note.
            assert (path == last and offset >= 4096) or any(it.severity == "damage" for it in found), (path, offset)
            assert found, f"{path}, offset {offset}"
            assert all(it.file.startswith("/s/") and it.safe and it.next and it.what for it in found)
            assert any(it.file == path for it in found), f"{path}, offset {offset}: {found}"
            placed = [it for it in found if it.file == path]
            if path not in ("/s/MANIFEST", last) and offset >= 4096:
                assert min(abs(it.offset - offset) for it in placed) < 1024, (offset, placed)


def test_damage_does_not_hide_what_is_behind_it():
    disk = build()
    names = disk.names("/s/wal")
    first, second = f"/s/wal/{names[0]}", f"/s/wal/{names[1]}"
    for path, offset in ((first, 4200), (first, 6000), (second, 5000)):
        disk.patch(path, offset, bytes([disk.read(path)[offset] ^ 8]))
    found = damage(checking.check_store(disk, "/s"))
    assert len([it for it in found if it.file == first and it.code == "record"]) == 2
    assert [it.code for it in found if it.file == second] == ["record"]
    assert [it.position for it in found if it.code == "record"] == sorted(it.position for it in found)


@pytest.mark.parametrize("which", [0, 1, -1])
def test_a_missing_segment_is_found(which: int):
    disk = build()
    name = disk.names("/s/wal")[which]
    disk.remove(f"/s/wal/{name}")
    found = damage(checking.check_store(disk, "/s"))
    assert [it.code for it in found][:1] == ["segment_missing"]
    assert found[0].file == f"/s/wal/{name}" and found[0].position == int(name[:20])


def test_events_exchanged_for_others_with_good_checksums_are_found():
    """Another store's segment under the right name: every record holds, and still it is not what was written."""
    disk, other = build(seed=5), build(seed=6)
    name = disk.names("/s/wal")[0]
    disk.patch(f"/s/wal/{name}", 0, other.read(f"/s/wal/{other.names('/s/wal')[0]}"))
    assert {"foreign"} <= {it.code for it in damage(checking.check_store(disk, "/s"))}


def test_versions_that_are_not_dense_are_found():
    disk, rng = MemoryStorage(), random.Random(3)
    with Log.open("/s", storage=disk, segment_sizes=TINY) as log:
        for version in (1, 2, 4):
            append(log, event(rng) | {"entity_id": "x", "version": version})
    (found,) = damage(checking.check_store(disk, "/s"))
    assert (found.code, found.position) == ("version", 3)
    assert "version 4" in found.what and "is 3" in found.what


def test_a_torn_tail_is_a_note_and_no_damage():
    disk = build(close=False)
    name = [name for name in disk.names("/s/wal") if name.endswith(".wal")][-1]
    path = f"/s/wal/{name}"
    end = len(disk.read(path).rstrip(b"\0"))
    disk.patch(path, (end + 7) & ~7, b"half a record")
    look = checking.check_store(disk, "/s")
    assert [(it.severity, it.code) for it in look.findings] == [("note", "torn_tail")]
    assert "quarantine" in look.findings[0].next


def test_a_file_that_cannot_be_read_is_a_finding(tmp_path: Path):
    primecore.open(tmp_path / "s").close()
    (segment,) = (tmp_path / "s/wal").iterdir()
    segment.unlink()
    segment.mkdir()
    report = primecore.verify(tmp_path / "s")
    assert not report.ok and {it.code for it in report.findings} >= {"unreadable"}


# --- beside an owner

OWNER = """
import random, sys, time
from wal_kit import append, append_batch
from primecore.log import Log
from primecore.segments import SegmentSizes
sizes = SegmentSizes(first_bytes=16384, max_bytes=16384)
counts = {}
def one(n):
    name = f"e{n % 40}"
    counts[name] = counts.get(name, 0) + 1
    return {"entity_id": name, "event_type": "t", "payload": b"p" * (n % 900), "version": counts[name]}
with Log.open(sys.argv[1], segment_sizes=sizes, backend=sys.argv[2], fsync_interval_ms=2) as log:
    n = 0
    while True:
        if n % 3:
            append_batch(log, [one(n + i) for i in range(n % 17 + 1)])
            n += n % 17 + 1
        else:
            append(log, one(n))
            n += 1
        if n < 300:
            sys.stdout.write("."); sys.stdout.flush()
        elif n > 3000:
            time.sleep(0.002)
"""


@pytest.mark.parametrize("backend", ["mapping", "pwrite"])
def test_no_false_alarm_beside_an_owner_that_rotates(tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checking, "SECOND_LOOK_S", 0.02)
    rounds = 0
    with child("-c", OWNER, tmp_path / "s", backend) as owner:
        assert owner.stdout is not None
        owner.stdout.read(1)
        until = time.monotonic() + max(3.0, TORTURE_SECONDS / 10)
        while time.monotonic() < until:
            report = primecore.verify(tmp_path / "s", log_only=True)
            assert report.ok, report.findings
            rounds += 1
        assert owner.poll() is None
    assert rounds > 3
    report = primecore.verify(tmp_path / "s", log_only=True)  # killed: a torn tail at most
    assert report.ok and {it.code for it in report.findings} <= {"torn_tail"}


def test_it_never_writes_a_byte(tmp_path: Path):
    with primecore.open(tmp_path / "s") as prime:
        prime.append("t", "x")
        shutil.copytree(tmp_path / "s", tmp_path / "copy", ignore=shutil.ignore_patterns("writer.*"))

    def state() -> dict[str, tuple[bytes, int]]:
        paths = [path for path in (tmp_path / "copy").rglob("*") if path.is_file()]
        return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}

    before = state()
    for path in (tmp_path / "copy").rglob("*"):
        path.chmod(0o500 if path.is_dir() else 0o400)
    assert primecore.verify(tmp_path / "copy").ok
    for path in (tmp_path / "copy").rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    assert state() == before


# --- the faces


def test_an_open_store_compares_its_own_tables(tmp_path: Path):
    with primecore.open(tmp_path / "s") as prime:
        prime.add_node("person", {"name": "Ada"}, id="ada")
        report = prime.verify()
        assert report.ok and report.digest == report.replayed_digest == prime.digest()
        stop = threading.Event()

        def write() -> None:
            while not stop.is_set():
                prime.append_many([{"event_type": "t", "entity_id": f"e{n}"} for n in range(50)])

        thread = threading.Thread(target=write)
        thread.start()
        try:
            for _ in range(10):
                assert prime.verify(log_only=True).ok
        finally:
            stop.set()
            thread.join()


def test_a_store_in_memory_has_no_files():
    with primecore.open(":memory:") as prime, pytest.raises(primecore.InvalidArgument):
        prime.verify()


def test_the_command_says_no_with_exit_code_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    prime = Shell(tmp_path, monkeypatch)
    assert prime("verify").code == 66
    prime("ingest", "-", stdin=node("a") + node("b"))
    result = prime("verify", "--json")
    assert (result.code, result.document["ok"], result.document["findings"]) == (0, True, [])
    (segment,) = (prime.store / "wal").iterdir()
    data = bytearray(segment.read_bytes())
    data[4100] ^= 1
    segment.write_bytes(data)
    result = prime("verify", "--json")
    assert result.code == 1 and not result.document["ok"] and result.document["digest"] is None
    finding = result.document["findings"][0]
    assert (finding["file"], finding["offset"], finding["position"]) == (str(segment), 4096, 1)
    answer = prime("stats")  # reading goes on to the damage, and says so
    assert answer.code == 0 and "the log is damaged" in answer.err and str(segment) in answer.err
    shown = prime("verify")
    assert shown.code == 1 and str(segment) in shown.out and "prime repair --salvage" in shown.out
    assert "damage" in shown.err


def test_it_is_quick_to_say_that_there_is_no_store(tmp_path: Path):
    with pytest.raises(primecore.StoreNotFound):
        primecore.verify(tmp_path / "nothing")
    done = subprocess.run([sys.executable, "-m", "primecore.cli", "--data-dir", tmp_path, "verify"], check=False)
    assert done.returncode == 66


def test_the_shape_of_the_report_is_json():
    assert json.dumps(checking.check_store(build(), "/s").findings) == "[]"


def test_damage_that_only_one_look_sees_is_no_finding():
    """What an owner is writing may be half there for a moment."""

    class Flickering(MemoryStorage):
        looks = 0

        def map(self, path: str, **how: bool) -> Mapping:
            mapping = super().map(path, **how)
            if path.endswith(f"{1:020d}.wal"):
                self.looks += 1
                if self.looks == 1:
                    mapping = Mapping.memory(len(mapping))
                    memoryview(mapping)[:] = self.read(path)
                    memoryview(mapping)[5000] ^= 1
            return mapping

    disk = build()
    flickering = Flickering()
    flickering.directories = disk.directories
    assert checking.check_store(flickering, "/s").findings == [] and flickering.looks == 2


def test_events_changed_with_their_checksums_are_found():
    """Someone who knows how records are made changes one: its segment's hash and the next one's chain say so."""
    disk = build()
    names = disk.names("/s/wal")
    path = f"/s/wal/{names[0]}"
    data = bytearray(disk.read(path))
    (length,) = struct.unpack_from("<I", data, 4096)
    data[4096 + 16] ^= 1  # its time
    seed = crc32c(bytes(data[72:80]))
    crc = crc32c(bytes(data[4096 + 8 : 4096 + length]), crc32c(bytes(data[4096:4100]), seed))
    struct.pack_into("<I", data, 4100, crc)
    disk.patch(path, 0, bytes(data))
    found = damage(checking.check_store(disk, "/s"))
    assert [(it.code, it.file) for it in found] == [("chain", path), ("chain", f"/s/wal/{names[1]}")]


@pytest.mark.parametrize("seed", range(30))
def test_what_power_loss_leaves_is_no_damage(seed: int):
    """Before the store is opened again, and after: at most a torn tail. And nothing that was durable is missing."""
    rng, disk, counts, confirmed = random.Random(seed), MemoryStorage(), {}, 0
    for _ in range(6):
        log = Log.open("/s", storage=disk, segment_sizes=TINY, fsync_interval_ms=60_000)
        counts = {it["entity_id"]: it["version"] for it in door.scan_events(log.wal)}
        for _ in range(rng.randrange(40)):
            action = rng.random()
            if action < 0.5:
                append(log, numbered(rng, counts))
            elif action < 0.8:
                append_batch(log, [numbered(rng, counts) for _ in range(rng.randrange(1, 12))])
            elif action < 0.95:
                confirmed = log.flush()
            else:
                log.close()
                log = Log.open("/s", storage=disk, segment_sizes=TINY, fsync_interval_ms=60_000)
        crashed = disk.crash_clone(rng, keep_everything=rng.random() < 0.3)
        log.close()
        for closed, owned in ((disk, False), (crashed, True)):
            look = checking.check_store(closed, "/s")
            assert damage(look) == []
            assert {it.code for it in look.findings} <= ({"torn_tail"} if owned else set())
        assert look.position >= confirmed
        target = f"/b{rng.random()}"
        kept = copies.backup(crashed, "/s", target).position
        disk = crashed
        Log.open("/s", storage=disk, segment_sizes=TINY).close()
        look = checking.check_store(disk, "/s")
        assert look.findings == [] and look.position == kept
