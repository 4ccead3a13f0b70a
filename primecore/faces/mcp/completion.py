"""What an argument may go on as: ids of nodes, and names a subject may have. Knows the service."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import mcp_types as types

from primecore.faces.mcp.resources import TEMPLATES

MOST = 100  # values, which is what the protocol allows
LOOKED_AT = 2_000  # nodes of a type
_WORD = re.compile(r"\w+")


def complete(prime: Any, params: types.CompleteRequestParams) -> types.CompleteResult:
    """Values that begin with what was typed. What has no values of its own has none to offer."""
    reference, text = params.ref, params.argument.value
    found: Iterator[str] = iter(())
    if isinstance(reference, types.ResourceTemplateReference):
        if reference.uri == TEMPLATES[0].uri_template and params.argument.name == "id":
            found = _ids(prime, text)
    elif (reference.name, params.argument.name) == ("recall", "subject"):
        found = _names(prime, text)
    values: list[str] = []
    for value in dict.fromkeys(found):
        if len(values) == MOST:
            break
        values.append(value)
    completion = types.Completion(values=values, total=None, has_more=len(values) == MOST)
    return types.CompleteResult(completion=completion)


def _ids(prime: Any, text: str) -> Iterator[str]:
    """Types first, then ids of the one that is named."""
    kind, colon, _ = text.removeprefix("node:").partition(":")
    if colon and text.startswith("node:"):
        yield from (node.id for node in prime.nodes(type=kind, limit=LOOKED_AT) if node.id.startswith(text))
        return
    yield from (head for name in prime.stats().nodes_by_type if (head := f"node:{name}:").startswith(text))
    if not "node:".startswith(text):
        yield from _hits(prime, text, lambda hit: hit.id)


def _names(prime: Any, text: str) -> Iterator[str]:
    return _hits(prime, text, lambda hit: hit.text or hit.id)


def _hits(prime: Any, text: str, shown: Any) -> Iterator[str]:
    """What is found by the words of `text`, the last of which may be unfinished."""
    words = _WORD.findall(text)
    if words:
        for hit in prime.search(" ".join(words) + "*", k=MOST):
            if hit.id.startswith("node:") and len(name := shown(hit)) <= 200:
                yield name
