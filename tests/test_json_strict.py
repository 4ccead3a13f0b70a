"""Strict JSON: the compiled parser accepts and refuses what a strict reading of Python's own json does."""

import json
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scan_reference import load

from primecore._json import has_control, plain_run
from primecore._scan import check_json
from primecore.errors import InvalidEvent


def accepts(text: bytes) -> bool:
    try:
        check_json(text)
    except InvalidEvent:
        return False
    return True


def reference_accepts(text: bytes) -> bool:
    try:
        load(text)
    except ValueError:
        return False
    return True


GOOD = [
    b"null", b"true", b"false", b"0", b"-0", b"-0.0", b"1", b"10", b"1.5", b"1e5", b"1E+5", b"1e-05", b"0e0", b'""',
    b"[]", b"{}",
    b" [ ] ", b"\t{\n}\r", b"[1,2]", b'{"a":1,"b":[{}]}', b'{"":0}', b'"\\u0000"', b'"\\ud83d\\ude00"', b'"\x7f"',
    b'"\xc2\x80"',
    b'"\xe0\xa0\x80"', b'"\xed\x9f\xbf"', b'"\xee\x80\x80"', b'"\xf0\x90\x80\x80"', b'"\xf4\x8f\xbf\xbf"',
    b'"\\/\\"\\\\"',
    b'"\xe2\x80\xa8"', b'"\xef\xbb\xbf"', b'"\xef\xbf\xbf"', b"1" * 10_000, b"1e" + b"0" * 10_000 + b"9" * 17,
    b"[" * 512 + b"]" * 512,
    b'{"a":{"a":{"a":1}},"b":{"a":1}}', b'[{"a":1},{"a":1}]', b'{"a":1,"A":1,"a ":1}', b'{"\\u0061":1,"b":2}',
]  # fmt: skip

BAD = [
    b"", b" ", b"nul", b"nulll", b"True", b"NaN", b"Infinity", b"-Infinity", b"-NaN", b"+1", b"01", b"-01", b"00",
    b"1.", b".5",
    b"-.5", b"1e", b"1e+", b"-", b"--1", b"0x10", b"1_000", b"1,", b"1 2", b"1a", b"'a'", b'"', b'"a', b'"\\',
    b'"\\"', b'"\\x"',
    b'"\\a"', b'"\\u12"', b'"\\u123', b'"\\u12g4"', b'"\\U00e9"', b'"\\ud800"', b'"\\udc00"', b'"\\ud800\\n"',
    b'"\\ud800\\ud800"',
    b'"\\ud800\\u0041"', b'"\\udc00\\ud800"', b'"\n"', b'"\t"', b'"\x00"', b'"\x1f"', b'"\xff"', b'"\x80"',
    b'"\xc0\x80"',
    b'"\xc1\xbf"', b'"\xc2"', b'"\xe0\x80\x80"', b'"\xe0\x9f\xbf"', b'"\xed\xa0\x80"', b'"\xed\xbf\xbf"',
    b'"\xf0\x80\x80\x80"',
    b'"\xf0\x8f\xbf\xbf"', b'"\xf4\x90\x80\x80"', b'"\xf5\x80\x80\x80"', b'"\xf8\x88\x80\x80\x80"', b'"\xe2\x82"',
    b'"\xf0\x9f\x98"',
    b"[", b"]", b"[1", b"[1,", b"[1,]", b"[,1]", b"[,]", b"[1,,2]", b"[1 2]", b"[1}", b"{", b"}", b'{"a"', b'{"a":',
    b'{"a":1',
    b'{"a":1,', b'{"a":1,}', b"{,}", b"{1:2}", b"{a:1}", b"{'a':1}", b'{"a" 1}', b'{"a":}', b'{"a"::1}',
    b'{"a":1 "b":2}',
    b'{"a":1]', b"{null:1}", b"/**/1", b"1//", b"\xef\xbb\xbf1", b"1\xef\xbb\xbf", b"\x0c1", b"1\x00", b"\xa01",
    b"\xc2\xa01",
    b"[" * 513 + b"]" * 513, b'{"a":' * 513 + b"1" + b"}" * 513, b"[" * 100_000, b'{"a":[' * 100_000,
    b'{"a":1,"a":1}', b'{"a":1,"b":2,"a":3}', b'{"a":1,"\\u0061":1}', b'{"\\u00e9":1,"\xc3\xa9":1}', b'{"":1,"":2}',
    b'[{"x":{"a":1,"a":1}}]', b'{"\\/":1,"/":2}', b'{"\\ud83d\\ude00":1,"\xf0\x9f\x98\x80":2}', b"\xff\xfe1\x00",
    b"{}{}", b"[][]", b"1e" + b"9" * 10_000,
]  # fmt: skip


@pytest.mark.parametrize("text", GOOD, ids=lambda text: repr(text[:20]))
def test_good_text_is_accepted(text: bytes) -> None:
    check_json(text)
    if len(text) < 1000:
        assert reference_accepts(text)


@pytest.mark.parametrize("text", BAD, ids=lambda text: repr(text[:20]))
def test_bad_text_is_refused_with_a_place_inside_it(text: bytes) -> None:
    with pytest.raises(InvalidEvent) as caught:
        check_json(text)
    assert 1 <= caught.value.column <= len(text) + 1
    if len(text) < 1000:
        assert not reference_accepts(text)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=20),
    max_leaves=30,
)


