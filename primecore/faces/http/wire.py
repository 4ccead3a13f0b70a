"""The wire: answers, refusals, and how bodies are read from ASGI. Knows no route and no store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, NamedTuple

from primecore.faces.values import dumps
from primecore.operations import outcome

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

SECURITY: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
NO_CONTENT_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
JSON_HEADERS: Headers = [
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    NO_CONTENT_POLICY,
    *SECURITY,
]


class Refusal(Exception):
    """A request that is turned away before the service is asked. `code` is one of operations.ERRORS."""

    def __init__(self, code: str, message: str, hint: str = "", headers: Headers | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.hint = code, message, hint
        self.headers = headers or []


class Reply(NamedTuple):
    """A whole answer."""

    status: int
    body: bytes
    headers: Headers


def json_reply(body: Any, status: int = 200) -> Reply:
    """An answer in JSON."""
    return Reply(status, dumps(body), JSON_HEADERS)


def text_reply(body: bytes, content_type: bytes, status: int = 200, policy: tuple[bytes, bytes] | None = None) -> Reply:
    """An answer in something else."""
    return Reply(
        status,
        body,
        [(b"content-type", content_type), (b"cache-control", b"no-store"), policy or NO_CONTENT_POLICY, *SECURITY],
    )


def error_reply(
    code: str, message: str, hint: str, headers: Headers | None = None, details: Mapping[str, Any] | None = None
) -> Reply:
    """The one shape of errors, with the status that the code stands for."""
    error: dict[str, Any] = {"code": code, "message": message, "hint": hint}
    if details:
        error["details"] = details
    return Reply(outcome(code).http_status, dumps({"error": error}), [*JSON_HEADERS, *(headers or [])])


async def send_reply(send: Send, reply: Reply, *, head: bool = False) -> None:
    """Sends a whole answer, or only its head."""
    length = (b"content-length", b"%d" % len(reply.body))
    await send({"type": "http.response.start", "status": reply.status, "headers": [length, *reply.headers]})
    await send({"type": "http.response.body", "body": b"" if head else reply.body})


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of this (lower-case) name."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


class Disconnected(Exception):
    """The client went away: nobody reads an answer."""


class Body:
    """The body of one request, a piece at a time, none of it waited for longer than `stall_seconds`."""

    def __init__(self, scope: Scope, receive: Receive, most_bytes: int, stall_seconds: float) -> None:
        if (header(scope, b"content-encoding") or "identity").lower() != "identity":
            raise Refusal("unsupported_media_type", "content-encoding: expected none", "send the body as it is")
        self._receive = receive
        self._most_bytes = most_bytes
        self._stall_seconds = stall_seconds
        self._size = 0
        self.ended = False
        length = header(scope, b"content-length")
        if length is not None and length.isdecimal() and int(length) > most_bytes:
            raise self._too_large()

    def _too_large(self) -> Refusal:
        return Refusal(
            "limit_exceeded",
            f"body: at most {self._most_bytes:,} bytes",
            "send less at once, or JSONL to /api/v1/prime/events, which is taken in as it comes",
            [(b"connection", b"close")],
        )

    async def piece(self) -> bytes:
        """The next piece, empty at the end. Raises Refusal when it is too large or too slow, Disconnected."""
        if self.ended:
            return b""
        try:
            async with asyncio.timeout(self._stall_seconds):
                message = await self._receive()
        except TimeoutError:
            raise Refusal(
                "request_timeout", f"body: nothing came for {self._stall_seconds:g} s", "", [(b"connection", b"close")]
            ) from None
        if message["type"] == "http.disconnect":
            raise Disconnected
        self.ended = not message.get("more_body", False)
        piece = bytes(message.get("body", b""))
        self._size += len(piece)
        if self._size > self._most_bytes:
            raise self._too_large()
        return piece

    async def read(self, most: int | None = None) -> bytes:
        """All of it, or what came until `most` bytes were there."""
        first = await self.piece()
        if self.ended:
            return first
        pieces, size = [first], len(first)
        while not self.ended and (most is None or size < most):
            pieces.append(await self.piece())
            size += len(pieces[-1])
        return b"".join(pieces)
