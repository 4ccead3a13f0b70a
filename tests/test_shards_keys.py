"""Key tables: cells, prefixes, UUIDs, renewing, giving numbers out again, and walks that stay short."""

import random
import uuid

import pytest
import xxhash
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from primecore._keys import Keys, match_tags, read_uuid, same_uuid, spell_uuid
from primecore._memory import Epochs
from primecore._prefixes import Prefixes
from primecore._shards import KeyTable

NONE32 = 2**32 - 1


@given(st.text(max_size=600), st.integers(0, 2**64 - 1))
@example("x" * 241, 0)
@example("", 1)
def test_hash_is_xxh3_64(text: str, seed: int) -> None:
    assert Keys(seed=seed).hash(text) == xxhash.xxh3_64_intdigest(text.encode(), seed)


@given(st.lists(st.integers(0, 5) | st.sampled_from([127, 128, 129, 254, 255]), min_size=12, max_size=12))
def test_both_tag_kernels_agree_with_a_loop(tags: list[int]) -> None:
    for tag in {0, 1, 128, 255, *tags}:
        wanted = sum(1 << i for i, t in enumerate(tags) if t == tag)
        assert match_tags(bytes(tags), tag) == (wanted, wanted)


@given(st.uuids(), st.integers(0, 35), st.integers(0, 255))
def test_uuid_kernels_take_the_canonical_spelling_only(value: uuid.UUID, place: int, byte: int) -> None:
    text = str(value).encode()
    assert spell_uuid(value.bytes) == text
    assert read_uuid(text) == (value.bytes, value.bytes)
    assert same_uuid(value.bytes, text) == (True, True)
    other = text[:place] + bytes([byte]) + text[place + 1:]
    canonical = None
    if byte < 128:
        try:
            canonical = uuid.UUID(other.decode()).bytes if str(uuid.UUID(other.decode())).encode() == other else None
        except ValueError:
            canonical = None
    assert read_uuid(other) == (canonical, canonical)
    assert same_uuid(value.bytes, other) == (other == text, other == text)


@pytest.mark.parametrize("place", range(36))
def test_every_byte_of_a_uuid_matters(place: int) -> None:
    value = uuid.UUID("00000000-0000-4000-8000-0f9a00000000")
    text = str(value).encode()
    for byte in range(256):
        other = text[:place] + bytes([byte]) + text[place + 1:]
        assert same_uuid(value.bytes, other) == (other == text,) * 2
        quick, plain = read_uuid(other)
        assert quick == plain
        assert quick is None or spell_uuid(quick) == other


@pytest.mark.parametrize(("key", "prefix"), [
    ("node:person:ada", "node:person:"), ("node:person:", "node:person:"), ("node:person", "node:"), ("node:", "node:"),
    ("node", ""), ("", ""), (":", ":"), ("edge:1:2", "edge:"), ("nodes:a:b", "nodes:"), ("Node:a:b", "Node:"),
    ("node::x", "node::"), ("node:ünï:x", "node:ünï:"), ("x" * 254 + ":a", "x" * 254 + ":"), ("x" * 255 + ":a", ""),
    ("node:person:" + "long " * 20, "node:person:"), ("edge:" + str(uuid.UUID(int=7)), "edge:"),
])
def test_prefixes(key: str, prefix: str) -> None:
    keys = Keys()
    number = keys.add(key)
    assert keys.prefix(number) == prefix
    assert keys.key(number) == key
    assert keys.number(key) == number


def test_rests_of_every_length_keep_their_keys_apart() -> None:
    keys = Keys(seed=1)
    texts = [head + body * n for head in ("", "edge:", "node:a:", "node:ab:") for n in range(60) for body in "xy"]
    texts = list(dict.fromkeys(texts))
    numbers = [keys.add(text) for text in texts]
    assert numbers == list(range(len(texts)))
    assert [keys.number(text) for text in texts] == numbers
    assert [keys.key(number) for number in numbers] == texts
    assert list(keys.find_many([*texts, "absent"])) == [*numbers, NONE32]


