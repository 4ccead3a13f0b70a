"""JSON schemas of what the service returns, read from the types its methods declare.

Knows the model. So a new operation is described by the annotation it carries anyway.
"""

from __future__ import annotations

import collections.abc
import types
import typing
from datetime import datetime
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from primecore.service import Prime

Schema = dict[str, Any]

POSITION: Schema = {"type": "integer", "minimum": 0, "description": "position in the log that the answer shows"}
_SCALARS: dict[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    datetime: {"type": "string", "format": "date-time"},
    type(None): {"type": "null"},
}
_LISTS = (list, tuple, collections.abc.Iterator, collections.abc.Iterable, collections.abc.Sequence)


def of(annotation: Any) -> Schema:
    """The schema of a type: scalars, lists, dicts, unions, named tuples. Anything else is any JSON."""
    if annotation in _SCALARS:
        return dict(_SCALARS[annotation])
    origin = get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        options = [of(option) for option in get_args(annotation)]
        return {"anyOf": options}
    if origin in _LISTS:
        items = [item for item in get_args(annotation) if item is not Ellipsis]
        return {"type": "array", "items": of(items[0])} if items else {"type": "array"}
    if origin is dict:
        return {"type": "object", "additionalProperties": of(get_args(annotation)[1])}
    if isinstance(annotation, type) and hasattr(annotation, "_fields"):
        return record(annotation)
    return {}


def record(kind: type) -> Schema:
    """The schema of a named tuple: an object that has every field."""
    hints = get_type_hints(kind)
    return thing({name: of(hints[name]) for name in kind._fields})  # type: ignore[attr-defined]


def thing(properties: dict[str, Schema], required: list[str] | None = None) -> Schema:
    """An object with these properties, all of them required unless said otherwise; it may have more."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
    }


def many(items: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": items}


@cache
def returned(operation: str) -> Any:
    """What a method of the service says it returns."""
    return get_type_hints(getattr(Prime, operation)).get("return", Any)


def is_list(annotation: Any) -> bool:
    """Whether a type is a list of something, or an iterator over it."""
    return get_origin(annotation) in _LISTS
