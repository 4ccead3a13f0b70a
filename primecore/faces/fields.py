"""Arguments from outside: JSON values and query texts, checked and turned into what the service takes, field by field.

Knows the table of operations. The service judges what it means; here it is types, ranges and names only.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from primecore.errors import InvalidArgument
from primecore.faces import limits, values
from primecore.operations import Field, Operation
from primecore.service import Prime

Schema = dict[str, Any]

_INTEGER = re.compile(r"-?[0-9]{1,18}")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,3})?")
_TRUTH = {"true": True, "1": True, "false": False, "0": False}
# AllSource's words for directions.
_DIRECTIONS = {"outgoing": "out", "incoming": "in"}
_MOST = {"limit": limits.MAX_PAGE, "depth": limits.MAX_DEPTH, "max_depth": limits.MAX_INTEGER, "k": limits.MAX_PAGE}
_LEAST = {"limit": 1, "k": 1}


def exposed(operation: Operation) -> tuple[Field, ...]:
    """The fields that may come from outside: never a path, which would name the server's own files."""
    return tuple(field for field in operation.fields if field.type != "path")


def is_exposed(operation: Operation) -> bool:
    """Whether an operation can be asked from outside at all."""
    return not any(field.type == "path" and field.required for field in operation.fields)


def collect(operation: Operation, given: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments for the service from JSON values. Raises InvalidArgument for what is not as it should be."""
    known = plan(operation)
    arguments: dict[str, Any] = {}
    for name, value in given.items():
        field = known.fields.get(name)
        if field is None:
            raise InvalidArgument(f"{name}: {operation.name} takes no such field", hint=_names(known.fields))
        if value is not None:
            arguments[name] = check(field, value)
        elif name in _clearable(operation.name):
            arguments[name] = None
    for name in known.required:
        if arguments.get(name) is None:
            raise InvalidArgument(f"{name}: {operation.name} needs it", hint=f"it is {known.fields[name].summary}")
    return arguments


class Plan(NamedTuple):
    """What is worked out once of an operation: fields by name, those it needs, whether its answer comes in pages."""

    operation: Operation
    fields: dict[str, Field]
    required: tuple[str, ...]
    paged: bool


_plans: dict[int, Plan] = {}


def plan(operation: Operation) -> Plan:
    """The plan of an operation. Looked up by identity: to hash the whole operation takes longer than to answer it."""
    found = _plans.get(id(operation))
    if found is None or found.operation is not operation:
        known = {field.name: field for field in exposed(operation)}
        required = tuple(field.name for field in known.values() if field.required)
        paged = any(field.name == "limit" and field.default is None for field in operation.fields)
        found = _plans[id(operation)] = Plan(operation, known, required, paged)
    return found


def _names(fields: Mapping[str, Field]) -> str:
    return f"it takes {', '.join(fields)}" if fields else "it takes none"


@cache
def _clearable(operation: str) -> frozenset[str]:
    """Fields whose absence and whose null say different things: "leave it" and "clear it"."""
    parameters = inspect.signature(getattr(Prime, operation)).parameters
    return frozenset(name for name, it in parameters.items() if repr(it.default) == "UNSET")


def check(field: Field, value: Any) -> Any:
    """`value` if it is what the field takes. Raises InvalidArgument."""
    if field.name == "direction" and isinstance(value, str):
        value = _DIRECTIONS.get(value, value)
    if field.choices and value not in field.choices:
        raise InvalidArgument(f"{field.name}: expected one of {', '.join(field.choices)}, found {_show(value)}")
    return _CHECKS.get(field.type, _anything)(field, value)


def _wrong(field: Field, expected: str, value: Any) -> InvalidArgument:
    return InvalidArgument(f"{field.name}: expected {expected}, found {_show(value)}")


def _show(value: Any) -> str:
    text = values.dumps(value).decode("utf-8", "replace")
    return text if len(text) <= 80 else text[:77] + "..."


def _text(field: Field, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise _wrong(field, "text", value)
    return value


def _point(field: Field, value: Any) -> int | str:
    """A position, also as digits (a query is text), or a time."""
    if isinstance(value, str):
        return int(value) if _INTEGER.fullmatch(value) and value.isdecimal() else _text(field, value)
    return _integer(field, value)


def _integer(field: Field, value: Any) -> int:
    least, most = _LEAST.get(field.name, 0), _MOST.get(field.name, limits.MAX_INTEGER)
    if isinstance(value, float) and value.is_integer():  # JSON has one kind of number: 1.0 is 1
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise _wrong(field, f"an integer from {least} to {most:,}", value)
    return value


def _number(field: Field, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise _wrong(field, "a number", value)
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise _wrong(field, "a finite number", value)
    return found


def _boolean(field: Field, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong(field, "true or false", value)
    return value


def _object(field: Field, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(field, "an object", value)
    return value


def _strings(field: Field, value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _wrong(field, "a list of texts", value)
    if field.name == "ids" and len(value) > limits.MAX_PATH_IDS:
        raise _wrong(field, f"at most {limits.MAX_PATH_IDS:,} ids", len(value))
    return value


def _events(field: Field, value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise _wrong(field, "a list of events", value)
    return value


def _numbers(field: Field, value: Any) -> list[float]:
    if not isinstance(value, list) or not value:
        raise _wrong(field, "a list of numbers", value)
    return [_number(field, item) for item in value]


def _array(field: Field, value: Any) -> list[Any]:
    if field.name == "vector":
        return _numbers(field, value)
    if not isinstance(value, list):
        raise _wrong(field, "a list", value)
    return value


def _anything(_field: Field, value: Any) -> Any:
    return value


_CHECKS: dict[str, Callable[[Field, Any], Any]] = {
    "string": _text,
    "entity_id": _text,
    "time": _text,
    "integer": _integer,
    "position": _integer,
    "point": _point,
    "number": _number,
    "boolean": _boolean,
    "object": _object,
    "strings": _strings,
    "events": _events,
    "numbers": _numbers,
    "vector": _numbers,
    "array": _array,
}


def from_text(field: Field, texts: list[str]) -> Any:
    """The JSON value that a query string says, by the field's type. Raises InvalidArgument."""
    if field.type == "strings":
        return texts
    if len(texts) > 1:
        raise InvalidArgument(f"{field.name}: expected it once, found it {len(texts)} times")
    text = texts[0]
    if field.type in ("integer", "position"):
        if not _INTEGER.fullmatch(text):
            raise _wrong(field, "an integer", text)
        return int(text)
    if field.type == "number":
        if not _NUMBER.fullmatch(text):
            raise _wrong(field, "a number", text)
        return float(text)
    if field.type == "boolean":
        if text not in _TRUTH:
            raise _wrong(field, "true or false", text)
        return _TRUTH[text]
    if field.type in ("object", "events", "numbers", "vector", "array"):
        return values.loads(text.encode("utf-8", "surrogatepass"), field.name)
    return text


def schema(field: Field, *, described: bool = True) -> Schema:
    """The JSON schema of a field."""
    kind = "vector" if (field.name, field.type) == ("vector", "array") else field.type
    shape = {key: value for key, value in _SCHEMAS.get(kind, {}).items()}
    if field.type in ("integer", "position"):
        shape |= {"minimum": _LEAST.get(field.name, 0), "maximum": _MOST.get(field.name, limits.MAX_INTEGER)}
    if field.choices:
        shape["enum"] = list(field.choices)
    if field.name == "direction":
        shape["enum"] = [*field.choices, *_DIRECTIONS]
    if field.name == "ids":
        shape["maxItems"] = limits.MAX_PATH_IDS
    if described:
        shape["description"] = field.summary
    if field.default is not None:
        shape["default"] = field.default
    return shape


_SCHEMAS: dict[str, Schema] = {
    "string": {"type": "string", "minLength": 1},
    "entity_id": {"type": "string", "minLength": 1, "maxLength": 1024},
    "time": {"type": "string", "format": "date-time"},
    "integer": {"type": "integer"},
    "position": {"type": "integer"},
    "point": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "minLength": 1}]},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "object": {"type": "object"},
    "strings": {"type": "array", "items": {"type": "string"}},
    "events": {"type": "array", "items": {"type": "object", "required": ["event_type", "entity_id"]}},
    "numbers": {"type": "array", "items": {"type": "number"}, "minItems": 1},
    "vector": {"type": "array", "items": {"type": "number"}, "minItems": 1},
    "array": {"type": "array"},
}