def test_where_the_prefix_ends_makes_no_difference_to_equality() -> None:
    keys = Keys(seed=1)
    a = keys.add("node:a:b:c")
    assert keys.add("node:a:b:c") == a
    assert keys.add("node:a:b:") != a
    assert keys.add("node:a:b") not in (a, a + 1)
    assert len(keys) == 3


def test_short_and_uuid_keys_take_nothing_from_the_arena() -> None:
    keys = Keys()
    for i in range(100):
        keys.add(f"edge:{uuid.UUID(int=i)}")
        keys.add(f"node:person:user-{i:07d}")
    assert keys.table.key_arena_bytes == 16
    keys.add("edge:" + str(uuid.UUID(int=2**100 + 10)).upper())
    assert keys.table.key_arena_bytes == 16 + 48


def test_a_flood_of_prefixes_falls_back_to_none() -> None:
    keys = Keys()
    count = 66_000
    for i in range(count):
        assert keys.add(f"t{i}:{i}") == i
    assert keys.table.prefix_count == 65_536
    assert keys.prefix(65_534) == "t65534:" and keys.prefix(65_535) == ""
    for i in (0, 1, 65_534, 65_535, 65_536, count - 1):
        assert keys.key(i) == f"t{i}:{i}"
        assert keys.number(f"t{i}:{i}") == i
    # A UUID without its prefix is a long key of its own.
    late = f"late:{uuid.UUID(int=3)}"
    assert keys.key(keys.add(late)) == late


def test_prefixes_number_texts_in_order() -> None:
    prefixes = Prefixes(3)
    texts = [f"p{i}:".encode() for i in range(1000)]
    assert [prefixes.number(t) for t in texts] == list(range(1, 1001))
    assert [prefixes.number(t) for t in reversed(texts)] == list(range(1000, 0, -1))
    assert prefixes.number(b"") == 0 and prefixes.number(b"x" * 256) == 0
    assert prefixes.text_of(0) == b"" and prefixes.text_of(1000) == b"p999:"
    with pytest.raises(IndexError):
        prefixes.text_of(1001)


@pytest.mark.parametrize("record_bytes", [24, 32, 64, 72])
def test_records_are_zeroed_and_apart(record_bytes: int) -> None:
    keys = Keys(record_bytes)
    for i in range(1000):
        keys.add(f"k{i}")
    assert keys.table.record_bytes_used == 1000 * record_bytes
    if record_bytes == 24:
        with pytest.raises(ValueError, match="no room"):
            keys.value(0)
        with pytest.raises(ValueError, match="no room"):
            keys.values_many([])
        return
    assert {keys.value(i) for i in range(1000)} == {0}
    for i in range(1000):
        keys.set_value(i, i)
    assert list(keys.values_many([f"k{i}" for i in range(1000)])) == list(range(1000))
    for i in range(1000):
        keys.remove(f"k{i}")
    keys.reclaim()
    assert keys.value(keys.add("again")) == 0


def test_misuse_is_refused() -> None:
    for record_bytes in (0, 16, 25, 65544):
        with pytest.raises(ValueError, match="record_bytes"):
            KeyTable(record_bytes, Epochs())
    with pytest.raises(TypeError):
        KeyTable(64, None)  # type: ignore[arg-type]
    with pytest.raises(OverflowError):
        KeyTable(64, Epochs(), -1)
    keys = Keys()
    for call in (keys.key, keys.prefix, keys.value):
        with pytest.raises(IndexError):
            call(0)
    with pytest.raises(KeyError):
        keys.renew("absent")
    with pytest.raises(UnicodeEncodeError):
        keys.add("\udc80")
    assert keys.number("\udc80") is None and not keys.remove("\udc80")
    for batch in (["a", 1], [None], [b"a"]):
        with pytest.raises(TypeError):
            keys.find_many(batch)  # type: ignore[arg-type]
    assert list(keys.find_many([])) == []


