"""The index: what a store knows, by domain and type, in a page of Markdown. Knows the service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from primecore.faces.limits import BYTES_PER_TOKEN
from primecore.faces.values import dumps

NAMES = 5  # examples a type is shown with
MOST = 40  # lines a part may have


def index(source: Any) -> dict[str, Any]:
    """The page as `index`, its size, the domains, and the pairs of domains that edges join."""
    stats, domains, pairs = source.stats(), source.domains(), source.cross_domain()
    markdown = "\n".join(_lines(source, stats, domains, pairs)) + "\n"
    return {
        "index": markdown,
        "token_count": len(markdown.encode()) // BYTES_PER_TOKEN + 1,
        "domains": [domain.name for domain in domains],
        "cross_references": [
            {"source": pair.source_domain, "target": pair.target_domain, "edges": pair.edges} for pair in pairs[:MOST]
        ],
        "position": stats.position,
    }


def _lines(source: Any, stats: Any, domains: Any, pairs: Any) -> Iterator[str]:
    yield "# What this memory holds"
    yield f"{stats.nodes:,} nodes, {stats.edges:,} edges, {stats.events:,} events."
    for title, counts in (("Types", stats.nodes_by_type), ("Relations", stats.edges_by_relation)):
        if counts:
            yield f"\n## {title}"
            ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            yield ", ".join(f"{_word(name)} ({count:,})" for name, count in ordered[:MOST]) + _more(ordered)
    if domains:
        yield "\n## Domains"
        for domain in domains[:MOST]:
            examples = ", ".join(_name(node) for node in source.nodes(domain=domain.name, limit=NAMES))
            yield f"- {_word(domain.name)} ({domain.nodes:,}): {examples}"
        if len(domains) > MOST:
            yield f"- and {len(domains) - MOST:,} more"
    if pairs:
        yield "\n## Between domains"
        for pair in pairs[:MOST]:
            relations = ", ".join(f"{_word(name)} ({count:,})" for name, count in list(pair.relations.items())[:NAMES])
            yield f"- {_word(pair.source_domain)} to {_word(pair.target_domain)}: {relations}"


def _more(items: list[Any]) -> str:
    return f" and {len(items) - MOST:,} more" if len(items) > MOST else ""


def _name(node: Any) -> str:
    name = node.properties.get("name")
    return f"{_word(name)} ({_word(node.id)})" if isinstance(name, str) else _word(node.id)


def _word(text: str) -> str:
    """Somebody's text on one line and not too long, its marks harmless."""
    text = dumps(text).decode("utf-8", "replace")[1:-1].replace("`", "'")
    return text if len(text) <= 80 else text[:77] + "..."
