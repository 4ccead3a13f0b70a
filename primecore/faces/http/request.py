"""One request, and what all requests share: the store, settings, threads. Knows the wire, and no route."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import parse_qs

from primecore.faces import values
from primecore.faces.http.guard import Right
from primecore.faces.http.jobs import Jobs
from primecore.faces.http.settings import Settings
from primecore.faces.http.wire import Body, Disconnected, Receive, Refusal, Reply, Scope, Send, header
from primecore.service import Prime

T = TypeVar("T")
KEYS = uuid.UUID("5f3f9f0e-7a0c-5cda-9d5e-2f6f2f1c7d11")  # namespace of event ids made from Idempotency-Key; frozen
MAX_KEY = 256


class Core:
    """What every request needs. `stopping` is set when the server goes."""

    def __init__(self, prime: Prime, settings: Settings) -> None:
        self.prime = prime
        self.settings = settings
        self.jobs = Jobs(settings)
        self.stopping = False


class Request:
    """One request, with what its path said."""

    __slots__ = ("core", "receive", "right", "scope", "send", "values")

    def __init__(self, core: Core, scope: Scope, receive: Receive, send: Send, right: Right) -> None:
        self.core, self.scope, self.receive, self.send, self.right = core, scope, receive, send, right
        self.values: dict[str, str] = {}

    def query(self) -> dict[str, list[str]]:
        """The query string. Raises Refusal."""
        text = self.scope["query_string"]
        if not text:
            return {}
        try:
            return parse_qs(text.decode("ascii"), keep_blank_values=True, max_num_fields=1_000, errors="strict")
        except ValueError:
            raise Refusal("invalid_argument", "query: expected percent-encoded UTF-8, at most 1,000 fields") from None

    def body(self, most_bytes: int | None = None) -> Body:
        """The body, to be read."""
        settings = self.core.settings
        return Body(self.scope, self.receive, most_bytes or settings.body_bytes, settings.stall_seconds)

    async def json(self) -> Any:
        """The body as JSON; nothing as an empty object. Raises Refusal, InvalidArgument."""
        kind = (header(self.scope, b"content-type") or "application/json").partition(";")[0].strip().lower()
        if kind != "application/json" and not kind.endswith("+json"):
            # Also what keeps forms of other sites out: a page may send those without asking first.
            raise Refusal("unsupported_media_type", f"content-type: expected application/json, found {kind[:80]}")
        text = await self.body().read()
        return values.loads(text) if text.strip() else {}

    async def read(self, function: Callable[..., T], *arguments: Any) -> T:
        """Runs a question in a thread, if the client is still there at its turn. Raises Refusal, Disconnected."""
        gone: Callable[[], bool] | None = self.scope.get("prime.gone")

        def run() -> T:
            if gone is not None and gone():
                raise Disconnected
            return function(*arguments)

        return await self.core.jobs.read(run)

    async def left(self) -> None:
        """Returns when the client has gone. For those whose body is read, or not wanted."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    def key(self) -> str | None:
        """The Idempotency-Key. Raises Refusal."""
        key = header(self.scope, b"idempotency-key")
        if key is not None and not 0 < len(key) <= MAX_KEY:
            raise Refusal("invalid_argument", f"Idempotency-Key: expected 1 to {MAX_KEY} characters")
        return key


Handler = Callable[[Request], Awaitable[Reply | None]]
Target = tuple[str, str, Handler, bool]  # method, path, handler, and whether it writes