def test_a_renewed_key_keeps_its_old_record() -> None:
    keys = Keys()
    for key in ("short", "node:a:b", f"edge:{uuid.UUID(int=5)}", "long " * 50, "é" * 100):
        old = keys.add(key)
        keys.set_value(old, 11)
        new = keys.renew(key)
        assert new != old and keys.number(key) == new and keys.add(key) == new
        assert keys.value(new) == 0 and keys.value(old) == 11
        assert keys.key(old) == keys.key(new) == key
        # The old record's key outlives its successor's, long keys included.
        assert keys.remove(key) and keys.number(key) is None
        keys.reclaim()
        assert keys.key(old) == key and keys.key(new) == ""
        assert keys.add(key) == new


def test_removed_numbers_wait_for_readers() -> None:
    epochs = Epochs()
    keys = Keys(epochs=epochs)
    long_key = "long " * 20
    number = keys.add(long_key)
    slot = epochs.begin()
    keys.remove(long_key)
    for _ in range(3):
        keys.reclaim()
        assert keys.key(number) == long_key
        assert keys.add(f"other{keys.table.count}") != number
    later = epochs.begin()
    epochs.end(slot)
    keys.reclaim()  # who came after the removal cannot hold the number
    assert keys.key(number) == ""
    assert keys.add("next") == number
    epochs.end(later)


def test_index_tables_wait_for_readers() -> None:
    epochs = Epochs()
    keys = Keys(epochs=epochs, seed=3)
    slot = epochs.begin()
    for i in range(5000):
        keys.add(f"k{i}")
    held = keys.table.index_bytes
    keys.reclaim()
    assert keys.table.index_bytes == held
    epochs.end(slot)
    keys.reclaim()
    assert keys.table.index_bytes < held * 0.6


def keys_of_one_shard(seed: int, count: int, *, one_tag: bool) -> list[str]:
    found: list[str] = []
    i = 0
    while len(found) < count:
        key = f"k{i}"
        value = xxhash.xxh3_64_intdigest(key.encode(), seed)
        if value & 63 == 5 and (not one_tag or value >> 56 == 9):
            found.append(key)
        i += 1
    return found


@pytest.mark.parametrize(("count", "one_tag"), [(3000, False), (50, True)])
def test_an_adversary_who_knows_the_seed(count: int, one_tag: bool) -> None:
    keys = Keys(seed=99)
    texts = keys_of_one_shard(99, count, one_tag=one_tag)
    held, absent = texts[:-10], texts[-10:]
    for number, key in enumerate(held):
        assert keys.add(key) == number
        assert all(keys.number(k) is None for k in absent)
    stats = keys.probe_stats()
    assert stats["longest_hit"] <= stats["most_chunks"] and stats["longest_miss"] <= stats["most_chunks"]
    assert [keys.number(k) for k in held] == list(range(len(held)))
    for key in absent:
        assert not keys.remove(key)
    random.Random(1).shuffle(held)
    for i, key in enumerate(held):
        assert keys.remove(key) and not keys.remove(key)
        assert [k for k in held[max(0, i - 3):i + 4] if keys.number(k) is not None] == held[i + 1:i + 4]
    assert keys.probe_stats()["overflow"] == 0


def test_a_million_of_adds_and_removals_leave_nothing_behind() -> None:
    keys = Keys(seed=4)
    window = 600
    add, remove = keys.add, keys.remove
    for i in range(window):
        add(f"k{i}")
    start = keys.probe_stats()
    for i in range(window, 1_000_000):
        add(f"k{i}")
        remove(f"k{i - window}")
        if i & 255 == 0:
            keys.reclaim()
    stats = keys.probe_stats()
    assert stats["keys"] == window
    assert stats["chunks"] <= 4 * start["chunks"]  # shards grow with their fullest moment
    assert stats["mean_hit"] < 1.3 and stats["mean_miss"] < 1.3 and stats["longest_miss"] <= 4
    assert keys.table.count < window + 2 * 256 + 300
    for i in range(1_000_000 - window, 1_000_000):
        assert remove(f"k{i}")
    stats = keys.probe_stats()
    assert stats["overflow"] == 0 and stats["longest_miss"] == 1 and stats["keys"] == 0


