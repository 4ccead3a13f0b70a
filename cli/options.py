"""What commands share: the global options, types of arguments, options taken from the table of operations, the store.

Imported by every command, so it must stay light: click and the table of operations, nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from primecore.operations import OPERATIONS

if TYPE_CHECKING:
    import primecore

MAX_ID_BYTES = 1024
F = Callable[..., Any]


class Settings:
    """The global options, wherever on the line they stood."""

    def __init__(self) -> None:
        self.data_dir: str | None = None
        self.json = False
        self.debug = False


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with a sentence that says what is kept."""


class Utf8Text(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.5
    """Text that is UTF-8 and not empty: what is not cannot be in a store."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            value.encode()
        except UnicodeEncodeError:
            self.fail("it is not valid UTF-8", param, ctx)
        if not value:
            self.fail("it is empty", param, ctx)
        return str(value)


class EntityId(Utf8Text):
    """An entity id: 1 to 1,024 bytes without control characters."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = super().convert(value, param, ctx)
        if len(text.encode()) > MAX_ID_BYTES:
            self.fail(f"an entity id has at most {MAX_ID_BYTES} bytes, this one has {len(text.encode())}", param, ctx)
        if any(character < " " or "\x7f" <= character <= "\x9f" for character in text):
            self.fail("an entity id holds no control characters", param, ctx)
        return text


class Point(Utf8Text):
    """A position, or a time as text: what it names is the service's to say."""

    name = "point"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = super().convert(value, param, ctx)
        return int(text) if text.isascii() and text.isdigit() else text


TEXT = Utf8Text()
POINT = Point()
ENTITY_ID = EntityId()
COUNT = click.IntRange(min=1)
POSITION = click.IntRange(min=0)


class SharedOption(click.Option):
    """A global option. Each command carries it too, so it may stand before or after the command's name."""


def _set_data_dir(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value is not None:
        if not value:
            raise click.BadParameter("it is empty")
        ctx.ensure_object(Settings).data_dir = value


def _set_json(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(Settings).json = True


def _set_debug(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(Settings).debug = True


def shared_options() -> list[click.Parameter]:
    """The global options, new for each command."""
    common: dict[str, Any] = {"expose_value": False, "is_eager": True}
    return [
        SharedOption(
            ["--data-dir"],
            metavar="DIR",
            callback=_set_data_dir,
            help="Store to use. Default: $PRIME_DATA_DIR, else ~/.prime/memory.",
            **common,
        ),
        SharedOption(["--json"], is_flag=True, callback=_set_json, help="Print JSON and nothing else.", **common),
        SharedOption(["--debug"], is_flag=True, callback=_set_debug, help="Show a traceback on errors.", **common),
    ]


_TYPES: dict[str, Any] = {
    "string": TEXT,
    "entity_id": ENTITY_ID,
    "time": TEXT,
    "integer": COUNT,
    "number": click.FLOAT,
    "position": POSITION,
    "point": POINT,
    "path": click.Path(),
}


def option(operation: str, field_name: str, *declarations: str, **attributes: Any) -> Callable[[F], F]:
    """A click option for a field of an operation: name, type, choices, default and help come from the table."""
    field = OPERATIONS[operation].field(field_name)
    names = declarations or ("--" + field.name.replace("_", "-"),)
    attributes.setdefault("help", field.summary[0].upper() + field.summary[1:] + ".")
    attributes.setdefault("default", field.default)
    if field.type == "boolean":
        attributes.setdefault("is_flag", True)
    else:
        attributes.setdefault("type", click.Choice(field.choices) if field.choices else _TYPES[field.type])
        attributes.setdefault("show_default", field.default is not None and field.default != 0)
    return click.option(*names, field.name, **attributes)


def at_option(function: F) -> F:
    """`--at`, for a question that can be put to the past."""
    return option("at", "when", "--at", metavar="POINT")(function)


def valid_at_option(function: F) -> F:
    """`--valid-at`, for a question about edges."""
    return option("at", "valid_at", metavar="TIME")(function)


def as_of(prime: primecore.Prime, when: Any = None, valid_at: str | None = None) -> Any:
    """The store itself, or a view of it as it was, which answers the same questions."""
    return prime if when is None and valid_at is None else prime.at(when, valid_at=valid_at)


def open_store(settings: Settings, *, write: bool = False, **arguments: Any) -> primecore.Prime:
    """Open the store that the global options name: to read without touching it, or to write, making it if need be."""
    import primecore

    if not write:
        store = primecore.open(settings.data_dir, read_only=True, **arguments)
        # A torn tail is no news to a reader: beside an owner it is the write of this moment.
        message = store.recovery.message if store.recovery is not None and store.recovery.damaged else ""
    else:
        store = primecore.open(settings.data_dir, create=True, via_owner=True, **arguments)
        message = getattr(store.recovery, "message", "")
    if message:
        note(message)
    return store


def note(text: str) -> None:
    """One line for people, on stderr, where it disturbs no pipe."""
    print(f"prime: {text}", file=sys.stderr)
