"""Nodes and edges field by field: their fields under JSON pointers (RFC 6901), and what differs between two of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from primecore.errors import InvalidArgument
from primecore.model import Edge, FieldChange, Node

Path = tuple[str, ...]

_NODE_FIELDS = ("type", "domain", "labels", "properties", "created_at", "updated_at")
_EDGE_FIELDS = ("source", "target", "relation", "weight", "properties", "valid_from", "valid_to")


def pointer(path: Path) -> str:
    """The JSON pointer of a path."""
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in path)


def parse_field(text: str, is_edge: bool) -> Path:
    """The path that a field's name means: a JSON pointer, or words with dots; a word that is no field is a property.

    Raises InvalidArgument.
    """
    if not isinstance(text, str) or not text:
        raise InvalidArgument(f"field: expected a name such as properties.name or /properties/name, found {text!r}")
    if text.startswith("/"):
        path = tuple(key.replace("~1", "/").replace("~0", "~") for key in text[1:].split("/"))
        known = path[0] in (_EDGE_FIELDS if is_edge else _NODE_FIELDS)
    else:
        path, known = tuple(text.split(".")), True
        if path[0] not in (_EDGE_FIELDS if is_edge else _NODE_FIELDS):
            path = ("properties", *path)
    if not known or (path[0] != "properties" and len(path) > 1):
        names = ", ".join(_EDGE_FIELDS if is_edge else _NODE_FIELDS)
        raise InvalidArgument(f"field: expected one of {names} or a path below properties, found {text!r}")
    return path


def leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """What is not an object, or an empty one, with its path."""
    stack = [(path, value)]
    while stack:
        at, item = stack.pop()
        if isinstance(item, dict) and item:
            stack.extend(((*at, key), child) for key, child in reversed(item.items()))
        else:
            yield at, item


def fields_of(it: Node | Edge | None) -> dict[Path, Any]:
    """Every field that is there. When a node was last touched is no field of what it says."""
    if it is None:
        return {}
    if isinstance(it, Node):
        plain: dict[str, Any] = {"domain": it.domain, "labels": list(it.labels) or None, "created_at": it.created_at}
    else:
        plain = {name: getattr(it, name) for name in _EDGE_FIELDS if name != "properties"}
    found: dict[Path, Any] = {(name,): value for name, value in plain.items() if value is not None}
    if it.properties:
        found.update(leaves(it.properties, ("properties",)))
    return found


def changes(before: Node | Edge | None, after: Node | Edge | None) -> tuple[FieldChange, ...]:
    """The fields that differ, in the order in which they stand before, then after."""
    first, second = fields_of(before), fields_of(after)
    found = []
    for path in dict.fromkeys([*first, *second]):
        if path not in second:
            found.append(FieldChange(pointer(path), "removed", first[path], None))
        elif path not in first:
            found.append(FieldChange(pointer(path), "added", None, second[path]))
        elif not same(first[path], second[path]):
            found.append(FieldChange(pointer(path), "changed", first[path], second[path]))
    return tuple(found)


def same(a: Any, b: Any) -> bool:
    """Equality as JSON means it: 1 and 1.0 are equal, 1 and true are not."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return bool(a == b)
