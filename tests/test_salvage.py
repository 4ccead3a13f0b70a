"""salvage: what holds is there, in order, at its position; what is lost is said; nothing else is there."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.command_line import Shell, node
from support.feed import feed_on
from support.fold import Fold
from support.generate import Generator
from test_verify import TINY, build, damage, numbered
from wal_kit import append, append_batch

import primecore
from primecore import _wal_door as door
from primecore import checking, salvaging
from primecore._crc32c import crc32c
from primecore._mapping import Faults
from primecore.errors import PrimeError
from primecore.log import Log
from primecore.memory_storage import MemoryStorage
from primecore.salvaging import LOST_TYPE, REPORT, solve_seed
from primecore.storage import FaultyStorage, RealStorage

KEPT = ("event_type", "entity_id", "payload", "metadata", "event_id", "time_us", "has_time", "has_event_id")


def events(disk: object, path: str = "/s") -> list[dict]:
    with Log.open(path, storage=disk, segment_sizes=TINY) as log:
        return door.scan_events(log.wal)


def batches(disk: MemoryStorage) -> dict[int, tuple[int, int]]:
    """For each position in a batch, the first and the last of it."""
    found: dict[int, tuple[int, int]] = {}
    for name in disk.names("/s/wal"):
        if not name.endswith(".wal"):
            continue
        data, at, open_batch = disk.read(f"/s/wal/{name}"), 4096, []
        while at + 80 <= len(data) and (length := struct.unpack_from("<I", data, at)[0]):
            if data[at + 76] == 2:
                found |= dict.fromkeys(open_batch, (open_batch[0], open_batch[-1]))
                open_batch = []
            elif struct.unpack_from("<H", data, at + 74)[0] & 8:
                open_batch.append(struct.unpack_from("<Q", data, at + 8)[0])
            at += length
    return found


def salvage(disk: object, target: str = "/new") -> primecore.SalvageReport:
    return salvaging.salvage(disk, "/s", target, sizes=TINY)


def check(disk: MemoryStorage, model: list[dict], report: primecore.SalvageReport, *, ends: bool = True) -> list[int]:
    """The laws of a salvage; gives the lost positions."""
    checked = checking.check_store(disk, "/new")
    assert checked.findings == [], checked.findings
    held = events(disk, "/new")
    assert [it["position"] for it in held] == list(range(1, len(held) + 1))
    assert len(held) == report.position and (not ends or len(held) == len(model))
    lost = [position for it in report.lost_ranges for position in range(it.first_position, it.last_position + 1)]
    assert lost == sorted(set(lost)) and len(lost) == report.lost == report.position - report.events
    for it in held:
        if it["position"] in lost:
            assert it["event_type"] == LOST_TYPE
        else:
            assert [it[name] for name in KEPT] == [model[it["position"] - 1][name] for name in KEPT]
    assert json.loads(disk.read(f"/new/{REPORT}"))["lost"] == report.lost
    return lost


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "SECOND_LOOK_S", 0.0)


def test_a_whole_store_comes_out_as_it_was():
    disk = build()
    model = events(disk)
    report = salvage(disk)
    assert check(disk, model, report) == [] and (report.renumbered, report.torn_bytes, report.left_out) == (0, 0, ())
    assert report.store_uuid != report.source_uuid
    assert [it["version"] for it in events(disk, "/new")] == [it["version"] for it in model]


@given(st.integers(0, 1 << 30), st.integers(1, 6), st.booleans())
def test_random_damage(seed: int, holes: int, closed: bool):
    """Flips, zeroed and overwritten stretches anywhere in the segments; single bits must cost what they touch only."""
    rng = random.Random(seed)
    disk = build(events=40, close=closed, seed=seed % 7)
    model, groups = events(disk), batches(disk)
    names = [name for name in disk.names("/s/wal") if name.endswith(".wal")]
    for _ in range(holes):
        path = f"/s/wal/{rng.choice(names)}"
        data = disk.read(path)
        offset = rng.randrange(len(data))
        size = rng.choice((1, 1, 1, 40, 512))
        patch = rng.choice((bytes([data[offset] ^ (1 << rng.randrange(8))]), bytes(size), rng.randbytes(size)))
        disk.patch(path, offset, patch[: len(data) - offset])
    before = {name: disk.read(f"/s/wal/{name}") for name in names}
    report = salvage(disk)
    lost = check(disk, model, report, ends=False)
    assert {name: disk.read(f"/s/wal/{name}") for name in names} == before
    for position in lost:
        first, last = groups.get(position, (position, position))
        assert set(range(first, last + 1)) <= set(lost), "a batch was torn apart"
    if closed:
        assert report.position == len(model)


def test_one_bit_costs_one_event_or_its_batch():
    source = build()
    model, groups = events(source), batches(source)
    rng, spent = random.Random(2), 0
    for name in source.names("/s/wal"):
        path = f"/s/wal/{name}"
        data = source.read(path)
        for offset in rng.sample(range(len(data)), 25):
            source.patch(path, offset, bytes([data[offset] ^ (1 << rng.randrange(8))]))
            disk = source.crash_clone(random.Random(0), keep_everything=True)
            source.patch(path, offset, data[offset : offset + 1])
            lost = check(disk, model, salvage(disk))
            assert len(lost) <= 1 or groups[lost[0]] == (lost[0], lost[-1]), (path, offset, lost)
            spent += len(lost)
    assert spent


@pytest.mark.parametrize("offset", [0, 8, 16, 40, 56, 72, 76, 100, 508, 1024, 1536, 3000])
@pytest.mark.parametrize("which", [0, 1, -1])
def test_a_damaged_header_costs_nothing(which: int, offset: int):
    """Not even the salt, the seed of every checksum: the records give it away."""
    disk = build()
    model = events(disk)
    path = f"/s/wal/{disk.names('/s/wal')[which]}"
    disk.patch(path, offset, bytes([disk.read(path)[offset] ^ 0x10]))
    assert check(disk, model, salvage(disk)) == []


def test_a_damaged_header_and_first_record_cost_that_record():
    disk = build()
    model, groups = events(disk), batches(disk)
    name = disk.names("/s/wal")[1]
    for offset in (50, 4096 + 20):
        disk.patch(f"/s/wal/{name}", offset, bytes([disk.read(f"/s/wal/{name}")[offset] ^ 0x10]))
    lost = check(disk, model, salvage(disk))
    first, last = groups.get(int(name[:20]), (int(name[:20]),) * 2)
    assert lost == list(range(first, last + 1))


def test_a_header_that_is_gone_costs_nothing():
    disk = build()
    model = events(disk)
    disk.patch(f"/s/wal/{disk.names('/s/wal')[1]}", 0, bytes(4096))
    assert check(disk, model, salvage(disk)) == []


@pytest.mark.parametrize("which", [0, 1, -1])
def test_a_missing_segment_costs_its_positions_and_no_more(which: int):
    disk = build()
    model = events(disk)
    names = disk.names("/s/wal")
    bases = [int(name[:20]) for name in names] + [len(model) + 1]
    number = which % len(names)
    disk.remove(f"/s/wal/{names[which]}")
    lost = check(disk, model, salvage(disk))
    assert lost == list(range(bases[number], bases[number + 1]))


def test_a_damaged_manifest_costs_nothing():
    for missing in (True, False):
        disk = build()
        model = events(disk)
        if missing:
            disk.remove("/s/MANIFEST")
        else:
            disk.patch("/s/MANIFEST", 20, b"?")
        report = salvage(disk)
        assert check(disk, model, report) == [] and any("MANIFEST" in it for it in report.left_out)


def test_a_lost_commit_does_not_cost_its_batch():
    """What follows it proves that the batch was committed, and positions that all of it is there."""
    disk, rng, counts = MemoryStorage(), random.Random(0), {}
    with Log.open("/s", storage=disk, segment_sizes=TINY) as log:
        append(log, numbered(rng, counts))
        append_batch(log, [numbered(rng, counts) for _ in range(4)])
        commit = log.wal.segment_list[0].tail - 80
        append(log, numbered(rng, counts))
    model = events(disk)
    path = f"/s/wal/{1:020d}.wal"
    disk.patch(path, commit + 30, b"\xff\xff")
    assert damage(checking.check_store(disk, "/s"))
    assert check(disk, model, salvage(disk)) == []
    assert salvage(disk, "/again").position == 6


def test_a_batch_that_ends_in_zeros_is_no_loop():
    """The walk comes to zeros, with no fault, within a batch: what it looks for next stands behind that batch."""
    disk, rng, counts = MemoryStorage(), random.Random(0), {}
    with Log.open("/s", storage=disk, segment_sizes=TINY) as log:
        append(log, numbered(rng, counts))
        append_batch(log, [numbered(rng, counts) for _ in range(4)])
        commit = log.wal.segment_list[0].tail - 80
        append(log, numbered(rng, counts))
        end = log.wal.segment_list[0].tail
    model = events(disk)
    path = f"/s/wal/{1:020d}.wal"
    disk.patch(path, commit, bytes(80))
    report = salvage(disk)
    assert check(disk, model, report) == []
    disk.patch(path, commit, bytes(end - commit))
    report = salvage(disk, "/again")
    assert (report.position, report.events, sum(it.intact for it in report.lost_ranges)) == (6, 1, 4)


def test_intact_events_of_a_lost_batch_are_kept_aside(tmp_path: Path):
    with primecore.open(tmp_path / "s") as prime:
        prime.append_many([{"event_type": "t", "entity_id": f"e{n}", "payload": {"n": n}} for n in range(5)])
        prime.append("t", "behind")
    (segment,) = (tmp_path / "s/wal").iterdir()
    data = bytearray(segment.read_bytes())
    data[data.index(b"e2") + 3] ^= 1
    segment.write_bytes(data)
    report = primecore.salvage(tmp_path / "s", tmp_path / "new")
    assert [(*tuple(it)[:2], it.intact) for it in report.lost_ranges] == [(1, 5, 4)]
    lines = [json.loads(line) for line in (tmp_path / "new/SALVAGE.jsonl").read_bytes().splitlines()]
    assert [it["payload"]["n"] for it in lines] == [0, 1, 3, 4]
    with primecore.open(tmp_path / "new") as prime:
        assert [it.event_type for it in prime.events()] == [LOST_TYPE] * 5 + ["t"]
        taken = prime.ingest(tmp_path / "new/SALVAGE.jsonl")
        assert taken.appended == 4 and next(prime.history("e1")).event_id == lines[1]["event_id"]


def test_bytes_in_a_payload_that_look_like_a_record_are_no_fact():
    """Someone who knows the salt puts a record into a payload; when the outer one is damaged it must not come out."""
    disk, rng = MemoryStorage(), random.Random(4)
    with Log.open("/s", storage=disk, segment_sizes=TINY) as log:
        salt = disk.read(f"/s/wal/{1:020d}.wal")[72:80]
        append(log, {"entity_id": "a", "event_type": "t", "payload": b"{}", "version": 1})
        for position in (2, 3):
            forged = bytearray(struct.pack("<IIQq16s16sIIIIHHBBBB", 88, 0, position, 0, rng.randbytes(16), bytes(16),
                                           0, 0, 1, 0, 6, 0, 1, 1, 0, 0) + b"node:f" + bytes(2))  # fmt: skip
            forged[4:8] = struct.pack("<I", crc32c(bytes(forged[8:]), crc32c(bytes(forged[:4]), crc32c(salt))))
            for pad in range(8):
                body = b"x" * pad + bytes(forged)
                version = (position - 2) * 8 + pad + 1
                append(log, {"entity_id": "bb", "event_type": "t", "payload": body, "version": version})
    model = events(disk)
    path = f"/s/wal/{1:020d}.wal"
    starts, at, data = [], 4096, disk.read(path)
    while length := struct.unpack_from("<I", data, at)[0]:
        starts.append(at)
        at += length
    for start in starts:
        for field in (0, 8):
            broken = disk.crash_clone(random.Random(0), keep_everything=True)
            broken.patch(path, start + field, bytes([data[start + field] ^ 8]))
            check(broken, model, salvage(broken))


def test_the_seed_of_a_checksum_can_be_solved():
    rng = random.Random(0)
    for size in (80, 88, 1000):
        data, seed = rng.randbytes(size), rng.randrange(1 << 32)
        assert solve_seed(data, crc32c(data, seed)) == seed


# --- the new store as a store


@pytest.mark.parametrize("seed", range(3))
def test_the_fold_of_what_is_left(tmp_path: Path, seed: int):
    """The salvaged store opens, verifies, and holds what a plain fold of the surviving events holds."""
    with primecore.open(tmp_path / "s") as prime:
        feed_on(prime, Fold(), Generator(seed, repeats=False).events(400), "append", seed)
    (segment,) = (tmp_path / "s/wal").iterdir()
    data, rng = bytearray(segment.read_bytes()), random.Random(seed)
    for _ in range(5):
        data[rng.randrange(4096, len(data.rstrip(b"\0")))] ^= 1
    segment.write_bytes(data)
    with pytest.raises(primecore.CorruptLog):
        primecore.open(tmp_path / "s")
    report = primecore.salvage(tmp_path / "s", tmp_path / "new")
    assert 0 < report.lost < 12
    assert primecore.verify(tmp_path / "new").ok
    with primecore.open(tmp_path / "new") as prime, primecore.open(":memory:") as plain:
        kept = [it._asdict() | {"timestamp": it.timestamp} for it in prime.events()]
        plain.append_many(kept)
        assert plain.digest() == prime.digest()
        assert prime.replay(verify=True).equal
        prime.add_node("person", {"name": "Ada"}, id="new")
    assert primecore.verify(tmp_path / "new").ok


def test_a_target_with_anything_in_it_is_refused(tmp_path: Path):
    with primecore.open(tmp_path / "s") as prime:
        prime.append("t", "x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("mine")
    for target in (tmp_path / "full", tmp_path / "s", tmp_path / "full/mine"):
        with pytest.raises(PrimeError):
            primecore.salvage(tmp_path / "s", target)
    assert (tmp_path / "full/mine").read_text() == "mine" and primecore.verify(tmp_path / "s").ok
    with pytest.raises(primecore.StoreNotFound):
        primecore.salvage(tmp_path / "nothing", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    (tmp_path / "empty").mkdir()
    assert primecore.salvage(tmp_path / "s", tmp_path / "empty").events == 1


def test_an_empty_store_can_be_salvaged(tmp_path: Path):
    primecore.open(tmp_path / "s").close()
    assert primecore.salvage(tmp_path / "s", tmp_path / "new").position == 0
    with primecore.open(tmp_path / "new") as prime:
        prime.append("t", "x")
    assert primecore.verify(tmp_path / "new").ok


@pytest.mark.parametrize("sticky", [False, True])
def test_any_failing_operation_leaves_no_store_or_a_whole_one(sticky: bool):
    """SQLite's loop: the first operation fails, then the second, ... until none does; power is lost after each."""
    model = events(build())
    number = 0
    while True:
        number += 1
        disk, faults = build(), Faults()
        faults.arm(number, errno.EIO, sticky=sticky)
        try:
            salvaging.salvage(FaultyStorage(disk, faults), "/s", "/new", sizes=TINY)
            failed = False
        except (OSError, PrimeError):
            failed = True
        ended = not faults.armed
        faults.disarm()
        for after in (disk, disk.crash_clone(random.Random(number))):
            if after.is_directory("/new"):
                check(after, model, salvage_again(after))
        report = salvage(disk, "/other")
        assert report.lost == 0
        if not ended and not failed:
            break
    assert number > 15


