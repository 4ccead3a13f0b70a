"""`prime install CLIENT`."""

from __future__ import annotations

import difflib
import os
import shutil
import sys
from pathlib import Path

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import Settings, note

EXAMPLE = "prime install cursor --dry-run"
CLIENTS = ("claude-code", "claude-desktop", "cursor", "vscode")


@click.command("install", cls=PrimeCommand, examples=[EXAMPLE])
@click.argument("client", type=click.Choice(CLIENTS))
@click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
@click.option("--yes", is_flag=True, help="Write without asking.")
@click.pass_obj
def command(settings: Settings, /, client: str, dry_run: bool, yes: bool) -> None:
    """Write prime mcp into the configuration of an agent's program: claude-code, claude-desktop, cursor or vscode.

    What would change is shown first. Everything else in the file stays, and the file as it was is kept beside it.
    """
    from primecore.faces.mcp import clients

    change = clients.plan(client, _mcp_command(settings), Path.home())
    backup = None
    if change.needed:
        if not settings.json:
            _show(change.path, change.before, change.after)
        if not dry_run:
            if not yes and not _agreed(change.path):
                raise click.UsageError("nothing was written; --yes writes without asking")
            backup = clients.apply(change)
    if settings.json:
        render.record(
            settings,
            {
                "client": client,
                "file": str(change.path),
                "changed": change.needed and not dry_run,
                "backup": str(backup) if backup else None,
                "content": change.after,
            },
        )
    elif not change.needed:
        note(f"{change.path} has it already")
    elif not dry_run:
        note(f"wrote {change.path}" + (f"; as it was: {backup}" if backup else "") + f"; restart {client}")


def _mcp_command(settings: Settings) -> list[str]:
    """How a client starts it: by whole paths, since clients search none."""
    program = shutil.which("prime")
    command = [os.path.abspath(program)] if program else [sys.executable, "-m", "primecore.cli"]
    directory = settings.data_dir or os.environ.get("PRIME_DATA_DIR")
    if directory:
        command += ["--data-dir", str(Path(directory).expanduser().absolute())]
    return [*command, "mcp"]


def _show(path: Path, before: str, after: str) -> None:
    for line in difflib.unified_diff(
        before.splitlines(), after.splitlines(), str(path), "what it will be", lineterm=""
    ):
        render.write(render.printable(line))


def _agreed(path: Path) -> bool:
    return sys.stdin.isatty() and click.confirm(f"Write {path}?", err=True)
