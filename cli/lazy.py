"""Commands as click objects: groups that load a command only when it is called, and help pages with examples.

A group lists its commands from the table of operations, so `--help` loads none of their modules.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import click

from primecore.cli.options import SharedOption, shared_options
from primecore.operations import OPERATIONS


class Entry(NamedTuple):
    """A command of a group: the module that holds it (as `command`), and the line that `--help` shows."""

    module: str
    summary: str


def entry(module: str, operation: str = "") -> Entry:
    """The entry of the command in `primecore.cli.commands.<module>`, with the summary of its operation."""
    return Entry(f"primecore.cli.commands.{module}", OPERATIONS[operation or module].summary)


def _write_options(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    own: list[tuple[str, str]] = []
    shared: list[tuple[str, str]] = []
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is not None and isinstance(param, click.Option):
            (shared if isinstance(param, SharedOption) or param.name == "help" else own).append(record)
    for title, records in (("Options", own), ("Global options", shared)):
        if records:
            with formatter.section(title):
                formatter.write_dl(records)


class PrimeCommand(click.Command):
    """A command that takes the global options too, and whose help ends in examples that work when pasted."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), standalone: bool = False, **kwargs: Any) -> None:
        """`standalone` examples need no store; all others use the one that the example of `prime ingest` makes."""
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)
        self.standalone = standalone
        self.params += shared_options()

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_options(self, ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Examples are written as they are: a wrapped line would not survive pasting."""
        if self.examples:
            where = "" if self.standalone else " (on the store made by the example in prime ingest --help)"
            formatter.write(f"\nExample{where}:\n")
            for example in self.examples:
                formatter.write(example + "\n")


class LazyGroup(click.Group):
    """A group that knows its commands by name and loads them when called."""

    def __init__(self, *args: Any, entries: dict[str, Entry], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.entries = entries
        self.params += shared_options()

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = self.entries.get(cmd_name)
        if found is None:
            return None
        command: click.Command = importlib.import_module(found.module).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self.entries and not name.startswith("-") and not ctx.resilient_parsing:
            import difflib

            close = difflib.get_close_matches(name, self.entries, n=1)
            meant = f'did you mean "{close[0]}"?' if close else f"commands: {', '.join(self.entries)}"
            raise click.UsageError(f"no command {name!r}; {meant}", ctx)
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)
        _write_options(self, ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, found.summary + ".") for name, found in self.entries.items()])
