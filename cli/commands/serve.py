"""`prime serve`."""

from __future__ import annotations

import sys
from typing import Any

import click

from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import Settings, note, open_store

EXAMPLE = "prime serve --port 3905"


@click.command("serve", cls=PrimeCommand, examples=[EXAMPLE])
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=3905, show_default=True, help="Port; 0 takes any that is free."
)
@click.option("--allow-host", multiple=True, metavar="NAME", help="Another name requests may be addressed to.")
@click.option(
    "--fsync",
    type=click.Choice(["interval", "always", "never"]),
    default="interval",
    show_default=True,
    help="When writes reach stable storage.",
)
@click.pass_obj
def command(settings: Settings, /, host: str, port: int, allow_host: tuple[str, ...], fsync: str) -> None:
    """Serve the store over HTTP, until interrupted.

    Everybody on this machine may ask, unless PRIME_API_KEY says who may. Other addresses than this machine's want it
    set. PRIME_READ_KEY holds keys that may only read. With the extra "mcp" installed, /mcp speaks the Model Context
    Protocol.
    """
    try:
        from primecore.faces.http import server
    except ModuleNotFoundError as error:
        raise click.UsageError(f"this needs {error.name}: pip install 'primecore[server]'") from None
    from primecore.faces.http.app import App
    from primecore.faces.http.settings import from_environment

    limits = from_environment(host, allow_host)
    listening = server.listen(host, port)
    with listening, open_store(settings, write=True, fsync=fsync) as prime:
        mounts, lives = _mcp(prime)
        address = listening.getsockname()
        url = f"http://{f'[{address[0]}]' if ':' in address[0] else address[0]}:{address[1]}"

        def ready() -> None:
            from primecore.cli import render
            from primecore.cli.jsontext import dumps

            if settings.json:
                render.write(dumps({"url": url, "store": prime.path, "position": prime.position}))
                sys.stdout.flush()
            note(f"serving {prime.path} on {url}; ctrl-c ends")

        server.run(App(prime, limits, mounts, lives), listening, ready)


def _mcp(prime: Any) -> tuple[dict[str, Any], tuple[Any, ...]]:
    """What is behind /mcp, where its extra is installed."""
    try:
        from primecore.faces.mcp.server import Face
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("mcp", "mcp_types", "anyio"):
            raise
        return {}, ()
    application, life = Face(prime).over_http()
    return {"/mcp": application}, (life,)
