"""The entry point: the root command, and what becomes of its errors. Loads no command before it is called."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from primecore.cli.lazy import Entry, LazyGroup, entry
from primecore.cli.options import Settings
from primecore.operations import EXIT_BROKEN_PIPE, EXIT_FINE, EXIT_INTERRUPTED, outcome


def _show_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        import primecore

        click.echo(f"prime {primecore.__version__}")
        ctx.exit()


root = LazyGroup(
    "prime",
    help="Prime: an embedded, event-sourced memory for AI agents.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_show_version,
            help="Show the version.",
        )
    ],
    entries={
        "ingest": entry("ingest"),
        "query": Entry("primecore.cli.commands.query", "Ask about nodes, edges, neighbours, paths, meaning"),
        "context": entry("context"),
        "events": entry("events"),
        "timeline": entry("timeline"),
        "diff": entry("diff"),
        "why": entry("why"),
        "tail": entry("tail", "subscribe"),
        "stats": entry("stats"),
        "replay": entry("replay"),
        "verify": entry("verify"),
        "doctor": entry("doctor"),
        "backup": entry("backup"),
        "restore": entry("restore"),
        "repair": entry("repair", "salvage"),
        "export": entry("export"),
        "import": entry("import_file", "import_from"),
        "serve": Entry("primecore.cli.commands.serve", "Serve the store over HTTP"),
        "mcp": Entry("primecore.cli.commands.mcp", "Serve the store to an agent (Model Context Protocol)"),
        "install": Entry("primecore.cli.commands.install", "Tell an agent's program about prime mcp"),
        "reembed": entry("reembed"),
        "bench": Entry("primecore.cli.commands.bench", "Measure Prime on this machine, beside SQLite and the disk"),
        "checkpoint": entry("checkpoint"),
        "compact": entry("compact"),
    },
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `prime` with these arguments (else those of the process) and return its exit code."""
    args = list(sys.argv[1:] if arguments is None else arguments)
    if "_PRIME_COMPLETE" in os.environ:
        from click.shell_completion import shell_complete

        return shell_complete(root, {}, "prime", "_PRIME_COMPLETE", os.environ["_PRIME_COMPLETE"])
    settings = Settings()
    try:
        status = _run(args, settings)
        sys.stdout.flush()
    except BrokenPipeError:
        _flush_or_forget()
        return EXIT_BROKEN_PIPE
    except KeyboardInterrupt as interrupt:
        print("prime: " + "; ".join(["interrupted", *map(str, interrupt.args)]), file=sys.stderr)
        _flush_or_forget()
        return EXIT_INTERRUPTED
    except Exception as error:  # whatever it is, a shell gets one line and a code
        return _report(error, args, settings)
    return status


def _run(args: list[str], settings: Settings) -> int:
    try:
        with root.make_context("prime", args, obj=settings) as ctx:
            result = root.invoke(ctx)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    return result if isinstance(result, int) else EXIT_FINE


def _report(error: Exception, args: list[str], settings: Settings) -> int:
    """Say on stderr what went wrong, in one line (or one JSON object), and return the exit code."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        print(error.format_message(), file=sys.stderr)
        return outcome("usage").exit_code
    flags = args[: args.index("--")] if "--" in args else args  # parsing may have failed before it came to them
    if settings.debug or "--debug" in flags:
        import traceback

        traceback.print_exception(error)
    code, message, hint = _describe(error)
    if settings.json or "--json" in flags:
        import json

        print(json.dumps({"error": {"code": code, "message": message, "hint": hint}}), file=sys.stderr)
    else:
        line = " ".join(f"{message}; {hint}".removesuffix("; ").splitlines())
        print(f"prime: error: {line}", file=sys.stderr)
    _flush_or_forget()
    return outcome(code).exit_code


def _describe(error: Exception) -> tuple[str, str, str]:
    """Code, message and hint of an error."""
    from primecore.errors import PrimeError

    if isinstance(error, click.ClickException):
        ctx = getattr(error, "ctx", None)
        return "usage", error.format_message().rstrip("."), f"see {ctx.command_path if ctx else 'prime'} --help"
    if isinstance(error, PrimeError):
        hint = error.hint
        if error.code == "store_not_found":
            hint = "next: prime ingest FILE makes one, --data-dir DIR names another"
        return error.code, error.message, hint
    if isinstance(error, FileNotFoundError):
        return "file_not_found", _describe_os_error(error), "check the name"
    if isinstance(error, OSError):
        hint = "check file and permissions" if error.filename is not None else "it is not whole: send it elsewhere"
        return "io_error", _describe_os_error(error), hint
    return "internal_error", f"{type(error).__name__}: {error}", "this is a bug: run again with --debug and report it"


def _describe_os_error(error: OSError) -> str:
    what = (error.strerror or str(error)).lower()
    return f"{error.filename}: {what}" if error.filename is not None else f"cannot write the output: {what}"


def _flush_or_forget() -> None:
    """Write out what stdout holds; where that fails, point it at nothing, or the interpreter tries again at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
