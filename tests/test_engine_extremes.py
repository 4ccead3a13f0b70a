"""The engine against the fold where tables change their ways: hubs, many names, keys of every length, long lives."""

from __future__ import annotations

import random

import pytest
from support.compare import (
    assert_same,
    assert_same_domains,
    assert_same_neighbors,
    assert_same_nodes,
    assert_same_stats,
)
from support.feed import feed, feed_on
from support.fold import Fold

import primecore

HUB = "node:t:hub"


def linked(edge_id: object, source: str, target: str, relation: str = "r") -> dict:
    payload = {"source": source, "target": target, "relation": relation}
    return {"event_type": "prime.edge.created", "entity_id": f"edge:{edge_id}", "payload": payload}


def cut(edge_id: object) -> dict:
    return {"event_type": "prime.edge.deleted", "entity_id": f"edge:{edge_id}"}


def node(name: object, kind: str = "t", domain: str | None = None) -> dict:
    payload = {"properties": {}, "domain": domain}
    return {"event_type": "prime.node.created", "entity_id": f"node:{kind}:{name}", "payload": payload}


@pytest.fixture
def prime():
    with primecore.open(":memory:") as prime:
        yield prime


@pytest.mark.parametrize("seed", range(6))
def test_hubs_that_grow_and_shrink(prime, seed):
    """Lists of hundreds of edges taken apart at random: long ones mark what is gone, short ones are rewritten."""
    rng, fold = random.Random(seed), Fold()
    nodes = [HUB, "node:t:second", *(f"node:t:{n}" for n in range(30))]
    feed_on(prime, fold, [node(n.removeprefix("node:t:"), domain=rng.choice("xyz")) for n in nodes], "append_many")
    for step in range(14):
        events = []
        for _ in range(rng.choice((30, 150, 400))):
            edge_id, hub = rng.randrange(700), rng.choice(nodes[:2])
            ends = [hub, rng.choice(nodes)] if rng.random() < 0.5 else [rng.choice(nodes), hub]
            dying = rng.random() < (0.2, 0.8)[step % 2]
            events.append(cut(edge_id) if dying else linked(edge_id, *ends, rng.choice("rs")))
        if step % 5 == 4:
            doomed = rng.choice(nodes)
            events.append({"event_type": "prime.node.deleted", "entity_id": doomed})
            events += [linked(9000 + step, doomed, HUB), node(doomed.removeprefix("node:t:"), domain="z")]
        feed_on(prime, fold, events, ("append", "append_many", "ingest")[step % 3], step)
        assert_same_neighbors(prime, fold)
        assert_same_stats(prime, fold)
        assert_same_domains(prime, fold)
    assert_same(prime, fold)
    assert prime.replay(verify=True).equal is True


@pytest.mark.parametrize("order", ["first", "last", "random"])
def test_a_hub_taken_apart_edge_by_edge(prime, order):
    count = 1000
    fold = feed(prime, [linked(n, HUB, f"node:t:{n % 7}") for n in range(count)], "append_many")
    ids = list(range(count))
    {"first": lambda x: None, "last": list.reverse, "random": random.Random(1).shuffle}[order](ids)
    for n, edge_id in enumerate(ids):
        feed_on(prime, fold, [cut(edge_id)], "append")
        if n % 97 == 0 or n > count - 3:
            assert_same_neighbors(prime, fold, [HUB, "node:t:3"])
    assert prime.stats().edges == 0 and len(prime.neighbors(HUB)) == 0


def test_a_hub_dies_and_comes_back(prime):
    events = [linked(n, HUB, f"node:t:{n}") for n in range(500)] + [linked(f"l{n}", HUB, HUB) for n in range(500)]
    deleted = {"event_type": "prime.node.deleted", "entity_id": HUB}
    fold = feed(prime, [node("hub"), *events, deleted, *events[:100], node("hub"), deleted, node("hub")], "ingest")
    assert_same(prime, fold)
    assert len(prime.neighbors(HUB)) == 0


def test_more_relations_than_sixteen_bits_can_number(prime):
    count = 70_000
    events = [linked(n, HUB, f"node:t:{n % 3}", f"relation {n}") for n in range(count)]
    fold = feed(prime, events, "append_many")
    assert_same_stats(prime, fold)
    for n in (0, 32_766, 32_767, 32_768, 65_534, 65_535, 65_536, count - 1):
        expected = [(f"node:t:{n % 3}", f"edge:{n}", f"relation {n}", "out", 1.0)]
        assert prime.neighbors(HUB, relation=f"relation {n}") == expected
        assert [list(x) for x in prime.neighbors_many([HUB], relation=f"relation {n}")] == [expected]
        assert [e.id for e in prime.edges(relation=f"relation {n}")] == [f"edge:{n}"]
        assert prime.shortest_path(HUB, f"node:t:{n % 3}", relation=f"relation {n}").edges == (f"edge:{n}",)
    assert list(prime.neighbors(HUB))[-1].relation == f"relation {count - 1}"
    feed_on(prime, fold, [cut(n) for n in range(0, count, 2)], "append_many")
    assert_same_stats(prime, fold)
    assert len(prime.neighbors(HUB)) == count // 2
    assert prime.neighbors(HUB, relation="relation 65536") == []


