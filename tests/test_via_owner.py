"""Many that write: what is handed to the owner of a store, and what comes of owners that die, hang or hear nonsense."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid

import msgpack
import pytest
from support.children import child_environment
from support.sharing import new_owner, shared, wait_until
from support.stores import note
from torture import owners

import primecore
from primecore import channel, errors, frames, owner, via_owner
from primecore.model import IngestReport, Remembered, ReplayReport


@pytest.fixture
def both(tmp_path):
    """The owner of a store, and one that hands it its writes."""
    with shared(tmp_path / "s") as stores:
        yield stores


def outcome(call):
    """What a call gives, or the error's class, text and fields."""
    try:
        return call()
    except (primecore.PrimeError, TypeError) as error:
        fields = {name: value for name, value in vars(error).items() if name != "report"}
        return type(error), str(error), fields


def test_every_write_means_the_same_through_the_owner(tmp_path):
    same = "0192f0c1-2345-7890-abcd-ef0123456789"
    taken = "0192f0c1-2345-7890-abcd-ef012345678a"
    when = "2024-05-06T07:08:09.123456Z"
    calls = [
        lambda p: p.add_node("person", {"name": "Alice"}, id="alice", labels=["a"], timestamp=when),
        lambda p: p.add_node("person", {"deep": [1, 2.5, None, "ü", 10**30]}, id="bob", metadata={"source": "t"}),
        lambda p: p.add_node("bad:type"),
        lambda p: p.add_edge("node:person:alice", "node:person:bob", "knows", weight=0.25, id="ab"),
        lambda p: p.add_edge("node:person:alice", "node:person:nobody", "knows"),
        lambda p: p.update_node("node:person:alice", {"name": None, "age": 4})[:2],
        lambda p: p.update_node("node:person:nobody", {}),
        lambda p: p.update_edge("edge:ab", weight=2, valid_from=when)[:2],
        lambda p: p.update_edge("edge:none", weight=2),
        lambda p: p.append("x", "x:1", {"a": 1}, event_id=same, timestamp=when),
        lambda p: p.append("x", "x:1", {"a": 1.0}, event_id=same),
        lambda p: p.append("x", "x:1", {"a": 2}, event_id=same),
        lambda p: p.append("x", "x:1", {}, expected_version=7),
        lambda p: p.append("x", "x:1", {}, expected_version=-1),
        lambda p: p.append("x", "x:1", {}, expected_version=1, durable=True)[:2],
        lambda p: p.append("NO", "x:1"),
        lambda p: p.append("x", "x\n1"),
        lambda p: p.append("x", "x:1", {"a": float("nan")}),
        lambda p: p.append("prime.node.created", "edge:1", {"properties": {}}),
        lambda p: [one[:2] for one in p.append_many([note("e:1"), note("e:2"), note("e:1", expected_version=1)])],
        lambda p: p.append_many([note("e:3"), note("e:1", expected_version=9)]),
        lambda p: p.append_many([note("e:3", event_id=taken), note("e:3", event_id=taken), note(event_id=same)]),
        lambda p: p.append_many([note("e:3", event_id=taken), note("e:4", event_id=taken, payload={"other": 1})]),
        lambda p: p.append_many([]),
        lambda p: p.append_many([note("e:9", payload={"pad": "x" * 15_000_000}) for _ in range(3)]),
        lambda p: p.append("prime.vector.stored", "vec:e", {"embedding": [1.0, 2.0]})[:2],
        lambda p: p.append("prime.vector.stored", "vec:e", {"embedding": [1.0, 2.0, 3.0]}),
        lambda p: p.delete_edge("edge:ab")[:2],
        lambda p: p.delete_node("node:person:bob")[:2],
        lambda p: p.delete_node("node:person:bob"),
        lambda p: p.ingest(io.BytesIO(LINES), name="lines", on_error="skip")._replace(events_per_second=0),
        lambda p: p.ingest(io.BytesIO(LINES), name="lines", on_error="skip")._replace(events_per_second=0),
        lambda p: p.ingest(io.BytesIO(LINES), name="lines"),
        lambda p: p.ingest(io.BytesIO(LINES[:80]))._replace(events_per_second=0),
        lambda p: p.ingest("no-such-file"),
        lambda p: p.flush(),
        lambda p: p.position,
        lambda p: p.flush(timeout=5),
        lambda p: p.stats()._replace(
            memory_bytes={}, oldest_unsynced_ms=0, worst_unsynced_ms=0, wal_bytes=0
        ),
    ]  # fmt: skip
    with primecore.open(tmp_path / "plain") as plain, new_owner(tmp_path / "s") as process:
        process.stdout.readline()
        with primecore.open(tmp_path / "s", via_owner=True) as forwarded:
            for number, call in enumerate(calls):
                expected, found = outcome(lambda call=call: call(plain)), outcome(lambda call=call: call(forwarded))
                assert found == expected, f"call {number}"
                assert forwarded.position == plain.position, f"call {number}"
            for name in ("person:alice", "person:bob"):
                left, right = plain.node(f"node:{name}"), forwarded.node(f"node:{name}")
                assert (left and left.properties) == (right and right.properties)
            assert [e.payload for e in plain.events()] == [e.payload for e in forwarded.events()]


