"""Tools: AllSource Prime's names and arguments for the operations it has too, names made from the table for all others.

Knows the table of operations. A row whose operation the service has not got is no tool; it is one once it has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from primecore.faces import limits, shapes
from primecore.faces.answers import answer
from primecore.faces.asking import inputs
from primecore.faces.fields import is_exposed, schema
from primecore.operations import OPERATIONS, Field, Operation

Json = dict[str, Any]

MAX_TOKENS = Field("max_tokens", "integer", "most tokens the answer may take", default=limits.MCP_TOKENS)
# A model has no use for them: what is durable is the store's business, and files are not its own.
LEFT_OUT = frozenset({"durable", "timeout"})
# Not for a model: streams, maintenance, what only people decide.
NO_TOOL = frozenset(
    {"append", "at", "checkpoint", "compact", "digest", "doctor", "flush", "ingest", "neighbors_many", "repair"}
    | {"replay", "subscribe", "verify", "backup", "restore", "import", "reembed"}
)
DESTRUCTIVE = frozenset({"delete_node", "delete_edge", "delete_vector", "update_node", "update_edge"})
IDEMPOTENT = frozenset({"delete_node", "delete_edge", "delete_vector", "update_node", "update_edge", "embed"})


class Tool(NamedTuple):
    """One tool: an operation under a name, with the names its fields go by."""

    name: str
    operation: Operation
    guide: str
    names: Mapping[str, str]  # field -> argument

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields that a caller may give."""
        return tuple(field for field in inputs(self.operation) if field.name not in LEFT_OUT)

    def argument(self, field: Field) -> str:
        """What a field is called here."""
        return self.names.get(field.name, field.name)

    @property
    def reads(self) -> bool:
        """Whether it changes nothing."""
        return not self.operation.writes

    @property
    def is_budgeted(self) -> bool:
        """Whether its answer is cut to a number of tokens; not where the operation itself keeps to one."""
        return self.reads and all(field.name != MAX_TOKENS.name for field in self.fields)

    def input_schema(self) -> Json:
        """What it takes."""
        properties, required = {}, []
        for field in self.fields:
            shape = schema(field)
            if field.type == "object" or not field.required:
                shape.pop("default", None)
            properties[self.argument(field)] = shape
            if field.required:
                required.append(self.argument(field))
        if self.is_budgeted:
            properties[MAX_TOKENS.name] = {**schema(MAX_TOKENS), "minimum": 100, "maximum": limits.MAX_TOKENS}
        found: Json = {"type": "object", "properties": properties, "additionalProperties": False}
        if required:
            found["required"] = required
        return found

    def output_schema(self) -> Json:
        """What it answers. Parts may be left out for want of room, so only what is always there is required."""
        full = answer(self.operation.name).schema
        return shapes.thing(full.get("properties", {}), [name for name in full.get("required", []) if name != "next"])

    def given(self, arguments: Mapping[str, Any]) -> Json:
        """Arguments under the names of the fields."""
        inner = {self.argument(field): field.name for field in self.fields}
        return {inner.get(name, name): value for name, value in arguments.items()}


class _Row(NamedTuple):
    name: str
    operation: str
    guide: str
    names: dict[str, str] = {}  # noqa: RUF012  # a named tuple's default, read only


_ID = {"id": "node_id"}
_K = {"k": "top_k"}
_ROWS = (
    _Row(
        "prime_add_node",
        "add_node",
        "Create a node for a person, project, concept, decision ... you learn of. Give it a name and a domain in its "
        "properties, and an id you will know again: the same id again replaces its properties.",
    ),
    _Row(
        "prime_add_edge",
        "add_edge",
        "Say how two nodes are related (works_on, depends_on, causes ...). Both must be there.",
    ),
    _Row(
        "prime_neighbors",
        "neighbors",
        "What is connected to a node, with the edges that say how. depth 2 and more walks on from there.",
        _ID,
    ),
    _Row(
        "prime_search", "nodes", "List nodes by type, domain or label. For meaning or words use recall or text search."
    ),
    _Row("prime_shortest_path", "shortest_path", "How two nodes are connected.", {"source": "from", "target": "to"}),
    _Row(
        "prime_forget",
        "delete_node",
        "Delete a node with its edges, vector and text. History keeps what it was. Prefer updating what has changed.",
        _ID,
    ),
    _Row(
        "prime_history",
        "history",
        "Every event of a node, edge or vector: when it was learned, and what changed.",
        {"id": "entity_id"},
    ),
    _Row("prime_stats", "stats", "How much there is, by type, relation and domain."),
    _Row("prime_embed", "embed", "Store a vector, so that recall finds the entity by meaning."),
    _Row("prime_similar", "similar", "What is most like a vector, a text or an entity that has a vector.", _K),
    _Row(
        "prime_recall",
        "recall",
        "What is known about something: by meaning, words, connections and recency.",
        {**_K, "type": "node_type"},
    ),
    _Row("prime_search_text", "search", "Find what holds some words.", _K),
    _Row(
        "prime_context", "context", "A block of what is known about a question, ready to read.", {**_K, "text": "query"}
    ),
    _Row("prime_remember", "remember", "Keep a text: node, vector and edges in one step."),
    _Row("prime_get_node", "node", "One node: properties, domain, labels, times.", _ID),
    _Row("prime_update_node", "update_node", "Change some properties of a node; null removes one.", _ID),
    _Row("prime_get_edge", "edge", "One edge.", {"id": "edge_id"}),
    _Row("prime_update_edge", "update_edge", "Change weight, properties or validity of an edge.", {"id": "edge_id"}),
    _Row("prime_delete_edge", "delete_edge", "Delete an edge.", {"id": "edge_id"}),
    _Row("prime_subgraph", "subgraph", "The nodes around some nodes, and all edges among them.", {"ids": "node_ids"}),
    _Row("prime_events", "events", "The log itself, oldest first: what happened after a position."),
    _Row("prime_batch", "append_many", "Append several events at once: all of them or none."),
)


def table() -> Iterator[Tool]:
    """All tools of the operations that are there."""
    seen = set(NO_TOOL)
    for row in _ROWS:
        seen.add(row.operation)
        operation = OPERATIONS.get(row.operation)
        if operation is not None:
            known = {field.name for field in inputs(operation)}
            names = {field: name for field, name in row.names.items() if field in known and name not in known}
            yield Tool(row.name, operation, row.guide, names)
    for operation in OPERATIONS.values():
        if operation.name not in seen and is_exposed(operation):
            yield Tool(f"prime_{operation.name}", operation, operation.summary + ".", {})
