"""doctor: each thing that can be wrong is told with what to do; a store that is well is told to be."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.children import child, child_environment
from support.command_line import Shell, node

import primecore
from primecore import _wal_door as door
from primecore import diagnosis
from primecore.log import Log
from primecore.storage import RealStorage

HOLDER = "import sys, primecore; prime = primecore.open(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


def symptoms(path: object, status: str = "") -> dict[str, primecore.Symptom]:
    return {it.name: it for it in primecore.doctor(path).symptoms if status in ("", it.status)}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with primecore.open(tmp_path / "s") as prime:
        prime.append("t", "x", {"text": "hello"})
    return tmp_path / "s"


def test_a_store_that_is_well(store: Path):
    report = primecore.doctor(store)
    assert report.ok and report.path == str(store)
    assert {it.status for it in report.symptoms} == {"fine"} and not any(it.next for it in report.symptoms)
    names = [it.name for it in report.symptoms]
    assert {"build", "store", "owner", "permissions", "filesystem", "space", "address_space", "log", "clock"} == set(
        names
    )
    assert primecore.__version__ in report.symptoms[0].message


def test_no_store_at_all_is_a_note(tmp_path: Path):
    report = primecore.doctor(tmp_path / "nothing" / "here")
    found = {it.name: it for it in report.symptoms}
    assert report.ok and found["store"].status == "note" and "ingest" in found["store"].next
    assert not (tmp_path / "nothing").exists()
    (tmp_path / "file").write_text("x")
    assert symptoms(tmp_path / "file")["store"].status == "wrong"
    assert symptoms(tmp_path)["store"].status == "wrong"


def test_owners_alive_dead_and_of_another_boot(store: Path):
    with child("-c", HOLDER, store) as process:
        assert process.stdout is not None and process.stdout.readline() == b"open\n"
        found = symptoms(store)["owner"]
        assert (
            found.status == "fine"
            and f"process {process.pid}" in found.message
            and found.message.startswith("open for")
        )
        pid = process.pid
    found = symptoms(store)["owner"]
    assert "nobody" in found.message and str(pid) in found.message and "alive" not in found.message
    lock = store / "LOCK"
    lock.write_text('{"pid": 1, "boot_id": "another"}')
    assert "another boot" in symptoms(store)["owner"].message
    for odd in ("", "no json", "[]", '{"pid": "x"}'):
        lock.write_text(odd)
        assert symptoms(store)["owner"].status == "fine"


def test_looking_does_not_lock_out_an_owner(store: Path):
    """The owner's lock is never taken for a look, not even for a moment."""
    before = (store / "LOCK").stat()
    for _ in range(20):
        assert primecore.doctor(store).ok
        primecore.open(store).close()
    assert (store / "LOCK").stat().st_ino == before.st_ino


def test_permissions(store: Path):
    (store / "MANIFEST").chmod(0o644)
    store.chmod(0o755)
    report = primecore.doctor(store)
    found = symptoms(store)["permissions"]
    assert not report.ok and found.status == "wrong" and "2 in all" in found.message
    subprocess.run(["bash", "-c", found.next], check=True)
    assert primecore.doctor(store).ok


@pytest.mark.parametrize("kind", ["nfs", "btrfs", "", "tmpfs"])
def test_file_systems(store: Path, kind: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(RealStorage, "filesystem", lambda self, path: kind)
    found = symptoms(store)["filesystem"]
    assert (found.status == "wrong") == (kind == "nfs")
    assert ("pwrite" in found.message) == (kind in ("btrfs", ""))


def test_a_full_disk(store: Path, monkeypatch: pytest.MonkeyPatch):
    real = os.statvfs(store)
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result((*real[:4], 10, *real[5:])))
    assert symptoms(store, "wrong")["space"].next


def test_a_limited_address_space(store: Path):
    script = (
        "import resource, sys, primecore; resource.setrlimit(resource.RLIMIT_AS, (1 << 34, -1));"
        "print({s.name for s in primecore.doctor(sys.argv[1]).symptoms if s.status == 'wrong'})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, store], capture_output=True, text=True, env=child_environment()
    )
    assert done.stdout == "{'address_space'}\n", done.stderr
    assert resource.getrlimit(resource.RLIMIT_AS)[0] in (-1, resource.RLIM_INFINITY)


