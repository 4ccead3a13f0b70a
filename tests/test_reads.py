"""Queries: filters, paging, walks and lists, each against the fold's plain answer or an example to read."""

from __future__ import annotations

import pickle
import random

import pytest
from support import views
from support.feed import feed
from support.fold import Fold
from support.generate import Generator
from support.stores import WHEN, note

import primecore
from primecore.errors import MisuseError


@pytest.fixture
def prime():
    with primecore.open(":memory:") as prime:
        yield prime


@pytest.fixture
def star(prime):
    """(prime, hub): edges a out, b out, c in, and a self-loop, made in that order."""
    hub = prime.add_node("t", id="hub")
    for name in "abc":
        prime.add_node("t", id=name)
    prime.add_edge(hub, "node:t:a", "r", id="1")
    prime.add_edge("node:t:c", hub, "r", id="2", weight=2)
    prime.add_edge(hub, hub, "self", id="3", weight=3)
    prime.add_edge(hub, "node:t:b", "s", id="4", weight=4)
    return prime, hub


@pytest.fixture(scope="module")
def graph():
    """(prime, lists): a random graph of 60 nodes with weights that are not negative, and the fold's lists of it."""
    rng, events = random.Random(3), []
    for n in range(60):
        payload = {"properties": {"n": n}, "domain": f"d{n % 3}", "labels": [f"l{n % 4}", "all"]}
        events.append({"event_type": "prime.node.created", "entity_id": f"node:t{n % 2}:{n}", "payload": payload})
    for n in range(110):
        ends = rng.randrange(60), rng.randrange(60)
        payload = {"source": f"node:t{ends[0] % 2}:{ends[0]}", "target": f"node:t{ends[1] % 2}:{ends[1]}"}
        payload |= {"relation": rng.choice("rs"), "weight": rng.choice((0, 0.5, 1, 2.25))}
        events.append({"event_type": "prime.edge.created", "entity_id": f"edge:{n}", "payload": payload})
    with primecore.open(":memory:") as prime:
        fold = feed(prime, events, "append_many")
        yield prime, fold, views.neighbor_lists(fold)


# neighbors


def test_out_first_then_in_each_in_order_of_creation(star):
    prime, hub = star
    assert prime.neighbors(hub) == [
        ("node:t:a", "edge:1", "r", "out", 1.0),
        (hub, "edge:3", "self", "out", 3.0),
        ("node:t:b", "edge:4", "s", "out", 4.0),
        ("node:t:c", "edge:2", "r", "in", 2.0),
    ]
    assert [n.edge_id for n in prime.neighbors(hub, direction="out")] == ["edge:1", "edge:3", "edge:4"]
    assert [n.edge_id for n in prime.neighbors(hub, direction="in")] == ["edge:2", "edge:3"]
    assert [n.edge_id for n in prime.neighbors(hub, relation="r")] == ["edge:1", "edge:2"]
    assert [n.edge_id for n in prime.neighbors(hub, relation="r", direction="in")] == ["edge:2"]
    assert prime.neighbors(hub, relation="none") == []
    assert [n.edge_id for n in prime.neighbors(hub, limit=2)] == ["edge:1", "edge:3"]
    assert [n.edge_id for n in prime.neighbors(hub, relation="r", limit=1)] == ["edge:1"]


