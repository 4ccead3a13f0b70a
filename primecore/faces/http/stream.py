"""`/events/stream`: new events as they come (server-sent events), from any position on.

A stream holds a position, not a queue: events are read from the log when the client takes them, so that one who reads
slowly costs nothing. Source: the HTML standard, "Server-sent events".
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import islice
from typing import Any

from primecore.errors import InvalidArgument
from primecore.faces import limits
from primecore.faces.fields import check, from_text
from primecore.faces.http.jobs import Slots
from primecore.faces.http.request import Core, Request, Target
from primecore.faces.http.wire import NO_CONTENT_POLICY, SECURITY, Reply, header
from primecore.faces.values import dumps
from primecore.model import Event
from primecore.operations import Field

PATH = "/api/v1/prime/events/stream"
FIELDS = (
    Field("after", "position", "events after this position; default: those that come from now on"),
    Field("event_type", "string", "only events of this type"),
    Field("entity_id", "entity_id", "only events of this entity"),
)
PAGE = 200
LOOK_SECONDS = 0.02  # how often a server with listeners looks whether the store moved on


class Feed:
    """The route, and the one task that looks for new events on behalf of all streams."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._moved = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self.slots = Slots(core.settings.streams, "event streams")

    def routes(self) -> Iterable[Target]:
        """Method, path, handler, and whether it writes."""
        return [("GET", PATH, self._stream, False)]

    def stop(self) -> None:
        """Ends all streams: the server goes."""
        self._core.stopping = True
        self._moved.set()

    async def _stream(self, request: Request) -> Reply | None:
        fields = {field.name: field for field in FIELDS}
        asked: dict[str, Any] = {}
        for name, texts in request.query().items():
            if name not in fields:
                raise InvalidArgument(f"{name}: no such field", hint=f"it takes {', '.join(fields)}")
            asked[name] = check(fields[name], from_text(fields[name], texts))
        after = asked.pop("after", None)
        last = header(request.scope, b"last-event-id")
        if last:  # of a client that comes back: it wins over what it asked for at first
            after = check(FIELDS[0], from_text(FIELDS[0], [last]))
        if after is None:
            after = self._core.prime.position
        with self.slots:
            await self._run(request, after, asked)
        return None

    async def _run(self, request: Request, after: int, asked: dict[str, Any]) -> None:
        kind = (b"content-type", b"text/event-stream; charset=utf-8")
        headers = [kind, (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no"), NO_CONTENT_POLICY, *SECURITY]
        await request.send({"type": "http.response.start", "status": 200, "headers": headers})
        if request.scope["method"] == "HEAD":
            await request.send({"type": "http.response.body", "body": b""})
            return
        await request.send({"type": "http.response.body", "body": b"retry: 1000\n\n", "more_body": True})
        gone = asyncio.ensure_future(request.left())
        try:
            while not self._core.stopping and not gone.done():
                until = self._core.prime.position
                text = b""
                if until > after:
                    text, after = await request.read(self._page, after, until, asked)
                if text:
                    await request.send({"type": "http.response.body", "body": text, "more_body": True})
                elif after >= until:
                    await self._wait(request, after, gone)
        finally:
            gone.cancel()
        if self._core.stopping:
            await request.send({"type": "http.response.body", "body": b""})

    def _page(self, after: int, until: int, asked: dict[str, Any]) -> tuple[bytes, int]:
        """The next events as they are sent, and up to which position that is all there is."""
        found: list[Event] = list(islice(self._core.prime.events(after=after, until=until, **asked), PAGE))
        text = b"".join(b"id: %d\ndata: %b\n\n" % (event.position, dumps(event)) for event in found)
        return text, until if len(found) < PAGE else found[-1].position

    async def _wait(self, request: Request, after: int, gone: asyncio.Future[None]) -> None:
        """Until the store has moved on, the client has left, or it is time for a sign of life."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(self._look(after))
        if self._core.prime.position > after:
            return
        moved = asyncio.ensure_future(self._moved.wait())
        try:
            await asyncio.wait(
                (moved, gone), timeout=self._core.settings.ping_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if not moved.done() and not gone.done():
                # With the position, so that a stream whose filter matches little does not go back to its start.
                text = b"id: %d\n: still here\n\n" % min(after, limits.MAX_INTEGER)
                await request.send({"type": "http.response.body", "body": text, "more_body": True})
        finally:
            moved.cancel()

    async def _look(self, position: int) -> None:
        """Wakes who waits. `position` is what the first of them has seen: what came since then counts."""
        while self.slots.taken and not self._core.stopping:
            await asyncio.sleep(LOOK_SECONDS)
            now = self._core.prime.position
            if now != position:
                position = now
                self._moved.set()
                self._moved = asyncio.Event()
