"""Frames between processes of one store: msgpack behind a length, and errors and results as plain values.

Knows bytes, sockets and the words of errors.py and model.py; not what is asked. docs/format.md ("writer.sock") is its
law. msgpack is a library because both ends then agree on every corner of it, and its parser is in C with limits.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

import msgpack

from primecore import codec, errors, model
from primecore._jsontree import check_json
from primecore.errors import InvalidArgument, LimitExceeded, PrimeError

PROTOCOL = 1
HELLO_BYTES = 4096
FRAME_BYTES = 48 << 20  # a batch of 32 MiB of log is less than that in a frame; so is the longest line
_LENGTH = struct.Struct(">I")
_PIECE = 1 << 18
_TIMES_US = range(-62_135_596_800_000_000, 253_402_300_800_000_000)  # years 1 to 9999
_PLAIN = (str, int, float, bool, bytes, type(None))
# What an owner's handler may raise besides Prime's own.
_BUILT_IN = {kind.__name__: kind for kind in (TypeError, ValueError, MemoryError, TimeoutError)}


class BadFrame(Exception):
    """What came is no frame of this protocol."""


class Closed(Exception):
    """The other end hung up. `midway`: within a frame."""

    def __init__(self, midway: bool) -> None:
        super().__init__("the connection was closed")
        self.midway = midway


def pack(value: object) -> bytes:
    """A frame's bytes. Raises LimitExceeded, and InvalidArgument for what no plain value is."""
    try:
        body: bytes = msgpack.packb(value)
    except (TypeError, ValueError, OverflowError) as error:  # lone surrogates and loops are ValueErrors
        raise InvalidArgument(f"expected values that another process can be handed: {error}") from None
    if len(body) > FRAME_BYTES:
        raise LimitExceeded(
            f"the request takes {len(body):,} bytes, over the limit of {FRAME_BYTES:,}",
            hint="append it in several batches",
        )
    return _LENGTH.pack(len(body)) + body


def receive(connection: socket.socket, limit: int = FRAME_BYTES, *, begin_s: float | None, go_on_s: float) -> Any:
    """The next frame's value; waits `begin_s` seconds for its first byte (None: for ever), `go_on_s` for each next.

    Raises Closed, BadFrame, TimeoutError, OSError.
    """
    connection.settimeout(begin_s)
    head = bytearray(connection.recv(_LENGTH.size))
    if not head:
        raise Closed(midway=False)
    connection.settimeout(go_on_s)
    _fill(connection, head, _LENGTH.size)
    (size,) = _LENGTH.unpack(head)
    if size > limit:
        raise BadFrame(f"a frame of {size:,} bytes, over the limit of {limit:,}")
    body = bytearray()
    _fill(connection, body, size)
    try:
        return msgpack.unpackb(body, strict_map_key=True)
    except Exception as error:  # whatever a parser of strangers' bytes makes of them
        raise BadFrame(f"a frame that is no msgpack: {error}") from None


def _fill(connection: socket.socket, into: bytearray, size: int) -> None:
    # Memory grows with what has come, not with what was announced.
    while len(into) < size:
        piece = connection.recv(min(_PIECE, size - len(into)))
        if not piece:
            raise Closed(midway=True)
        into += piece


# --- errors and results


def error_out(error: BaseException) -> dict[str, Any]:
    """An error as plain values."""
    fields = {name: value for name, value in vars(error).items() if _is_plain(value)}
    return {"class": type(error).__name__, "text": str(error), "fields": fields}


def _is_plain(value: object) -> bool:
    return isinstance(value, _PLAIN) or (isinstance(value, (list, tuple)) and all(map(_is_plain, value)))


def error_in(value: Any) -> Exception:
    """The error that `error_out` was given, of the same class with the same fields."""
    try:
        name, text, fields = value["class"], value["text"], dict(value["fields"])
    except (TypeError, KeyError, ValueError):
        raise BadFrame("an answer that says of an error what cannot be read") from None
    kind = getattr(errors, name, None) if isinstance(name, str) else None
    if isinstance(kind, type) and issubclass(kind, PrimeError):
        error = kind.__new__(kind, fields.get("message", text))
        vars(error).update({name: tuple(item) if isinstance(item, list) else item for name, item in fields.items()})
        return error
    if name in _BUILT_IN:
        return _BUILT_IN[name](text)
    return PrimeError(f"the owner of the store failed: {name}: {text}")


def result_out(value: Any) -> Any:
    """A result as plain values: what model.py defines by name."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {"class": type(value).__name__, "values": [result_out(item) for item in value]}
    if isinstance(value, dict):
        return {"class": "dict", "values": [[key, result_out(item)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return {"class": "tuple", "values": [result_out(item) for item in value]}
    return [result_out(item) for item in value] if isinstance(value, list) else value


def result_in(value: Any) -> Any:
    """The result that `result_out` was given."""
    if isinstance(value, dict):
        values = value["values"]
        if value["class"] == "tuple":
            return tuple(map(result_in, values))
        if value["class"] == "dict":
            return {key: result_in(item) for key, item in values}
        return getattr(model, value["class"])(*map(result_in, values))
    return [result_in(item) for item in value] if isinstance(value, list) else value


# --- events


def prepared_in(value: Any) -> codec.Prepared:
    """An event's parts as they came from another process: what codec.prepare() promises is checked here.

    Raises InvalidArgument, InvalidEvent.
    """
    if not isinstance(value, (list, tuple)) or len(value) != 6:
        raise InvalidArgument("event: expected its six parts")
    event_type, entity_id, payload, metadata, event_id, time_us = value
    for part in (event_type, entity_id, payload):
        if not isinstance(part, bytes):
            raise InvalidArgument("event: expected type, entity id and payload as bytes")
    for name, part in (("event_type", event_type), ("entity_id", entity_id)):
        try:
            part.decode()
        except UnicodeDecodeError:
            raise InvalidArgument(f"{name}: expected UTF-8") from None
    if metadata is not None and not isinstance(metadata, bytes):
        raise InvalidArgument("metadata: expected bytes")
    if event_id is not None and (not isinstance(event_id, bytes) or len(event_id) != 16):
        raise InvalidArgument("event_id: expected 16 bytes")
    if time_us is not None and (not isinstance(time_us, int) or time_us not in _TIMES_US):
        raise InvalidArgument("timestamp: expected microseconds within the years 1 to 9999")
    for name, text in (("payload", payload), ("metadata", metadata)):
        if text is not None:
            if text[:1] != b"{":
                raise InvalidArgument(f"{name}: expected a JSON object")
            check_json(text)
    return event_type, entity_id, payload, metadata, event_id, time_us
