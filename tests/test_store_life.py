"""Opening, closing, sharing and syncing a store, and what each mode promises."""

from __future__ import annotations

import os
import stat
import time

import pytest
from support.children import child
from support.stores import note

import primecore
from primecore.errors import (
    InvalidArgument,
    NodeNotFound,
    PrimeError,
    StoreClosed,
    StoreForked,
    StoreLocked,
    StoreNotFound,
)


@pytest.fixture
def prime():
    with primecore.open(":memory:") as prime:
        yield prime


def test_flush_and_durable(tmp_path):
    with primecore.open(tmp_path / "store", fsync="never") as prime:
        assert prime.flush() == 0
        prime.append("x", "x")
        assert prime.append("x", "x", durable=True).position == 2 <= prime.durable_position
        prime.append_many([note()], durable=True)
        assert prime.durable_position == 3
        prime.add_node("t", durable=True)
        assert prime.durable_position == 4
        prime.append("x", "x")
        assert prime.flush() == prime.durable_position == 5
        assert prime.flush(timeout=5) == 5


def test_the_interval_makes_events_durable_by_itself(tmp_path):
    with primecore.open(tmp_path / "store", fsync_interval_ms=10) as prime:
        prime.append("x", "x")
        deadline = time.monotonic() + 5
        while prime.durable_position < 1 and time.monotonic() < deadline:
            time.sleep(0.005)
        assert prime.durable_position == 1 and prime.stats().oldest_unsynced_ms == 0
        assert prime.stats().worst_unsynced_ms > 0


def test_always_is_durable_when_it_returns(tmp_path):
    with primecore.open(tmp_path / "store", fsync="always") as prime:
        for n in range(1, 20):
            assert prime.append("x", "x").position == n == prime.durable_position
        prime.append_many([note(), note()])
        assert prime.durable_position == 21


def test_a_store_is_private_to_its_owner(tmp_path):
    old = os.umask(0)
    try:
        with primecore.open(tmp_path / "deep" / "store") as prime:
            prime.append("x", "x", durable=True)
    finally:
        os.umask(old)
    store = tmp_path / "deep" / "store"
    for folder, _, files in os.walk(store):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700, folder
        for name in files:
            assert stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) == 0o600, name


