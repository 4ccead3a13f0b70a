"""`prime query`: the group of questions. Knows their names only."""

from primecore.cli.lazy import LazyGroup, entry

command = LazyGroup(
    "query",
    help="Ask about nodes, edges, neighbours, paths, domains, words and meaning.",
    entries={
        "node": entry("node"),
        "edge": entry("edge"),
        "neighbors": entry("neighbors"),
        "nodes": entry("nodes"),
        "path": entry("path", "shortest_path"),
        "subgraph": entry("subgraph"),
        "similar": entry("similar"),
        "history": entry("history"),
        "search": entry("search"),
        "recall": entry("recall"),
        "domains": entry("domains"),
    },
)
