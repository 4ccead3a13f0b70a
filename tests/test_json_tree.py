"""Merge patch, canonical form and equality of JSON texts, beside plain Python ones that work on exact decimals."""

import json
import random
import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scan_reference import EXACT, Number, load, random_number
from scan_reference import canonical as plain_canonical
from scan_reference import merge_patch as plain_merge

from primecore._scan import canonical, equal, merge_patch
from primecore.errors import InvalidEvent

# RFC 7396, appendix A: target, patch, result.
RFC_CASES = [
    ('{"a":"b"}', '{"a":"c"}', '{"a":"c"}'),
    ('{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'),
    ('{"a":"b"}', '{"a":null}', "{}"),
    ('{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'),
    ('{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'),
    ('{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'),
    ('{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'),
    ('{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'),
    ('["a","b"]', '["c","d"]', '["c","d"]'),
    ('{"a":"b"}', '["c"]', '["c"]'),
    ('{"a":"foo"}', "null", "null"),
    ('{"a":"foo"}', '"bar"', '"bar"'),
    ('{"e":null}', '{"a":1}', '{"e":null,"a":1}'),
    ("[1,2]", '{"a":"b","c":null}', '{"a":"b"}'),
    ("{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'),
]


@pytest.mark.parametrize(("target", "patch", "result"), RFC_CASES)
def test_the_cases_of_rfc_7396(target: str, patch: str, result: str) -> None:
    assert merge_patch(target.encode(), patch.encode()).decode() == result


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ("", '{"a":1,"b":null}', '{"a":1}'),
        ("", "{}", "{}"),
        ("", "[ null ]", "[ null ]"),
        ("null", '{"a":{"b":null}}', '{"a":{}}'),
        # Raw text of values and keys stays; only rebuilt levels are compact.
        ('{"n": 1.00, "l": [1, 2]}', '{"x": 1E+2}', '{"n":1.00,"l":[1, 2],"x":1E+2}'),
        ('{"\\u0061": 1}', '{"a": 2}', '{"\\u0061":2}'),
        ('{"a":1}', '{"\\u0061":null}', "{}"),
        ('{"a": { "x" : 1 }, "b": { "y" : 1 }}', '{"b":{}}', '{"a":{ "x" : 1 },"b":{"y":1}}'),
        # Nulls inside arrays are values; nulls the target has are kept.
        ('{"a":null}', '{"b":[null,{"c":null}]}', '{"a":null,"b":[null,{"c":null}]}'),
        # Order: the target's, then what is new in the patch's order.
        ('{"c":1,"a":2}', '{"z":1,"a":3,"b":4}', '{"c":1,"a":3,"z":1,"b":4}'),
        ('{"a":1}', '{"a":{"b":{"c":null,"d":[]}}}', '{"a":{"b":{"d":[]}}}'),
        ("12345678901234567890.00", '{"a":-0.0}', '{"a":-0.0}'),
    ],
)
def test_merge_keeps_raw_text_and_order(target: str, patch: str, result: str) -> None:
    assert merge_patch(target.encode(), patch.encode()).decode() == result


KEYS = st.sampled_from(["a", "b", "c", "\u00e9", "a/b", ""]) | st.text(max_size=3)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)


def encode(value: Any, **options: Any) -> bytes:
    return json.dumps(value, **options).encode()


@given(VALUES, VALUES)
@settings(max_examples=500, deadline=None)
def test_merge_does_what_the_rfc_says(target: Any, patch: Any) -> None:
    try:
        merged = merge_patch(encode(target), encode(patch, ensure_ascii=True))
    except InvalidEvent:  # text() may give lone surrogates
        return
    expected = plain_merge(target, patch)
    assert json.loads(merged) == expected
    assert json.dumps(json.loads(merged)) == json.dumps(expected)  # the same order of keys


