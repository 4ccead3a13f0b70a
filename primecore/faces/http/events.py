"""`/events`: the log in and out. One event, a batch whole or not at all, JSONL of any length, pages, JSONL out.

Knows the service; lines are read by its ingest, which promises what docs/http.md repeats.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable
from itertools import islice
from typing import Any, Literal

from primecore.errors import InvalidArgument, PrimeError
from primecore.faces import limits, values
from primecore.faces.asking import ask, inputs, past
from primecore.faces.fields import check, from_text
from primecore.faces.http.jobs import Slots
from primecore.faces.http.request import KEYS, Core, Request, Target
from primecore.faces.http.wire import NO_CONTENT_POLICY, SECURITY, Body, Disconnected, Reply, header, json_reply
from primecore.model import Event, IngestReport, Receipt
from primecore.operations import OPERATIONS, Field

PATH = "/api/v1/prime/events"
JSON_LINES = frozenset(
    {"application/x-ndjson", "application/jsonl", "application/x-jsonlines", "application/jsonlines"}
)
PAGE = 1_000

WRITE_FIELDS = (
    Field("atomic", "boolean", "JSONL: all lines or none, at most 32 MiB of events", default=False),
    Field("on_error", "string", "JSONL: what a broken line does", default="stop", choices=("stop", "skip")),
    Field("durable", "boolean", "wait for stable storage (JSONL always does)", default=False),
)


class Events:
    """The routes, over a store."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._uploads = Slots(core.settings.uploads, "bulk requests")
        self._downloads = Slots(core.settings.streams, "event lists")

    def routes(self) -> Iterable[Target]:
        """Method, path, handler, and whether it writes."""
        return [("POST", PATH, self._post, True), ("GET", PATH, self._get, False)]

    # In.

    async def _post(self, request: Request) -> Reply:
        asked = _fields(request, WRITE_FIELDS)
        durable = asked.get("durable", False)
        kind = (header(request.scope, b"content-type") or "").partition(";")[0].strip().lower()
        if kind not in JSON_LINES:
            return await self._json(request, await request.json(), durable)
        with self._uploads:
            if asked.get("atomic", False):
                text = await request.body().read()
                batch = [
                    values.loads(line, f"line {at}") for at, line in enumerate(text.split(b"\n"), 1) if line.strip()
                ]
                return await self._batch(request, batch, durable)
            return await self._lines(request, asked.get("on_error", "stop"))

    async def _json(self, request: Request, given: Any, durable: bool) -> Reply:
        """One event, or a list of them that is one batch."""
        if isinstance(given, dict) and set(given) <= {"events", "durable"} and "events" in given:
            durable = check(WRITE_FIELDS[2], given.get("durable", durable))
            given = given["events"]
        if isinstance(given, list):
            return await self._batch(request, given, durable)
        if not isinstance(given, dict):
            raise InvalidArgument("body: expected an event, or a list of events")
        (receipt,) = await self._append(request, [given], durable)
        return json_reply(receipt, 200 if receipt.duplicate else 201)

    async def _batch(self, request: Request, batch: list[Any], durable: bool) -> Reply:
        receipts = await self._append(request, batch, durable)
        position = max((it.position for it in receipts), default=self._core.prime.position)
        return json_reply({"receipts": receipts, "position": position}, 201)

    async def _append(self, request: Request, batch: list[Any], durable: bool) -> list[Receipt]:
        check(Field("events", "events", ""), batch)
        key = request.key()
        if key is not None:
            batch = [
                it
                if it.get("event_id") is not None or it.get("id") is not None
                else {**it, "event_id": str(uuid.uuid5(KEYS, f"events:{key}:{at}"))}
                for at, it in enumerate(batch)
            ]
        return await self._core.jobs.write(lambda: self._core.prime.append_many(batch, durable=durable))

    async def _lines(self, request: Request, on_error: Literal["stop", "skip"]) -> Reply:
        """Lines as they come. Good ones stay whatever becomes of the rest; all are durable before the answer."""
        settings = self._core.settings
        body = request.body(settings.bulk_bytes)
        # A thread is given to what is coming, not to what may come: a client that stalls at once holds none.
        ahead = await body.read(settings.bulk_ahead_bytes)
        key = request.key()
        upload = Upload(body, ahead, asyncio.get_running_loop())

        def run() -> IngestReport:
            return self._core.prime.ingest(upload, name=f"http:{key}" if key else None, on_error=on_error)

        try:
            report = await self._core.jobs.bulk(run)
        except PrimeError:
            if upload.failure is not None:  # what stopped it, not what ingest made of that
                raise upload.failure from None
            raise
        finally:
            upload.close()
        return json_reply(report)

    # Out.

    async def _get(self, request: Request) -> Reply | None:
        if (header(request.scope, b"accept") or "").partition(",")[0].partition(";")[0].strip().lower() in JSON_LINES:
            with self._downloads:
                await self._send_lines(request)
            return None
        operation = OPERATIONS["events"]
        given = _fields(request, inputs(operation))
        return await request.read(lambda: json_reply(ask(self._core.prime, operation, given, limits.HTTP_PAGE)))

    async def _send_lines(self, request: Request) -> None:
        """All that is asked for, a page at a time, as fast as the client reads it: of any length in little memory."""
        given = _fields(request, inputs(OPERATIONS["events"]), most={"limit": limits.MAX_INTEGER})
        left = given.pop("limit", limits.MAX_INTEGER)
        source = past(self._core.prime, given.pop("at")) if "at" in given else self._core.prime
        given["until"] = min(given.get("until", limits.MAX_INTEGER), source.position)
        text, count, last = await request.read(self._page, {**given, "limit": min(PAGE, left)})
        kind = (b"content-type", b"application/x-ndjson")
        headers = [kind, (b"cache-control", b"no-store"), NO_CONTENT_POLICY, *SECURITY]
        await request.send({"type": "http.response.start", "status": 200, "headers": headers})
        head = request.scope["method"] == "HEAD"
        # Sending to a client that has gone is no error; asking for the next page on its behalf is, which ends this.
        while count and not head and not self._core.stopping:
            await request.send({"type": "http.response.body", "body": text, "more_body": True})
            left -= count
            if count < PAGE or left <= 0:
                break
            given["after"] = last
            text, count, last = await request.read(self._page, {**given, "limit": min(PAGE, left)})
        await request.send({"type": "http.response.body", "body": b""})

    def _page(self, given: dict[str, Any]) -> tuple[bytes, int, int]:
        """The next events as lines, how many they are, and the position of the last."""
        found: list[Event] = list(islice(self._core.prime.events(**given), given["limit"]))
        return b"".join(values.dumps(event) + b"\n" for event in found), len(found), found[-1].position if found else 0


