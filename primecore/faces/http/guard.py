"""Who may ask: names a request is addressed to, pages it comes from, keys. Knows headers and settings only."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection
from typing import Literal

from primecore.faces.http.settings import Settings
from primecore.faces.http.wire import Refusal, Scope, header

Right = Literal["write", "read"]
OPEN_PATHS = frozenset({"/health"})


class Guard:
    """Lets a request in, with a right, or raises Refusal.

    `open_paths` may be read without a key. The check of Host and Origin keeps web pages out that made their own name
    lead to this server (DNS rebinding).
    """

    def __init__(self, settings: Settings, open_paths: Collection[str] = OPEN_PATHS) -> None:
        self._hosts = frozenset(name.lower() for name in settings.hosts)
        self._keys = [_digest(key) for key in settings.keys]
        self._read_keys = [_digest(key) for key in settings.read_keys]
        self._passed: set[bytes] = set()
        self._open = frozenset(open_paths)

    def admit(self, scope: Scope) -> Right:
        """The right of a request. Raises Refusal."""
        self._check_names(scope)
        if not self._keys:
            return "write"
        given = _key(scope)
        # Every key is compared, by hashes of one length, so that the time taken tells nothing.
        hashed = _digest(given)
        may_write = any([hmac.compare_digest(hashed, key) for key in self._keys])
        may_read = any([hmac.compare_digest(hashed, key) for key in self._read_keys])
        if may_write:
            return "write"
        if may_read or (scope["path"] in self._open and scope["method"] in ("GET", "HEAD")):
            return "read"
        raise Refusal(
            "unauthorized",
            "no valid API key" if given else "an API key is needed",
            "send it as Authorization: Bearer KEY, or as X-API-Key",
            [(b"www-authenticate", b'Bearer realm="prime"')],
        )

    def _check_names(self, scope: Scope) -> None:
        host, count, origin = b"", 0, None
        for key, value in scope["headers"]:
            if key == b"host":
                host, count = value, count + 1
            elif key == b"origin":
                origin = value
        if count != 1:
            raise Refusal("forbidden", "host: expected exactly one Host header")
        if self._hosts and host not in self._passed:
            if _name(host.decode("latin-1")).lower() not in self._hosts:
                raise Refusal(
                    "forbidden",
                    "host: this server does not go by that name",
                    "reach it as localhost, or start it with --allow-host NAME",
                )
            if len(self._passed) < 100:
                self._passed.add(host)
        if origin is not None and origin.partition(b"://")[2].lower() != host.lower():
            raise Refusal("forbidden", "origin: pages of other sites may not ask")


def _name(host: str) -> str:
    """The name in a Host header, without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def _key(scope: Scope) -> str:
    authorization = header(scope, b"authorization")
    if authorization is not None:
        word, _, rest = authorization.partition(" ")
        return rest.strip() if word.lower() == "bearer" else authorization
    return header(scope, b"x-api-key") or ""