@pytest.mark.parametrize("count", [15, 16, 17, 40, 50_000])
def test_merge_of_large_objects(count: int) -> None:
    target = {f"k{i}": {"v": i, "w": i} for i in range(count)}
    patch = {f"k{i}": None if i % 3 == 0 else {"v": -i, "w": None} for i in range(count // 2, count + count // 2)}
    assert json.loads(merge_patch(encode(target), encode(patch))) == plain_merge(target, patch)


def test_merge_at_full_depth() -> None:
    deep = b'{"a":' * 511 + b'{"b":1}' + b"}" * 511
    patch = b'{"a":' * 511 + b'{"c":2,"b":null}' + b"}" * 511
    assert merge_patch(deep, patch) == b'{"a":' * 511 + b'{"c":2}' + b"}" * 511
    assert merge_patch(b"", deep) == deep


@pytest.mark.parametrize("bad", [b"", b"{", b'{"a":1,"a":2}', b'"\xff"', b"NaN"])
def test_broken_texts_are_refused(bad: bytes) -> None:
    with pytest.raises(InvalidEvent):
        merge_patch(b"{}", bad)
    with pytest.raises(InvalidEvent):
        canonical(bad)
    with pytest.raises(InvalidEvent):
        equal(b"{}", bad)
    if bad:
        with pytest.raises(InvalidEvent):
            merge_patch(bad, b"{}")


# ---- canonical form ----

SAME_NUMBERS = [
    ["1", "1.0", "10e-1", "1E0", "0.1e1", "100e-02", "0.0001e+4", "1.000"],
    ["0", "-0", "0.0", "-0.00e5", "0e0000000000000000000099999999999999999"],
    ["1e400", "10e399", "0.1e401", "1E+400"],
    ["123456789012345678901234567890", "1.2345678901234567890123456789e29", "123456789012345678901234567890.0"],
    ["1e-7", "0.0000001", "10e-8"],
    ["-2.5", "-25e-1", "-0.25E1"],
    ["1e9999999999999999", "0.1e10000000000000000", "10E+00000000000000000009999999999999998"],
    ["1e-99999999999999998", "0.1e-99999999999999997", "10e-99999999999999999"],
]


@pytest.mark.parametrize("spellings", SAME_NUMBERS, ids=lambda spellings: spellings[0][:20])
def test_numbers_that_are_equal_have_one_form(spellings: list[str]) -> None:
    assert len({canonical(text.encode()) for text in spellings}) == 1
    for text in spellings:
        assert equal(text.encode(), spellings[0].encode()), text


def test_numbers_that_differ_have_different_forms() -> None:
    texts = [spellings[0] for spellings in SAME_NUMBERS] + ["1.0000000000000000001", "-1", "10", "0.1", "1e401", "12e0"]
    assert len({canonical(text.encode()) for text in texts}) == len(texts)


def test_canonical_numbers_are_those_of_exact_decimals() -> None:
    chance = random.Random(21)
    for _ in range(10_000):
        text = random_number(chance)
        form = canonical(text.encode()).decode()
        assert form == plain_canonical(Number(text)), text
        assert EXACT.create_decimal(form) == EXACT.create_decimal(text), text
        assert canonical(form.encode()).decode() == form


def test_numbers_are_equal_when_their_decimals_are() -> None:
    chance = random.Random(22)
    for _ in range(5_000):
        a, b = random_number(chance, 1), random_number(chance, 1)
        if chance.random() < 0.5:
            sign, digits, exponent = Decimal(a).as_tuple()
            shift = chance.randint(0, 30)
            b = f"{'-' if sign else ''}{''.join(map(str, digits))}{'0' * shift}e{int(exponent) - shift}"
            b = re.sub(r"^(-?)0+(?=\d)", r"\1", b)
        assert equal(a.encode(), b.encode()) == (Decimal(a) == Decimal(b)), (a, b)


@given(VALUES | st.dictionaries(st.text(), st.text(), max_size=40), st.randoms(use_true_random=False))
@settings(max_examples=500, deadline=None)
def test_canonical_is_the_plain_one_whatever_the_spelling(value: Any, chance: random.Random) -> None:
    text = encode(value, ensure_ascii=chance.random() < 0.5, indent=chance.choice([None, 2]))
    shuffled = encode(shuffle(value, chance), separators=chance.choice([(",", ":"), (" , ", " : ")]))
    try:
        form = canonical(text)
    except InvalidEvent:
        return
    assert form.decode() == plain_canonical(load(text))
    assert canonical(shuffled) == form
    assert equal(text, shuffled)


def shuffle(value: Any, chance: random.Random) -> Any:
    if isinstance(value, list):
        return [shuffle(inner, chance) for inner in value]
    if not isinstance(value, dict):
        return value
    items = [(key, shuffle(inner, chance)) for key, inner in value.items()]
    chance.shuffle(items)
    return dict(items)


def test_canonical_strings_have_the_shortest_escapes() -> None:
    text = '"' + "".join(f"\\u{i:04X}" for i in range(0x80)) + "\\u00e9\\ud83d\\ude00\\/\\u2028" + '"'
    assert json.loads(canonical(text.encode())) == json.loads(text)
    assert canonical(text.encode()).decode() == plain_canonical(json.loads(text))


def test_canonical_sorts_by_bytes_and_many_keys() -> None:
    names = [f"{i * 7919 % 100_003:x}" for i in range(50_000)] + ["\U0001f600", "\uffff", "\u00e9", "z", "Z", "z\u0000"]
    form = canonical(encode(dict.fromkeys(names, 1)))
    assert list(json.loads(form)) == sorted(names, key=lambda name: name.encode())


def test_canonical_at_full_depth() -> None:
    deep = b"[" * 511 + b'{"b":1.0,"a":0}' + b"]" * 511
    assert canonical(deep) == b"[" * 511 + b'{"a":0,"b":1}' + b"]" * 511


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("[1,2]", "[2,1]"), ("{}", "[]"), ('"1"', "1"), ("null", "{}"), ('{"a":null}', "{}"), ("true", "false"),
        ('{"a":1}', '{"a":1,"b":1}'), ('"a"', '"A"'), ('"\u00e9"', '"e\u0301"'), ("0", "false"),
    ],
)  # fmt: skip
def test_what_differs_is_not_equal(a: str, b: str) -> None:
    assert not equal(a.encode(), b.encode())