def test_neighbors_are_a_sequence(star):
    prime, hub = star
    found, listed = prime.neighbors(hub), list(prime.neighbors(hub))
    assert len(found) == 4 and bool(found) and all(isinstance(n, primecore.Neighbor) for n in found)
    assert (found[0], found[-1], found[3]) == (listed[0], listed[3], listed[3])
    for part in (slice(None), slice(1, 3), slice(None, None, -1), slice(-2, None), slice(9, 2), slice(0, 4, 2)):
        assert list(found[part]) == listed[part]
    for index in (4, -5, 2**70):
        with pytest.raises(IndexError):
            found[index]
    with pytest.raises(TypeError):
        found["0"]
    assert list(reversed(found)) == listed[::-1]
    assert listed[2] in found and "x" not in found and None not in found
    assert found.index(listed[2]) == 2 and found.count(listed[1]) == 1
    assert found == listed and listed == found and found == prime.neighbors(hub)
    assert found != listed[:-1] and found != listed[::-1] and found != "x" and found != 5
    assert "edge:1" in repr(found)
    assert list(found.peers()) == [n.peer for n in listed]
    with pytest.raises(TypeError):
        found[0] = None
    with pytest.raises(AttributeError):
        found.anything = 1
    with pytest.raises((TypeError, pickle.PicklingError, AttributeError)):
        pickle.dumps(found)


def test_an_iterator_goes_on_by_itself(star):
    prime, hub = star
    iterator = iter(prime.neighbors(hub))
    first = next(iterator)
    assert [first, *iterator] == prime.neighbors(hub)
    assert list(iterator) == []


def test_no_neighbors(prime):
    for entity in ("node:t:never", "edge:x", "x", "é", "x" * 5000):
        found = prime.neighbors(entity)
        assert found == [] and len(found) == 0 and not found and list(found.peers()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"direction": "sideways"},
        {"direction": None},
        {"relation": 5},
        {"depth": 0},
        {"depth": "2"},
        {"limit": -1},
        {"limit": 1.5},
    ],
)
def test_arguments_of_neighbors_that_make_no_sense(star, arguments):
    prime, hub = star
    with pytest.raises((MisuseError, TypeError)):
        prime.neighbors(hub, **arguments)


def test_ids_must_be_text(prime):
    for wrong in (None, 5, b"node:t:a", ["node:t:a"]):
        for call in (prime.neighbors, prime.node, prime.edge, prime.history):
            with pytest.raises((MisuseError, TypeError)):
                call(wrong)


def test_lone_surrogates_name_nothing(prime):
    for call in (prime.neighbors, prime.node, prime.edge):
        try:
            assert not call("\ud800")
        except MisuseError:
            pass


@pytest.mark.parametrize("direction", ["both", "out", "in"])
@pytest.mark.parametrize("depth", [2, 3, 50])
def test_distant_neighbors(graph, direction, depth):
    prime, fold, lists = graph
    for entity in fold.nodes:
        expected = views.distant_neighbors(lists, entity, depth, direction)
        found = prime.neighbors(entity, direction=direction, depth=depth)
        assert list(found) == expected and all(isinstance(n, primecore.DistantNeighbor) for n in found)
        only = views.distant_neighbors(lists, entity, depth, direction, "r")
        assert list(prime.neighbors(entity, direction=direction, depth=depth, relation="r")) == only
        assert list(prime.neighbors(entity, direction=direction, depth=depth, limit=3)) == expected[:3]


def test_neighbors_many(graph):
    prime, fold, lists = graph
    ids = [*fold.nodes, "nobody", *list(fold.nodes)[:3]]
    for direction in ("both", "out", "in"):
        for relation in (None, "r", "none"):
            found = prime.neighbors_many(ids, direction=direction, relation=relation)
            assert [list(one) for one in found] == [views.neighbors(lists, i, direction, relation) for i in ids]
    assert [list(one) for one in prime.neighbors_many([])] == []
    assert len(prime.neighbors_many(iter(ids))) == len(ids)
    with pytest.raises((MisuseError, TypeError)):
        prime.neighbors_many([5])
    with pytest.raises((MisuseError, TypeError)):
        prime.neighbors_many("node:t:a")


# Walks


