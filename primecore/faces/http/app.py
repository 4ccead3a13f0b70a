"""The application: a request comes in, is let in, finds its route, and gets an answer or the one shape of errors.

ASGI without a framework: ids hold slashes and colons, so paths must be split before they are decoded, and the answer
to a question takes less time than a framework's way to it.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

from primecore.errors import PrimeError
from primecore.faces import limits, values
from primecore.faces.asking import ask, is_quick, may_be_quick
from primecore.faces.fields import from_text
from primecore.faces.http import events, graph, openapi, routes, stream, web
from primecore.faces.http.guard import OPEN_PATHS, Guard, Right
from primecore.faces.http.metrics import Metrics
from primecore.faces.http.request import KEYS, Core, Handler, Request
from primecore.faces.http.settings import Settings
from primecore.faces.http.wire import (
    Body,
    Disconnected,
    Message,
    Receive,
    Refusal,
    Reply,
    Scope,
    Send,
    error_reply,
    json_reply,
    send_reply,
    text_reply,
)
from primecore.service import Prime

ASGI = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger("primecore.http")


class App:
    """The ASGI application over an open store. `mounts` are applications under a path of their own (as /mcp).

    `lives` are entered when the server starts and left when it stops, before the store is let go.
    """

    def __init__(
        self,
        prime: Prime,
        settings: Settings | None = None,
        mounts: Mapping[str, ASGI] | None = None,
        lives: tuple[Callable[[], AbstractAsyncContextManager[Any]], ...] = (),
    ) -> None:
        self.core = Core(prime, settings or Settings())
        self.settings = self.core.settings
        self.jobs = self.core.jobs
        self.metrics = Metrics()
        pages = web.pages()
        # The pages hold nothing of the store, and one of them asks for the key.
        self._guard = Guard(self.settings, OPEN_PATHS | pages.keys())
        self._mounts = dict(mounts or {})
        self._lives = lives
        self._paths = routes.Paths()
        self.routes = list(routes.table())
        self._quick: dict[str, Callable[[Request], Reply | None]] = {"/health": self._healthy}
        for route in self.routes:
            self._paths.add(route.method, route.path, (route.path, self._table(route), route.operation.writes))
        self.feed = stream.Feed(self.core)
        self._document = b""
        for handler in (events.Events(self.core), self.feed, graph.Graph(self.core)):
            for method, path, target, writes in handler.routes():
                self._paths.add(method, path, (path, target, writes))
        for path, target in (("/health", self._health), ("/metrics", self._metrics), ("/openapi.json", self._openapi)):
            self._paths.add("GET", path, (path, target, False))
        for path, page in pages.items():
            self._paths.add("GET", path, ("web", _fixed(page), False))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    def at_once(self, scope: Scope) -> Reply | None:
        """The answer to what memory knows, for a server that can send it without a task. None: ask as usual.

        That is also the way of all that is refused, so that there is one place which says why.
        """
        began = time.perf_counter()
        if scope["method"] != "GET":
            return None
        try:
            right = self._guard.admit(scope)
            found = self._paths.find(scope["raw_path"].decode("latin-1"))
            if found is None:
                return None
            (path, _, _), names = found[0]["GET"]
            quick = self._quick.get(path)
            if quick is None:
                return None
            request = Request(self.core, scope, _nobody, _nobody, right)
            request.values = dict(zip(names, found[1], strict=True))
            reply = quick(request)
        except Exception:
            return None
        if reply is not None:
            self.metrics.note(path, "GET", reply.status, time.perf_counter() - began)
        return reply

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with AsyncExitStack() as stack:
            for life in self._lives:
                await stack.enter_async_context(life())
            await send({"type": "lifespan.startup.complete"})
            await receive()
            self.feed.stop()
        self.jobs.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        path, sent = "other", _Sent(send)
        reply: Reply | None
        try:
            right = self._guard.admit(scope)
            if scope["path"] in self._mounts:
                path = scope["path"]
                scope["prime.right"] = right
                await self._mounts[path](scope, await self._whole(scope, receive), sent)
                reply = None
            else:
                path, handler, request = self._find(scope, receive, sent, right)
                reply = await handler(request)
        except Disconnected:
            reply = None
        except asyncio.CancelledError:  # it took longer than a server that stops waits
            if not self.core.stopping:
                raise
            reply = error_reply("timed_out", "the server stops", "ask again") if not sent.status else None
        except Exception as error:
            if sent.status:
                log.exception("an answer broke off")
                raise
            reply = _refuse(error)
        finally:
            scope.pop("prime.gone", None)  # it knows the connection, which knows the scope
        status = sent.status
        if reply is not None:
            status = reply.status
            await send_reply(send, reply, head=scope["method"] == "HEAD")
        self.metrics.note(path, scope["method"], status, time.perf_counter() - began)

    async def _whole(self, scope: Scope, receive: Receive) -> Receive:
        """What an application under a path of its own reads from: the body as one message, within our limits."""
        body = await Body(scope, receive, self.settings.body_bytes, self.settings.stall_seconds).read()
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def following() -> Message:
            return messages.pop() if messages else await receive()

        return following

    def _find(self, scope: Scope, receive: Receive, send: Send, right: Right) -> tuple[str, Handler, Request]:
        raw = scope.get("raw_path") or scope["path"].encode()
        found = self._paths.find(raw.decode("latin-1"))
        if found is None:
            raise Refusal("route_not_found", "there is nothing at this path", "GET /openapi.json lists what there is")
        methods, parts = found
        method = scope["method"]
        if method not in methods and not (method == "HEAD" and "GET" in methods):
            allowed = ", ".join(sorted(methods))
            raise Refusal("method_not_allowed", f"this path takes {allowed}", "", [(b"allow", allowed.encode())])
        (path, handler, writes), names = methods["GET" if method == "HEAD" else method]
        if writes and right != "write":
            raise Refusal("forbidden", "this key may read, not write", "use a key of PRIME_API_KEY")
        request = Request(self.core, scope, receive, send, right)
        if names:
            request.values = dict(zip(names, parts, strict=True))
        return path, handler, request

    def _table(self, route: routes.Route) -> Handler:
        """The handler of a route out of the table."""
        operation, renames = route.operation, route.renames
        fields = {field.name: field for field in route.fields}
        status = 201 if route.created else 200
        keyed, has_body, writes = operation.writes and "event_id" in fields, route.has_body, operation.writes
        in_path = {name: renames.get(name, name) for name in route.names}

        def arguments(given: dict[str, Any], request: Request) -> dict[str, Any]:
            named = dict(route.preset)
            for name, value in given.items():
                inner = renames.get(name, name)
                if inner not in fields:
                    raise Refusal("invalid_argument", f"{name}: no such field", f"it takes {', '.join(fields)}")
                named[inner] = value
            for name, text in request.values.items():
                inner = in_path[name]
                named[inner] = [text] if inner == "ids" else text
            if keyed and named.get("event_id") is None and (key := request.key()) is not None:
                named["event_id"] = str(uuid.uuid5(KEYS, f"{operation.name}:{key}"))
            return named

        def asked(request: Request) -> dict[str, Any]:
            given = {}
            for name, texts in request.query().items():
                field = fields.get(renames.get(name, name))
                given[name] = texts if field is None else from_text(field, texts)
            return arguments(given, request)

        def quick(request: Request) -> Reply | None:
            named = asked(request)
            if not is_quick(operation, named):
                return None
            return json_reply(ask(self.core.prime, operation, named, limits.HTTP_PAGE), status)

        if route.method == "GET" and may_be_quick(operation):
            self._quick[route.path] = quick

        async def handle(request: Request) -> Reply:
            if has_body:
                given = await request.json()
                if not isinstance(given, dict):
                    raise Refusal("invalid_argument", "body: expected a JSON object")
                named = arguments(given, request)
            else:
                named = asked(request)
            if writes:
                body = await self.jobs.write(ask, self.core.prime, operation, named, limits.HTTP_PAGE)
            elif is_quick(operation, named):
                body = ask(self.core.prime, operation, named, limits.HTTP_PAGE)
            else:
                return await request.read(
                    lambda: json_reply(ask(self.core.prime, operation, named, limits.HTTP_PAGE), status)
                )
            return json_reply(body, status)

        return handle

    async def _health(self, request: Request) -> Reply:
        return self._healthy(request)

    def _healthy(self, _: Request) -> Reply:
        return json_reply({"status": "ok", "position": self.core.prime.position})

    async def _metrics(self, _: Request) -> Reply:
        return text_reply(
            self.metrics.text(self.core.prime, self.jobs.waiting, self.feed.slots.taken), b"text/plain; version=0.0.4"
        )

    async def _openapi(self, _: Request) -> Reply:
        if not self._document:
            self._document = values.dumps(openapi.document(self.routes))
        return text_reply(self._document, b"application/json")


class _Sent:
    """Passes messages on, and remembers the status that was sent."""

    __slots__ = ("_send", "status")

    def __init__(self, send: Send) -> None:
        self._send, self.status = send, 0

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)


async def _nobody(*_: Any) -> Any:
    """What is answered at once neither reads a body nor sends in parts."""
    raise RuntimeError("an answer at once wanted more than its head")


def _fixed(reply: Reply) -> Handler:
    async def handle(_: Request) -> Reply:
        return reply

    return handle


def _refuse(error: Exception) -> Reply:
    """An error as the one shape."""
    if isinstance(error, Refusal):
        return error_reply(error.code, error.message, error.hint, error.headers)
    if isinstance(error, PrimeError):
        details = {
            name: values.plain(getattr(error, name))
            for name in ("field", "line", "column", "report", "entity_id", "expected", "actual", "position")
            if getattr(error, name, None) not in (None, "", 0)
        }
        return error_reply(error.code, error.message, error.hint, details=details)
    if isinstance(error, TimeoutError):
        return error_reply("timed_out", "no answer in time", "try again, or ask for less")
    log.exception("a request failed")
    return error_reply("internal_error", "a bug in Prime; the server's log says where", "report it")
