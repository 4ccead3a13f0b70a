"""What a request is made of: operations and their fields, and fields that several share. Knows words only."""

from __future__ import annotations

from typing import NamedTuple


class Field(NamedTuple):
    """One field of a request. `type` is a JSON type or one of: strings, time, position, point, path, events, entity_id.

    A point is a position or a time.
    """

    name: str
    type: str
    summary: str
    required: bool = False
    default: object = None
    choices: tuple[str, ...] = ()


class Operation(NamedTuple):
    """One use case: a method of `primecore.Prime` with this name, taking these fields as arguments.

    `on_path`: a function of the package instead, for files that are no open store; its fields hold every path it takes.
    """

    name: str
    summary: str
    fields: tuple[Field, ...]
    writes: bool
    on_path: bool = False

    def field(self, name: str) -> Field:
        """The field called `name`. Raises `KeyError`."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(f"operation {self.name} has no field {name}")


RECALL = (
    Field("depth", "integer", "how many edges away from what was found", default=1),
    Field("type", "string", "only nodes of this type"),
    Field("domain", "string", "only nodes of this domain"),
    Field("label", "string", "only nodes with this label"),
    Field("conversation", "string", "only what has this conversation_id"),
    Field("since", "time", "only what last changed then or later"),
    Field("until", "time", "only what last changed before"),
    Field("valid_at", "time", "only what was there and edges that held then"),
    Field("weights", "object", "of vector, words, graph, recency and importance"),
    Field("floor", "number", "what is less alike, and holds less of the query, is no hit", default=0.1),
    Field("min_score", "number", "only scores from this on", default=0.0),
    Field("diversity", "number", "0 to 1: give up score for difference"),
    Field("half_life_days", "number", "what is so old counts half as recent"),
    Field("importance", "string", "a property from 0 to 1 that adds to the score"),
)
