"""Asks the service one operation of the table, the same way for every server face: limits, pages, the past, the answer.

Knows the table and the service. It is handed arguments by name and hands back a body; how these travel is the face's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import orjson

from primecore.faces import fields, shapes
from primecore.faces.answers import Body, Look, answer
from primecore.operations import Field, Operation
from primecore.service import Prime

AT = Field("at", "point", "as it was: a position in the log, or a time (RFC 3339 with offset)")

# Answered from memory in about the time it takes to ask: no thread is worth it.
QUICK = frozenset({"node", "edge", "stats"})


def has_past(operation: Operation) -> bool:
    """Whether an operation can be asked of an earlier position: the service has a past, and its past this method."""
    return not operation.writes and operation.name in past_methods()


def past_methods() -> frozenset[str]:
    """The names of the questions that the store's past answers, empty where the service keeps no past."""
    if not hasattr(Prime, "at"):
        return frozenset()
    return frozenset(name for name in dir(shapes.returned("at")) if not name.startswith("_"))


def inputs(operation: Operation) -> tuple[Field, ...]:
    """What may be asked along with an operation, `at` included where the past answers it too."""
    own = fields.exposed(operation)
    if has_past(operation) and all(field.name != "at" for field in own):
        return (*own, AT)
    return own


def may_be_quick(operation: Operation) -> bool:
    """Whether there are arguments with which the answer takes microseconds."""
    return operation.name in QUICK or operation.name == "neighbors"


def is_quick(operation: Operation, given: Mapping[str, Any]) -> bool:
    """Whether the answer takes microseconds."""
    if "at" in given:
        return False
    if operation.name == "neighbors":
        return bool(given.get("depth", 1) == 1 and "limit" not in given)
    return operation.name in QUICK


def ask(prime: Prime, operation: Operation, given: Mapping[str, Any], page: int) -> Body | orjson.Fragment:
    """The body that answers. `page` is how many items a list has by default. Raises what the service does.

    What is asked most comes as the text it will be sent as, which takes a tenth of the time.
    """
    source: Any = prime
    if "at" in given and has_past(operation):
        given = dict(given)
        source = past(prime, given.pop("at"))
    arguments = fields.collect(operation, given)
    if operation.name == "neighbors" and source is prime and arguments.get("depth", 1) == 1:
        arguments.pop("depth", None)
        return orjson.Fragment(prime.neighbors_json(**{"limit": page, **arguments}))
    limit = None
    if fields.plan(operation).paged:
        limit = arguments.get("limit", page)
        arguments["limit"] = limit + 1  # one more tells whether there is a next page
    position = source.position
    result = getattr(source, operation.name)(**arguments)
    if isinstance(result, Iterator):
        result = list(result if limit is None else islice(result, limit + 1))
    following, truncated = None, False
    if limit is not None and hasattr(result, "__len__") and len(result) > limit:
        result, truncated = result[:limit], True
        following = _cursor(operation, result[-1])
    return answer(operation.name).body(Look(source, position, arguments, result, following, truncated))


def _cursor(operation: Operation, last: Any) -> Any:
    after = next((field for field in operation.fields if field.name == "after"), None)
    if after is None:
        return None
    return last.position if after.type == "position" else last.id


def past(prime: Any, at: Any) -> Any:
    """The store as it was at a position (a number, or its digits) or a time. Raises InvalidArgument."""
    at = fields.check(AT, at)
    return prime.at(position=at) if isinstance(at, int) else prime.at(at)