def _fields(request: Request, known: Iterable[Field], most: dict[str, int] | None = None) -> dict[str, Any]:
    fields = {field.name: field for field in known}
    found: dict[str, Any] = {}
    for name, texts in request.query().items():
        if name not in fields:
            raise InvalidArgument(f"{name}: no such field", hint=f"it takes {', '.join(fields)}")
        value = from_text(fields[name], texts)
        found[name] = value if most and name in most and value > 0 else check(fields[name], value)
    return found


class Upload:
    """A request's body as the binary stream that ingest reads, in a thread, while the server goes on.

    What stops it early is kept in `failure`: ingest takes it for the end of a file that cannot be read.
    """

    name = "<request>"

    def __init__(self, body: Body, ahead: bytes, loop: asyncio.AbstractEventLoop) -> None:
        self._body, self._loop = body, loop
        self._rest = memoryview(ahead)
        self._closed = False
        self.failure: Exception | None = None

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes, none at the end."""
        while not self._rest and not self._body.ended:
            if self._closed:
                raise OSError("the request is over")
            try:
                self._rest = memoryview(asyncio.run_coroutine_threadsafe(self._body.piece(), self._loop).result())
            except Disconnected as error:
                self.failure = error
                raise OSError("the client left before the end") from None
            except Exception as error:
                self.failure = error
                raise OSError(str(error)) from None
        piece, self._rest = bytes(self._rest[:size]), self._rest[size:]
        return piece

    def close(self) -> None:
        """Nobody waits any more: the next read ends."""
        self._closed = True
