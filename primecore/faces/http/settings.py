"""What a server is told: who may ask, and how much. Knows the standard library only."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Mapping
from typing import NamedTuple

from primecore.errors import InvalidArgument

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 3905
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


class Settings(NamedTuple):
    """Keys, names and limits of a server. No key means that everybody who reaches it may do everything."""

    keys: tuple[str, ...] = ()
    read_keys: tuple[str, ...] = ()
    hosts: tuple[str, ...] = LOOPBACK_NAMES  # names a request may be addressed to; none: any
    body_bytes: int = 48 << 20  # of a request that is read whole: a full batch, and room for its JSON
    bulk_bytes: int = 8 << 30  # of JSONL that is taken in as it comes
    bulk_ahead_bytes: int = 1 << 20  # of JSONL that is waited for before a thread is given to it
    stall_seconds: float = 30.0  # without a byte from or to a client
    read_seconds: float = 30.0  # for one answer
    threads: int = 8
    waiting: int = 256  # requests that wait for a thread
    uploads: int = 64  # bulk requests at a time
    bulk_threads: int = 4
    streams: int = 256  # event streams at a time
    connections: int = 2_000
    ping_seconds: float = 15.0


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can reach an address. Raises InvalidArgument for a name nobody knows."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise InvalidArgument(f"host: cannot resolve {host!r}: {error.strerror or error}") from None
    return all(ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)


def from_environment(host: str, names: tuple[str, ...], environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings for an address. Keys come from PRIME_API_KEY and PRIME_READ_KEY, commas between several.

    Raises InvalidArgument where others could reach it and no key would stop them.
    """
    keys, read_keys = _split(environment.get("PRIME_API_KEY")), _split(environment.get("PRIME_READ_KEY"))
    local = is_loopback(host)
    if not local and not keys:
        raise InvalidArgument(
            f"host: {host} can be reached from other machines, and there is no PRIME_API_KEY",
            hint="set PRIME_API_KEY to a long random text, or serve on 127.0.0.1",
        )
    if read_keys and not keys:
        raise InvalidArgument("PRIME_READ_KEY is set without PRIME_API_KEY", hint="then everybody may write: set both")
    if not all(key.isascii() and key.isprintable() for key in (*keys, *read_keys)):
        raise InvalidArgument("PRIME_API_KEY: expected printable ASCII")
    # From afar the key is the guard, and the names a server goes by there are anybody's guess.
    hosts = (*LOOPBACK_NAMES, host, *names) if local or names else ()
    return Settings(keys=keys, read_keys=read_keys, hosts=hosts)


def _split(text: str | None) -> tuple[str, ...]:
    return tuple(key.strip() for key in (text or "").split(",") if key.strip())