def test_more_types_and_domains_than_sixteen_bits_can_number(prime):
    count = 70_000
    events = [node("x", f"kind{n}", f"domain {n}") for n in range(count)]
    fold = feed(prime, [*events, linked(1, "node:kind69999:x", "node:kind0:x")], "append_many")
    assert_same_stats(prime, fold)
    for n in (0, 65_535, 65_536, count - 1):
        found = prime.node(f"node:kind{n}:x")
        assert (found.type, found.domain) == (f"kind{n}", f"domain {n}")
        assert prime.nodes(type=f"kind{n}") == prime.nodes(domain=f"domain {n}") == [found]
    assert prime.cross_domain("domain 69999") == [("domain 69999", "domain 0", 1, {"r": 1}, ("edge:1",))]


@pytest.mark.parametrize("letter", ["a", "é", "日", "🙂"])
def test_keys_of_every_length(tmp_path, letter):
    """Short keys lie in the record, UUIDs are packed, long ones lie in an arena: all must be found and come back."""
    width = len(letter.encode())
    names = [letter * length for length in range(1, 1013 // width, 1 if letter == "a" else 5)]
    events = [node(name) for name in names] + [node("x", name) for name in names if len(name.encode()) < 1000]
    events += [linked(name, f"node:t:{name}", f"node:{name}:x"[:300]) for name in names]
    events += [{"event_type": "note", "entity_id": name} for name in names]
    with primecore.open(tmp_path / "store") as prime:
        fold = feed(prime, events, "ingest")
        assert_same_nodes(prime, fold)
        assert_same_stats(prime, fold)
    with primecore.open(tmp_path / "store") as prime:
        assert_same(prime, fold)


NEAR_UUIDS = [
    "0190a8e2-5bcd-7000-8000-0000000000a1",
    "0190A8E2-5BCD-7000-8000-0000000000A1",
    "0190a8e2-5bcd-7000-8000-0000000000A1",
    "0190a8e25bcd700080000000000000a1",
    "0190a8e2-5bcd-7000-8000-0000000000a1x",
    "0190a8e2-5bcd-7000-8000-0000000000a",
    "0190a8e2-5bcd-7000-8000_0000000000a1",
    "0190a8e2-5bcd-7000-80000-000000000a1",
    "g190a8e2-5bcd-7000-8000-0000000000a1",
    "{0190a8e2-5bcd-7000-8000-0000000000a1}",
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    " 190a8e2-5bcd-7000-8000-0000000000a1",
    "prefix:0190a8e2-5bcd-7000-8000-0000000000a1",
]


def test_ids_that_look_like_uuids_stay_what_they_are(prime):
    events = [node(name) for name in NEAR_UUIDS]
    events += [linked(name, f"node:t:{name}", f"node:t:{NEAR_UUIDS[0]}") for name in NEAR_UUIDS]
    assert_same(prime, feed(prime, events, "append_many"))
    assert len(prime.nodes()) == len(prime.edges()) == len(NEAR_UUIDS)


def test_a_long_life(tmp_path):
    """One node of thousands of events, whose properties grow and shrink again and again."""
    rng, events = random.Random(4), [node("old")]
    for n in range(4000):
        patch = {f"k{rng.randrange(40)}": rng.choice((None, n, "x" * rng.randrange(300), {"deep": {"n": n}}))}
        events.append({"event_type": "prime.node.updated", "entity_id": "node:t:old", "payload": {"properties": patch}})
    with primecore.open(tmp_path / "store") as prime:
        fold = feed(prime, events, "append_many")
        assert_same_nodes(prime, fold)
        assert prime.node("node:t:old").version == 4001
        memory = prime.stats().memory_bytes
        assert sum(size for name, size in memory.items() if name.startswith("properties")) < 8 << 20, memory
    with primecore.open(tmp_path / "store") as prime:
        assert_same(prime, fold)


def test_growth_beyond_every_first_size(prime):
    """Tables double many times while lists of results are open on them."""
    first = prime.add_node("t", id="first")
    prime.add_edge(first, first, "loop", id="loop")
    open_results = []
    for batch in range(30):
        events = [node(f"{batch}-{n}") for n in range(1000)]
        events += [linked(f"{batch}-{n}", first, f"node:t:{batch}-{n}") for n in range(0, 1000, 10)]
        prime.append_many(events)
        open_results.append((1 + 100 * (batch + 1), prime.neighbors(first)))
    for size, found in open_results:
        assert len(found) == size and found[0].edge_id == "edge:loop" and found[-1].edge_id.endswith("-990")
    assert prime.stats().nodes == 30_001
