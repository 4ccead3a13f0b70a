"""Base64 of embeddings: each way of reading and writing it gives what the standard library gives, faults included."""

from __future__ import annotations

import base64
import random
import struct
from array import array

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import primecore
from primecore import _embedding
from primecore._embedding import base64_text, base64_ways, embedding_floats, vector_event, vector_payload

DIGITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
ways = pytest.mark.parametrize("how", base64_ways())


def numbers(count: int, seed: int = 1) -> bytes:
    return np.random.default_rng(seed).standard_normal(count).astype("<f4").tobytes()


@ways
def test_written_as_the_standard_library_writes_it(how: int) -> None:
    chance = random.Random(how)
    for size in [*range(200), 1535, 1536, 1537, 4096, 65536]:
        data = chance.randbytes(size)
        assert base64_text(data, how) == base64.b64encode(data), size


@ways
def test_every_pattern_of_bits_is_written_and_read(how: int) -> None:
    whole = bytes(range(256)) * 6
    assert base64_text(whole, how) == base64.b64encode(whole)
    for shift in range(64):  # every digit in every place of a block; the top bits of no number are all ones
        digits = bytes(DIGITS[(shift + place) % 64] for place in range(512))
        data = base64.b64decode(digits)
        words = np.frombuffer(data, "<u4")
        if (words & 0x7F800000 != 0x7F800000).all():
            assert embedding_floats(digits, how) == data
        else:
            with pytest.raises(ValueError):
                embedding_floats(digits, how)


@ways
def test_read_at_every_length(how: int) -> None:
    for count in range(1, 200):
        data = numbers(count, count)
        text = base64.b64encode(data)
        assert embedding_floats(text, how) == data
        assert embedding_floats(text.rstrip(b"=") + b"=" * (-len(text.rstrip(b"=")) % 4), how) == data


@ways
@pytest.mark.parametrize("count", [1, 3, 6, 12, 13, 24, 100, 384])
def test_a_byte_that_is_no_digit_is_found_wherever_it_stands(how: int, count: int) -> None:
    text = bytearray(base64.b64encode(numbers(count)))
    for place in range(len(text.rstrip(b"="))):
        held = text[place]
        for bad in (0, 10, ord("="), ord("-"), ord("_"), ord(" "), ord(","), ord("."), ord(":"), ord("@"), ord("["),
                    ord("`"), ord("{"), 127, 128, 170, 191, 200, 255):  # fmt: skip
            text[place] = bad
            if bad == ord("=") and place >= len(text) - 2:
                continue
            with pytest.raises(ValueError):
                embedding_floats(bytes(text), how)
        text[place] = held
    assert embedding_floats(bytes(text), how)


@ways
@pytest.mark.parametrize("count", [1, 6, 12, 13, 25, 384])
def test_a_number_that_is_not_finite_is_found_wherever_it_stands(how: int, count: int) -> None:
    row = np.zeros(count, "<f4")
    with pytest.raises(ValueError):
        embedding_floats(base64.b64encode(row.tobytes()), how)
    for place in range(count):
        for bad in (np.nan, -np.nan, np.inf, -np.inf):
            row[place] = bad
            with pytest.raises(ValueError):
                embedding_floats(base64.b64encode(row.tobytes()), how)
        for least in (-1e-45, 3.4e38):  # one that is not zero is enough
            row[place] = least
            assert embedding_floats(base64.b64encode(row.tobytes()), how) == row.tobytes()
        row[place] = -0.0
        with pytest.raises(ValueError):
            embedding_floats(base64.b64encode(row.tobytes()), how)
        row[place] = 0


@given(st.binary(min_size=0, max_size=300), st.integers(0, 3))
@settings(max_examples=500, deadline=None)
def test_all_ways_agree_about_anything(data: bytes, kind: int) -> None:
    text = data if kind == 0 else base64.b64encode(data)
    if kind == 2 and text:
        text = text[: len(data) % len(text)] + b"\xf0" + text[len(data) % len(text) + 1 :]

    def outcome(how: int) -> bytes | str:
        try:
            return embedding_floats(b" " + text if kind == 3 else text, how)
        except ValueError as error:
            return str(error)

    assert len({outcome(how) for how in base64_ways()}) == 1


def test_an_event_is_what_the_slow_way_makes() -> None:
    row = np.frombuffer(numbers(384), "f4")
    made = vector_event("m:1", row, b'"x"', b'{"a":1}')
    assert made == (b"prime.vector.stored", b"vec:m:1", vector_payload(row, b'"x"', b'{"a":1}'), None, None, None)
    assert vector_event("ä€", array("f", [1]), None, None)[1] == "vec:ä€".encode()
    # What takes a closer look is left to those who have the time.
    strange = [np.zeros(3), np.zeros((2, 2), "f4"), row[::2], row.astype(">f4"), row.tobytes(), [1.0], "x", None, 5]
    for vector in strange:
        assert vector_event("m:1", vector, None, None) is None
    for id in ("", "\ud800", None, b"m", 5):
        assert vector_event(id, row, None, None) is None


def test_whatever_holds_numbers_is_stored_alike() -> None:
    row = np.frombuffer(numbers(48), "f4")
    read_only = row.copy()
    read_only.flags.writeable = False
    wide = np.zeros((2, 48), "f4")
    wide[1] = row
    forms = [row, read_only, wide[1], row.tolist(), tuple(row.tolist()), row.astype("f8"), row.astype(">f4"),
             array("f", row), memoryview(row), np.repeat(row, 2)[::2], struct.unpack("48f", row.tobytes())]  # fmt: skip
    with primecore.open(":memory:") as prime:
        for at, form in enumerate(forms):
            prime.embed(f"m:{at}", form, text="t", metadata={"a": at})
        found = {event.payload["embedding"] for event in prime.events(event_type="prime.vector.stored")}
        assert found == {base64.b64encode(row.tobytes()).decode()}
        hits = prime.similar(row, k=20)
        assert len(hits) == len(forms) and {hit.score for hit in hits} == {1.0}


def test_this_machine_has_a_way_that_is_not_the_plain_one() -> None:
    flags = ""
    try:
        with open("/proc/cpuinfo", encoding="ascii") as lines:
            flags = next((line for line in lines if line.startswith("flags")), "")
    except OSError:
        pass
    if " avx2 " in flags:
        assert len(base64_ways()) > 1
    assert _embedding.base64_ways()[0] == 0
