"""Subscriptions: catch-up then live, filters, several threads, slow readers, and where to go on from."""

from __future__ import annotations

import threading
import time
import tracemalloc

import pytest
from support.feed import feed
from support.generate import Generator
from support.stores import pair

import primecore
from primecore.errors import InvalidArgument, StoreClosed

PATIENCE = 20.0  # seconds until a test gives up; nothing is measured


@pytest.fixture
def prime():
    with primecore.open(":memory:") as store:
        yield store


def taken(subscription, count):
    found = []
    for _ in range(count):
        found.append(subscription.next(timeout=PATIENCE))
        assert found[-1] is not None, f"nothing came after {len(found) - 1} events"
    return found


def test_what_is_there_first_then_what_comes(prime):
    feed(prime, Generator(1).events(50), "append")
    before = prime.position
    with prime.subscribe(after=0) as everything, prime.subscribe() as live:
        assert taken(everything, before) == list(prime.events())
        assert everything.position == before and everything.next(timeout=0) is None
        assert live.next(timeout=0) is None
        writer = threading.Thread(target=lambda: [prime.append("note", f"e{number}") for number in range(50)])
        writer.start()
        found = taken(live, 50)
        assert taken(everything, 50) == found == list(prime.events(after=before))
        writer.join()
    assert everything.closed and everything.next() is None and list(everything) == []


@pytest.mark.parametrize(
    ("filters", "fits"),
    [
        ({"event_type": "prime.node.updated"}, lambda it: it.event_type == "prime.node.updated"),
        ({"type_prefix": "prime.edge."}, lambda it: it.event_type.startswith("prime.edge.")),
        ({"entity_id": "node:person:ada"}, lambda it: it.entity_id == "node:person:ada"),
        ({"entity_prefix": "node:"}, lambda it: it.entity_id.startswith("node:")),
        (
            {"type_prefix": "prime.", "entity_prefix": "edge:", "event_type": "prime.edge.created"},
            lambda it: it.event_type == "prime.edge.created" and it.entity_id.startswith("edge:"),
        ),
        ({"entity_id": "nothing"}, lambda it: False),
    ],
)
def test_filters(prime, filters, fits):
    feed(prime, Generator(2).events(300), "append")
    wanted = [event for event in prime.events() if fits(event)]
    with prime.subscribe(after=0, **filters) as subscription:
        assert taken(subscription, len(wanted)) == wanted
        assert subscription.next(timeout=0) is None
        assert subscription.position == prime.position


def test_going_on_from_a_position(prime):
    feed(prime, Generator(3).events(40), "append")
    events, after, found = list(prime.events()), 0, []
    while len(found) < len(events):
        with prime.subscribe(after=after) as subscription:
            found += taken(subscription, min(7, len(events) - len(found)))
            after = subscription.position
    assert found == events


def test_only_what_survives_a_power_cut(store_path):
    with primecore.open(store_path, fsync="never") as store:
        with store.subscribe(after=0) as safe, store.subscribe(after=0, durable=False) as early:
            store.append("note", "e")
            assert early.next(timeout=PATIENCE).position == 1
            assert safe.next(timeout=0) is None
            store.flush()
            assert safe.next(timeout=PATIENCE).position == 1
    with primecore.open(store_path, read_only=True) as store, store.subscribe(after=0) as safe:
        assert safe.next(timeout=PATIENCE).position == 1


def test_many_threads_share_a_subscription(prime):
    total, found = 2000, []
    with prime.subscribe(after=0) as subscription:
        threads = [threading.Thread(target=lambda: found.extend(subscription)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(total):
            prime.append("note", f"e{number % 7}", {"n": number})
        deadline = time.monotonic() + PATIENCE
        while len(found) < total and time.monotonic() < deadline:
            time.sleep(0.005)
        subscription.close()
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
    assert sorted(event.position for event in found) == list(range(1, total + 1))


def test_a_slow_subscriber_holds_nobody_up_and_keeps_nothing(prime):
    with prime.subscribe(after=0) as slow:
        pair(prime)
        assert slow.next(timeout=PATIENCE).position == 1
        payload = {"text": "x" * 1000}
        tracemalloc.start()
        before = tracemalloc.take_snapshot()
        for _ in range(5000):
            prime.append("note", "e", payload)
        after = tracemalloc.take_snapshot()
        tracemalloc.stop()
        grown = sum(it.size_diff for it in after.compare_to(before, "filename") if "primecore" in str(it.traceback))
        assert grown < 200_000  # the log took five million bytes
        assert slow.position == 1
        assert slow.next(timeout=PATIENCE).position == 2


def test_closing_wakes_those_who_wait(prime):
    subscription = prime.subscribe()
    answers = []
    thread = threading.Thread(target=lambda: answers.append(subscription.next()))
    thread.start()
    subscription.close()
    thread.join(PATIENCE)
    assert answers == [None]


def test_closing_the_store_ends_a_wait_with_an_error(prime):
    subscription, errors = prime.subscribe(), []

    def wait():
        try:
            subscription.next()
        except StoreClosed as error:
            errors.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    prime.close()
    thread.join(PATIENCE)
    assert len(errors) == 1


def test_what_makes_no_sense(prime):
    for wrong in ({"after": -1}, {"after": True}, {"event_type": 5}, {"entity_prefix": b"node:"}):
        with pytest.raises(InvalidArgument):
            prime.subscribe(**wrong)
    with prime.subscribe(after=1000) as ahead:  # a position that is still to come
        prime.append("note", "e")
        assert ahead.next(timeout=0) is None and ahead.position == 1000