@pytest.mark.parametrize("direction", ["both", "out", "in"])
@pytest.mark.parametrize("weighted", [False, True])
def test_shortest_paths_cost_what_they_must(graph, direction, weighted):
    prime, fold, lists = graph
    ids = list(fold.nodes)
    for source in ids[::7]:
        for target in ids:
            for relation in (None, "r"):
                cost = views.path_cost(lists, source, target, weighted, direction, relation)
                found = prime.shortest_path(source, target, weighted=weighted, direction=direction, relation=relation)
                if cost is None:
                    assert found is None
                    continue
                assert found.cost == pytest.approx(cost) and len(found.nodes) == len(found.edges) + 1
                assert (found.nodes[0], found.nodes[-1]) == (source, target)
                walked = 0.0
                for here, edge_id, there in zip(found.nodes[:-1], found.edges, found.nodes[1:], strict=True):
                    steps = [n for n in views.neighbors(lists, here, direction, relation) if n[:2] == (there, edge_id)]
                    assert steps, (here, edge_id, there)
                    walked += steps[0][4] if weighted else 1
                assert walked == pytest.approx(cost)


def test_shortest_path_examples(star):
    prime, hub = star
    assert prime.shortest_path("node:t:c", "node:t:b") == (("node:t:c", hub, "node:t:b"), ("edge:2", "edge:4"), 2)
    assert prime.shortest_path("node:t:c", "node:t:b", weighted=True).cost == 6.0
    assert prime.shortest_path("node:t:c", "node:t:b", direction="in") is None
    assert prime.shortest_path("node:t:c", "node:t:b", max_depth=1) is None
    assert prime.shortest_path("node:t:c", "node:t:b", max_depth=2) is not None
    assert prime.shortest_path(hub, hub) == ((hub,), (), 0)
    assert prime.shortest_path(hub, "node:t:never") is None
    prime.delete_node(hub)
    assert prime.shortest_path("node:t:c", "node:t:b") is None


def test_a_weighted_path_may_be_longer_and_cheaper(prime):
    a, b, c = (prime.add_node("t", id=name) for name in "abc")
    prime.add_edge(a, c, "r", id="far", weight=5)
    prime.add_edge(a, b, "r", id="1", weight=2)
    prime.add_edge(b, c, "r", id="2", weight=2)
    prime.add_edge(a, c, "r", id="near", weight=4.5)
    assert prime.shortest_path(a, c).edges == ("edge:far",)
    assert prime.shortest_path(a, c, weighted=True) == ((a, b, c), ("edge:1", "edge:2"), 4.0)


def test_subgraph_holds_nodes_in_reach_and_every_edge_among_them(graph):
    prime, fold, lists = graph
    for start in list(fold.nodes)[:12]:
        for depth in (0, 1, 2):
            found = prime.subgraph([start], depth=depth)
            reach = {start, *(n[0] for n in views.distant_neighbors(lists, start, depth))}
            assert {n.id for n in found.nodes} == reach and len(found.nodes) == len(reach)
            inside = {i for i, e in fold.edges.items() if {e["source"], e["target"]} <= reach}
            assert {e.id for e in found.edges} == inside and len(found.edges) == len(inside)
            assert found.truncated is False
            assert found.nodes[0] == prime.node(start)


def test_subgraph_has_a_limit_and_says_so(star):
    prime, hub = star
    found = prime.subgraph([hub], depth=1, limit=2)
    assert len(found.nodes) == 2 and found.truncated is True
    assert {e.source for e in found.edges} | {e.target for e in found.edges} <= {n.id for n in found.nodes}
    assert prime.subgraph([hub], depth=1, limit=4).truncated is False
    assert prime.subgraph([]) == ((), (), False)
    assert prime.subgraph(["node:t:never"]) == ((), (), False)
    assert {n.id for n in prime.subgraph([hub, hub, "node:t:a"], depth=0).nodes} == {hub, "node:t:a"}


# Lists


