"""RFC 3339 times: the usual spelling is read by a short way of its own, which must agree with the long one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from primecore._times import time_from_text, time_to_text

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIMES = st.datetimes(timezones=st.just(UTC))


def spelt(time: datetime, digits: int, end: str = "Z") -> str:
    """The usual spelling with a fraction of so many digits."""
    fraction = f".{time.microsecond:06d}"[: digits + 1] if digits else ""
    return f"{time:%m-%dT%H:%M:%S}".join((f"{time.year:04d}-", fraction + end))


def verdict(text: str) -> int | None:
    try:
        return time_from_text(text)
    except ValueError:
        return None


@given(TIMES, st.integers(0, 6))
def test_every_time_is_read_as_datetime_reads_it(time: datetime, digits: int) -> None:
    cut = time.replace(microsecond=time.microsecond // 10 ** (6 - digits) * 10 ** (6 - digits))
    micros = (cut - EPOCH) // timedelta(microseconds=1)
    assert time_from_text(spelt(time, digits)) == micros
    assert time_from_text(spelt(time, digits, "+00:00")) == micros
    assert time_from_text(time_to_text(micros)) == micros


@given(
    TIMES,
    st.sampled_from((0, 3, 6)),
    st.sampled_from(("Z", "+00:00")),
    st.integers(0, 31),
    st.characters(min_codepoint=0, max_codepoint=255),
)
@example(datetime(2024, 2, 29, tzinfo=UTC), 0, "Z", 0, "2")
@example(datetime(2024, 1, 28, tzinfo=UTC), 6, "+00:00", 9, ":")
@example(datetime(1, 1, 1, tzinfo=UTC), 3, "Z", 3, "0")
def test_a_spoilt_byte_meets_the_same_verdict_on_both_ways(
    time: datetime, digits: int, end: str, at: int, byte: str
) -> None:
    text = spelt(time, digits, end)
    at %= len(text)
    spoilt = text[:at] + byte + text[at + 1 :]
    # A lower-case "t" means the same and is never read the short way.
    long_way = spoilt[:10] + "t" + spoilt[11:] if spoilt[10] == "T" else spoilt
    assert verdict(spoilt) == verdict(long_way)


@pytest.mark.parametrize(
    "text",
    ["2023-02-29T00:00:00Z", "2023-13-01T00:00:00Z", "2023-00-01T00:00:00Z", "2023-01-00T00:00:00.000Z",
     "2023-01-01T24:00:00.000000Z", "2023-01-01T00:60:00Z", "2023-01-01T00:00:61Z", "0000-01-01T00:00:00Z",
     "2023-01-01T00:00:00.Z", "2023-01-01T00:00:00,000Z", "2023-01-01 00:00:00.00000aZ", "2023-01-01T00:00:00",
     "2023-01-01T00:00:00.000", "2023-01-01T00:00:00.000000", "2023-01-01T00:00:00+0:00"],
)  # fmt: skip
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="RFC 3339"):
        time_from_text(text)
