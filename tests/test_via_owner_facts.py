"""Facts that another process than the owner is told of: taken in once, seen by all, refused in the same words."""

from __future__ import annotations

import uuid

import numpy
import pytest
from support.sharing import new_owner, wait_until

import primecore
from primecore import owner


def outcome(call):
    """What a call gives, or the error's class, text and fields."""
    try:
        return call()
    except (primecore.PrimeError, TypeError) as error:
        return type(error), str(error), vars(error)


def test_a_fact_means_the_same_through_the_owner(tmp_path):
    same, when = str(uuid.uuid4()), "2024-05-06T07:08:09.123456Z"
    facts, known = [str(uuid.uuid4()), str(uuid.uuid4())], [("about", "node:person:alice")]
    calls = [
        lambda p: p.add_node("person", {"name": "Alice"}, id="alice"),
        lambda p: p.append("x", "x:1", {}, event_id=same),
        lambda p: p.embed("e", [1.0, 3.0], metadata={"deep": 10**30})[:2],
        lambda p: p.embed("e", [1.0, 3.0], event_id=same)[:2],
        lambda p: p.remember("Tea is hot", vector=[3.0, 1.0], event_id=facts[0], links=known, timestamp=when),
        lambda p: p.remember("tea is  HOT", event_id=facts[0], links=known)._replace(position=0),
        lambda p: p.remember("tea is  HOT", links=(it for it in known), durable=True),
        lambda p: p.remember("Tea is hot!", vector=[3.0, 1.0001])._replace(similarity=1.0),
        lambda p: p.remember("x", properties={"big": 10**30, "f": 1.0}, id="x", vector=[1.0, 0.0])[:4],
        lambda p: p.remember("x", id="x", vector=numpy.array([0.0, 1.0], dtype="f4"), conversation="c", near=None)[:4],
        lambda p: p.remember("y", links=[("about", "node:person:nobody")], vector=[1.0, 2.0]),
        lambda p: p.remember("y", links=["ab"]),
        lambda p: p.remember("y", links=7),
        lambda p: p.remember("y", vector=[1.0, 2.0, 3.0]),
        lambda p: p.remember("y", near=2),
        lambda p: p.remember("y", labels="ab"),
        lambda p: p.remember("y", event_id=same, vector=[1.0, 2.0]),
        lambda p: p.remember("y", event_id="no"),
        lambda p: p.remember("Far", vector=[10**30, 1])[:4],
        lambda p: p.remember(7),
        lambda p: p.reject("node:memory:x", reason="no", event_id=facts[1]),
        lambda p: p.reject("node:memory:x", reason="no", event_id=facts[1]),
        lambda p: p.reject("node:memory:x"),
        lambda p: p.remember("X"),
        lambda p: p.remember("X", force=True, vector=[1.0, 5.0])[:4],
    ]  # fmt: skip
    with primecore.open(tmp_path / "plain") as plain, new_owner(tmp_path / "s") as process:
        process.stdout.readline()
        with primecore.open(tmp_path / "s", via_owner=True) as forwarded:
            for number, call in enumerate(calls):
                expected, found = outcome(lambda call=call: call(plain)), outcome(lambda call=call: call(forwarded))
                assert found == expected, f"call {number}"
                assert forwarded.position == plain.position, f"call {number}"
            assert [e.event_type for e in plain.events()] == [e.event_type for e in forwarded.events()]
            assert [(n.id, n.properties) for n in plain.nodes()] == [(n.id, n.properties) for n in forwarded.nodes()]


@pytest.mark.parametrize(
    "named",
    [{"id": "\ud800"}, {"properties": {"a": "\ud800"}}, {"properties": {"a": object()}}, {"vector": [object()]},
     {"vector": [10**400]}, {"metadata": {1: 2}}, {"domain": object()}, {"links": [("a", object())]}, {"near": []},
     {"conversation": b"{}"}, {"vector": b"{}"}],
)  # fmt: skip
def test_what_cannot_be_handed_over_is_refused_as_it_is_here(tmp_path, named):
    with primecore.open(tmp_path / "s") as own:
        wait_until((tmp_path / "s" / "writer.sock").exists)
        with primecore.open(tmp_path / "s", via_owner=True) as guest:
            for prime in (own, guest):
                with pytest.raises((primecore.InvalidArgument, primecore.InvalidEvent)):
                    prime.remember("x", **named)
            assert own.position == 0


def test_a_fact_whose_answer_is_lost_is_taken_in_once(tmp_path, monkeypatch):
    path, real = tmp_path / "s", owner.do
    with primecore.open(path) as prime:
        alice = prime.add_node("person", {"name": "Alice"}, id="alice")

    def do_and_die(store, request):
        result = real(store, request)
        if store is first:
            first._engine.close()
            raise primecore.StoreClosed("gone before it could say so")
        return result

    def lost(call):
        nonlocal first
        first = primecore.open(path)
        wait_until((path / "writer.sock").exists)
        with primecore.open(path, via_owner=True, embedder="hashing") as other:
            with monkeypatch.context() as patch:
                patch.setattr(owner, "do", do_and_die)
                result = call(other)
            events = [event.event_type for event in other.events()]
        first.close()
        return result, events

    first = None
    made = ["prime.node.created", "prime.space.defined", "prime.vector.stored", "prime.edge.created"]
    links = [("about", alice)]
    fact, events = lost(lambda prime: prime.remember("Alice leads", vector=[1.0, 2.0], links=links))
    assert fact.created and fact.position == 1 + len(events[1:]) and len(fact.edges) == 1
    assert sorted(events[1:]) == sorted(made)
    again, events = lost(lambda prime: prime.remember("alice LEADS", links=[("of", alice)]))
    assert (again.id, again.created, len(again.edges), events[-1]) == (fact.id, False, 1, "prime.edge.created")
    mine, events = lost(lambda prime: prime.remember("Bob cooks", id="bob", vector=[2.0, 1.0], links=links))
    assert mine.created and events.count("prime.node.created") == 3 and events.count("prime.edge.created") == 3
    receipt, events = lost(lambda prime: prime.reject(mine.id, reason="he does not"))
    assert not receipt.duplicate and events[-2:] == ["prime.node.deleted"] * 2
    turned, events = lost(lambda prime: prime.remember("bob cooks"))
    assert turned.rejected and len(events) == turned.position


def test_a_follower_recalls_what_the_owner_took_in(tmp_path):
    path = tmp_path / "s"
    with primecore.open(path, embedder="hashing") as own:
        alice = own.add_node("person", {"name": "Alice"}, id="alice")
        wait_until((path / "writer.sock").exists)
        with primecore.open(path, read_only=True) as reader, primecore.open(path, via_owner=True) as guest:
            for n in range(20):
                text = f"fact {n} of the mountain hut"
                who = (own, guest)[n % 2]
                fact = who.remember(text, links=[("about", alice)], near=None)
                assert who.recall(f"fact {n} mountain", k=1)[0].id == fact.id
                wait_until(lambda fact=fact: reader.position >= fact.position)
                assert [it.id for it in reader.recall(text, k=3)] == [it.id for it in own.recall(text, k=3)]
                assert fact.id in str(reader.context(text, 500))
            guest.reject(fact.id)
            wait_until(lambda: reader.position >= own.position)
            for store in (own, guest, reader):
                assert fact.id not in [it.id for it in store.recall(text)] + list(store.context(text).ids)
            assert guest.remember(text).rejected
            for write in (lambda: reader.remember("x"), lambda: reader.reject(alice)):
                with pytest.raises(primecore.PrimeError):
                    write()