def test_nodes_by_type_domain_and_label(graph):
    prime, fold, _ = graph
    assert [n.id for n in prime.nodes()] == list(fold.nodes)
    for filters in ({"type": "t1"}, {"domain": "d2"}, {"label": "l3"}, {"type": "t0", "domain": "d0", "label": "l2"}):
        expected = [
            n
            for n in prime.nodes()
            if n.type == filters.get("type", n.type)
            and n.domain == filters.get("domain", n.domain)
            and ("label" not in filters or filters["label"] in n.labels)
        ]
        assert prime.nodes(**filters) == expected and expected
        assert prime.nodes(**filters, limit=2) == expected[:2]
    assert prime.nodes(type="none") == prime.nodes(domain="none") == prime.nodes(label="none") == []
    assert prime.nodes(limit=0) == []


@pytest.mark.parametrize(
    "filters", [{}, {"type": "t1"}, {"domain": "d1"}, {"label": "l1"}, {"type": "t1", "label": "all"}]
)
@pytest.mark.parametrize("size", [1, 7, 60])
def test_pages_of_nodes(graph, filters, size):
    prime, _, _ = graph
    pages, after = [], None
    while page := prime.nodes(**filters, limit=size, after=after):
        pages += page
        after = page[-1].id
    assert pages == prime.nodes(**filters)


def test_edges_by_relation_and_ends(graph):
    prime, fold, _ = graph
    assert [e.id for e in prime.edges()] == list(fold.edges)
    edge = prime.edges()[50]
    for filters in ({"relation": "s"}, {"source": edge.source}, {"target": edge.target}):
        expected = [e for e in prime.edges() if all(getattr(e, k) == v for k, v in filters.items())]
        assert prime.edges(**filters) == expected and expected
    assert edge in prime.edges(relation=edge.relation, source=edge.source, target=edge.target)
    assert prime.edges(source="nobody") == []
    pages, after = [], None
    while page := prime.edges(relation="r", limit=9, after=after):
        pages += page
        after = page[-1].id
    assert pages == prime.edges(relation="r")


def test_history_pages(prime):
    for n in range(10):
        prime.append_many([note("a", payload={"n": n}), note("b")])
    assert [e.payload["n"] for e in prime.history("a")] == list(range(10))
    assert [e.version for e in prime.history("a", limit=3)] == [1, 2, 3]
    assert list(prime.history("never")) == []


def test_events_by_position_type_and_entity(prime):
    for n in range(10):
        prime.append_many([note("a", payload={"n": n}), {**note("b"), "event_type": "other"}])
    assert [e.position for e in prime.events()] == list(range(1, 21))
    assert [e.position for e in prime.events(after=17)] == [18, 19, 20]
    assert [e.position for e in prime.events(after=3, until=5)] == [4, 5]
    assert [e.position for e in prime.events(limit=2)] == [1, 2]
    assert [e.position for e in prime.events(event_type="other", limit=2)] == [2, 4]
    assert [e.position for e in prime.events(entity_id="a", after=15)] == [17, 19]
    assert list(prime.events(after=20)) == list(prime.events(until=0)) == list(prime.events(event_type="none")) == []
    assert list(prime.events(entity_id="a", event_type="other")) == []


def test_lazy_results_end_where_their_call_began(prime):
    prime.append_many([note() for _ in range(3)])
    events, history = prime.events(), prime.history("e")
    prime.append_many([note() for _ in range(3)])
    assert [e.position for e in events] == [1, 2, 3] and [e.position for e in history] == [1, 2, 3]


def test_lazy_neighbors_keep_the_position_of_their_call(star):
    prime, hub = star
    before, expected = prime.neighbors(hub), list(prime.neighbors(hub))
    incoming = prime.neighbors(hub, direction="in", relation="r")
    deep = prime.neighbors(hub, depth=2)
    deep_expected = list(prime.neighbors(hub, depth=2))
    prime.add_edge(hub, "node:t:c", "new")
    prime.update_edge("edge:1", weight=99)
    prime.add_edge("node:t:b", "node:t:a", "moved", id="4")
    prime.delete_edge("edge:2")
    assert list(before) == expected and len(before) == 4 and before[0].weight == 1.0
    prime.delete_node(hub)
    prime.add_node("t", id="hub")
    prime.add_edge(hub, "node:t:a", "second life", id="1")
    assert before == expected and list(incoming) == [expected[3]] and list(deep) == deep_expected
    assert [n.relation for n in prime.neighbors(hub)] == ["second life"]


