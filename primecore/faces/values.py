"""Results as JSON, for every server face: named tuples as objects, times as RFC 3339, numbers exactly as they are.

Knows nothing of who asks. Encoding is orjson's; values that it would round or refuse take the exact and slower way.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson

from primecore import exactjson
from primecore.errors import InvalidArgument, LimitExceeded

MAX_DEPTH = exactjson.MAX_DEPTH
_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME


def rfc3339(moment: datetime) -> str:
    """A point in time as `2026-11-22T17:53:00.123456Z`."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")[:-6] + "Z"


def dumps(value: Any) -> bytes:
    """`value`, which may hold what the service returns, as compact JSON."""
    try:
        return orjson.dumps(value, _default, _OPTIONS)
    except TypeError:  # integers beyond 64 bits, lone surrogates, very deep nesting
        return exactjson.dumps(plain(value)).encode("utf-8", "backslashreplace")


def _default(value: Any) -> Any:
    if hasattr(value, "_asdict"):
        return value._asdict()
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value))
    if isinstance(value, Mapping):
        return dict(value)
    return list(value)


def plain(value: Any) -> Any:
    """`value` as dicts, lists and scalars only; numbers keep their exactness (Decimal where need be)."""
    if value is None or isinstance(value, (str, int, float, Decimal)):
        return value
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, orjson.Fragment):
        return exactjson.loads(bytes(value.contents) if isinstance(value.contents, bytes) else value.contents.encode())
    if hasattr(value, "_asdict"):
        return {name: plain(item) for name, item in value._asdict().items()}
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value]


def loads(text: bytes | bytearray, what: str = "body") -> Any:
    """Strict JSON: no key twice, no NaN, no rounding. Raises InvalidArgument, LimitExceeded."""
    try:
        return exactjson.loads_strict(bytes(text))
    except RecursionError:
        raise LimitExceeded(f"{what}: nested more than {MAX_DEPTH} deep") from None
    except ValueError as error:
        raise InvalidArgument(f"{what}: expected JSON: {error}", hint="send one JSON object, UTF-8") from None
