"""Reading a store live while another process writes to it: what it shows, when, and what it survives."""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import peer
from support.children import child
from support.generate import to_lines
from support.sharing import wait_until
from support.stores import note
from support.writer import acceptable

import primecore
from primecore import log as log_module
from primecore.segments import SegmentSizes

PEER = peer.__file__
WRITER = str(Path(PEER).with_name("writer.py"))
TORTURE_SECONDS = float(os.environ.get("TORTURE_SECONDS", "0"))


@contextmanager
def owner(path: Path, nbytes: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that owns the store."""
    with child(PEER, "own", path, nbytes) as process:
        assert process.stdout.readline().startswith(b"up")
        yield process


def tell(process: subprocess.Popen[bytes], words: str) -> bytes:
    process.stdin.write(words.encode() + b"\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def eventually(holds, seconds: float = 60) -> None:
    """Waits until `holds()`; fails when the time is over."""
    until_s = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until_s, "it never came"
        time.sleep(0.002)


def test_a_read_shows_what_was_committed_before_it_began(tmp_path):
    with owner(tmp_path / "s") as process, primecore.open(tmp_path / "s", read_only=True) as prime:
        assert prime.position == 0 and prime.stats().events == 0
        for n in range(1, 200):
            assert int(tell(process, "1")) == n
            # Whichever way is asked first.
            how = (
                lambda: prime.position,
                lambda: prime.stats().events,
                lambda: len(list(prime.events())),
                lambda: sum(len(list(prime.history(f"x:{i}"))) for i in range(9)),
            )[n % 4]
            assert how() == n
        assert tell(process, "batch 1000") == b"1199"
        assert prime.stats().projections["nodes"] == 1199


def thing(name: str) -> dict:
    return {"event_type": "prime.node.created", "entity_id": f"node:thing:{name}", "payload": {"properties": {}}}


def test_neighbors_of_a_follower_looks_too(tmp_path):
    path = tmp_path / "s"
    with primecore.open(path) as prime, primecore.open(path, read_only=True) as reader:
        ask = reader.neighbors
        alice, bob = prime.add_node("person", id="alice"), prime.add_node("person", id="bob")
        before = ask(alice)
        for n in range(1, 50):
            edge = prime.add_edge(alice, bob, "knows")
            assert len(ask(alice)) == n and ask(bob)[-1].edge_id == edge == reader.edge(edge).id
        for n in range(20):  # the first read that can know of a relation, or of a node, asks for it
            prime.add_edge(alice, bob, f"new-{n}")
            ways = (reader.edges, lambda relation: reader.edges(source=alice, relation=relation))
            assert len(ways[n % 2](relation=f"new-{n}")) == 1
            prime.append_many([note(f"x:{n}"), *(thing(f"{n}-{end}") for end in "ab")])
            prime.add_node("animal", {"name": f"zebra number{n}"}, id=str(n))
            assert [hit.id for hit in reader.search(f"number{n}")] == [f"node:animal:{n}"]
            assert len(reader.subgraph([f"node:thing:{n}-a", f"node:thing:{n}-b"]).nodes) == 2
        assert before == []
        assert reader.shortest_path(alice, bob).edges and reader.neighbors_many([alice])[0]
        assert reader.digest() == prime.digest()


def test_rotation_is_followed(tmp_path):
    with owner(tmp_path / "s", 16384) as process, primecore.open(tmp_path / "s", read_only=True) as prime:
        total = 0
        for count in (1, 100, 500, 3, 2000):
            total += count
            assert int(tell(process, str(count))) == total
            eventually(lambda total=total: prime.position == total)  # a read waits some milliseconds, no more
        assert tell(process, "batch 3000") == b"5604"
        eventually(lambda: prime.position == 5604)
        assert prime.stats().wal_segments > 20
        with primecore.open(tmp_path / "s", read_only=True) as fresh:
            assert fresh.digest() == prime.digest()
        assert [event.position for event in prime.events(after=5600)] == [5601, 5602, 5603, 5604]


def test_the_owner_closes_and_another_comes(tmp_path):
    path = tmp_path / "s"
    with owner(path) as first:
        tell(first, "10")
        with primecore.open(path, read_only=True) as prime:
            assert tell(first, "close") == b"closed"
            assert prime.position == prime.durable_position == 10
            for turn in range(1, 4):
                with owner(path) as second:
                    tell(second, "5")
                    eventually(lambda turn=turn: prime.position == 10 + 5 * turn)
                    tell(second, "close")
            assert prime.durable_position == 25


def test_durability_is_told(tmp_path):
    path = tmp_path / "s"
    with primecore.open(path, fsync="never") as prime, primecore.open(path, read_only=True) as reader:
        prime.append("x", "x")
        assert (reader.position, reader.durable_position, reader.stats().durable_position) == (1, 0, 0)
        prime.flush()
        assert (reader.durable_position, reader.stats().durable_position) == (1, 1)


def test_a_follower_never_changes_a_byte(tmp_path):
    path = tmp_path / "s"
    with primecore.open(path) as prime:
        prime.append_many([note()] * 10)

    def state():
        return {
            item.relative_to(path): (item.read_bytes(), item.stat().st_mtime_ns) if item.is_file() else None
            for item in path.rglob("*")
        }

    before = state()
    with primecore.open(path, read_only=True) as reader:
        assert reader.position == 10 and reader.digest() and reader.replay(verify=True).equal
        time.sleep(0.25)  # its thread has looked at the files
        reader.flush()
    assert state() == before


def test_a_store_without_a_live_page(tmp_path):
    # As one that an earlier version made; or its LIVE was removed, and the next owner makes another.
    path = tmp_path / "s"
    with primecore.open(path) as prime:
        prime.append("x", "x")
    (path / "LIVE").unlink()
    with primecore.open(path, read_only=True) as reader:
        assert reader.position == 1
        with primecore.open(path) as prime:
            prime.append("x", "x")
            eventually(lambda: reader.position == 2)
            prime.append("x", "x")
            assert reader.position == 3
        (path / "other").write_bytes(b"not a page")  # never in place: a mapped file does not shrink
        (path / "other").rename(path / "LIVE")
        with primecore.open(path) as prime:
            prime.append("x", "x")
            eventually(lambda: reader.position == 4)


@pytest.mark.parametrize("way", ["append", "append_many", "ingest"])
def test_the_writer_is_killed_at_any_point(tmp_path, way, monkeypatch):
    monkeypatch.setattr(log_module, "SegmentSizes", lambda: SegmentSizes(32768, 32768))
    path, rng = tmp_path / "s", random.Random(way)
    reader = None
    for seed in range(4):
        with child(WRITER, path, seed, 4000, way, "interval") as process:
            process.stdout.readline()
            reader = reader or primecore.open(path, read_only=True)
            time.sleep(rng.random() * 0.15)
            process.send_signal(signal.SIGKILL)
            told = [int(line) for line in process.stdout.read().split() if line.isdigit()]
        assert reader.position >= max(told, default=0)
        seen = [(event.position, event.event_id) for event in reader.events()]
        with primecore.open(path) as prime:
            assert [(event.position, event.event_id) for event in prime.events(until=len(seen))] == seen
            prime.append("x", "x")
            eventually(lambda prime=prime, reader=reader: reader.position == prime.position)
            assert reader.digest() == prime.digest()
    reader.close()


def cut(path: Path, keep: int) -> None:
    """Takes back the log behind position `keep`, as if it had never reached the disk: nothing of it was promised."""
    with primecore.open(path, read_only=True) as reader:
        segments = reader._engine.log.wal.segment_list
        kept = next(segment for segment in reversed(segments) if segment.base_position <= keep + 1)
        for segment in segments[segments.index(kept) + 1 :]:
            os.unlink(path / "wal" / f"{segment.base_position:020d}.wal")
        name = path / "wal" / f"{kept.base_position:020d}.wal"
    data = name.read_bytes()
    offset, position = 4096, kept.base_position
    while position <= keep:
        offset, position = offset + int.from_bytes(data[offset : offset + 4], "little"), position + 1
    with open(name, "r+b") as file:
        file.seek(offset)
        file.write(bytes(len(data) - offset))


@pytest.mark.parametrize("keep", [0, 37, 60, 99])
@pytest.mark.parametrize("nbytes", [1 << 20, 8192])
def test_a_follower_that_was_ahead_of_what_was_recovered_reads_anew(tmp_path, keep, nbytes, monkeypatch):
    monkeypatch.setattr(log_module, "SegmentSizes", lambda: SegmentSizes(nbytes, nbytes))
    path = tmp_path / "s"
    script = (
        "import sys, primecore\nfrom support.peer import small_segments\n"
        f"small_segments({nbytes})\nprime = primecore.open(sys.argv[1], fsync='never')\n"
        "for n in range(99): prime.append('x', f'x:{n % 7}', {'n': n})\n"
        "prime.add_node('person', id='late')\n"
        "print('done', flush=True)\nsys.stdin.read()\n"
    )
    with child("-c", script, path) as process:
        process.stdout.readline()
        reader = primecore.open(path, read_only=True)
        ask, mentions = reader.neighbors, Counting()
        reader.register(mentions)
        assert reader.position == 100 and reader.node("node:person:late") is not None
        assert reader.projection("counting").count == 100
    cut(path, keep)
    with primecore.open(path) as prime:
        assert prime.position == keep
        for n in range(80):
            prime.append("other", f"x:{n % 7}", {"m": n})
        eventually(lambda: reader.digest() == prime.digest())
        assert reader.position == keep + 80 and reader.node("node:person:late") is None
        alice, bob = prime.add_node("person", id="alice"), prime.add_node("person", id="bob")
        prime.add_edge(alice, bob, "knows")
        assert len(ask(alice)) == len(reader.neighbors(alice)) == 1, "the method that was kept"
        assert [event.event_type for event in reader.events(after=keep, limit=3)] == ["other"] * 3
    # What a projection has seen cannot be unseen.
    assert [parked.name for parked in reader.stats().parked] == ["counting"]
    reader.close()
    with pytest.raises(primecore.StoreClosed):
        ask(alice)


class Counting(primecore.Projection):
    name = "counting"

    def __init__(self):
        self.count = 0

    def apply(self, event):
        self.count += 1


def test_projections_of_a_follower_go_on_under_a_new_owner(tmp_path):
    path = tmp_path / "s"
    with owner(path) as first, primecore.open(path, read_only=True) as reader:
        reader.register(Counting())
        tell(first, "20")
        assert reader.projection("counting").count == 20
        first.kill()
        first.wait()
        with owner(path) as second:
            tell(second, "7")
            eventually(lambda: reader.position == 27)
            assert reader.projection("counting").count == 27 and not reader.stats().parked


def test_a_batch_shows_whole_or_not_at_all_to_threads_and_processes(tmp_path):
    seconds = TORTURE_SECONDS or 2
    path = tmp_path / "s"
    with child(PEER, "pairs", path, 1 << 18) as writer:
        assert writer.stdout.readline() == b"up\n"
        wrong: list[object] = []
        stop = threading.Event()
        with child(PEER, "follow", path, seconds) as first, child(PEER, "follow", path, seconds) as second:
            with primecore.open(path, read_only=True) as prime:

                def read():
                    while not stop.is_set():
                        numbers = {node.properties["n"] for node in prime.nodes(type="pair")}
                        fan = prime.neighbors("node:pair:hub")
                        if len(numbers) > 1 or len(fan) % 100 or len(list(fan)) != len(fan):
                            wrong.append((numbers, len(fan)))

                threads = [threading.Thread(target=read) for _ in range(4)]
                for thread in threads:
                    thread.start()
                said = [first.stdout.readline(), second.stdout.readline()]
                stop.set()
                for thread in threads:
                    thread.join()
                writer.stdin.write(b"stop\n")
                writer.stdin.flush()
                written = int(writer.stdout.read().split()[-1])
                assert not wrong and all(line.startswith(b"reading") for line in said), (wrong, said)
                eventually(lambda: prime.position == written)
                ends = {tell(first, "end"), tell(second, "end")}
                assert ends == {f"{written} {prime.digest()}".encode()}


def test_following_beside_many_threads_of_the_owner(tmp_path):
    seconds = TORTURE_SECONDS or 2
    path, stop, failures = tmp_path / "s", threading.Event(), []
    with primecore.open(path) as prime:
        nodes = [prime.add_node("t", {"n": 0}, id=str(n)) for n in range(20)]

        def write(number: int) -> None:
            rng = random.Random(number)
            while not stop.is_set():
                a, b = rng.sample(nodes, 2)
                edge = prime.add_edge(a, b, "r")
                prime.update_node(a, {"n": rng.random()})
                if rng.random() < 0.6:
                    prime.delete_edge(edge)

        def read(number: int) -> None:
            rng = random.Random(number)
            while not stop.is_set():
                for item in prime.neighbors(rng.choice(nodes)):
                    if item.relation != "r":
                        failures.append(item)

        threads = [threading.Thread(target=way, args=(n,)) for way in (write, read) for n in range(8)]
        with child(PEER, "follow", path, seconds) as first, child(PEER, "follow", path, seconds) as second:
            for thread in threads:
                thread.start()
            said = [first.stdout.readline(), second.stdout.readline()]
            stop.set()
            for thread in threads:
                thread.join()
            assert not failures and all(line.startswith(b"reading") for line in said), said
            ends = {tell(first, "end"), tell(second, "end")}
        assert ends == {f"{prime.position} {prime.digest()}".encode()}


def test_opening_while_the_owner_writes(tmp_path):
    # Each opening meets the log at another point: in a rotation, in a batch, before a promise.
    path = tmp_path / "s"
    with child(PEER, "pairs", path, 1 << 18) as writer:
        assert writer.stdout.readline() == b"up\n"
        for _ in range(30):
            with primecore.open(path, read_only=True) as prime:
                assert not (prime.recovery and prime.recovery.damaged), prime.recovery
                assert prime.position % 102 == 0 and len(prime.neighbors("node:pair:hub")) % 100 == 0


def test_a_follower_takes_what_comes_at_once_from_lines(tmp_path):
    path = tmp_path / "s"
    with primecore.open(path, read_only=False) as prime, primecore.open(path, read_only=True) as reader:
        for seed in range(3):
            prime.ingest(io.BytesIO(to_lines(acceptable(seed, 700), seed)), name=str(seed), on_error="skip")
            wait_until(lambda: reader.position == prime.position)
            assert reader.digest() == prime.digest()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_may_not_use_a_followers_store(tmp_path):
    path = tmp_path / "s"
    with primecore.open(path) as prime, primecore.open(path, read_only=True) as reader:
        prime.append("x", "x")
        pid = os.fork()
        if pid == 0:
            try:
                for use in (lambda: reader.neighbors("x"), reader.stats, lambda: list(reader.events())):
                    with pytest.raises(primecore.StoreForked):
                        use()
                os._exit(0)
            except BaseException:
                os._exit(1)
        assert os.waitpid(pid, 0)[1] == 0
        prime.append("x", "x")
        assert reader.position == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_lock_goes_with_the_owner_though_a_forked_child_lives_on(tmp_path):
    prime = primecore.open(tmp_path / "s")
    pid = os.fork()
    if pid == 0:
        signal.pause()
        os._exit(0)
    try:
        prime.close()
        with primecore.open(tmp_path / "s") as again:
            again.append("x", "x")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="finds descriptors, as Linux shows them")
def test_the_lock_goes_with_the_owner_though_copies_of_it_are_open(tmp_path):
    # As in a child that was forked and did not yet come to closing them.
    with primecore.open(tmp_path / "s"):
        held = {str(tmp_path / "s"), str(tmp_path / "s" / "LOCK")}
        ours = [fd for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")]
        copies = [os.dup(int(fd)) for fd in ours if os.readlink(f"/proc/self/fd/{fd}") in held]
    try:
        assert len(copies) >= 2
        with primecore.open(tmp_path / "s") as again:
            again.append("x", "x")
    finally:
        for copy in copies:
            os.close(copy)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_that_closes_leaves_the_lock_to_its_parent(tmp_path):
    with primecore.open(tmp_path / "s") as prime:
        pid = os.fork()
        if pid == 0:
            prime.close()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        with pytest.raises(primecore.StoreLocked):
            primecore.open(tmp_path / "s")
        prime.append("x", "x")


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors, as Linux shows them")
def test_a_follower_holds_no_descriptor_a_segment(tmp_path):
    with owner(tmp_path / "s", 8192) as process:
        tell(process, "500")
        before = len(os.listdir("/proc/self/fd"))
        with primecore.open(tmp_path / "s", read_only=True) as prime:
            tell(process, "500")
            assert prime.position == 1000 and prime.stats().wal_segments > 20
            assert len(os.listdir("/proc/self/fd")) <= before + 2


def test_a_closed_follower_leaves_no_thread(tmp_path):
    with primecore.open(tmp_path / "s") as prime:
        prime.append("x", "x")
    for _ in range(5):
        primecore.open(tmp_path / "s", read_only=True).close()
    eventually(lambda: not [thread for thread in threading.enumerate() if thread.name == "prime-follower"])


def test_a_follower_that_nobody_closes_goes_with_its_last_name(tmp_path):
    primecore.open(tmp_path / "s").close()
    reader = primecore.open(tmp_path / "s", read_only=True)
    assert reader.position == 0
    del reader
    import gc

    gc.collect()
    eventually(lambda: not [thread for thread in threading.enumerate() if thread.name == "prime-follower"])
