"""`prime ingest FILE...`."""

from __future__ import annotations

import errno
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from primecore.cli import render
from primecore.cli.lazy import PrimeCommand
from primecore.cli.options import TEXT, Interrupted, Settings, note, open_store, option
from primecore.cli.progress import Progress

if TYPE_CHECKING:
    from primecore import Prime
    from primecore.model import IngestReport

STDIN = "-"
FLUSH_SECONDS = 10
EXAMPLE = """\
prime ingest --source demo - <<'END'
{"event_type":"prime.node.created","entity_id":"node:person:alice","payload":{"properties":{"name":"Alice","domain":"engineering"}}}
{"event_type":"prime.node.created","entity_id":"node:person:bob","payload":{"properties":{"name":"Bob","domain":"engineering"}}}
{"event_type":"prime.node.created","entity_id":"node:project:auth","payload":{"properties":{"name":"Auth","domain":"product"}}}
{"event_type":"prime.edge.created","entity_id":"edge:1","payload":{"source":"node:person:alice","target":"node:project:auth","relation":"works_on","weight":0.9}}
{"event_type":"prime.edge.created","entity_id":"edge:2","payload":{"source":"node:person:bob","target":"node:project:auth","relation":"works_on"}}
END"""


class IngestCommand(PrimeCommand):
    """Takes `--on-error quarantine FILE`: the one word that brings a second one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _spell_out_quarantine(args))


def _spell_out_quarantine(args: list[str]) -> list[str]:
    """`--on-error quarantine FILE` as `--on-error quarantine --quarantine FILE`; everything else as it was."""
    end = args.index("--") if "--" in args else len(args)
    if any(word == "--quarantine" or word.startswith("--quarantine=") for word in args[:end]):
        return args
    for at in range(end):
        if args[at] == "--on-error=quarantine" or args[at : at + 2] == ["--on-error", "quarantine"]:
            behind = at + (1 if "=" in args[at] else 2)
            if behind < end and not args[behind].startswith("--"):
                return [*args[:behind], "--quarantine", *args[behind:]]
    return args


@click.command("ingest", cls=IngestCommand, examples=[EXAMPLE], standalone=True)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--source", type=TEXT, metavar="NAME", help="Name of the source, instead of the file's path.")
@click.option(
    "--on-error",
    metavar="stop|skip|quarantine FILE",
    type=click.Choice(["stop", "skip", "quarantine"]),
    help="What a broken line does: stop there (the default), be skipped, or be moved to FILE and skipped.",
)
@option("ingest", "quarantine", hidden=True)
@click.option(
    "--fsync",
    type=click.Choice(["interval", "always", "never"]),
    default="interval",
    show_default=True,
    help="When events reach stable storage while reading; at the end they all have, whatever this says.",
)
@click.pass_obj
def command(
    settings: Settings,
    /,
    files: tuple[str, ...],
    source: str | None,
    on_error: str | None,
    quarantine: str | None,
    fsync: str,
) -> None:
    """Append the events in JSONL files to the store, and make the store if there is none.

    FILE may end in .gz or .zst; - is stdin. What the store has already is not appended again: lines without an event_id
    get one from the file's path (or --source), their number and their bytes. For stdin that takes --source.

    A broken line stops with exit code 65 and says FILE:LINE:COLUMN; everything before it is kept and durable.
    """
    how = {"on_error": _on_error(on_error, quarantine), "quarantine": quarantine, "name": source}
    _check_files(files, source, quarantine)
    done: list[tuple[str, IngestReport]] = []
    started_s = time.monotonic()
    try:
        with open_store(settings, write=True, fsync=fsync) as prime:
            for file in files:
                _ingest_file(prime, file, how, done)
    finally:
        _show(settings, done, time.monotonic() - started_s)


def _on_error(on_error: str | None, quarantine: str | None) -> str:
    if quarantine is not None and on_error not in (None, "quarantine"):
        raise click.UsageError(f"--quarantine goes with --on-error quarantine, not with --on-error {on_error}")
    if quarantine is None and on_error == "quarantine":
        raise click.UsageError("--on-error quarantine needs a file for the broken lines: --on-error quarantine FILE")
    return on_error or ("stop" if quarantine is None else "quarantine")


def _check_files(files: tuple[str, ...], source: str | None, quarantine: str | None) -> None:
    """What can be known to fail is refused before anything is read, or a store is made."""
    if source is not None and len(files) > 1:
        raise click.UsageError("--source names one file's source: ingest the files one by one")
    if files.count(STDIN) > 1:
        raise click.UsageError("stdin can be read only once")
    for file in files:
        if file == STDIN:
            continue
        if os.path.isdir(file):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), file)
        if not os.path.exists(file):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), file)
        if not os.access(file, os.R_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), file)
        if quarantine is not None and os.path.exists(quarantine) and os.path.samefile(file, quarantine):
            raise click.UsageError(f"{file} is to be read: broken lines need a file of their own")


def _ingest_file(prime: Prime, file: str, how: dict[str, Any], done: list[tuple[str, IngestReport]]) -> None:
    from primecore.errors import PrimeError

    if file == STDIN and sys.stdin.isatty():
        note("reading events from the keyboard; ctrl-d ends")
    with Progress(os.path.basename(file) if file != STDIN else "stdin") as progress:
        try:
            done.append((file, prime.ingest(sys.stdin.buffer if file == STDIN else file, progress=progress, **how)))
        except KeyboardInterrupt:
            durable = prime.flush(timeout=FLUSH_SECONDS)
            again = "the same command goes on from there" if file != STDIN or how["name"] else "what is kept is kept"
            raise Interrupted(f"everything up to position {durable:,} is kept and durable; {again}") from None
        except PrimeError as error:
            report = getattr(error, "report", None)
            if report is not None:
                done.append((file, report))
            raise


def _show(settings: Settings, done: list[tuple[str, IngestReport]], seconds: float) -> None:
    """The report: also when a broken line stopped the run, because what came before it is in the store."""
    from primecore.cli import shapes

    if not done:
        return
    document = shapes.ingest(done, seconds)
    if render.for_people() and not settings.json:
        counts = ", ".join(f"{document[name]:,} {name}" for name in ("appended", "duplicates", "refused"))
        print(f"{counts} of {document['read']:,} events read ({document['events_per_second']:,.0f}/s)")
        return
    render.record(settings, document, omit=["files"], figures=True)