def test_damage_and_a_missing_manifest(store: Path, tmp_path: Path):
    (segment,) = (store / "wal").iterdir()
    good = segment.read_bytes()
    segment.write_bytes(good[:4100] + b"\xff" + good[4101:])
    found = symptoms(store, "wrong")["log"]
    assert str(segment) in found.message and "offset 4096" in found.message and "repair" in found.next
    segment.write_bytes(good)
    manifest = (store / "MANIFEST").read_bytes()
    (store / "MANIFEST").write_bytes(manifest[:-3])
    assert "damaged" in symptoms(store, "wrong")["log"].message
    (store / "MANIFEST").unlink()
    assert "MANIFEST is missing" in symptoms(store, "wrong")["log"].message
    shutil.rmtree(store / "wal")
    (store / "MANIFEST").write_bytes(manifest)
    (store / "MANIFEST").chmod(0o600)
    assert set(symptoms(store, "wrong")) == {"log"}


def test_a_torn_tail_leftovers_and_quarantine(store: Path):
    (segment,) = (store / "wal").iterdir()
    data = bytearray(segment.read_bytes())
    end = len(data.rstrip(b"\0")) + 7 & ~7
    data[1024:1600] = bytes(576)  # as if it had not been closed
    data[end : end + 5] = b"half "
    segment.write_bytes(data)
    (store / "MANIFEST.tmp").write_bytes(b"x")
    (store / "wal/next.tmp").write_bytes(bytes(100))
    for path in (store / "MANIFEST.tmp", store / "wal/next.tmp"):
        path.chmod(0o600)
    shutil.copytree(store, f"{store}.part")
    report = primecore.doctor(store)
    notes = [(it.name, it.message) for it in report.symptoms if it.status == "note"]
    assert report.ok and [name for name, _ in notes] == ["log", "leftovers", "leftovers"], notes
    assert "torn tail" in notes[0][1] and "2 in all" in notes[1][1] and ".part" in notes[2][1]
    with primecore.open(store) as prime:
        inside = {it.name: it for it in prime.doctor().symptoms}
        assert inside["recovery"].status == "note" and "were moved" in inside["recovery"].message
    assert "1 files" in symptoms(store, "note")["quarantine"].message


def test_a_clock_that_went_back(tmp_path: Path):
    ahead = int((datetime.now(UTC) + timedelta(hours=2)).timestamp() * 1e6)
    with Log.open(tmp_path / "s") as log:
        door.append_event(log.wal, {"entity_id": "x", "event_type": "t", "assigned_time_us": ahead})
    found = symptoms(tmp_path / "s", "wrong")["clock"]
    assert "ahead of this clock" in found.message and found.next
    with primecore.open(tmp_path / "given") as prime:  # a time that was given may lie anywhere
        prime.append("t", "x", timestamp="2199-01-01T00:00:00Z")
    assert primecore.doctor(tmp_path / "given").ok


def test_what_only_an_open_store_knows(tmp_path: Path):
    class Broken(primecore.Projection):
        name = "broken"

        def apply(self, event: primecore.Event) -> None:
            raise RuntimeError("cannot count")

    with primecore.open(tmp_path / "s") as prime:
        prime.append("t", "x")
        assert prime.doctor().ok
        prime.register(Broken())
        with pytest.raises(primecore.PrimeError):
            prime.projection("broken", timeout=10)
        found = {it.name: it for it in prime.doctor().symptoms if it.status == "wrong"}
        assert set(found) == {"projection"} and "cannot count" in found["projection"].message
    with primecore.open(":memory:") as prime:
        assert {it.name for it in prime.doctor().symptoms} == {"opening", "recovery", "durability", "projections"}


def test_what_the_system_refuses_is_a_symptom_too(store: Path, monkeypatch: pytest.MonkeyPatch):
    def refused(_: object) -> None:
        raise PermissionError(13, "permission denied", "/x")

    monkeypatch.setattr(os, "statvfs", refused)
    found = symptoms(store)
    assert found["space"].status == "wrong" and "permission denied" in found["space"].message and "log" in found


def test_every_check_explains_itself():
    assert all(check.__doc__ for check in diagnosis.CHECKS)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    prime = Shell(tmp_path, monkeypatch)
    assert prime("doctor").code == 0
    prime("ingest", "-", stdin=node("a"))
    result = prime("doctor", "--json")
    assert (
        result.code == 0
        and result.document["ok"]
        and {"name", "status", "message", "next"} == set(result.document["symptoms"][0])
    )
    prime.store.chmod(0o777)
    result = prime("doctor")
    assert result.code == 1 and "wrong\tpermissions\t" in result.out and "chmod" in result.out