LINES = b"\n".join(
    [
        b'{"event_type":"y","entity_id":"y:1","payload":{"n":1}}',
        b'{"event_type":"y","entity_id":"y:1","payload":{"n":2}}',
        b'{"event_type":"y", broken',
        b"",
        b'{"event_type":"y","entity_id":"y:2","event_id":"0192f0c1-2345-7890-abcd-ef0123456789"}',
        b'{"event_type":"y","entity_id":"y:3"}',
    ]
)


def test_what_was_written_shows_when_the_write_returns(both):
    _, other = both
    for n in range(300):
        node = other.add_node("t", {"n": n}, id=str(n))
        assert other.node(node).properties == {"n": n} and other.position == n + 1
    ask = other.neighbors
    other.add_edge("node:t:1", "node:t:2", "r")
    assert len(ask("node:t:1")) == 1


def test_without_an_owner_it_is_the_owner(tmp_path):
    with primecore.open(tmp_path / "s", via_owner=True) as prime:
        assert prime.append("x", "x").position == 1 == prime.position
        with pytest.raises(primecore.StoreLocked) as caught:
            primecore.open(tmp_path / "s")
        assert "read_only=True" in caught.value.hint and "via_owner=True" in caught.value.hint
    with primecore.open(tmp_path / "s") as prime:
        assert prime.position == 1
    with pytest.raises(primecore.InvalidArgument):
        primecore.open(tmp_path / "s", via_owner=True, read_only=True)
    with pytest.raises(primecore.StoreNotFound):
        primecore.open(tmp_path / "none", via_owner=True, create=False)
    with primecore.open(":memory:", via_owner=True) as prime:
        assert prime.append("x", "x").position == 1


def test_a_closed_one_says_so(both):
    own, other = both
    other.append("x", "x")
    other.close()
    other.close()
    for use in (lambda: other.append("x", "x"), lambda: other.neighbors("x"), other.stats, other.flush):
        with pytest.raises(primecore.StoreClosed):
            use()
    unread = primecore.open(own.path, via_owner=True)
    unread.close()
    with pytest.raises(primecore.StoreClosed):
        unread.stats()
    assert own.append("x", "x").position == 2


def test_an_error_of_any_class_crosses_whole():
    samples = {
        "InvalidEvent": errors.InvalidEvent("r", field="f", source="s", line=3, column=4, hint="h"),
        "VersionConflict": errors.VersionConflict("e", 1, 2),
        "IdempotencyConflict": errors.IdempotencyConflict("id", 9, where="w: "),
        "CorruptLog": errors.CorruptLog("m", path="p", offset=1, position=2, hint="h"),
        "OutcomeUnknown": errors.OutcomeUnknown("m", event_ids=("a", "b")),
    }
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) > 15
    for kind in kinds:
        error = samples.get(kind.__name__) or kind("m", hint="h")
        found = frames.error_in(msgpack.unpackb(msgpack.packb(frames.error_out(error))))
        assert type(found) is kind and str(found) == str(error) and vars(found) == vars(error), kind
    assert isinstance(frames.error_in(frames.error_out(ValueError("v"))), ValueError)
    assert "ZeroDivisionError" in str(frames.error_in(frames.error_out(ZeroDivisionError("z"))))
    for nonsense in (None, 3, {}, {"class": "os", "text": "", "fields": 7}):
        with pytest.raises(frames.BadFrame):
            frames.error_in(nonsense)


def test_results_cross_whole():
    fact = Remembered("a", True, None, False, ("e",), 1)
    replayed = ReplayReport(1, 2.0, 3.0, 4, "d", None, None)
    for value in (IngestReport(1, 2, 3, 4, 5.5, 6), replayed, fact, fact._replace(edges=()), 7, None, {"a": 1}):
        assert frames.result_in(msgpack.unpackb(msgpack.packb(frames.result_out(value)))) == value


# --- owners that hang, die, go


