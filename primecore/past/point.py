"""Points of the past: a position, or a time as the positions that it covers. Knows the log's times, no graph."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from primecore import codec
from primecore._facts import moment
from primecore._history import History
from primecore.errors import InvalidArgument
from primecore.model import Event

When = int | datetime | str


class Point(NamedTuple):
    """Which events a view shows: all up to `position`, and up to `until` those not later than `time`.

    Where times rise with positions, or by position, `until` is `position`.
    """

    position: int
    until: int
    time: datetime | None

    @property
    def time_us(self) -> int | None:
        """The time in microseconds."""
        return None if self.time is None else codec.encode_time(self.time)

    @property
    def is_plain(self) -> bool:
        """Whether it is simply a position."""
        return self.position == self.until

    def shows(self, event: Event) -> bool:
        """Whether the view shows an event."""
        return event.position <= self.position or (
            event.position <= self.until and self.time is not None and event.timestamp <= self.time
        )


def point_at(when: When | None, last: int, history: History, read: Callable[[int], Event]) -> Point:
    """The point that a position, a time or None (now) names, in a log that ends at `last`. Raises InvalidArgument."""
    if when is None:
        return Point(last, last, None)
    if isinstance(when, bool) or not isinstance(when, (int, datetime, str)):
        raise InvalidArgument(f"at: expected a position, a datetime or an RFC 3339 string, found {when!r}")
    if isinstance(when, int):
        if not 0 <= when <= last:
            raise InvalidArgument(f"at: expected a position from 0 to {last}, found {when}")
        return Point(when, when, None)
    time_us = codec.encode_time(when, "at")
    time = moment(time_us)
    first_doubt, last_doubt = history.doubtful(time_us, last)
    position = first_doubt - 1
    while position < last_doubt and read(position + 1).timestamp <= time:
        position += 1
    until = last_doubt
    while until > position and read(until).timestamp > time:
        until -= 1
    return Point(position, max(position, until), time)
