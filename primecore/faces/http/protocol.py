"""HTTP/1.1 of uvicorn, with a short way for answers that are there at once. Knows the application.

A task, two messages through queues and a check of every header take longer than a look into memory. Whatever is not
plain (a body that is waited for, a connection that ends, a client that does not read, an error) goes uvicorn's own way.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from primecore.faces.http.app import App
from primecore.faces.http.wire import JSON_HEADERS

_HEAD = b"".join(b"%b: %b\r\n" % pair for pair in JSON_HEADERS) + b"content-length: "


class Protocol(HttpToolsProtocol):
    """One connection."""

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
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
