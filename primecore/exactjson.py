"""JSON that rounds nothing: numbers that no int or float holds exactly come as Decimal and go out as they came.

Knows the standard library only.
"""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

MAX_DEPTH = 512

_fast = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def _number(text: str) -> float | Decimal:
    value = float(text)
    return value if math.isfinite(value) and Decimal(repr(value)) == Decimal(text) else Decimal(text)


def _integer(text: str) -> int | Decimal:
    try:
        return int(text)
    except ValueError:  # more digits than Python will turn into an int
        return Decimal(text)


def loads(text: bytes) -> Any:
    """The value of JSON text that was checked before."""
    return json.loads(text, parse_float=_number, parse_int=_integer)


def loads_strict(text: bytes) -> Any:
    """The value of JSON text that nobody checked: one way to read it, or ValueError (RecursionError where too deep)."""
    return json.loads(
        text.decode(), parse_float=_number, parse_int=_integer, parse_constant=_refuse, object_pairs_hook=_unique
    )


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no number of JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} stands there twice")
    return found


def dumps(value: Any) -> str:
    """`value` as JSON on one line.

    Raises ValueError for NaN, infinities and nesting over 512, TypeError for what JSON has no word for.
    """
    try:
        return _fast(value)
    except (TypeError, ValueError):
        return _exact(value, 1)
    except RecursionError:
        raise ValueError(f"nested more than {MAX_DEPTH} deep") from None


def _exact(value: Any, depth: int) -> str:
    # As _fast, in Python: for the rare value that the standard encoder cannot write exactly.
    if depth > MAX_DEPTH:
        raise ValueError(f"nested more than {MAX_DEPTH} deep")
    if isinstance(value, dict):
        return "{" + ",".join(f"{_key(key)}:{_exact(item, depth + 1)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_exact(item, depth + 1) for item in value) + "]"
    if isinstance(value, Decimal) and value.is_finite():
        return str(value)
    return _fast(value)


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"expected string keys, found {key!r}")
    return _fast(key)
