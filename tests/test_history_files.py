"""Stores whose log became Parquet in part, and what others do with them: follow, verify, back up, salvage."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support import watcher
from support.children import child
from support.generate import Generator
from support.past import assert_same_reads, assert_view_at_position, assert_view_at_time
from support.realdata import KNOWN, real_log
from support.sharing import wait_until
from support.stores import new_id

import primecore
from primecore import config, copies, manifest, parquet
from primecore.errors import CorruptLog, DataError, PrimeError
from primecore.segments import SegmentSizes
from primecore.service import Prime
from primecore.storage import RealStorage

SMALL = SegmentSizes(16384, 16384)


def open_small(path: Path, **settings: Any) -> Prime:
    """A store on disk with small segments, so that a few hundred events seal some."""
    return Prime(config.settings(path, checkpoint_events=0, **settings), None, None, SMALL)


def fill(prime: Prime, count: int, seed: int = 0) -> None:
    """Nodes, edges that come and go, and plain events."""
    rng, nodes = random.Random(seed), []
    for number in range(count):
        node = prime.add_node(f"t{rng.randrange(3)}", {"n": number, "domain": rng.choice("ab")}, id=f"{seed}-{number}")
        nodes.append(node)
        edge = prime.add_edge(node, rng.choice(nodes), "knows", event_id=new_id())
        if rng.random() < 0.3:
            prime.delete_edge(edge)
        prime.append("note", f"n:{rng.randrange(9)}", {"text": "é" * rng.randrange(80)}, metadata={"by": number})
    prime.flush()


def compacted(path: Path, turns: int = 3) -> tuple[str, list[Any]]:
    """Makes a store with a history file, sealed segments and an open one; its digest and its events."""
    with open_small(path) as prime:
        for turn in range(turns):
            fill(prime, 60, turn)
            if turn + 1 < turns:
                assert prime.compact().segments
        return prime.digest(), list(prime.events())


def files_of(path: Path) -> tuple[Any, ...]:
    known = manifest.load(RealStorage(), str(path))
    assert known is not None and known.history
    return known.history


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x40
    path.write_bytes(data)


# --- the past


def facts(view: Any) -> list[Any]:
    """What the stats of a view say of its content."""
    names = ("events", "position", "nodes", "edges", "dangling_edges", "nodes_by_type", "edges_by_relation", "domains")
    return [getattr(view.stats(), name) for name in names]


@pytest.mark.parametrize("seed", range(4))
def test_the_past_is_the_same_after_opening_from_a_checkpoint(seed: int, tmp_path: Path) -> None:
    rng, generator = random.Random(seed), Generator(seed)
    for _ in range(4):
        with open_small(tmp_path / "s") as prime:
            assert prime.opening.checkpoint_position == prime.position and not prime.opening.note
            for event in generator.events(90):
                fields = {name: event[name] for name in ("event_id", "timestamp", "metadata") if name in event}
                try:
                    prime.append(event["event_type"], event["entity_id"], event.get("payload"), **fields)
                except PrimeError:
                    pass
            if rng.random() < 0.7:
                prime.flush()
                prime.compact()
            prime.checkpoint()
    with open_small(tmp_path / "s") as prime:
        assert prime.opening.checkpoint_position == prime.position
        events = list(prime.events())
        for position in sorted({0, len(events), *(rng.randrange(len(events) + 1) for _ in range(12))}):
            assert_view_at_position(prime.at(position=position), events)
        for event in rng.sample(events, 8):
            assert_view_at_time(prime.at(event.timestamp), events)
        with primecore.open(":memory:") as other:
            for position in sorted(rng.sample(range(1, len(events) + 1), 5)):
                other.append_many(events[other.position : position])
                assert_same_reads(prime.at(position), other, rng)


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_the_past_of_a_real_log_is_the_same_after_opening_from_a_checkpoint(name: str, tmp_path: Path) -> None:
    rng = random.Random(7)
    with primecore.open(tmp_path / "s", checkpoint_events=0) as prime:
        prime.ingest(str(real_log(name)))
        prime.compact()
        prime.checkpoint()
        nodes = [node.id for node in prime.nodes()]
    with primecore.open(tmp_path / "s", checkpoint_events=0) as prime, primecore.open(":memory:") as plain:
        assert prime.opening.replayed == 0
        plain.ingest(str(real_log(name)))
        for position in (1, 1000, *(rng.randrange(prime.position) for _ in range(6)), prime.position):
            view, wanted = prime.at(position=position), plain.at(position=position)
            assert facts(view) == facts(wanted)
            for node in rng.sample(nodes, 40):
                assert view.node(node) == wanted.node(node)
                assert list(view.neighbors(node)) == list(wanted.neighbors(node))
        times = [event.timestamp for event in prime.events(after=rng.randrange(prime.position), limit=3)]
        for time in times:
            assert facts(prime.at(time)) == facts(plain.at(time))


# --- readers beside an owner who compacts


def ask(process: subprocess.Popen[bytes], position: int) -> str:
    process.stdin.write(b"%d\n" % position)
    process.stdin.flush()
    return process.stdout.readline().decode().strip()


def test_a_reader_in_another_process_follows_through_checkpoints_and_compaction(tmp_path: Path) -> None:
    with open_small(tmp_path / "s") as prime:
        fill(prime, 40)
        with child(watcher.__file__, tmp_path / "s") as reader:
            assert reader.stdout.readline().startswith(b"up")
            segments = 0
            for turn in range(1, 7):
                fill(prime, 40, turn)
                segments += prime.compact().segments
                if turn % 2:
                    prime.checkpoint()
                assert ask(reader, prime.position) == watcher.shown(prime)
            assert segments > 10
            with child(watcher.__file__, tmp_path / "s") as late:  # it opens from the checkpoint and the history
                assert late.stdout.readline().startswith(b"up")
                assert ask(late, prime.position) == watcher.shown(prime)


def test_a_reader_that_slept_while_all_it_had_became_history_goes_on(tmp_path: Path) -> None:
    with open_small(tmp_path / "s") as prime:
        fill(prime, 40)
        with child(watcher.__file__, tmp_path / "s") as reader:
            assert reader.stdout.readline().startswith(b"up")
            assert ask(reader, prime.position) == watcher.shown(prime)
            for turn in range(1, 3):
                reader.send_signal(signal.SIGSTOP)
                fill(prime, 150, turn)
                assert prime.compact().segments > 3
                reader.send_signal(signal.SIGCONT)
                assert ask(reader, prime.position) == watcher.shown(prime)


def test_projections_of_a_reader_go_on_when_it_must_read_anew(tmp_path: Path) -> None:
    class Count:
        name, version = "count", 1

        def __init__(self) -> None:
            self.seen: list[int] = []

        def apply(self, event: Any) -> None:
            self.seen.append(event.position)

    with open_small(tmp_path / "s") as prime, open_small(tmp_path / "s", read_only=True) as reader:
        fill(prime, 40)
        count = Count()
        reader.register(count)
        for turn in range(1, 4):
            fill(prime, 100, turn)
            prime.compact()
        wait_until(lambda: reader.position == prime.position)  # it may still be reading anew
        assert reader.projection("count", timeout=20) is count
        assert not reader.stats().parked
        assert count.seen == list(range(1, prime.position + 1))


def test_checkpoint_and_compact_are_done_by_the_owner(tmp_path: Path) -> None:
    with open_small(tmp_path / "s") as prime:
        fill(prime, 100)
        with primecore.open(tmp_path / "s", via_owner=True) as other:
            report = other.compact(codec="snappy")
            assert report.segments and report.events
            assert other.checkpoint().position == prime.position == prime.stats().checkpoint_position
            assert other.stats().events == prime.position
        assert prime.stats().history_files == 1


# --- verify, backup, restore, salvage, doctor


def test_verify_reads_history_files_and_checkpoints(tmp_path: Path) -> None:
    path = tmp_path / "s"
    digest, events = compacted(path)
    with open_small(path) as prime:
        prime.checkpoint()
    report = primecore.verify(path)
    assert report.ok and not report.findings, report.findings
    assert report.events == len(events)
    checkpoint_file = next((path / "checkpoints").iterdir())
    kept = checkpoint_file.read_bytes()
    flip(checkpoint_file, len(kept) // 2)
    report = primecore.verify(path, log_only=True)
    assert report.ok and [it.code for it in report.findings] == ["checkpoint"]
    with open_small(path) as prime:
        assert prime.digest() == digest and prime.opening.note
        assert [it.status for it in prime.doctor().symptoms if it.name == "opening"] == ["note"]
    checkpoint_file.unlink()
    rng = random.Random(3)
    history = path / "history" / files_of(path)[0].name
    kept = history.read_bytes()
    for _ in range(20):
        flip(history, rng.randrange(len(kept)))
        report = primecore.verify(path)
        assert not report.ok and "history" in {it.code for it in report.findings}
        assert report.findings[0].file == str(history) and "before" in report.findings[0].safe
        history.write_bytes(kept)
    history.unlink()
    assert not primecore.verify(path).ok
    with pytest.raises(CorruptLog):
        open_small(path)


@pytest.mark.parametrize("turns", [2, 3])
def test_a_backup_carries_history_and_comes_back(turns: int, tmp_path: Path) -> None:
    path, copy = tmp_path / "s", tmp_path / "copy"
    with open_small(path) as prime:
        fill(prime, 60)
        prime.backup(copy)  # before anything is history
        for turn in range(1, turns):
            prime.compact()
            prime.backup(copy)
            fill(prime, 60, turn)
        prime.compact()
        report = prime.backup(copy)
        assert report.position == prime.position
        assert prime.backup(copy).copied_bytes <= report.copied_bytes
        digest, events = prime.digest(), list(prime.events())
    assert primecore.backup(path, copy).position == len(events)
    report = primecore.restore(copy, tmp_path / "back")
    assert report.position == len(events)
    assert primecore.verify(tmp_path / "back").ok
    with open_small(tmp_path / "back") as prime:
        assert prime.digest() == digest and list(prime.events()) == events
        fill(prime, 60, 9)
        assert prime.compact().segments
        assert prime.replay(verify=True).equal
        assert list(prime.events())[: len(events)] == events
    assert primecore.verify(tmp_path / "back").ok


def test_a_store_that_is_history_but_for_an_empty_segment_comes_back(tmp_path: Path) -> None:
    path, storage = tmp_path / "s", RealStorage()
    compacted(path)
    events = []
    with open_small(path) as prime:
        end = files_of(path)[-1].last_position
        events = list(prime.events(until=end))
    copies.backup(storage, str(path), str(tmp_path / "copy"), until=end)
    assert copies.load(storage, str(tmp_path / "copy")).parts == ()
    assert primecore.restore(tmp_path / "copy", tmp_path / "back").position == end
    with open_small(tmp_path / "back") as prime:
        assert list(prime.events()) == events
        fill(prime, 30, 9)
        assert prime.replay(verify=True).equal
    assert primecore.verify(tmp_path / "back").ok


def test_damaged_history_is_neither_backed_up_nor_restored(tmp_path: Path) -> None:
    path = tmp_path / "s"
    compacted(path)
    primecore.backup(path, tmp_path / "good")
    name = files_of(path)[0].name
    flip(path / "history" / name, 700)
    with pytest.raises(CorruptLog, match=r"\.parquet"):
        primecore.backup(path, tmp_path / "copy")
    flip(tmp_path / "good" / "history" / name, 700)
    with pytest.raises(CorruptLog, match=r"\.parquet"):
        primecore.restore(tmp_path / "good", tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_a_backup_is_not_replaced_by_another_history(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    with open_small(one) as prime:
        fill(prime, 20)
    shutil.copytree(one, two)
    with open_small(one) as prime:
        fill(prime, 80, 1)
        prime.backup(tmp_path / "copy")
    with open_small(two) as prime:
        fill(prime, 120, 2)
        prime.compact()
        with pytest.raises(DataError, match="parted"):
            prime.backup(tmp_path / "copy")
    with open_small(one) as prime:
        prime.compact()
        prime.backup(tmp_path / "copy")
        digest = prime.digest()
    with open_small(two) as prime, pytest.raises(DataError, match="parted"):
        prime.backup(tmp_path / "copy")
    primecore.restore(tmp_path / "copy", tmp_path / "back")
    with open_small(tmp_path / "back") as prime:
        assert prime.digest() == digest


def same(found: list[Any], events: list[Any]) -> None:
    assert [it._replace(position=0) for it in found] == [it._replace(position=0) for it in events]


@pytest.mark.parametrize("with_manifest", [True, False])
def test_salvage_copies_what_history_holds(with_manifest: bool, tmp_path: Path) -> None:
    path = tmp_path / "s"
    digest, events = compacted(path)
    if not with_manifest:
        (path / "MANIFEST").unlink()
    report = primecore.salvage(path, tmp_path / "new")
    assert (report.lost, report.renumbered, report.position) == (0, 0, len(events))
    assert primecore.verify(tmp_path / "new").ok
    with open_small(tmp_path / "new") as prime:
        same(list(prime.events()), events)
        assert prime.digest() == digest


def test_salvage_says_what_a_damaged_history_file_took_along(tmp_path: Path) -> None:
    path = tmp_path / "s"
    _, events = compacted(path)
    file = files_of(path)[0]
    flip(path / "history" / file.name, 700)
    report = primecore.salvage(path, tmp_path / "new")
    assert report.lost == file.last_position
    assert [(it.first_position, it.last_position) for it in report.lost_ranges] == [(1, file.last_position)]
    with open_small(tmp_path / "new") as prime:
        found = list(prime.events())
        assert {it.event_type for it in found[: file.last_position]} == {"prime.position.lost"}
        assert [(it.event_id, it.payload) for it in found[file.last_position :]] == [
            (it.event_id, it.payload) for it in events[file.last_position :]
        ]
    assert parquet.verify(RealStorage(), str(path), file), "the damaged file is left as it was"


# --- what reading it costs


def test_a_state_of_the_past_decodes_the_columns_that_tell_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []
    read = parquet.read_group

    def watched(opened: Any, number: int, names: tuple[str, ...] = parquet.COLUMNS) -> Any:
        asked.append(names)
        return read(opened, number, names)

    with open_small(tmp_path) as prime:
        node = prime.add_node("person", {"name": "Alice"}, id="alice")
        edge = prime.add_edge(node, prime.add_node("person", {}, id="bob"), "knows", weight=0.25)
        then = prime.position
        fill(prime, 200)
        prime.update_node(node, {"name": "Alicia"})
        prime.update_edge(edge, weight=0.75)
        before = [prime.at(position=then).node(node), prime.at(position=then).edge(edge)]
        event = next(iter(prime.events(limit=1)))
        assert prime.compact().segments
        monkeypatch.setattr(parquet, "read_group", watched)
        view = prime.at(position=then)
        assert [view.node(node), view.edge(edge)] == before and before[1].weight == 0.25
        assert [it.weight for it in view.neighbors(node)] == [0.25]
        assert asked == [parquet.CORE]
        assert next(iter(prime.events(limit=1))) == event  # whole: with id and metadata
        assert asked == [parquet.CORE, parquet.COLUMNS]
        prime._engine.log.history._latest = None
        assert [view.node(node), view.edge(edge)] == before  # what is there whole is not decoded again
        assert len(asked) == 2
