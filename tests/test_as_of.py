"""The past: a view at any position or time answers as a store that was built from its events alone."""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.feed import feed
from support.generate import Generator
from support.jsonrules import json_equal
from support.past import assert_same_reads, assert_view_at_position, assert_view_at_time, folded
from support.realdata import KNOWN, real_log
from support.stores import pair

import primecore
from primecore.errors import EdgeNotFound, InvalidArgument, NodeNotFound, StoreClosed

DAY = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def prime():
    with primecore.open(":memory:") as store:
        yield store


def awkward(seed: int, count: int, *, orderly: float = 0.0):
    """A store of random events. `orderly` is the share of events whose time follows the one before."""
    rng = random.Random(seed)
    events = Generator(seed).events(count)
    now = DAY
    for event in events:
        if rng.random() < orderly:
            now += timedelta(seconds=rng.randrange(3))
            event["timestamp"] = now.isoformat()
    store = primecore.open(":memory:")
    feed(store, events, "append")
    return store


@pytest.mark.parametrize("seed", range(6))
def test_every_position_of_a_random_log(seed):
    with awkward(seed, 60) as store:
        events = list(store.events())
        for position in range(len(events) + 1):
            assert_view_at_position(store.at(position=position), events)


@pytest.mark.parametrize("seed", range(100, 112))
def test_every_read_at_positions_of_a_longer_log(seed):
    rng = random.Random(seed)
    with awkward(seed, 250) as store:
        events = list(store.events())
        with primecore.open(":memory:") as other:
            for position in sorted(rng.sample(range(1, len(events) + 1), 8)):
                other.append_many(events[other.position : position])
                view = store.at(position)
                assert_same_reads(view, other, rng)
                assert_view_at_position(view, events)


