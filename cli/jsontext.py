"""JSON out: times in one format, and values exactly as they are."""

from __future__ import annotations

from datetime import UTC, datetime

from primecore.exactjson import dumps

__all__ = ["dumps", "rfc3339"]


def rfc3339(moment: datetime | None) -> str | None:
    """A point in time as `2026-11-22T17:53:00.123456Z`, None as None."""
    if moment is None:
        return None
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
