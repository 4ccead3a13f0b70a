"""The user's own projections: caught up from the log, fed in order, waited for, parked when they raise."""

from __future__ import annotations

import threading
import time

import pytest
from support.compare import assert_same
from support.feed import feed
from support.fold import Fold
from support.generate import Generator
from support.stores import note

import primecore
from primecore.errors import InvalidArgument, PrimeError, StoreClosed


class Seen(primecore.Projection):
    """Keeps what it was fed."""

    name = "seen"

    def __init__(self, name: str = "seen") -> None:
        self.name = name
        self.events: list[primecore.Event] = []

    def apply(self, event: primecore.Event) -> None:
        self.events.append(event)


class Faulty(Seen):
    """Raises at one position."""

    def __init__(self, name: str, position: int, error: BaseException) -> None:
        super().__init__(name)
        self.position, self.error = position, error

    def apply(self, event: primecore.Event) -> None:
        if event.position == self.position:
            raise self.error
        super().apply(event)


@pytest.fixture
def prime():
    with primecore.open(":memory:") as prime:
        yield prime


def wait_until(holds, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.002)


def test_it_is_caught_up_and_then_fed_each_event_once_and_in_order(prime):
    prime.append_many([note(payload={"n": n}) for n in range(3000)])
    seen = Seen()
    prime.register(seen)
    for n in range(100):
        prime.append("note", "e", {"n": 3000 + n})
    assert prime.projection("seen") is seen
    assert seen.events == list(prime.events()) and len(seen.events) == 3100
    assert isinstance(seen.events[0], primecore.Event)
    assert prime.stats().projections["seen"] == 3100 and prime.stats().parked == ()


def test_every_look_sees_what_was_appended_before(prime):
    seen = Seen()
    prime.register(seen)
    for n in range(1, 200):
        prime.append("note", "e")
        assert len(prime.projection("seen", timeout=10).events) >= n


def test_the_fold_itself_as_a_projection(tmp_path):
    """A whole second opinion, fed by the store that it judges."""

    class Oracle(primecore.Projection):
        name = "oracle"

        def __init__(self) -> None:
            self.fold = Fold()

        def apply(self, event: primecore.Event) -> None:
            self.fold.apply(event._asdict() | {"timestamp": event.timestamp.isoformat()})

    with primecore.open(tmp_path / "store") as prime:
        prime.register(Oracle())
        feed(prime, Generator(21).events(800), "append_many")
        assert_same(prime, prime.projection("oracle", timeout=30).fold)
    with primecore.open(tmp_path / "store", read_only=True) as prime:
        prime.register(Oracle())
        assert_same(prime, prime.projection("oracle", timeout=30).fold)


def test_one_that_raises_is_parked_and_stops_nothing(prime):
    good, bad = Seen("good"), Faulty("bad", 5, ZeroDivisionError("at five"))
    prime.register(bad)
    prime.register(good)
    prime.append_many([note() for _ in range(10)])
    assert len(prime.projection("good", timeout=10).events) == 10
    with pytest.raises(PrimeError, match="bad") as caught:
        prime.projection("bad", timeout=10)
    assert "at five" in str(caught.value)
    (parked,) = prime.stats().parked
    assert (parked.name, parked.position) == ("bad", 5) and "at five" in parked.error
    assert [e.position for e in bad.events] == [1, 2, 3, 4]
    assert prime.append("note", "e").position == 11
    assert len(prime.projection("good", timeout=10).events) == 11
    assert [e.position for e in bad.events] == [1, 2, 3, 4]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_not_even_an_exit_takes_the_others_along(prime, error):
    good, bad = Seen("good"), Faulty("bad", 2, error)
    prime.register(bad)
    prime.register(good)
    prime.append_many([note() for _ in range(5)])
    assert len(prime.projection("good", timeout=10).events) == 5
    with pytest.raises(PrimeError, match="bad"):
        prime.projection("bad", timeout=10)


def test_one_that_is_slow_can_be_waited_for_or_not(prime):
    gate = threading.Event()

    class Slow(Seen):
        def apply(self, event: primecore.Event) -> None:
            gate.wait(30)
            super().apply(event)

    prime.register(Slow("slow"))
    prime.append("note", "e")
    with pytest.raises(TimeoutError, match="slow"):
        prime.projection("slow", timeout=0.05)
    assert prime.node("node:t:a") is None and prime.append("note", "e").position == 2  # nobody else waits
    gate.set()
    assert len(prime.projection("slow", timeout=10).events) == 2


def test_one_may_read_and_write_the_store_it_hears(prime):
    class Echo(Seen):
        def apply(self, event: primecore.Event) -> None:
            super().apply(event)
            assert prime.stats().events >= event.position and prime.neighbors("node:t:a") == []
            if event.event_type == "question":
                prime.append("answer", event.entity_id, {"to": event.position})

    prime.register(Echo("echo"))
    prime.append_many([{"event_type": "question", "entity_id": "q"} for _ in range(50)])
    wait_until(lambda: prime.position == 100)
    echo = prime.projection("echo", timeout=10)
    assert [e.payload["to"] for e in echo.events if e.event_type == "answer"] == list(range(1, 51))


@pytest.mark.parametrize("projection", [object(), None, 5, Seen(""), type("NoName", (), {"apply": lambda *_: None})()])
def test_what_is_no_projection(prime, projection):
    with pytest.raises(InvalidArgument):
        prime.register(projection)


def test_names_are_taken_once(prime):
    prime.register(Seen())
    with pytest.raises(InvalidArgument, match="seen"):
        prime.register(Seen())
    with pytest.raises(InvalidArgument, match="other"):
        prime.projection("other")


def test_closing_does_not_wait_for_a_backlog(tmp_path):
    class Slow(Seen):
        def apply(self, event: primecore.Event) -> None:
            super().apply(event)
            time.sleep(0.01)

    slow = Slow("slow")
    with primecore.open(tmp_path / "store") as prime:
        prime.append_many([note() for _ in range(2000)])
        prime.register(slow)
        wait_until(lambda: slow.events)
        begun = time.monotonic()
    assert time.monotonic() - begun < 5 and len(slow.events) < 2000
    told = len(slow.events)
    time.sleep(0.05)
    assert len(slow.events) == told, "it is fed after the store was closed"
    with pytest.raises(StoreClosed):
        prime.projection("slow")
    with pytest.raises(StoreClosed):
        prime.register(Seen())


def test_whoever_waits_when_the_store_closes_is_let_go(tmp_path):
    gate, outcome = threading.Event(), []

    class Stuck(Seen):
        def apply(self, event: primecore.Event) -> None:
            gate.wait(2)

    prime = primecore.open(tmp_path / "store")
    prime.register(Stuck("stuck"))
    prime.append_many([note() for _ in range(3)])

    def wait() -> None:
        try:
            outcome.append(prime.projection("stuck", timeout=20))
        except PrimeError as error:
            outcome.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    time.sleep(0.05)
    closer = threading.Thread(target=prime.close)
    closer.start()
    gate.set()
    waiter.join(10)
    closer.join(10)
    assert not waiter.is_alive() and not closer.is_alive()
    assert isinstance(outcome[0], StoreClosed | Stuck)
    if isinstance(outcome[0], Stuck):
        assert prime.path is not None  # it had seen all three by then