# Domains and counters


def test_domains_and_cross_domain(star):
    prime, hub = star
    assert prime.domains() == [] and prime.cross_domain() == []
    prime.update_node(hub, domain="x")
    prime.update_node("node:t:a", {"domain": "y"})
    assert sorted(prime.domains()) == [("x", 1), ("y", 1)]
    assert prime.cross_domain() == [("x", "y", 1, {"r": 1}, ("edge:1",))]
    prime.add_edge("node:t:a", hub, "back", id="5")
    assert prime.cross_domain("y", "x") == [("y", "x", 1, {"back": 1}, ("edge:5",))]
    assert {c.target_domain for c in prime.cross_domain("x")} == {"y"}
    assert {c.source_domain for c in prime.cross_domain(target="x")} == {"y"}
    assert prime.cross_domain("x", "x") == prime.cross_domain("z") == []
    prime.update_node("node:t:a", {"domain": None})
    assert prime.cross_domain() == [] and prime.domains() == [("x", 1)]
    prime.delete_node(hub)
    assert prime.domains() == []


def test_stats_of_an_empty_store_and_of_one_that_was_emptied(prime):
    empty = prime.stats()
    assert (empty.events, empty.nodes, empty.edges, empty.ignored_events) == (0, 0, 0, 0)
    assert empty.nodes_by_type == empty.edges_by_relation == empty.domains == {}
    fold = feed(prime, Generator(5, vectors=False).events(300), "append")
    for edge_id in list(fold.edges):
        prime.delete_edge(edge_id)
    for node_id in list(fold.nodes):
        prime.delete_node(node_id)
    after = prime.stats()
    assert after.nodes_by_type == after.edges_by_relation == after.domains == {}
    assert (after.nodes, after.edges, after.dangling_edges, after.cross_domain_edges) == (0, 0, 0, 0)
    assert after.events == prime.position and isinstance(after, primecore.Stats)


def test_events_and_results_are_typed(prime):
    prime.append("x", "x", {"a": 1}, timestamp=WHEN)
    (event,) = prime.events()
    assert isinstance(event, primecore.Event) and event._asdict()["payload"] == {"a": 1}
    assert isinstance(prime.append("x", "x"), primecore.Receipt)
    assert "Event(position=1" in repr(event)
    assert event == primecore.Event(**event._asdict())


def test_replay_reports(prime):
    fold = feed(prime, Generator(8).events(200), "append")
    seen = []
    report = prime.replay(progress=lambda *told: seen.append(told))
    assert report.events == fold.position == report.position and report.seconds > 0
    assert report.events_per_second == pytest.approx(report.events / report.seconds, rel=0.01)
    assert report.digest == prime.digest()
    half = prime.replay(to=50)
    short = Fold()
    for event in Generator(8).events(200):
        if short.position < 50:
            short.apply(event)
    assert half.position == half.events == 50
    if short.position == 50:
        with primecore.open(":memory:") as other:
            other.append_many(prime.events(until=50))
            assert half.digest == other.digest()
    assert prime.position == fold.position
    for wrong in (-1, fold.position + 1):
        with pytest.raises(MisuseError):
            prime.replay(to=wrong)


@pytest.mark.parametrize("until", [0, 1, 37, 250])
def test_replay_into_another_store(tmp_path, until):
    with primecore.open(tmp_path / "one") as prime:
        feed(prime, Generator(9, clock=True).events(400), "ingest")
        report = prime.replay(into=tmp_path / "two", to=until)
        assert report.position == report.events == until
        with primecore.open(tmp_path / "two") as copy:
            assert copy.position == until and copy.digest() == report.digest
            assert list(copy.events()) == list(prime.events(until=until))
        with pytest.raises(MisuseError):
            prime.replay(into=tmp_path / "two")
