"""JSON as Python values: nothing rounded, whichever parser reads it."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import primecore
from primecore import exactjson
from primecore._values import loads_text
from primecore.errors import InvalidEvent

DIGITS = st.text("0123456789", min_size=1, max_size=24)
WHOLE = DIGITS.map(lambda digits: digits.lstrip("0") or "0")
NUMBERS = st.builds(
    lambda sign, whole, part, power: sign + whole + part + power,
    st.sampled_from(["", "-"]),
    WHOLE,
    st.one_of(st.just(""), DIGITS.map(lambda digits: "." + digits)),
    st.one_of(st.just(""), st.builds("{}{}{}".format, st.sampled_from("eE"), st.sampled_from(["", "-", "+"]), DIGITS)),
)


def has_short_exponent(text: str) -> bool:
    return len(text.lower().partition("e")[2].lstrip("+-").lstrip("0")) <= 17


def typed(value: Any) -> Any:
    """Values with their types, so that 1, 1.0 and Decimal(1) differ."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    return [typed(item) for item in value] if isinstance(value, list) else (type(value), repr(value))


@given(st.lists(NUMBERS.filter(has_short_exponent), max_size=4))
@settings(max_examples=500, deadline=None)
@example(["0.1234567890123456", "0.12345678901234567", "9007199254740993.0", "9007199254740992.0"])
@example(["1e5", "100000.0", "1E400", "1e-400", "-0.0", "123456789012345678901", "1.7976931348623157e308"])
@example(["0.30000000000000004", "0.3000000000000000444", "5e-324", "2.2250738585072014e-308", "1e22", "1e+22"])
def test_numbers_are_what_the_exact_parser_makes_of_them(numbers: list[str]) -> None:
    text = ('{"e5\\"1e5":[' + ",".join(numbers) + '],"t":"1e5"}').encode()
    assert typed(loads_text(text)) == typed(exactjson.loads(text))


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
))  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_values_of_pythons_own_encoder_come_back(value: Any) -> None:
    assert typed(loads_text(json.dumps(value, ensure_ascii=False).encode())) == typed(value)


@pytest.mark.parametrize(
    ("text", "kind"),
    [("0.1234567890123456", float), ("0.30000000000000004", float), ("0.3000000000000000444", Decimal),
     ("9007199254740993.0", Decimal), ("1e400", Decimal), ("18446744073709551616", int)],
)  # fmt: skip
def test_what_a_float_cannot_say_is_a_decimal(text: str, kind: type) -> None:
    found = loads_text(text.encode())
    assert type(found) is kind
    assert Decimal(repr(found) if kind is float else found) == Decimal(text)


@given(NUMBERS)
@settings(max_examples=300, deadline=None)
@example("0e99999999999999999")
@example("1.5E-99999999999999999")
@example("1e100000000000000000")
def test_a_number_is_taken_if_it_can_be_read_again(number: str) -> None:
    event = f'{{"event_type":"a.b","entity_id":"x:1","payload":{{"n":{number}}}}}'.encode()
    with primecore.open(":memory:") as prime:
        if not has_short_exponent(number):
            with pytest.raises(InvalidEvent, match="exponent of at most 17 digits"):
                prime.ingest(io.BytesIO(event))
            return
        prime.ingest(io.BytesIO(event))
        [found] = prime.history("x:1")
        assert typed(found.payload) == typed({"n": exactjson.loads(number.encode())})
