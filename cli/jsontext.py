"""JSON out: values of events and properties exactly as they are, big integers and long decimals unrounded."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

_fast = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def rfc3339(moment: datetime | None) -> str | None:
    """A point in time as `2026-11-22T17:53:00.123456Z`, None as None."""
    if moment is None:
        return None
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def dumps(value: Any) -> str:
    """`value` as JSON on one line. Takes what `json.dumps` takes, decimals, and numbers beyond floats as well."""
    try:
        return _fast(value)
    except (TypeError, ValueError):
        return _exact(value)


def _exact(value: Any) -> str:
    """As `_fast`, in Python: for the rare value that the standard encoder cannot write exactly."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{_fast(key)}:{_exact(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_exact(item) for item in value) + "]"
    if isinstance(value, Decimal) and value.is_finite():
        return str(value)
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return "1e999" if value > 0 else "-1e999"  # the shortest number that any reader takes for the same float
    return _fast(value)