def test_growth_keeps_every_key_and_walks_short() -> None:
    keys = Keys(seed=8)
    texts = [f"node:person:user-{i:07d}" for i in range(100_000)]
    for i, key in enumerate(texts):
        assert keys.add(key) == i
        if i in (10, 100, 1000, 10_000, 50_000, 99_999):
            keys.reclaim()
            assert list(keys.find_many(texts[:i + 1])) == list(range(i + 1))
            stats = keys.probe_stats()
            assert stats["mean_hit"] < 1.2 and stats["mean_miss"] < 1.5
            assert stats["chunks"] * 12 <= max(64 * 12, 2.4 * (i + 1))
    assert keys.table.index_bytes / len(texts) < 17


class KeysAgainstModel(RuleBasedStateMachine):
    """Numbers, values, old records and readers, against plain dicts."""

    some_keys = st.sampled_from([f"k{i}" for i in range(30)] + [f"edge:{uuid.UUID(int=i)}" for i in range(10)]
                                + [f"node:t{i % 3}:" + "long " * i for i in range(20)])

    def __init__(self) -> None:
        super().__init__()
        self.epochs = Epochs()
        self.keys = Keys(epochs=self.epochs, seed=21)
        self.numbers: dict[str, int] = {}
        self.values: dict[int, int] = {}
        self.old: dict[int, str] = {}  # renewed away: readable for good
        self.gone: list[tuple[int, str]] = []  # removed while a reader was in
        self.slots: list[int] = []

    @rule(key=some_keys, value=st.integers(1, 2**64 - 1))
    def add(self, key: str, value: int) -> None:
        number = self.keys.add(key)
        if key in self.numbers:
            assert number == self.numbers[key]
        else:
            assert number not in self.numbers.values() and number not in self.old
            assert number not in [n for n, _ in self.gone]
            assert self.keys.value(number) == 0
            self.numbers[key] = number
        self.keys.set_value(number, value)
        self.values[number] = value

    @rule(key=some_keys)
    def remove(self, key: str) -> None:
        assert self.keys.remove(key) == (key in self.numbers)
        if key in self.numbers:
            number = self.numbers.pop(key)
            if self.slots:
                self.gone.append((number, key))

    @rule(key=some_keys)
    def renew(self, key: str) -> None:
        if key not in self.numbers:
            return
        self.old[self.numbers[key]] = key
        number = self.keys.renew(key)
        assert number not in self.numbers.values() and number not in self.old
        self.numbers[key] = number
        self.values[number] = 0

    @rule()
    def reclaim(self) -> None:
        self.keys.reclaim()

    @rule()
    def enter(self) -> None:
        self.slots.append(self.epochs.begin())

    @precondition(lambda self: self.slots)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        self.epochs.end(self.slots.pop(data.draw(st.integers(0, len(self.slots) - 1))))
        if not self.slots:
            self.gone.clear()

    @invariant()
    def all_agrees(self) -> None:
        assert len(self.keys) == len(self.numbers)
        assert list(self.keys.find_many(self.numbers)) == list(self.numbers.values())
        for key, number in self.numbers.items():
            assert self.keys.key(number) == key and self.keys.value(number) == self.values[number]
        for number, key in self.old.items():
            assert self.keys.key(number) == key and self.keys.value(number) == self.values[number]
        if self.slots:
            for number, key in self.gone:
                assert self.keys.key(number) == key


TestKeysAgainstModel = KeysAgainstModel.TestCase
TestKeysAgainstModel.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
