"""The garbage collector in the midst of a read or a write.

Making an object may start a collection (CPython up to 3.11), a collection may run anybody's finalizers, and these may
let go of the GIL: a writer then comes in between two lines of compiled code that looks as if nothing could. And what it
collects may be a lazy result, or the store that one points into.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
import warnings

import pytest
from test_threads import HUB, assert_whole, round_of_changes, run_together

import primecore


@pytest.fixture
def eager_collector():
    """Collects at every few objects, and lets other threads run meanwhile, as a finalizer of anybody's may."""
    before, switch = gc.get_threshold(), sys.getswitchinterval()

    def let_others_run(phase: str, info: dict[str, int]) -> None:
        time.sleep(0.00001)

    gc.collect()
    gc.freeze()
    gc.callbacks.append(let_others_run)
    gc.set_threshold(5, 1000, 1000)
    sys.setswitchinterval(1e-5)
    yield
    gc.callbacks.remove(let_others_run)
    sys.setswitchinterval(switch)
    gc.set_threshold(*before)
    gc.unfreeze()


def test_a_result_that_is_let_go_while_the_writer_settles_it(eager_collector):
    """The writer once made its items, collecting let its last holder go, and the rest was written into freed memory."""
    stop = threading.Event()
    with primecore.open(":memory:") as prime:
        hub = prime.add_node("t", {}, id="hub")
        ends = [{"source": hub, "target": f"node:leaf:{n}", "relation": "r"} for n in range(300)]
        prime.append_many(
            [
                {"event_type": "prime.edge.created", "entity_id": f"edge:{n}", "payload": payload}
                for n, payload in enumerate(ends)
            ]
        )
        gc.set_threshold(50, 1000, 1000)

        def write() -> None:
            try:
                for n in range(60):
                    prime.update_edge("edge:7", weight=n)
            finally:
                stop.set()

        def read() -> None:
            while not stop.is_set():
                near = prime.neighbors(hub)
                assert len(near) == 300

        run_together(write, *[read] * 3)


def test_batches_are_seen_whole_whatever_is_collected_meanwhile(tmp_path, eager_collector):
    done = threading.Event()
    with primecore.open(tmp_path / "store") as prime:
        prime.append("prime.node.created", HUB, {"properties": {}})

        def write() -> None:
            try:
                for n in range(1500):
                    prime.append_many(round_of_changes(n))
            finally:
                done.set()

        def read() -> None:
            while not done.is_set():
                assert_whole(prime)

        run_together(write, *[read] * 3)
        assert prime.replay(verify=True).equal is True


def test_a_lazy_result_outlives_its_store():
    """It once took itself out of a list that lay in the store's memory after that was given back."""
    warnings.simplefilter("ignore", ResourceWarning)
    for _ in range(3):
        prime = primecore.open(":memory:")
        prime.add_node("person", {"name": "Alice"}, id="alice")
        prime.add_node("person", {"name": "Bob"}, id="bob")
        prime.add_edge("node:person:alice", "node:person:bob", "knows")
        near = [prime.neighbors("node:person:alice"), prime.neighbors("node:person:bob")]
        many = prime.neighbors_many(["node:person:alice"])
        del prime
        gc.collect()
        assert near[0].peers() == ["node:person:bob"] and [n.edge_id for n in many[0]] == [n.edge_id for n in near[0]]
        del near[0], many
        del near


def test_a_result_in_a_cycle_is_not_taken_apart_while_a_write_may_meet_it(tmp_path):
    """The collector empties what it found before it frees it, and finalizers of others run in between."""
    with primecore.open(":memory:") as prime:
        alice, bob = prime.add_node("person", {}, id="alice"), prime.add_node("person", {}, id="bob")
        edge = prime.add_edge(alice, bob, "knows", weight=1.0)

        class Writes:
            def __del__(self) -> None:
                prime.update_edge(edge, weight=prime.edge(edge).weight + 1)

        for _ in range(50):
            holder: dict[str, object] = {"many": prime.neighbors_many([alice]), "near": prime.neighbors(alice)}
            holder["itself"] = holder
            holder["writes"] = Writes()
            del holder
            gc.collect()
        assert prime.edge(edge).weight == 51
