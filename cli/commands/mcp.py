"""`prime mcp`."""

from __future__ import annotations

import click

from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import Settings, note

EXAMPLE = "prime mcp < /dev/null"


@click.command("mcp", cls=PrimeCommand, examples=[EXAMPLE])
@click.pass_obj
def command(settings: Settings, /) -> None:
    """Serve the store to an agent over the Model Context Protocol, on stdin and stdout.

    Clients start it themselves: prime install writes that into their configuration. Where another process owns the
    store, it can be read; writes are refused and say so.
    """
    try:
        import anyio

        from primecore.faces.mcp.server import Face
    except ModuleNotFoundError as error:
        raise click.UsageError(f"this needs {error.name}: pip install 'primecore[mcp]'") from None
    from primecore.faces.opening import open_to_share

    opened = open_to_share(settings.data_dir)
    if opened.note:
        note(opened.note)
    with opened.prime as prime:
        anyio.run(Face(prime, opened.note).run_stdio)
