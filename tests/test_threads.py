"""Many threads on one store: batches are seen whole, lazy results keep their moment, nothing is lost or torn."""

from __future__ import annotations

import io
import random
import sys
import threading
import time
from collections.abc import Callable

import pytest
from support.compare import assert_same
from support.feed import feed
from support.fold import Fold
from support.generate import Generator
from support.lines import line
from support.stores import note

import primecore
from primecore.errors import IdempotencyConflict, InvalidEvent, StoreClosed

HUB = "node:t:hub"
BATCH_EDGES = 5


@pytest.fixture(autouse=True)
def quick_switches():
    """Switch threads a hundred times as often as usual, so that a window of a few instructions is met."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-5)
    yield
    sys.setswitchinterval(before)


def run_together(*workers: Callable[[], None]) -> None:
    """Run each worker in a thread of its own; raise what the first of them raised."""
    errors: list[BaseException] = []

    def guarded(worker: Callable[[], None]) -> None:
        try:
            worker()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
        assert not thread.is_alive(), "a thread hangs"
    if errors:
        raise errors[0]


def round_of_changes(n: int) -> list[dict]:
    """A batch after which all of it shows or none: five edges more (or five fewer), all nodes and weights at n."""
    batch = []
    for k in range(BATCH_EDGES):
        node = {"entity_id": f"node:t:{k}", "payload": {"properties": {"round": n}, "domain": f"d{n % 3}"}}
        batch.append({"event_type": "prime.node.created", **node})
    for k in range(BATCH_EDGES):
        ends = {"source": HUB, "target": f"node:t:{k}", "relation": f"r{n % 2}", "weight": n}
        batch.append({"event_type": "prime.edge.created", "entity_id": f"edge:{n % 7}-{k}", "payload": ends})
        if n % 3 == 2:
            batch.append({"event_type": "prime.edge.deleted", "entity_id": f"edge:{(n - 2) % 7}-{k}"})
    return batch


def assert_whole(prime) -> None:
    """One look at everything that a batch changes."""
    near = prime.neighbors(HUB)
    listed = list(near)
    assert len(listed) == len(near) and len(near) % BATCH_EDGES == 0
    weights = [n.weight for n in listed]
    assert all(weights.count(w) % BATCH_EDGES == 0 for w in weights), weights
    one, two = prime.neighbors_many([HUB, HUB])
    assert list(one) == list(two) and len(one) % BATCH_EDGES == 0
    assert len({n.properties["round"] for n in prime.nodes(type="t") if n.id != HUB}) <= 1
    assert len(prime.edges(source=HUB)) % BATCH_EDGES == 0
    stats = prime.stats()
    assert stats.events == stats.position and sum(stats.domains.values()) == stats.nodes - 1
    assert sum(stats.edges_by_relation.values()) == stats.edges and sum(stats.nodes_by_type.values()) == stats.nodes
    assert stats.edges % BATCH_EDGES == 0 and all(c % BATCH_EDGES == 0 for c in stats.edges_by_relation.values())
    assert [d.nodes for d in prime.domains()] in ([], [BATCH_EDGES])
    graph = prime.subgraph([HUB])
    assert len(graph.edges) % BATCH_EDGES == 0 and len({n.properties["round"] for n in graph.nodes[1:]}) <= 1


def test_batches_are_seen_whole(tmp_path):
    done = threading.Event()
    with primecore.open(tmp_path / "store") as prime:
        prime.append("prime.node.created", HUB, {"properties": {}})

        def write() -> None:
            try:
                for n in range(600):
                    prime.append_many(round_of_changes(n))
            finally:
                done.set()

        def read() -> None:
            while not done.is_set():
                assert_whole(prime)

        run_together(write, *[read] * 4)
        fold = Fold()
        for event in prime.events():
            fold.apply(event._asdict() | {"timestamp": event.timestamp.isoformat()})
        assert_same(prime, fold)


def test_a_digest_is_of_a_moment_between_batches(tmp_path):
    taken: set[str] = set()
    done = threading.Event()
    batches = [[{**event, "timestamp": "2024-01-01T00:00:00Z"} for event in round_of_changes(n)] for n in range(150)]
    with primecore.open(tmp_path / "store") as prime:

        def write() -> None:
            try:
                for batch in batches:
                    prime.append_many(batch)
            finally:
                done.set()

        def read() -> None:
            while not done.is_set():
                taken.add(prime.digest())

        run_together(write, read, read)
        last = prime.digest()
    possible = set()
    with primecore.open(":memory:") as prime:
        possible.add(prime.digest())
        for batch in batches:
            prime.append_many(batch)
            possible.add(prime.digest())
        assert prime.digest() == last
    assert taken <= possible and len(taken) > 1


def test_lazy_results_keep_their_moment_while_others_write(tmp_path):
    done = threading.Event()
    with primecore.open(tmp_path / "store") as prime:
        prime.append("prime.node.created", HUB, {"properties": {}})
        prime.append_many(round_of_changes(0))

        def write() -> None:
            try:
                for n in range(1, 500):
                    prime.append_many(round_of_changes(n))
            finally:
                done.set()

        def read() -> None:
            rng = random.Random(threading.get_ident())
            while not done.is_set():
                near = prime.neighbors(HUB)
                first, size = list(near), len(near)
                events, until = prime.events(after=max(prime.position - 20, 0)), prime.position
                for _ in range(rng.randrange(1, 30)):
                    if rng.random() < 0.2:
                        time.sleep(0.0005)
                    assert len(near) == size and list(near) == first
                assert max(e.position for e in events) <= until

        run_together(write, *[read] * 4)


def test_eight_threads_append(tmp_path):
    """Positions and versions come out gapless, and each receipt tells the truth."""
    receipts: list[tuple[str, primecore.Receipt]] = []
    with primecore.open(tmp_path / "store") as prime:

        def write(number: int) -> None:
            mine = []
            for n in range(400):
                entity = f"e{n % 5}"
                if n % 10 == 0:
                    mine += [(entity, r) for r in prime.append_many([note(entity), note(entity)])]
                else:
                    mine.append((entity, prime.append("note", entity, {"thread": number, "n": n})))
            receipts.extend(mine)

        run_together(*[lambda number=number: write(number) for number in range(8)])
        assert sorted(r.position for _, r in receipts) == list(range(1, prime.position + 1))
        told = {r.position: (entity, r.version, r.event_id) for entity, r in receipts}
        found = {e.position: (e.entity_id, e.version, e.event_id) for e in prime.events()}
        assert found == told
        for number in range(8):  # what one thread wrote stays in its order
            mine = [e.payload["n"] for e in prime.events() if e.payload.get("thread") == number]
            assert mine == sorted(mine)


def test_one_event_from_eight_threads_is_one_event(tmp_path):
    ids = [f"00000000-0000-4000-8000-{n:012d}" for n in range(300)]
    results: list[list[primecore.Receipt]] = []
    with primecore.open(tmp_path / "store") as prime:
        run_together(*[lambda: results.append([prime.append("x", "x", event_id=i) for i in ids])] * 8)
        assert prime.position == len(ids)
        for same in zip(*results, strict=True):
            assert len({r[:3] for r in same}) == 1 and sum(not r.duplicate for r in same) == 1


def test_expected_version_lets_one_of_many_win(tmp_path):
    """A counter that eight threads raise by compare and set ends at exactly the number of raises."""
    with primecore.open(tmp_path / "store") as prime:
        prime.add_node("t", {"n": 0}, id="counter")

        def raise_it() -> None:
            for _ in range(50):
                while True:
                    node = prime.node("node:t:counter")
                    try:
                        prime.update_node(node.id, {"n": node.properties["n"] + 1}, expected_version=node.version)
                        break
                    except primecore.VersionConflict:
                        pass

        run_together(*[raise_it] * 8)
        assert prime.node("node:t:counter").properties == {"n": 400}


@pytest.mark.parametrize("fsync", ["interval", "always", "never"])
def test_random_writers_together(tmp_path, fsync):
    """Whatever the order in which they came, the log says it, and the fold of the log is the state."""
    with primecore.open(tmp_path / "store", fsync=fsync, fsync_interval_ms=2) as prime:

        def write(seed: int) -> None:
            for event in Generator(seed).events(150):
                fields = {name: event[name] for name in ("event_id", "timestamp", "metadata") if name in event}
                try:
                    prime.append(event["event_type"], event["entity_id"], event.get("payload"), **fields)
                except (IdempotencyConflict, InvalidEvent):
                    pass

        def ingest(seed: int) -> None:
            from support.generate import to_lines

            prime.ingest(io.BytesIO(to_lines(Generator(seed).events(150), seed)), on_error="skip")

        def look() -> None:
            for _ in range(30):
                prime.stats(), prime.nodes(), prime.edges(), prime.digest(), prime.flush()

        workers = [lambda seed=seed: write(seed) for seed in range(3)]
        run_together(*workers, lambda: ingest(100), lambda: ingest(101), look, look)
        fold = Fold()
        for event in prime.events():
            fold.apply(event._asdict() | {"timestamp": event.timestamp.isoformat()})
        assert_same(prime, fold)
        digest = prime.digest()
        assert prime.replay(verify=True).equal is True
    with primecore.open(tmp_path / "store") as prime:
        assert prime.digest() == digest


def test_reads_go_on_during_a_long_ingest(tmp_path):
    text = b"\n".join(line(f"node:t:{n}", payload={"properties": {"n": n}}) for n in range(60_000))
    looks, done = [], threading.Event()
    with primecore.open(tmp_path / "store") as prime:

        def ingest() -> None:
            try:
                assert prime.ingest(io.BytesIO(text)).appended == 60_000
            finally:
                done.set()

        def look() -> None:
            while not done.is_set():
                count = prime.stats().nodes
                if count:
                    node = prime.node(f"node:t:{count - 1}")
                    assert node.properties == {"n": count - 1} and node.position == count
                looks.append(count)

        run_together(ingest, look, look)
        assert looks and len(prime.nodes()) == 60_000


def test_closing_under_load(tmp_path):
    """Whoever is in a call when the store closes gets an answer or StoreClosed; nothing acknowledged is lost."""
    for round_number in range(5):
        prime = primecore.open(tmp_path / f"store{round_number}")
        feed(prime, Generator(round_number).events(100), "append_many")
        acknowledged: list[int] = []
        calls = (
            lambda p, told=acknowledged: told.append(p.append("x", "x").position),
            lambda p: list(p.neighbors("node:person:ada")),
            lambda p: p.neighbors_many(["node:person:ada"] * 50),
            lambda p: p.digest(),
            lambda p: list(p.events()),
            lambda p: p.ingest(io.BytesIO(line() + b"\n" + line())),
            lambda p: p.flush(),
        )

        def use(call, prime=prime) -> None:
            with pytest.raises(StoreClosed):
                while True:
                    call(prime)

        def close(prime=prime) -> None:
            time.sleep(0.05)
            prime.close()

        run_together(*[lambda call=call: use(call) for call in calls], close)
        with primecore.open(tmp_path / f"store{round_number}") as prime:
            assert prime.position >= max(acknowledged)
            assert prime.replay(verify=True).equal is True
