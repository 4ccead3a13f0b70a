"""Python values to what the log holds: JSON bytes, microseconds, 16-byte ids. Knows nothing of graphs or files."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from primecore import _encode, _values, exactjson
from primecore._facts import event_id_bytes, time_us
from primecore.errors import InvalidArgument, InvalidEvent
from primecore.model import Event

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_OPTIONS = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS

Prepared = tuple[bytes, bytes, bytes, bytes | None, bytes | None, int | None]

_ENVELOPE = frozenset(
    {
        "event_type", "entity_id", "payload", "event_id", "id", "timestamp", "metadata", "tenant_id", "position",
        "version", "expected_version",
    }
)  # fmt: skip


def encode_json(value: Any, field: str) -> bytes:
    """A JSON object as UTF-8 text that says exactly what `value` says.

    Raises InvalidArgument for what JSON cannot carry unchanged: NaN and infinities, keys that are no strings, dates,
    bytes ...
    """
    if not isinstance(value, Mapping):
        raise InvalidArgument(f"{field}: expected a dict, found {type(value).__name__}")
    try:
        text = orjson.dumps(value, option=_OPTIONS)
    except TypeError as error:
        return _encode_slowly(value, field, error)
    if text.find(b"null") >= 0:  # `in` asks whether it is a number first; orjson writes NaN and infinities as null
        _refuse_not_finite(value, field)
    return text


def _encode_slowly(value: Any, field: str, error: TypeError) -> bytes:
    # Integers over 64 bits, decimals, deep nesting and subclasses are beyond the fast encoder, not beyond JSON.
    _refuse_not_finite(value, field)
    try:
        return exactjson.dumps(value).encode()
    except (TypeError, ValueError):
        raise InvalidArgument(f"{field}: expected what JSON can carry: {str(error).partition(chr(10))[0]}") from None


def _refuse_not_finite(value: Any, field: str) -> None:
    # An explicit stack: nesting is the caller's, and may have no end.
    stack: list[tuple[Any, str, int]] = [(value, field, 1)]
    while stack:
        item, path, depth = stack.pop()
        if depth > exactjson.MAX_DEPTH + 1:
            raise InvalidArgument(f"{field}: expected at most {exactjson.MAX_DEPTH} levels of nesting")
        if isinstance(item, float) and not math.isfinite(item):
            raise InvalidArgument(f"{path}: expected a finite number, found {item}")
        if isinstance(item, Mapping):
            for key in item:
                if not isinstance(key, str):
                    raise InvalidArgument(f"{path}: expected string keys, found {key!r}")
            stack.extend((child, f"{path}.{key}", depth + 1) for key, child in item.items())
        elif isinstance(item, (list, tuple)):
            stack.extend((child, f"{path}[{at}]", depth + 1) for at, child in enumerate(item))


def encode_text(value: Any, field: str) -> bytes:
    """UTF-8 of a str. Raises InvalidArgument for another type and for lone surrogates."""
    if not isinstance(value, str):
        raise InvalidArgument(f"{field}: expected a string, found {type(value).__name__}")
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(f"{field}: expected valid Unicode, found a lone surrogate") from None


def encode_time(value: datetime | str, field: str = "timestamp") -> int:
    """Microseconds since 1970-01-01 UTC of an aware datetime or an RFC 3339 text. Raises InvalidArgument."""
    if isinstance(value, str):
        return time_us(value, field)
    if not isinstance(value, datetime):
        raise InvalidArgument(f"{field}: expected a datetime or a string, found {type(value).__name__}")
    if value.tzinfo is None or value.utcoffset() is None:
        raise InvalidArgument(f"{field}: expected a datetime with a time zone, found {value.isoformat()}")
    return (value - _EPOCH) // _MICROSECOND


def format_time(value: datetime | str, field: str) -> str:
    """RFC 3339 text, in UTC, of what encode_time() takes."""
    return (_EPOCH + timedelta(microseconds=encode_time(value, field))).isoformat().replace("+00:00", "Z")


def encode_event_id(value: str | uuid.UUID) -> bytes:
    """The 16 bytes of a UUID. Raises InvalidArgument."""
    if isinstance(value, uuid.UUID):
        return value.bytes
    if not isinstance(value, str):
        raise InvalidArgument(f"event_id: expected a UUID, found {type(value).__name__}")
    return event_id_bytes(value)


def prepare(
    event_type: str,
    entity_id: str,
    payload: Mapping[str, Any] | None = None,
    event_id: str | uuid.UUID | None = None,
    timestamp: datetime | str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Prepared:
    """An event's parts as bytes and numbers, not yet checked against the rules of events."""
    if event_id is None and timestamp is None:
        ordinary = _encode.prepare(event_type, entity_id, payload, metadata)
        if ordinary is not None:
            return ordinary
    return (
        encode_text(event_type, "event_type"),
        encode_text(entity_id, "entity_id"),
        b"{}" if payload is None else encode_json(payload, "payload"),
        None if metadata is None else encode_json(metadata, "metadata"),
        None if event_id is None else encode_event_id(event_id),
        None if timestamp is None else encode_time(timestamp),
    )


def prepare_envelope(envelope: Event | Mapping[str, Any]) -> tuple[Prepared, int | None]:
    """As prepare(), from an Event or a dict with the envelope's fields; and its expected_version.

    Raises InvalidEvent and InvalidArgument.
    """
    if isinstance(envelope, Event):
        event = envelope
        return prepare(
            event.event_type, event.entity_id, event.payload, event.event_id, event.timestamp, event.metadata
        ), None
    if not isinstance(envelope, Mapping):
        raise InvalidArgument(f"expected an Event or a dict, found {type(envelope).__name__}")
    for name in envelope:
        if name not in _ENVELOPE:
            raise InvalidEvent(f"{name}: expected one of the fields {', '.join(sorted(_ENVELOPE))}", field=str(name))
    for name in ("event_type", "entity_id"):
        if envelope.get(name) is None:
            raise InvalidEvent(f"{name}: expected a string, found nothing", field=name)
    if envelope.get("event_id") is not None and envelope.get("id") is not None:
        raise InvalidEvent("id: expected one of event_id and id, found both", field="id")
    if envelope.get("tenant_id") not in (None, "default"):
        raise InvalidEvent(f"tenant_id: expected 'default', found {envelope['tenant_id']!r}", field="tenant_id")
    event_id = envelope.get("event_id")
    return prepare(
        envelope["event_type"],
        envelope["entity_id"],
        envelope.get("payload"),
        envelope.get("id") if event_id is None else event_id,
        envelope.get("timestamp"),
        envelope.get("metadata"),
    ), envelope.get("expected_version")


def loads(text: bytes) -> Any:
    """JSON as Python values, numbers as they stand."""
    return _values.loads_text(text)