def salvage_again(disk: MemoryStorage) -> primecore.SalvageReport:
    """What the report in /new says."""
    said = json.loads(disk.read(f"/new/{REPORT}"))
    return primecore.SalvageReport(**{**said, "lost_ranges": ()})


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    prime = Shell(tmp_path, monkeypatch)
    prime("ingest", "-", stdin="".join(node(str(n)) for n in range(9)))
    (segment,) = (prime.store / "wal").iterdir()
    data = bytearray(segment.read_bytes())
    data[data.index(b"node:thing:4")] ^= 1
    segment.write_bytes(data)
    assert prime("repair").code == 2
    result = prime("repair", "--salvage", tmp_path / "new", "--json")
    assert result.code == 0 and result.document["lost"] == 1 and result.document["events"] == 8
    assert prime("--data-dir", tmp_path / "new", "verify").code == 0
    assert prime("repair", "--salvage", tmp_path / "new").code == 2
    shutil.rmtree(tmp_path / "new")
    assert "checksum" in prime("repair", "--salvage", tmp_path / "new").out


def test_a_page_that_cannot_be_read_costs_what_lies_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with primecore.open(tmp_path / "s") as prime:
        for number in range(500):
            prime.append("t", f"e{number}", {"text": "x" * 50})
    real = os.pread

    def failing(fd: int, size: int, offset: int) -> bytes:
        if offset == 3 * 4096:
            raise OSError(errno.EIO, "input/output error")
        return real(fd, size, offset)

    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(os, "pread", failing)
    disk = RealStorage()
    mapped = disk.map
    disk.map = lambda path, **how: mapped(path, **how) if "new" in path else fails()  # type: ignore[method-assign]
    report = salvaging.salvage(disk, str(tmp_path / "s"), str(tmp_path / "new"))
    assert 20 < report.lost < 40 and report.position == 500 and "4096 bytes cannot be read" in report.left_out[0]
    assert primecore.verify(tmp_path / "new").ok
