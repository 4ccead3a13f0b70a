"""What is known about a question, put together for a prompt. Asks a store, or a view of its past; knows no tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from primecore.contexts import MAX_NAME, Fact, cited, estimated_tokens, packed, plain
from primecore.embeds import own_text
from primecore.errors import InvalidArgument
from primecore.model import Context
from primecore.writes import check_count

FACT_LINKS = 4
INDEX_NAMES = 5
CONTEXT_FACTS = 50
BEGINNING = 60  # characters of a text that stands for a name


Asked = Any  # `Prime`, or what `Prime.at` gives: it has their reads


def brief(
    store: Asked,
    look: Callable[[Callable[[], Any]], Any],
    position: Callable[[], int],
    query: str,
    max_tokens: int,
    tokens: Callable[[str], int] | None,
    how: Mapping[str, Any],
) -> Context:
    """The block that `Prime.context` tells of. `look` calls what it is given where no write comes in between."""
    if check_count(max_tokens, "max_tokens") < 1:
        raise InvalidArgument("max_tokens: expected at least 1")
    how = {"k": min(CONTEXT_FACTS, max(1, max_tokens // 8)), **how}

    def read() -> tuple[list[str], list[Fact], int]:
        facts = [fact(store, hit.id, hit.text) for hit in store.recall(query, **how)]
        return index(store), facts, position()

    there, facts, seen = look(read)
    return packed(there, facts, seen, max_tokens, estimated_tokens if tokens is None else tokens)


def index(store: Asked) -> list[str]:
    """What there is to know: domains with their sizes and some names, and what leads from one into another."""
    lines = []
    for domain in store.domains():
        names = [name_of(store, node.id) for node in store.nodes(domain=domain.name, limit=INDEX_NAMES)]
        more = " ..." if domain.nodes > len(names) else ""
        lines.append(f"{domain.name}: {domain.nodes} ({', '.join(names)}{more})")
    for pair in store.cross_domain():
        relations = ", ".join(f"{name} {number}" for name, number in pair.relations.items())
        lines.append(f"{pair.source_domain} -> {pair.target_domain}: {relations}")
    return lines


def name_of(store: Asked, node_id: str) -> str:
    """What a node is called; where it has no name, how its text begins, or else the end of its id."""
    node = store.node(node_id)
    for field in ("name", "title", "text") if node is not None else ():
        name = node.properties.get(field)
        if isinstance(name, str) and name.strip():
            return name if field != "text" else plain(name, BEGINNING)
    return node_id.split(":", 2)[-1]


def fact(store: Asked, id: str, text: str | None) -> Fact:
    """A hit with its date and its latest relations."""
    node = store.node(id) if id.startswith("node:") else None
    relations = []
    for it in list(store.neighbors(id))[-FACT_LINKS:] if node is not None else []:
        edge = store.edge(it.edge_id)
        peer, relation = plain(name_of(store, it.peer), MAX_NAME), plain(it.relation, MAX_NAME)
        ends = (relation, peer) if it.direction == "out" else (peer, relation)
        spans = "" if edge is None else _span(edge.valid_from, edge.valid_to)
        relations.append(f"{'-> ' if it.direction == 'out' else '<- '}{' '.join(ends)} [{cited(it.peer)}]{spans}")
    said = text or ("" if node is None else own_text(node.properties)) or id
    return Fact(id, said, None if node is None else node.updated_at.date().isoformat(), relations)


def _span(begin: Any, end: Any) -> str:
    if begin is None and end is None:
        return ""
    return f" ({'' if begin is None else begin.date().isoformat()}..{'' if end is None else end.date().isoformat()})"