@pytest.mark.parametrize("orderly", [0.0, 0.7, 0.97, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_times_in_any_order(seed, orderly):
    rng = random.Random(seed)
    with awkward(1000 + seed, 160, orderly=orderly) as store:
        events = list(store.events())
        times = [event.timestamp for event in events]
        asked = [*rng.sample(times, 7), rng.choice(times) - timedelta(microseconds=1), min(times) - timedelta(days=1)]
        for time in asked:
            view = store.at(time)
            assert_view_at_time(view, events)
        assert store.at(max(times)).position == len(events)


@given(st.integers(0, 2**32), st.integers(1, 40), st.data())
def test_any_point_of_any_log(seed, count, data):
    with awkward(seed, count, orderly=data.draw(st.sampled_from((0.0, 0.5, 0.9)))) as store:
        events = list(store.events())
        if not events:
            return
        assert_view_at_position(store.at(data.draw(st.integers(0, len(events)))), events)
        assert_view_at_time(store.at(data.draw(st.sampled_from(events)).timestamp), events)


@pytest.mark.parametrize("name", KNOWN)
def test_real_logs(name, tmp_path):
    rng = random.Random(7)
    with primecore.open(":memory:") as store, primecore.open(":memory:") as other:
        store.ingest(real_log(name))
        events = list(store.events())
        for position in sorted(rng.sample(range(1, len(events) + 1), 5)):
            other.append_many(events[other.position : position])
            view = store.at(position)
            mine, theirs = view.stats(), other.stats()
            for field in ("events", "position", "nodes", "edges", "dangling_edges", "nodes_by_type", "domains"):
                assert getattr(mine, field) == getattr(theirs, field), field
            ids = [node.id for node in other.nodes()]
            for node_id in rng.sample(ids, min(150, len(ids))):
                assert view.node(node_id) == other.node(node_id)
                assert view.neighbors(node_id) == other.neighbors(node_id)
            for node_id in rng.sample(ids, min(5, len(ids))):
                assert view.neighbors(node_id, depth=2, limit=50) == other.neighbors(node_id, depth=2, limit=50)
        for time in [rng.choice(events).timestamp for _ in range(2)]:
            view, shown = store.at(time), [event for event in events if event.timestamp <= time]
            fold = folded(shown)
            found = view.stats()._asdict()
            assert (found["events"], found["nodes"], found["edges"]) == (len(shown), len(fold.nodes), len(fold.edges))
            for node in rng.sample(view.nodes(), min(100, len(fold.nodes))):
                assert view.node(node.id) == node
                ids = [edge_id for edge_id, edge in fold.edges.items() if node.id in (edge["source"], edge["target"])]
                assert sorted(it.edge_id for it in view.neighbors(node.id)) == sorted(ids)


def test_the_past_is_that_of_a_reopened_store_too(store_path):
    with primecore.open(store_path) as store:
        feed(store, Generator(5).events(120), "append_many")
        events = list(store.events())
    with primecore.open(store_path, read_only=True) as store:
        for position in (1, 40, 80, len(events)):
            assert_view_at_position(store.at(position), events)


def test_a_view_does_not_change(prime):
    alice, auth, edge = pair(prime)
    view = prime.at()
    by_time = prime.at(datetime.now(UTC) + timedelta(days=1))
    before = [(v.node(alice), list(v.neighbors(alice)), v.edge(edge), v.stats().nodes) for v in (view, by_time)]
    prime.append("prime.node.deleted", auth, {}, timestamp="2020-01-01T00:00:00Z")
    prime.update_node(alice, {"name": "Alicia"})
    after = [(v.node(alice), list(v.neighbors(alice)), v.edge(edge), v.stats().nodes) for v in (view, by_time)]
    assert before == after
    assert prime.at("2020-06-01T00:00:00Z").stats().events == 1


def test_points_that_make_no_sense(prime):
    pair(prime)
    for when in (-1, 4, True, 1.5, b"1", "yesterday", "2024-01-01T00:00:00", datetime(2024, 1, 1), [1]):
        with pytest.raises(InvalidArgument):
            prime.at(when)
    for position in (-1, 4, True, "1"):
        with pytest.raises(InvalidArgument):
            prime.at(position=position)
    with pytest.raises(InvalidArgument):
        prime.at(1, position=1)
    with pytest.raises(InvalidArgument):
        prime.at(valid_at="soon")


def test_a_closed_store_has_no_past(prime):
    alice, _, edge = pair(prime)
    view = prime.at(2)
    view.stats()
    prime.close()
    for ask in (
        lambda: view.node(alice),
        lambda: view.neighbors(alice),
        lambda: view.edge(edge),
        view.nodes,
        view.stats,
        lambda: view.subgraph(alice),
        lambda: prime.at(1),
        lambda: prime.diff(0),
        lambda: list(prime.timeline()),
        lambda: prime.why(alice),
        prime.subscribe,
    ):
        with pytest.raises(StoreClosed):
            ask()


def test_edges_valid_at_a_moment(prime):
    alice, auth, always = pair(prime)
    once = prime.add_edge(alice, auth, "led", valid_from=DAY, valid_to=DAY + timedelta(days=10))
    later = prime.add_edge(auth, alice, "pays", valid_from=DAY + timedelta(days=5))

    def ids(view):
        return [neighbor.edge_id for neighbor in view.neighbors(alice)]

    assert ids(prime.at(valid_at=DAY - timedelta(microseconds=1))) == [always]
    assert ids(prime.at(valid_at=DAY)) == [always, once]
    assert ids(prime.at(valid_at="2024-01-08T00:00:00+02:00")) == [always, once, later]
    assert ids(prime.at(valid_at=DAY + timedelta(days=10))) == [always, later]
    before = prime.position
    prime.update_edge(once, valid_to=None)
    prime.delete_edge(later)
    view = prime.at(valid_at=DAY + timedelta(days=10))
    assert ids(view) == [always, once] and ids(prime.at(before, valid_at=view.valid_at)) == [always, later]
    past = prime.at(before, valid_at=view.valid_at)
    assert past.edge(once) is None and past.edge(later).id == later
    assert [edge.id for edge in past.edges()] == [always, later]
    assert past.stats().edges == 2 and past.stats().edges_by_relation == {"works_on": 1, "pays": 1}
    assert sum(cross.edges for cross in past.cross_domain()) == past.stats().cross_domain_edges == 2
    assert [edge.id for edge in past.edges(source=alice)] == [always]
    assert past.shortest_path(alice, auth, relation="led") is None
    assert {edge.id for edge in past.subgraph(alice).edges} == {always, later}


def test_reads_of_the_past_beside_a_writer(prime):
    alice, auth, _ = pair(prime)
    frozen = prime.at()
    expected = (frozen.node(alice), list(frozen.neighbors(alice)))
    stop, wrong = threading.Event(), []

    def read():
        while not stop.is_set():
            if (frozen.node(alice), list(frozen.neighbors(alice))) != expected:
                wrong.append(1)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(300):
        edge = prime.add_edge(alice, auth, "r", weight=number)
        prime.update_node(alice, {"n": number})
        prime.update_edge(edge, weight=-1)
        if number % 3 == 0:
            prime.delete_edge(edge)
        if number % 50 == 0:
            prime.delete_node(auth)
            prime.add_node("project", {"name": "Auth"}, id="auth")
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong


def test_an_edge_that_lives_costs_nothing_more(prime):
    nodes = [prime.add_node("n", id=str(number)) for number in range(50)]
    for number in range(2000):
        prime.add_edge(nodes[number % 50], nodes[number // 50 % 50], "r", id=str(number))
    assert prime.stats().memory_bytes["graveyard"] == 0
    prime.delete_edge("edge:7")
    assert 0 < prime.stats().memory_bytes["graveyard"] < 1000


# --- differences -----------------------------------------------------------------------------------------------------


def said(it):
    """What a node or edge says, without when it was last touched."""
    return {name: value for name, value in it._asdict().items() if name not in ("updated_at", "version", "position")}


def same_said(a, b):
    return all(json_equal(a[name], b[name]) if name == "properties" else a[name] == b[name] for name in a)


def naive_diff(a, b):
    """Ids added, changed and removed, by comparing everything."""
    found = {}
    for kind in ("nodes", "edges"):
        first, second = ({it.id: it for it in getattr(store, kind)()} for store in (a, b))
        found[f"{kind}_added"] = sorted(second.keys() - first.keys())
        found[f"{kind}_removed"] = sorted(first.keys() - second.keys())
        found[f"{kind}_changed"] = sorted(
            id for id in first.keys() & second.keys() if not same_said(said(first[id]), said(second[id]))
        )
    return found


@pytest.mark.parametrize("seed", range(8))
def test_the_net_effect_between_any_two_points(seed):
    rng = random.Random(seed)
    with awkward(2000 + seed, 150, orderly=rng.choice((0.0, 0.9))) as store:
        events = list(store.events())
        points = [rng.randrange(len(events) + 1) for _ in range(5)] + [rng.choice(events).timestamp for _ in range(4)]
        for first in points:
            for second in points:
                found = store.diff(first, second)
                ids = {name: sorted(it.id for it in found[at]) for at, name in enumerate(found._fields) if at > 1}
                assert ids == naive_diff(store.at(first), store.at(second)), (first, second)
                assert (found.from_position, found.to_position) == (store.at(first).position, store.at(second).position)
                after = {node.id: node for node in store.at(second).nodes()}
                assert all(after[node.id] == node for node in found.nodes_added)
                assert all(change.fields for change in (*found.nodes_changed, *found.edges_changed))


def test_fields_that_differ(prime):
    alice, _, edge = pair(prime)
    start = prime.position
    prime.update_node(alice, {"name": None, "a/b": {"c~d": 1, "e": {}}, "same": True}, labels=["x"], domain="research")
    prime.update_edge(edge, weight=2, valid_from=DAY)
    after = prime.position
    fields = {it.field: it[1:] for it in prime.diff(start).nodes_changed[0].fields}
    assert fields == {
        "/domain": ("changed", "engineering", "research"),
        "/labels": ("added", None, ["x"]),
        "/properties/name": ("removed", "Alice", None),
        "/properties/a~1b/c~0d": ("added", None, 1),
        "/properties/a~1b/e": ("added", None, {}),
        "/properties/same": ("added", None, True),
    }
    fields = {it.field: it[1:] for it in prime.diff(start).edges_changed[0].fields}
    assert fields == {"/weight": ("changed", 0.9, 2.0), "/valid_from": ("added", None, DAY)}
    prime.update_node(alice, {"same": 1})
    assert prime.diff(after).nodes_changed[0].fields == (("/properties/same", "changed", True, 1),)
    prime.update_node(alice, {"same": 1.0})
    assert prime.diff(prime.position - 1).nodes_changed == ()
    assert prime.diff(after, start).nodes_changed[0].fields[0] == ("/domain", "changed", "research", "engineering")


# --- timelines and provenance ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_a_timeline_tells_what_each_event_did(seed):
    rng = random.Random(seed)
    with awkward(3000 + seed, 120) as store:
        events = list(store.events())
        entries = list(store.timeline())
        assert [entry.event for entry in entries] == events
        for entry in entries:
            at = entry.event.position
            net = store.diff(at - 1, at)
            changed = [*net.nodes_changed, *net.edges_changed]
            if entry.effect in ("ignored", "recorded"):
                assert not any(net[2:]) and not entry.fields
            elif entry.effect in ("updated", "replaced"):
                assert [entry.fields] == [it.fields for it in changed] or not (entry.fields or changed)
            elif entry.effect == "created":
                assert [it.id for it in (*net.nodes_added, *net.edges_added)] == [entry.event.entity_id]
            else:
                gone = [it.id for it in (*net.nodes_removed, *net.edges_removed)]
                assert sorted(gone) == sorted([entry.event.entity_id, *entry.edges_removed])
        entity = rng.choice(events).entity_id
        assert list(store.timeline(entity)) == [entry for entry in entries if entry.event.entity_id == entity]
        first, last = sorted(rng.randrange(len(events)) for _ in range(2))
        assert list(store.timeline(since=first, until=last)) == entries[first:last]
        time = rng.choice(events).timestamp
        assert list(store.timeline(since=time)) == [entry for entry in entries if entry.event.timestamp > time]
        assert (
            list(store.timeline(entity, until=time, limit=2))
            == [entry for entry in entries if entry.event.timestamp <= time and entry.event.entity_id == entity][:2]
        )


@pytest.mark.parametrize("seed", range(6))
def test_provenance_names_an_event_that_says_so(seed):
    with awkward(4000 + seed, 150) as store:
        for it in [*store.nodes(), *store.edges()]:
            told = store.why(it.id)
            for found in told:
                assert found.present and found.event.entity_id == it.id
                assert store.why(it.id, found.field) == [found]
                path = found.field.split("/")[1:]
                if path[0] == "properties" and found.field != "/properties/" and "~" not in found.field:
                    value = found.event.payload["properties"]
                    for key in path[1:]:
                        value = value[key]
                    assert json_equal(value, found.value) or found.value == {}
            assert len({found.field for found in told}) == len(told)
        live = {it.id for it in [*store.nodes(), *store.edges()]}
        for event in store.events():
            if event.event_type in ("prime.node.created", "prime.edge.created") and event.entity_id not in live:
                [found] = store.why(event.entity_id)
                before = store.at(found.event.position - 1)
                asked = before.node if event.entity_id.startswith("node:") else before.edge
                assert not found.present and found.field == "" and asked(event.entity_id) is not None


def test_who_set_a_field_and_who_took_it_away(prime):
    alice, auth, edge = pair(prime)
    meta = {"agent_id": "a-1", "source": "mail"}
    prime.update_node(alice, {"address": {"city": "Bonn", "zip": "1"}, "dotted.key": 1}, metadata=meta)
    prime.update_node(alice, {"address": {"zip": None}}, labels=["lead"])
    [city] = prime.why(alice, "address.city")
    assert (city.field, city.value, city.event.position, city.event.metadata) == (
        "/properties/address/city", "Bonn", 4, meta,
    )  # fmt: skip
    assert prime.why(alice, "/properties/dotted.key")[0].event.position == 4
    assert prime.why(alice, "properties.address") == [city]
    [gone] = prime.why(alice, "address.zip")
    assert not gone.present and gone.value is None and gone.event.position == 5
    assert prime.why(alice, "labels")[0].value == ["lead"]
    assert prime.why(alice, "domain")[0].value == "engineering"
    assert prime.why(alice, "never") == []
    assert prime.at(4).why(alice, "address.zip")[0].value == "1"
    prime.add_node("person", {"name": "Alice"}, id="alice")
    assert prime.why(alice, "address.city")[0].event.position == prime.position
    assert prime.why(alice, "created_at")[0].event.position == 1
    assert prime.why(edge, "weight")[0].value == 0.9
    prime.delete_node(auth)
    [ended] = prime.why(edge)
    assert (ended.field, ended.present, ended.event.event_type) == ("", False, "prime.node.deleted")
    for wrong in ("", "/", "/name", "weight.x", 5):
        with pytest.raises(InvalidArgument):
            prime.why(edge, wrong)
    with pytest.raises(InvalidArgument):
        prime.why("vec:x")
    with pytest.raises(NodeNotFound):
        prime.why("node:t:never")
    with pytest.raises(EdgeNotFound):
        prime.why("edge:never")