@given(JSON_VALUES, st.booleans(), st.sampled_from([None, 1]))
@settings(max_examples=300, deadline=None)
def test_whatever_json_dumps_is_accepted(value: object, ascii_only: bool, indent: int | None) -> None:
    check_json(json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass"))


@given(st.binary(max_size=60))
@settings(max_examples=1000, deadline=None)
def test_any_bytes_in_a_string_are_judged_like_python_does(content: bytes) -> None:
    text = b'"' + content + b'"'
    assert accepts(text) == reference_accepts(text)


TOKENS = [
    b"{", b"}", b"[", b"]", b",", b":", b'"a"', b'"b"', b'"\\u0061"', b"1", b"-0.5e3", b"null", b"true", b" ", b"\n",
    b'"\xc3\xa9"',
]  # fmt: skip


def test_random_token_soup_is_judged_like_python_does() -> None:
    chance = random.Random(11)
    accepted = 0
    for _ in range(40_000):
        text = b"".join(chance.choices(TOKENS, k=chance.randint(1, 9)))
        verdict = accepts(text)
        assert verdict == reference_accepts(text), text
        accepted += verdict
    assert accepted > 1000


def test_changed_bytes_of_good_text_are_judged_like_python_does() -> None:
    chance = random.Random(12)
    seed = '{"name":"Zo\u00eb \\u00e9\\n","tags":["a",{"deep":[1.5e-7,-3]}],"n":null,"\U0001f600":true}'.encode()
    for _ in range(20_000):
        text = bytearray(seed)
        for _ in range(chance.randint(1, 3)):
            text[chance.randrange(len(text))] = chance.choice([*b'"\\{}[],:0', chance.randrange(256)])
        assert accepts(bytes(text)) == reference_accepts(bytes(text)), bytes(text)


def test_every_prefix_of_good_text_is_refused() -> None:
    text = '{"a":[1,-2.5e+3,"\u00e9\\ud83d\\ude00",true,null,{}],"b":{"c":[[]]}}'.encode()
    for size in range(len(text)):
        assert not accepts(text[:size]), text[:size]


@pytest.mark.parametrize("count", [15, 16, 17, 18, 33, 1000, 100_000])
def test_duplicates_are_found_among_any_number_of_keys(count: int) -> None:
    keys = [f'"key{i}"' for i in range(count)]
    check_json(("{" + ",".join(f"{key}:0" for key in keys) + "}").encode())
    for again in (0, count // 2, count - 1):
        text = ("{" + ",".join(f"{key}:0" for key in [*keys, keys[again]]) + "}").encode()
        with pytest.raises(InvalidEvent, match="given twice") as caught:
            check_json(text)
        assert caught.value.field == keys[again].strip('"')
        assert caught.value.column == text.rindex(keys[again].encode()) + 1


def test_keys_that_fool_the_quick_hash_are_still_told_apart() -> None:
    # Same size, same first and last eight bytes.
    keys = [f"aaaaaaaa{i:04}bbbbbbbb" for i in range(16)]
    check_json(json.dumps(dict.fromkeys(keys, 1)).encode())
    assert not accepts(f'{{"{keys[3]}":1,{json.dumps(dict.fromkeys(keys, 1))[1:]}'.encode())


def test_many_large_objects_inside_each_other() -> None:
    inner = "0"
    for level in range(100):
        inner = "{" + ",".join(f'"k{i}":{inner if i == 20 else i}' for i in range(40)) + "}"
        if level == 50:
            inner = f"[{inner}]"
    check_json(inner.encode())
    assert not accepts(inner.replace('"k39":39', '"k7":39', 1).encode())


def test_depth_can_be_limited() -> None:
    check_json(b"[[[]]]", max_depth=3)
    with pytest.raises(InvalidEvent, match="too deep"):
        check_json(b"[[[[]]]]", max_depth=3)


def test_long_strings_with_a_fault_at_every_place() -> None:
    for size in range(1, 70):
        for fault in (b"\x1f", b"\x80", b'"x', b"\\q"):
            for place in range(size):
                text = b'"' + b"a" * place + fault + b"b" * (size - place) + b'"'
                with pytest.raises(InvalidEvent) as caught:
                    check_json(text)
                assert caught.value.column in (place + 2, place + 3)
        check_json(b'"' + b"a" * size + b'"')


def test_the_kernels_agree_with_their_scalar_twins_and_with_python() -> None:
    chance = random.Random(13)
    marks = [
        b'"',
        b"\\",
        b"\x00",
        b"\x1f",
        b"\x7f",
        b"\x80",
        b"\xff",
        "\u0085".encode(),
        "\u00a0".encode(),
        "\u009f".encode(),
    ]
    for _ in range(20_000):
        text = b"a" * chance.randrange(50) + chance.choice([b"", *marks]) + b"z" * chance.randrange(40)
        stop = re.search(rb'["\\\x00-\x1f\x80-\xff]', text)
        expected = stop.start() if stop else len(text)
        assert plain_run(text) == plain_run(text, scalar=True) == expected, text
        control = bool(re.search(rb"[\x00-\x1f\x7f]|\xc2[\x80-\x9f]", text))
        assert has_control(text) == has_control(text, scalar=True) == control, text