def test_a_hung_owner_is_told_in_seconds(tmp_path):
    with new_owner(tmp_path / "s") as process:
        process.stdout.readline()
        with primecore.open(tmp_path / "s", via_owner=True) as prime:
            prime.append("x", "x")
            os.kill(process.pid, signal.SIGSTOP)
            os.waitpid(process.pid, os.WUNTRACED)
            begun_s = time.monotonic()
            with pytest.raises(primecore.OutcomeUnknown) as caught:
                prime.append("x", "late")
            assert time.monotonic() - begun_s < 30 and str(process.pid) in str(caught.value)
            (event_id,) = caught.value.event_ids
            assert event_id in caught.value.hint and prime.position == 1, "reading goes on"
            with primecore.open(tmp_path / "s", via_owner=True) as fresh, pytest.raises(primecore.StoreLocked):
                fresh.append("x", "never sent")
            os.kill(process.pid, signal.SIGCONT)
            receipt = prime.append("x", "late", event_id=event_id)
            assert receipt.duplicate or receipt.position == 2
            assert len(list(prime.history("late"))) == 1 and not list(prime.history("never sent"))


def test_an_owner_that_takes_long_is_not_taken_for_hung(both, monkeypatch):
    monkeypatch.setattr(channel, "ANSWER_SECONDS", 0.05)
    own, other = both

    def slow(timeout=None):
        time.sleep(0.5)
        return 17

    monkeypatch.setattr(own, "flush", slow)
    assert other.flush() == 17


def test_an_answer_that_is_lost_is_asked_for_again(tmp_path, monkeypatch):
    # The owner dies between doing and answering: the next one knows the event by its id.
    path = tmp_path / "s"
    first = primecore.open(path)
    wait_until((path / "writer.sock").exists)
    real = owner.do

    def do_and_die(store, request):
        result = real(store, request)
        if store is first:
            first._engine.close()
            raise primecore.StoreClosed("gone before it could say so")
        return result

    with primecore.open(path, via_owner=True) as other:
        other._open_reader()
        monkeypatch.setattr(owner, "do", do_and_die)
        receipt = other.append("x", "x:1", {"a": 1})
        assert receipt[:2] == (1, 1) and not receipt.duplicate, "its own event is no duplicate"
        assert other.position == 1 and len(list(other.events())) == 1
    first.close()


def test_lines_whose_answer_is_lost_are_counted_once(tmp_path, monkeypatch):
    path = tmp_path / "s"
    first = primecore.open(path)
    wait_until((path / "writer.sock").exists)
    real = owner.do

    def do_and_die(store, request):
        result = real(store, request)
        if store is first and request[0] == "lines":
            first._engine.close()
            raise primecore.StoreClosed("gone before it could say so")
        return result

    monkeypatch.setattr(owner, "do", do_and_die)
    with primecore.open(path, via_owner=True) as other:
        lines = b"".join(b'{"event_type":"y","entity_id":"y:%d"}\n' % n for n in range(100))
        report = other.ingest(io.BytesIO(lines))
        assert (report.read, report.appended, report.duplicates) == (100, 100, 0)
        assert other.position == 100
    first.close()


def test_an_owner_that_does_and_never_says_so_leaves_the_outcome_unknown(both, monkeypatch):
    """StoreLocked would say that nothing was written."""
    own, other = both

    def silent(self, connection, frames):
        owner.do(self._store(), frames.receive(connection, begin_s=None, go_on_s=5))
        return False

    monkeypatch.setattr(owner.Listener, "_answer", silent)
    monkeypatch.setattr(via_owner, "PATIENCE_SECONDS", 0.3)
    event_id = "0192f0c1-2345-7890-abcd-ef0123456789"
    with pytest.raises(primecore.OutcomeUnknown) as caught:
        other.append("x", "x:1", event_id=event_id)
    assert caught.value.event_ids == (event_id,)
    monkeypatch.undo()
    assert other.append("x", "x:1", event_id=event_id).duplicate and own.position == 1


def test_an_owner_that_closes_within_lines_is_followed_by_the_next(tmp_path, monkeypatch):
    """Whoever reads the file was told that the store is closed, though it had only changed hands."""
    path = tmp_path / "s"
    first = primecore.open(path)
    wait_until((path / "writer.sock").exists)
    real = owner._lines.ingest

    def closing(writer, data, offset, source):
        if not first._closed_by_test:
            first._closed_by_test = True
            real(writer, data[: data.index(b"\n") + 1], offset, source)
            first._engine.close()
        return real(writer, data, offset, source)

    first._closed_by_test = False
    monkeypatch.setattr(owner._lines, "ingest", closing)
    with primecore.open(path, via_owner=True) as other:
        report = other.ingest(io.BytesIO(LINES), on_error="skip")
        assert (report.read, report.appended, report.duplicates, report.refused) == (5, 4, 0, 1)
        assert other.position == 4
    first.close()