def test_where_the_store_lies(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PRIME_DATA_DIR", raising=False)
    with primecore.open() as prime:
        assert str(prime.path) == str(tmp_path / ".prime" / "memory")
    with primecore.open("~/elsewhere") as prime:
        assert str(prime.path) == str(tmp_path / "elsewhere")
    monkeypatch.setenv("PRIME_DATA_DIR", str(tmp_path / "named"))
    with primecore.open() as prime:
        assert str(prime.path) == str(tmp_path / "named")


def test_reopening_gives_everything_back(tmp_path):
    with primecore.open(tmp_path / "store") as prime:
        alice = prime.add_node("person", {"name": "Alice"}, id="alice", domain="d")
        prime.add_edge(alice, alice, "knows")
        state = prime.node(alice), prime.edges(), list(prime.events()), prime.digest()
    with primecore.open(tmp_path / "store") as prime:
        assert (prime.node(alice), prime.edges(), list(prime.events()), prime.digest()) == state
        assert prime.append("x", "x").position == 3
    with primecore.open(tmp_path / "store", read_only=True) as prime:
        assert prime.position == 3


def test_stores_that_are_not_there(tmp_path):
    for arguments in ({"read_only": True}, {"create": False}, {"read_only": True, "create": True}):
        with pytest.raises(StoreNotFound, match="nowhere"):
            primecore.open(tmp_path / "nowhere", **arguments)
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(PrimeError):
        primecore.open(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"x"


def test_a_folder_of_other_things_is_not_made_a_store(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"x")
    with pytest.raises(StoreNotFound):
        primecore.open(tmp_path, read_only=True)


@pytest.mark.parametrize("arguments", [{"fsync": "sometimes"}, {"fsync_interval_ms": 0}, {"fsync_interval_ms": -5}])
def test_settings_that_cannot_be(tmp_path, arguments):
    with pytest.raises(InvalidArgument):
        primecore.open(tmp_path / "store", **arguments)


def test_one_writer_any_number_of_readers(tmp_path):
    with primecore.open(tmp_path / "store") as prime:
        prime.append("x", "x")
        with pytest.raises(StoreLocked, match=str(os.getpid())) as caught:
            primecore.open(tmp_path / "store")
        assert "read_only" in str(caught.value)
        before = {p: p.stat().st_mtime_ns for p in (tmp_path / "store").rglob("*") if p.is_file()}
        with primecore.open(tmp_path / "store", read_only=True) as one:
            with primecore.open(tmp_path / "store", read_only=True) as two:
                assert one.position == two.position == 1
        assert before.keys() == {p for p in (tmp_path / "store").rglob("*") if p.is_file()}
        assert prime.append("x", "x").position == 2
    with primecore.open(tmp_path / "store") as prime:
        assert prime.position == 2


def test_a_writer_in_another_process_is_named(tmp_path):
    script = "import primecore, sys; p = primecore.open(sys.argv[1]); print(1, flush=True); sys.stdin.read()"
    with child("-c", script, tmp_path / "store") as process:
        assert process.stdout.readline() == b"1\n"
        with pytest.raises(StoreLocked, match=str(process.pid)):
            primecore.open(tmp_path / "store")
    with primecore.open(tmp_path / "store") as prime:  # the lock goes with its owner
        assert prime.position == 0


def test_read_only_stores_refuse_writes(tmp_path):
    with primecore.open(tmp_path / "store") as prime:
        alice = prime.add_node("person", id="alice")
    with primecore.open(tmp_path / "store", read_only=True) as prime:
        for call in (
            lambda: prime.append("x", "x"),
            lambda: prime.append_many([note()]),
            lambda: prime.add_node("t"),
            lambda: prime.update_node(alice, {}),
            lambda: prime.delete_node(alice),
            lambda: prime.add_edge(alice, alice, "r"),
        ):
            with pytest.raises(PrimeError, match="read"):
                call()
        assert prime.node(alice) is not None


def test_a_closed_store_says_so(tmp_path):
    prime = primecore.open(tmp_path / "store")
    alice = prime.add_node("t", id="a")
    prime.add_edge(alice, alice, "r")
    late = prime.events()
    near = prime.neighbors(alice)
    prime.close()
    prime.close()
    for call in (
        lambda: prime.append("x", "x"),
        lambda: prime.append_many([]),
        lambda: prime.add_node("t"),
        lambda: prime.node(alice),
        prime.nodes,
        lambda: list(prime.neighbors(alice)),
        lambda: prime.neighbors_many([alice]),
        lambda: prime.edge("edge:x"),
        prime.edges,
        lambda: list(prime.history(alice)),
        lambda: list(prime.events()),
        lambda: next(late),
        prime.stats,
        prime.digest,
        prime.domains,
        prime.cross_domain,
        lambda: prime.subgraph([alice]),
        lambda: prime.shortest_path(alice, alice),
        prime.flush,
        prime.replay,
        lambda: prime.ingest(__file__),
        prime.__enter__,
    ):
        with pytest.raises(StoreClosed):
            call()
    try:
        assert len(list(near)) == 1  # a result that was handed out either still works or says why not
    except StoreClosed:
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_may_not_use_its_parents_store(tmp_path):
    with primecore.open(tmp_path / "store") as prime:
        prime.append("x", "x")
        pid = os.fork()
        if pid == 0:
            refused = 0
            for call in (lambda: prime.append("x", "x"), lambda: prime.node("node:t:a"), prime.stats):
                try:
                    call()
                except StoreForked:
                    refused += 1
                except BaseException:
                    pass
            os._exit(refused)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
        assert prime.append("x", "x").position == 2


def test_memory_stores_are_apart(prime):
    with primecore.open(":memory:") as other:
        other.append("x", "x", durable=True)
        assert (prime.position, other.position, other.durable_position) == (0, 1, 1)
        assert other.flush() == 1


def test_errors_carry_codes_and_hints(prime):
    with pytest.raises(NodeNotFound) as caught:
        prime.delete_node("node:t:a")
    assert caught.value.code == "node_not_found"
    assert str(caught.value) and not str(caught.value).startswith("'")
