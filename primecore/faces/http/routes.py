"""Routes: AllSource Prime's paths for the operations it has too, and paths made from the table for all others.

Knows the table of operations. A row whose operation the service has not got is no route; it is one once it has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote_to_bytes

from primecore.errors import InvalidArgument
from primecore.faces.asking import inputs
from primecore.faces.fields import is_exposed
from primecore.operations import OPERATIONS, Field, Operation

PREFIX = "/api/v1/prime"
Method = Literal["GET", "POST", "PATCH", "DELETE"]


class Route(NamedTuple):
    """One method of one path. `renames` are names a request may use for fields of the operation."""

    method: Method
    path: str
    operation: Operation
    renames: Mapping[str, str] = {}
    preset: Mapping[str, Any] = {}
    created: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The fields that the path itself holds."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))

    @property
    def has_body(self) -> bool:
        """Whether fields come as a JSON object, and not in the query."""
        return self.method in ("POST", "PATCH")

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields that come in the query or the body."""
        taken = {self.renames.get(name, name) for name in self.names}
        return tuple(field for field in inputs(self.operation) if field.name not in taken)


class _Row(NamedTuple):
    method: Method
    path: str
    operation: str
    renames: dict[str, str] = {}  # noqa: RUF012  # a named tuple's default, read only
    preset: dict[str, Any] = {}  # noqa: RUF012
    created: bool = False


_K = {"top_k": "k"}
_ROWS = (
    _Row("POST", "/nodes", "add_node", created=True),
    _Row("GET", "/nodes", "nodes"),
    _Row("GET", "/nodes/{id}", "node"),
    _Row("PATCH", "/nodes/{id}", "update_node"),
    _Row("DELETE", "/nodes/{id}", "delete_node"),
    _Row("GET", "/nodes/{id}/neighbors", "neighbors"),
    _Row("GET", "/nodes/{id}/subgraph", "subgraph", {"id": "ids"}, {"depth": 2}),
    _Row("POST", "/subgraph", "subgraph"),
    _Row("GET", "/nodes/{id}/history", "history"),
    _Row("POST", "/edges", "add_edge", created=True),
    _Row("GET", "/edges", "edges"),
    _Row("GET", "/edges/{id}", "edge"),
    _Row("PATCH", "/edges/{id}", "update_edge"),
    _Row("DELETE", "/edges/{id}", "delete_edge"),
    _Row("POST", "/neighbors-many", "neighbors_many"),
    _Row("POST", "/vectors", "embed", created=True),
    _Row("DELETE", "/vectors/{id}", "delete_vector"),
    _Row("POST", "/vectors/search", "similar", _K),
    _Row("POST", "/search", "search", {**_K, "query": "text"}),
    _Row("POST", "/recall", "recall", {**_K, "query": "text", "node_type": "type"}),
    _Row("POST", "/context", "context", {**_K, "query": "text"}),
    _Row("POST", "/remember", "remember", created=True),
    _Row("POST", "/shortest-path", "shortest_path", {"from": "source", "to": "target"}),
    _Row("GET", "/diff", "diff", {"from": "since", "to": "until"}),
    _Row("GET", "/stats", "stats"),
)
# Served by hand: one event or many, whole or as a stream, and lists of any length.
BY_HAND = frozenset({"append", "append_many", "events", "at", "subscribe", "ingest"})


def table() -> Iterator[Route]:
    """All routes of the operations that are there."""
    served = set(BY_HAND)
    for row in _ROWS:
        served.add(row.operation)
        operation = OPERATIONS.get(row.operation)
        if operation is not None:
            known = {field.name for field in operation.fields}
            renames = {outer: inner for outer, inner in row.renames.items() if inner in known and outer not in known}
            yield Route(row.method, PREFIX + row.path, operation, renames, row.preset, row.created)
    for operation in OPERATIONS.values():
        if operation.name not in served and is_exposed(operation):
            plain = not operation.writes and all(field.type != "object" for field in inputs(operation))
            yield Route("GET" if plain else "POST", f"{PREFIX}/{operation.name.replace('_', '-')}", operation)


def _decoded(part: str) -> str:
    try:
        return unquote_to_bytes(part.encode("latin-1")).decode()
    except UnicodeDecodeError:
        raise InvalidArgument("path: expected percent-encoded UTF-8") from None


class Paths:
    """Finds what is behind a path. Segments are decoded after they were split: an id may hold %2F."""

    def __init__(self) -> None:
        self._root: dict[str, Any] = {}

    def add(self, method: str, path: str, target: Any) -> None:
        """Puts `target` behind a path; `{name}` stands for one segment."""
        level = self._root
        names = []
        for part in filter(None, path.split("/")):
            if part.startswith("{"):
                names.append(part[1:-1])
                part = "{}"
            level = level.setdefault(part, {})
        level.setdefault("", {})[method] = (target, names)

    def find(self, raw_path: str) -> tuple[Mapping[str, tuple[Any, list[str]]], list[str]] | None:
        """The methods behind a path, and its variable segments, decoded. Raises InvalidArgument for bad UTF-8."""
        level, values = self._root, []
        for part in raw_path.strip("/").split("/") if raw_path != "/" else ():
            following = level.get(part) if part and part != "{}" else None
            if following is None:
                following = level.get("{}")
                if following is None or not part:
                    return None
                values.append(_decoded(part) if "%" in part or not part.isascii() else part)
            level = following
        methods = level.get("")
        return None if methods is None else (methods, values)