def test_what_hinders_the_takeover_does_not_hide_that_the_outcome_is_unknown(both, monkeypatch):
    """A request had gone out; "no room" would have read as "nothing was written"."""
    own, other = both

    def goes(request):
        raise channel.Gone(sent=True)

    def hindered():
        raise primecore.DiskFull("no room", hint="free some space")

    monkeypatch.setattr(other._channel, "ask", goes)
    monkeypatch.setattr(other, "_become_owner", hindered)
    with pytest.raises(primecore.OutcomeUnknown, match="no room") as caught:
        other.append("x", "x:1")
    (event_id,) = caught.value.event_ids
    assert event_id in caught.value.hint
    monkeypatch.undo()
    assert other.append("x", "x:1", event_id=event_id).position == own.position == 1


def test_ten_processes_write_while_owners_are_killed(tmp_path):
    assert owners.run(11, tmp_path, writes=150, kill_every_s=0.5)


def test_the_next_writer_takes_over_and_projections_go_on(tmp_path):
    class Counting(primecore.Projection):
        name = "counting"

        def __init__(self):
            self.count = 0

        def apply(self, event):
            self.count += 1

    with new_owner(tmp_path / "s") as process:
        process.stdout.readline()
        with primecore.open(tmp_path / "s", via_owner=True) as prime:
            prime.register(Counting())
            ask = prime.neighbors
            for n in range(10):
                prime.add_node("t", id=str(n))
            process.kill()
            process.wait()
            edge = prime.add_edge("node:t:1", "node:t:2", "r")
            assert ask("node:t:1")[0].edge_id == edge
            assert prime.projection("counting").count == 11 and not prime.stats().parked
            with primecore.open(tmp_path / "s", via_owner=True) as other:
                other.append("x", "x")
                assert prime.position == 12


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_gets_store_forked_and_the_socket_stays_the_parents(both, tmp_path):
    own, other = both
    other.append("x", "x")
    pid = os.fork()
    if pid == 0:
        try:
            for store in (own, other):
                for name, arguments in (("append", ("x", "child")), ("stats", ()), ("neighbors", ("x",))):
                    with pytest.raises(primecore.StoreForked):
                        getattr(store, name)(*arguments)
                store.close()
            with primecore.open(tmp_path / "s", via_owner=True) as mine:
                mine.append("x", "of the child")
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    assert other.append("x", "x").position == 3 and len(list(other.history("of the child"))) == 1


def test_many_threads_through_one_object(both):
    own, other = both
    acknowledged: list[int] = []

    def write(number: int) -> None:
        for n in range(40):
            acknowledged.append(other.append("x", f"t:{number}", {"n": n}, durable=n % 10 == 0).position)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(acknowledged) == list(range(1, 321)) and own.position == other.position == 320


# --- the command line


def run_prime(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "primecore.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=child_environment(), timeout=60)


def test_ingest_works_while_another_process_owns_the_store(tmp_path):
    path, lines = tmp_path / "s", tmp_path / "lines.jsonl"
    lines.write_bytes(LINES)
    alone = tmp_path / "alone"
    arguments = ["ingest", str(lines), "--json", "--on-error"]
    with new_owner(path) as process:
        process.stdout.readline()
        for how in (["skip"], ["skip"], ["quarantine", str(tmp_path / "q")], ["stop"]):
            told = []
            for store in (alone, path):
                done = run_prime("--data-dir", str(store), *arguments, *how)
                document = json.loads(done.stdout)
                document.pop("seconds", None)
                document = {key: value for key, value in document.items() if "second" not in key}
                document["files"] = [
                    {key: value for key, value in one.items() if "second" not in key} for one in document["files"]
                ]
                told.append((done.returncode, document, done.stderr.replace(str(store), "S")))
            assert told[0] == told[1], how
        assert (tmp_path / "q").read_bytes().count(b"broken") == 2
        done = run_prime("--data-dir", str(path), "query", "history", "y:1", "--json")
        assert done.returncode == 0 and done.stdout.count('"y"') >= 2
        done = run_prime("--data-dir", str(path), "stats", "--json")
        assert json.loads(done.stdout)["events"] == 4


def test_ids_that_are_made_here_are_uuids_of_version_7():
    from primecore.via_owner import new_id

    made = [uuid.UUID(bytes=new_id()) for _ in range(500)]
    assert len(set(made)) == 500
    assert all(one.version == 7 and one.variant == uuid.RFC_4122 for one in made)
    assert abs((made[0].int >> 80) / 1000 - time.time()) < 60
