"""The workloads of `primecore.bench`, under the name that scripts here know them by.

    python benchmarks/workloads.py mixed 1000000 > mixed.jsonl
"""

from primecore.bench.workloads import (
    EDGES_EACH_WAY,
    LINKS_EACH,
    WORKLOADS,
    edges,
    every_link,
    every_person,
    facts,
    file_of,
    main,
    mixed,
    node_id,
    nodes,
    queries,
    stream,
    uniform,
    zipf,
)

__all__ = [
    "EDGES_EACH_WAY",
    "LINKS_EACH",
    "WORKLOADS",
    "edges",
    "every_link",
    "every_person",
    "facts",
    "file_of",
    "main",
    "mixed",
    "node_id",
    "nodes",
    "queries",
    "stream",
    "uniform",
    "zipf",
]

if __name__ == "__main__":
    main()
