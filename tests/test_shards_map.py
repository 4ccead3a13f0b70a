"""ShardMap against dict: step by step under hypothesis, and through the tests CPython keeps for its own mappings."""

import copy
import os
import pickle
import subprocess
import sys
import uuid
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from primecore._shardmap import ShardMap

TYPES = ["person", "a", "", "ünï"]


def spellings(value: uuid.UUID) -> list[str]:
    text = str(value)
    return [text, text.upper(), text.replace("-", ""), "{" + text + "}", value.urn, text[:-1], text + "0", text[::-1]]


plain = st.text(max_size=40)
uuid_keys = st.builds(lambda v, i, head: head + spellings(v)[i], st.uuids(), st.integers(0, 7),
                      st.sampled_from(["", "edge:", "node:person:", "vec:node:person:"]))
node_keys = st.builds("node:{}:{}".format, st.sampled_from(TYPES), st.text(max_size=24))
edges_of_the_inline_room = st.builds(lambda n, head: head + "x" * n, st.integers(15, 38),
                                     st.sampled_from(["", "edge:"]))
odd_keys = st.sampled_from(["", "\0", "a\0", "a\0b", ":", "::", "node:", "node::", "node:a", "node:a:", "NODE:a:b",
                            "x" * 255 + ":", "x" * 254 + ":", "x" * 5000, "é" * 18, "é" * 9, "\U0001f600" * 5])
any_key = st.one_of(plain, uuid_keys, node_keys, edges_of_the_inline_room, odd_keys,
                    st.integers(0, 400).map("node:person:user-{:07d}".format))
values = st.integers(0, 2**64 - 1)


class AgainstDict(RuleBasedStateMachine):
    keys = Bundle("keys")

    def __init__(self) -> None:
        super().__init__()
        self.map = ShardMap(seed=7)
        self.model: dict[str, int] = {}

    @rule(target=keys, key=any_key)
    def think_of(self, key: str) -> str:
        return key

    @rule(key=keys, value=values)
    def set(self, key: str, value: int) -> None:
        self.map[key] = value
        self.model[key] = value

    @rule(count=st.integers(1, 300), start=st.integers(0, 300))
    def set_many(self, count: int, start: int) -> None:
        more = {f"node:person:user-{i:07d}": i for i in range(start, start + count)}
        self.map.update(more)
        self.model.update(more)

    @rule(key=keys)
    def delete(self, key: str) -> None:
        if key in self.model:
            del self.map[key], self.model[key]
        with pytest.raises(KeyError):
            del self.map[key]

    @rule(stride=st.integers(1, 5))
    def delete_many(self, stride: int) -> None:
        for key in list(self.model)[::stride]:
            assert self.map.pop(key) == self.model.pop(key)

    @rule(key=any_key)
    def delete_what_is_mostly_absent(self, key: str) -> None:
        assert self.map.pop(key, None) == self.model.pop(key, None)

    @rule(key=keys)
    def look_up(self, key: str) -> None:
        assert self.map.get(key) == self.model.get(key)
        assert (key in self.map) == (key in self.model)

    @rule(key=keys, value=values)
    def set_default(self, key: str, value: int) -> None:
        assert self.map.setdefault(key, value) == self.model.setdefault(key, value)

    @rule()
    def pop_any(self) -> None:
        if self.model:
            key, value = self.map.popitem()
            assert self.model.pop(key) == value
        else:
            with pytest.raises(KeyError):
                self.map.popitem()

    @rule(key=keys)
    def refuse_lone_surrogates(self, key: str) -> None:
        with pytest.raises(UnicodeEncodeError):
            self.map[key + "\udc80"] = 1
        assert key + "\udc80" not in self.map

    @rule()
    def clear(self) -> None:
        self.map.clear()
        self.model.clear()

    @rule()
    def compare(self) -> None:
        assert dict(self.map) == self.model
        assert self.map == self.model
        assert sorted(self.map) == sorted(self.model)
        assert self.map.copy() == self.map

    @invariant()
    def counts_agree(self) -> None:
        assert len(self.map) == len(self.model)


TestAgainstDict = AgainstDict.TestCase
TestAgainstDict.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


mapping_tests: Any = pytest.importorskip("test.mapping_tests", reason="this Python ships without its test package")


