"""append() of ordinary values takes one call; whatever it is given, it must do what the longer way does."""

from __future__ import annotations

import decimal
import enum
import math
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import primecore
from primecore import _encode

TIME = "2026-01-02T03:04:05Z"  # with it an append goes the longer way


class Name(str):
    pass


class Level(enum.IntEnum):
    LOW = 1


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return {"v": value}


def outcome(prime: Any, event_type: Any, entity_id: Any, payload: Any, **more: Any) -> Any:
    """What an append came to: the event as the log has it, or the error in full."""
    try:
        receipt = prime.append(event_type, entity_id, payload, **more)
    except Exception as error:
        return type(error), str(error), getattr(error, "field", None)
    event = next(iter(prime.events(after=receipt.position - 1)))
    assert (event.event_id, event.version) == (receipt.event_id, receipt.version)
    return event.event_type, event.entity_id, repr(event.payload), event.metadata, receipt.duplicate


def assert_alike(event_type: Any, entity_id: Any, payload: Any) -> Any:
    with primecore.open(":memory:") as prime, primecore.open(":memory:") as longer:
        found = outcome(prime, event_type, entity_id, payload)
        assert found == outcome(longer, event_type, entity_id, payload, timestamp=TIME)
        assert prime.digest() is not None and prime.position == longer.position
        # Nothing of a refused one stays behind.
        assert outcome(prime, "x", "x:1", {"n": 1}) == outcome(longer, "x", "x:1", {"n": 1}, timestamp=TIME)
    return found


@pytest.mark.parametrize(
    "payload",
    [
        None, {}, {"a": None}, {"a": "null"}, {"n": math.nan}, {"n": [math.inf]}, {"n": -math.inf}, {"n": 2**64 - 1},
        {"n": 2**64}, {"n": -(2**63)}, {"n": -(2**63) - 1}, {"n": 10**60}, {"n": -0.0}, {"n": 1e308}, {1: 2}, {None: 1},
        {True: 1}, {"s": "\ud800"}, {"\ud800": 1}, {"s": "\x00é🙂"}, {"b": b"x"}, {"d": decimal.Decimal("0.1")},
        {"s": Name("x")}, {Name("k"): 1}, {"e": Level.LOW}, {"t": (1, 2)}, {"s": {1, 2}}, [], [1], "text", 7,
        deep(100), deep(250), deep(300), deep(509), deep(510), deep(511), deep(600), deep(5000),
        {"text": "x" * (16 << 20)}, {"text": "x" * ((16 << 20) - 12)},
    ],
)  # fmt: skip
def test_payloads(payload):
    assert_alike("note.taken", "note:1", payload)


@pytest.mark.parametrize(
    ("event_type", "entity_id"),
    [
        ("", "x"), ("x", ""), (None, "x"), ("x", None), (b"x", "x"), ("x", 7), (Name("x"), Name("y")), ("\ud800", "x"),
        ("x", "\ud800"), ("a b", "x"), ("A", "x"), ("x" * 128, "x"), ("x" * 129, "x"), ("x", "y" * 1024), ("é", "x"),
        ("x", "y" * 1025), ("x", "é" * 512), ("x", "é" * 513), ("x", "a\x00b"), ("x", "a\nb"), ("prime.unknown", "x"),
        ("prime.node.created", "edge:1"), ("prime.node.created", "node:t:1"), ("prime.edge.created", "edge:1"),
    ],
)  # fmt: skip
def test_types_and_ids(event_type, entity_id):
    assert_alike(event_type, entity_id, {"properties": {"a": 1}})


KEYS = st.text(max_size=3) | st.integers(0, 2)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
TYPES = ["note.taken", "prime.node.created", "prime.node.updated", "prime.edge.created", "prime.vector.stored"]


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(TYPES),
    st.sampled_from(["node:t:1", "edge:1", "x", "vec:node:t:1"]),
    st.dictionaries(
        st.sampled_from(["properties", "labels", "domain", "source", "target", "relation", "weight", "a"]), VALUES,
        max_size=4,
    ),
)  # fmt: skip
def test_any_payload(event_type, entity_id, payload):
    assert_alike(event_type, entity_id, payload)


def test_null_is_seen_wherever_it_stands():
    for before in range(40):
        for after in range(20):
            for word in ("null", "nul", "nnull", "nulnull", "ull"):
                text = "n" * before + word + "l" * after
                assert (_encode.prepare("x", "x", {"k": text}, None) is None) == ("null" in text), text


def test_a_closed_store_takes_nothing(tmp_path):
    prime = primecore.open(tmp_path / "s")
    append = prime.append
    append("x", "x", {})
    prime.close()
    with pytest.raises(primecore.StoreClosed):
        append("x", "x", {})


def test_it_waits_where_every_write_does(tmp_path):
    with primecore.open(tmp_path / "s", fsync="always") as prime:
        assert prime.append("x", "x", {"a": 1}).position == prime.durable_position == 1
    with primecore.open(tmp_path / "t", fsync="never") as prime:
        assert prime.append("x", "x", {"a": 1}, durable=True).position == prime.durable_position == 1


def test_threads_that_append_at_once_get_positions_of_their_own():
    with primecore.open(":memory:") as prime:
        found: list[list[int]] = [[] for _ in range(4)]

        def work(at: int) -> None:
            for n in range(500):
                found[at].append(prime.append("x", f"x:{at}:{n}", {"n": n}).position)

        threads = [threading.Thread(target=work, args=(at,)) for at in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(position for own in found for position in own) == list(range(1, 2001))
        assert [event.payload["n"] for event in prime.history("x:3:7")] == [7]
