"""The literals of an event (ids, event types, UUIDs, times, numbers) beside Python's own."""

import base64
import locale
import math
import random
import re
import struct
import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scan_reference import EPOCH, float32, is_id, parse_time, random_number

from primecore._embedding import embedding_floats
from primecore._literals import is_entity_id, is_event_type, number_from_text, uuid_from_text, uuid_to_text
from primecore._times import time_from_text, time_to_text

# ---- times ----


def outcome(parse: object, text: str) -> object:
    try:
        return parse(text)  # type: ignore[operator]
    except (ValueError, OverflowError):
        return "refused"


OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(timezones=OFFSETS))
@settings(max_examples=1000, deadline=None)
def test_any_datetime_is_read_as_itself(moment: datetime) -> None:
    try:
        expected = (moment - EPOCH) // timedelta(microseconds=1)
        moment.astimezone(UTC)
    except OverflowError:
        with pytest.raises(ValueError):
            time_from_text(moment.isoformat())
        return
    assert time_from_text(moment.isoformat()) == expected
    assert time_from_text(moment.isoformat(" ")) == expected


@given(st.datetimes())
@settings(max_examples=1000, deadline=None)
@example(datetime(1, 1, 1))
@example(datetime(9999, 12, 31, 23, 59, 59, 999999))
@example(datetime(1600, 2, 29))
@example(datetime(1969, 12, 31, 23, 59, 59, 999999))
def test_any_time_is_written_as_itself(moment: datetime) -> None:
    time_us = (moment.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
    text = time_to_text(time_us)
    assert text == moment.isoformat() + "Z"
    assert time_from_text(text) == time_us


def test_every_day_of_four_centuries() -> None:
    day = datetime(1899, 12, 31, tzinfo=UTC)
    for _ in range(146_097):
        time_us = (day - EPOCH) // timedelta(microseconds=1)
        assert time_from_text(f"{day:%Y-%m-%d}T00:00:00Z") == time_us
        day += timedelta(days=1)


GOOD_TIMES = [
    "2026-01-31T09:30:00Z", "2026-01-31t09:30:00z", "2026-01-31 09:30:00+00:00", "2026-01-31T09:30:00-00:00",
    "2026-01-31T09:30:00.1Z", "2026-01-31T09:30:00.123456789Z", "2026-01-31T09:30:00.9999999999999999999999999999Z",
    "2024-02-29T00:00:00Z", "2000-02-29T00:00:00Z", "0001-01-01T00:00:00Z", "0001-01-01T05:00:00+05:00",
    "9999-12-31T23:59:59.999999Z", "9999-12-31T18:59:59-05:00", "2026-01-31T09:30:00+23:59", "2016-12-31T23:59:60Z",
    "2016-12-31T18:59:60-05:00", "2017-01-01T05:29:60+05:30", "1969-12-31T23:59:59.5Z",
]  # fmt: skip

BAD_TIMES = [
    "", "2026", "2026-01-31", "2026-01-31T09:30:00", "2026-01-31T09:30Z", "2026-01-31T09:30:00+0100",
    "2026-01-31T09:30:00+01",
    "2026-01-31T09:30:00.Z", "2026-01-31T09:30:00,5Z", "2026-01-31T24:00:00Z", "2026-01-31T09:60:00Z",
    "2026-01-31T09:30:61Z",
    "2026-01-31T09:30:60Z", "2026-00-31T09:30:00Z", "2026-13-01T09:30:00Z", "2026-01-00T09:30:00Z",
    "2026-01-32T09:30:00Z",
    "2026-04-31T09:30:00Z", "2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "0000-01-01T00:00:00Z",
    "2026-01-31T09:30:00+24:00",
    "2026-01-31T09:30:00+01:60", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "26-01-31T09:30:00Z",
    " 2026-01-31T09:30:00Z",
    "2026-01-31T09:30:00Z ", "2026-01-31T09:30:00ZZ", "2026-1-31T09:30:00Z", "2026/01/31T09:30:00Z",
    "2026-01-31X09:30:00Z",
    "+2026-01-31T09:30:00Z", "2026-01-31T09:30:00\u00b11:00", "2026-01-31T09:30:0aZ", "\u0662026-01-31T09:30:00Z",
    "2026-W05-6T09:30:00Z",
    "2026-01-31T09:30:00.1", "2026-01-31T09:30:00.1+", "2026-01-31T09-30:00Z", "2026-01-31T09:30-00Z",
    "2026-01-31T-9:30:00Z",
]  # fmt: skip


@pytest.mark.parametrize("text", GOOD_TIMES)
def test_good_times(text: str) -> None:
    assert time_from_text(text) == parse_time(text)


@pytest.mark.parametrize("text", BAD_TIMES)
def test_bad_times(text: str) -> None:
    assert outcome(parse_time, text) == "refused"
    with pytest.raises(ValueError, match="RFC 3339"):
        time_from_text(text)


def test_a_leap_second_is_the_last_microsecond_before_it() -> None:
    assert time_to_text(time_from_text("2016-12-31T23:59:60.25Z")) == "2016-12-31T23:59:59.999999Z"


def test_finer_digits_are_cut_not_rounded() -> None:
    assert time_to_text(time_from_text("2026-01-31T09:30:00.1234569Z")) == "2026-01-31T09:30:00.123456Z"


@given(st.sampled_from(GOOD_TIMES), st.integers(0, 40), st.sampled_from("0123456789-+:.TZ x"))
@settings(max_examples=1500, deadline=None)
def test_a_changed_character_is_judged_like_the_reference_does(text: str, place: int, character: str) -> None:
    changed = text[:place] + character + text[place + 1 :]
    assert outcome(time_from_text, changed) == outcome(parse_time, changed)


# ---- UUIDs ----


@given(st.uuids())
def test_any_uuid_is_read_and_written(value: uuid.UUID) -> None:
    assert uuid_from_text(str(value)) == value.bytes
    assert uuid_from_text(str(value).upper()) == value.bytes
    assert uuid_to_text(value.bytes) == str(value)


def test_every_byte_at_every_place_of_a_uuid() -> None:
    good = "01890a5d-ac96-774b-bcce-b302099a8057"
    digits = set("0123456789abcdefABCDEF")
    for place in range(36):
        for code in range(256):
            text = good[:place] + chr(code) + good[place + 1 :]
            fine = chr(code) == "-" if good[place] == "-" else chr(code) in digits
            if fine:
                assert uuid_from_text(text) == uuid.UUID(text).bytes
            else:
                with pytest.raises(ValueError):
                    uuid_from_text(text)


@pytest.mark.parametrize(
    "text", ["", "0" * 32, "{01890a5d-ac96-774b-bcce-b302099a8057}", "01890a5d-ac96-774b-bcce-b302099a80577"]
)
def test_other_forms_are_no_uuid(text: str) -> None:
    with pytest.raises(ValueError):
        uuid_from_text(text)
    with pytest.raises(ValueError):
        uuid_to_text(text.encode())


# ---- numbers ----


@given(st.floats(allow_nan=False, allow_infinity=False))
@settings(max_examples=1000, deadline=None)
@example(5e-324)
@example(1.7976931348623157e308)
@example(-0.0)
def test_any_double_is_read_as_itself(value: float) -> None:
    text = repr(value)
    assert math.copysign(1, number_from_text(text)) == math.copysign(1, value)
    assert number_from_text(text) == value


def test_any_number_is_the_nearest_double() -> None:
    chance = random.Random(31)
    longest = str(int(1.7976931348623157e308))
    texts = [
        "9007199254740993",
        "0.1e-22",
        longest,
        longest + "0",
        "1" + "0" * 400 + "e-400",
        "0." + "0" * 400 + "1e400",
    ]
    for text in texts + [random_number(chance) for _ in range(20_000)]:
        if math.isfinite(float(text)):
            assert number_from_text(text) == float(text), text
        else:
            with pytest.raises(ValueError):
                number_from_text(text)


@pytest.mark.parametrize(
    "text", ["", "-", "1.", ".5", "01", "1e", "1 ", " 1", "NaN", "Infinity", "0x1", "1,5", "1e999", "1_0", "\u0661"]
)
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ValueError):
        number_from_text(text)