class TestMappingProtocolOfCPython(mapping_tests.BasicTestMappingProtocol):
    """CPython's tests of the protocol, with int values. What sets values of other types is met by BoxMap below."""

    type2test = ShardMap

    def _reference(self) -> dict[str, int]:
        return {"1": 2, "key1": 2**64 - 1, "key2": 0}

    def test_update(self) -> None:
        d = self._empty_mapping()
        d.update(self.other)
        assert list(d.items()) == list(self.other.items())
        d.update()
        d.update(iter(self.reference.items()))
        assert d == {**self.other, **self.reference}
        for refused in (42, [(1, 2, 3)], [("a", "b")]):
            with pytest.raises((TypeError, AttributeError, ValueError)):
                d.update(refused)


class BoxMap(ShardMap):
    """Any values: the map holds their places in a list."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.boxes: list[Any] = []
        super().__init__(*args, **kwargs)

    def __getitem__(self, key: str) -> Any:
        return self.boxes[super().__getitem__(key)]

    def __setitem__(self, key: str, value: Any) -> None:
        self.boxes.append(value)
        super().__setitem__(key, len(self.boxes) - 1)

    def get(self, key: str, default: Any = None) -> Any:
        try:
            return self[key]
        except KeyError:
            return default

    def popitem(self) -> tuple[str, Any]:
        key, place = super().popitem()
        return key, self.boxes[place]


class TestMappingProtocolOfCPythonWithAnyValues(mapping_tests.BasicTestMappingProtocol):
    type2test = BoxMap


del mapping_tests  # pytest would collect its base classes


def test_iterating_notices_keys_that_come_or_go() -> None:
    for change in (lambda m: m.update(z=1), lambda m: m.pop("a"), lambda m: m.clear()):
        m = ShardMap(a=1, b=2)
        it = iter(m)
        next(it)
        change(m)
        with pytest.raises(RuntimeError, match="during iteration"):
            next(it)
    m = ShardMap(a=1, b=2)
    for key in m:
        m[key] = 7  # a changed value is no changed key
    it = iter(m)
    assert sorted(it) == ["a", "b"]
    m["c"] = 1
    assert list(it) == []


@pytest.mark.parametrize(("value", "error"), [(-1, OverflowError), (2**64, OverflowError), (1.5, TypeError),
                                              ("1", TypeError), (None, TypeError)])
def test_values_outside_u64_are_refused_and_change_nothing(value: object, error: type[Exception]) -> None:
    m = ShardMap(a=1)
    for key in ("a", "b"):
        with pytest.raises(error):
            m[key] = value  # type: ignore[assignment]
    assert m == {"a": 1}


def test_keys_that_are_no_str() -> None:
    m = ShardMap()
    with pytest.raises(TypeError):
        m[1] = 1  # type: ignore[index]
    assert not m.__contains__(1)
    assert m.get(b"a") is None  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        m.__contains__([])  # unhashable, as for dict


def test_a_value_that_changes_the_map_while_it_is_set() -> None:
    m = ShardMap(a=1)

    class Meddler:
        def __index__(self) -> int:
            m.update({f"k{i}": i for i in range(1000)})
            m.pop("a")
            return 5

    m["a"] = Meddler()  # type: ignore[assignment]
    assert m["a"] == 5
    assert len(m) == len(list(m)) == 1001


def test_emptying_by_popitem_is_not_quadratic() -> None:
    m = ShardMap((f"k{i}", i) for i in range(50_000))
    seen = dict(m.popitem() for _ in range(50_000))
    assert seen == {f"k{i}": i for i in range(50_000)}
    assert not m


def test_copies_and_no_pickles() -> None:
    m = ShardMap(a=1)
    twin = copy.copy(m)
    twin["b"] = 2
    assert m == {"a": 1} and twin == {"a": 1, "b": 2}
    assert repr(m) == "ShardMap({'a': 1})"
    with pytest.raises(TypeError):
        pickle.dumps(m)
    with pytest.raises(TypeError):
        hash(m)


def test_order_and_layout_do_not_depend_on_the_hash_seed_of_python() -> None:
    code = ("from primecore._keys import Keys; k = Keys(seed=5)\n"
            "for i in range(3000): k.add(f'node:t{i % 7}:{i}')\n"
            "for i in range(0, 3000, 3): k.remove(f'node:t{i % 7}:{i}')\n"
            "k.reclaim()\n"
            "print([k.add(f'x{i}') for i in range(50)], k.hash('a'), k.probe_stats())")
    runs = set()
    for seed in ("0", "1", "4242"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)}
        runs.add(subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True).stdout)
    assert len(runs) == 1
