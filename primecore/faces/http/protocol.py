"""HTTP/1.1 of uvicorn, with a short way for answers that are there at once. Knows the application.

A task, two messages through queues and a check of every header take longer than a look into memory. Whatever is not
plain (a body that is waited for, a connection that ends, a client that does not read, an error) goes uvicorn's own way.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.flow_control import service_unavailable
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from primecore.faces.http.app import App
from primecore.faces.http.wire import JSON_HEADERS, Receive, Reply, Scope, Send, error_reply, send_reply

_HEAD = b"".join(b"%b: %b\r\n" % pair for pair in JSON_HEADERS) + b"content-length: "


MAX_HEAD_BYTES = 64 << 10  # of a request's line and headers


class Protocol(HttpToolsProtocol):
    """One connection. `head_began` is since when the head of a request is waited for, by the loop's clock, or None."""

    head_began: float | None = None
    _head_bytes = 0

    def connection_made(self, transport: Any) -> None:
        """Waits for a first request."""
        self.head_began = asyncio.get_running_loop().time()
        super().connection_made(transport)

    def on_message_begin(self) -> None:
        """A request begins: its head must come in time, and be of a reasonable size."""
        self.head_began, self._head_bytes = asyncio.get_running_loop().time(), 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is there. What follows is read by those who want it, with limits of their own."""
        self.head_began = None
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Feeds the parser, unless a head has no end: it keeps what it has seen of one."""
        before = self.head_began
        super().data_received(data)
        # What began within this piece is no longer than it; earlier requests may fill most of it.
        if self.head_began is None or self.head_began is not before or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            reply = error_reply("limit_exceeded", f"request: a head of at most {MAX_HEAD_BYTES:,} bytes", "send a body")
            self._end(b"431 Request Header Fields Too Large", reply)

    def send_400_response(self, msg: str) -> None:
        """To what is not HTTP."""
        self._end(b"400 Bad Request", error_reply("invalid_argument", "request: expected HTTP/1.1", ""))

    def _end(self, status: bytes, reply: Reply) -> None:
        """The last answer of a connection whose request was not understood."""
        self.head_began = None
        head = b"".join(b"%b: %b\r\n" % pair for pair in (*reply.headers, (b"connection", b"close")))
        text = b"HTTP/1.1 %b\r\n%bcontent-length: %d\r\n\r\n%b"
        self.transport.write(text % (status, head, len(reply.body), reply.body))
        self.transport.close()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if app is service_unavailable:
            app = _full
        # What waits in the pipeline is taken from there one inside the other, so it is answered by tasks.
        if isinstance(app, App) and cycle.keep_alive and not self.pipeline and not self.flow.write_paused:
            reply = app.at_once(cycle.scope)
            if reply is not None:
                defaults = b"".join([b"%b: %b\r\n" % pair for pair in self.server_state.default_headers])
                cycle.response_started = cycle.response_complete = True
                length = len(reply.body)
                self.transport.write(b"HTTP/1.1 200 OK\r\n%b%b%d\r\n\r\n%b" % (defaults, _HEAD, length, reply.body))
                self.on_response_complete()
                return
        # What waits for a thread looks here whether anybody still wants it.
        cycle.scope["prime.gone"] = lambda: cycle.disconnected
        super()._start_asgi_task(cycle, app)


async def _full(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers for the application where there are too many connections already."""
    again = [(b"retry-after", b"1"), (b"connection", b"close")]
    await send_reply(send, error_reply("too_busy", "too many connections are open", "try again in a second", again))