def test_numbers_do_not_depend_on_the_locale() -> None:
    before = locale.setlocale(locale.LC_NUMERIC)
    for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "C.UTF-8"):
        try:
            locale.setlocale(locale.LC_NUMERIC, name)
        except locale.Error:
            continue
        try:
            assert number_from_text("1.2345678901234567890123") == 1.2345678901234567890123
        finally:
            locale.setlocale(locale.LC_NUMERIC, before)


def test_the_numbers_of_an_embedding_are_the_nearest_floats() -> None:
    chance = random.Random(32)
    texts = [
        "0.5",
        "-1",
        "1e-3",
        "16777217",
        "16777217.0000001",
        "0.1",
        "3.4028235e38",
        "1.401298464324817e-45",
        "-0.0",
    ]
    texts += ["1.00000005960464477539062", "1.0000000596046447753906251", "0.000000000000000000000001", "8388608.5"]
    texts += [repr(chance.gauss(0, 0.1)) for _ in range(5_000)] + [str(chance.getrandbits(60)) for _ in range(1_000)]
    texts += [text for text in (random_number(chance) for _ in range(5_000)) if math.isfinite(float32(text))]
    packed = embedding_floats(f"[{' , '.join(texts)}]".encode())
    found = struct.unpack(f"<{len(texts)}f", packed)
    for text, number in zip(texts, found, strict=True):
        assert number == float32(text), text
    assert embedding_floats(base64.b64encode(packed)) == packed
    for bad in (b"[]", b"[0]", b"[1e39]", b"AAAA", b"?", b"[1", b"[1,[2]]", b"[01]"):
        with pytest.raises(ValueError):
            embedding_floats(bad)


# ---- ids and event types ----


@given(st.text(max_size=40))
@settings(max_examples=1000, deadline=None)
@example("")
@example("\ud800")
def test_any_text_as_an_entity_id(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        assert not is_entity_id(text)
    else:
        assert is_entity_id(text) == is_id(text)


def test_a_control_character_at_any_place_of_an_id() -> None:
    for size in range(1, 70):
        assert is_entity_id("a" * size)
        for place in range(size):
            for code in (0, 0x1F, 0x7F, 0x80, 0x9F):
                assert not is_entity_id("a" * place + chr(code) + "b" * (size - place - 1))
            assert is_entity_id("a" * place + "\u00a0" + "b" * (size - place - 1))


def test_sizes_of_ids_count_bytes() -> None:
    assert is_entity_id("a" * 1024)
    assert not is_entity_id("a" * 1025)
    assert is_entity_id("\u00e9" * 512)
    assert not is_entity_id("\u00e9" * 512 + "a")


@given(st.text("az09._-AZ \u00e9", max_size=10))
@settings(max_examples=1000, deadline=None)
def test_event_types(text: str) -> None:
    assert is_event_type(text) == bool(re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", text))


def test_sizes_of_event_types() -> None:
    assert is_event_type("a" * 128)
    assert not is_event_type("a" * 129)
