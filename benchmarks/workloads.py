"""The named workloads, each from a fixed seed: mixed events, and a graph of even degree. Knows nothing of the engine.

    python benchmarks/workloads.py mixed 1000000 > mixed.jsonl

- mixed: about 300 bytes an event; 45 % nodes, 50 % edges with UUID ids, 5 % updates; ids of events given. Ends of edges
  are skewed: a few nodes have many.
- nodes, edges: COUNT nodes, then five edges out of and five into each of them, in an order that jumps about.
"""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

SEED = 20_240_506
START = datetime(2024, 1, 1, tzinfo=UTC)
DOMAINS = ("engineering", "product", "research", "support", "sales", "people", "finance", "legal")
RELATIONS = ("knows", "works_on", "mentions", "depends_on", "reviewed", "wrote", "asked", "answered")
TYPES = ("person", "project", "document", "topic")
WORDS = ("agent", "memory", "graph", "vector", "event", "log", "replay", "index", "shard", "token", "prompt", "answer")
EDGES_EACH_WAY = 5
# Odd, large and different: i * step + shift (mod count) is a permutation where the step shares no factor with count.
STEPS = (611_953, 750_019, 882_377, 999_983, 1_000_003)


def uuid_text(rng: random.Random, version: str = "4") -> str:
    """A random UUID as text, ten times as fast as the uuid module."""
    h = rng.randbytes(16).hex()
    return f"{h[:8]}-{h[8:12]}-{version}{h[13:16]}-a{h[17:20]}-{h[20:]}"


def mixed(count: int) -> Iterator[str]:
    """Lines of the mixed workload."""
    rng = random.Random(SEED)
    nodes: list[str] = []
    for n in range(count):
        moment = (START + timedelta(milliseconds=137 * n)).isoformat(timespec="milliseconds")
        head = f'{{"event_id":"{uuid_text(rng)}","timestamp":"{moment}",'
        kind = rng.random()
        if kind < 0.45 or len(nodes) < 2:
            yield head + mixed_node(rng, nodes)
        elif kind < 0.95:
            source, target = (nodes[int(len(nodes) * rng.random() ** 3)] for _ in range(2))
            yield (
                f'{head}"event_type":"prime.edge.created","entity_id":"edge:{uuid_text(rng)}","payload":'
                f'{{"source":"{source}","target":"{target}","relation":"{rng.choice(RELATIONS)}",'
                f'"weight":{rng.random():.3f}}}}}\n'
            )
        else:
            node_id = nodes[int(len(nodes) * rng.random())]
            note = " ".join(rng.choices(WORDS, k=6))
            yield (
                f'{head}"event_type":"prime.node.updated","entity_id":"{node_id}","payload":{{"properties":'
                f'{{"status":"{rng.choice(WORDS)}","score":{rng.random():.4f},"note":"{note}"}}}},'
                f'"metadata":{{"agent_id":"agent-{n % 7}"}}}}\n'
            )


def mixed_node(rng: random.Random, nodes: list[str]) -> str:
    kind = rng.choice(TYPES)
    nodes.append(f"node:{kind}:{len(nodes):07d}")
    return (
        f'"event_type":"prime.node.created","entity_id":"{nodes[-1]}","payload":{{"node_type":"{kind}","properties":'
        f'{{"name":"{rng.choice(WORDS)} {len(nodes)}","domain":"{rng.choice(DOMAINS)}","score":{rng.random():.4f},'
        f'"text":"{" ".join(rng.choices(WORDS, k=5))}"}}}}}}\n'
    )


def node_id(number: int) -> str:
    """The id of a node of the graph workload; a new str each time."""
    return f"node:person:{number:08d}"


def nodes(count: int) -> Iterator[str]:
    """Lines that make the nodes of the graph, one domain for every 125,000."""
    rng = random.Random(SEED + 1)
    for n in range(count):
        yield (
            f'{{"event_id":"{uuid_text(rng)}","event_type":"prime.node.created","entity_id":"{node_id(n)}",'
            f'"timestamp":"2024-01-01T00:00:00Z","payload":{{"properties":'
            f'{{"name":"Person {n}","domain":"{DOMAINS[n * 8 // count]}","age":{n % 90}}}}}}}\n'
        )


def edges(count: int) -> Iterator[str]:
    """Lines that make the edges of the graph: five permutations of its nodes, so every node has five each way."""
    rng = random.Random(SEED + 2)
    steps = [next(s for s in range(step, step + count) if _coprime(s, count)) for step in STEPS]
    for n in range(count):
        for k, step in enumerate(steps):
            source = (n * steps[k - 1] + k) % count
            target = (source * step + 7 * k + 1) % count
            yield (
                f'{{"event_id":"{uuid_text(rng)}","event_type":"prime.edge.created","entity_id":"edge:{uuid_text(rng)}",'
                f'"timestamp":"2024-01-01T00:00:00Z","payload":{{"source":"{node_id(source)}",'
                f'"target":"{node_id(target)}","relation":"{RELATIONS[n % 8]}"}}}}\n'
            )


def _coprime(a: int, b: int) -> bool:
    while b:
        a, b = b, a % b
    return a == 1


WORKLOADS = {"mixed": mixed, "nodes": nodes, "edges": edges}


@contextlib.contextmanager
def stream(name: str, count: int) -> Iterator[BinaryIO]:
    """The lines of a workload as a pipe from another process, so that making them costs this one no memory."""
    command = [sys.executable, __file__, name, str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        if hasattr(os, "sched_setaffinity"):  # not on the core that is measured
            os.sched_setaffinity(process.pid, range(os.cpu_count() or 1))
        yield process.stdout  # type: ignore[misc]
    if process.returncode:
        raise SystemExit(f"making the workload {name} failed")


def file_of(folder: Path, name: str, count: int) -> Path:
    """The path of a file with the lines of a workload; made if it is not there yet."""
    path = folder / f"{name}-{count}.jsonl"
    if not path.exists():
        partial = path.with_suffix(".partial")
        with open(partial, "w", encoding="utf-8", buffering=1 << 20) as out:
            out.writelines(WORKLOADS[name](count))
        partial.rename(path)
    return path


def main() -> None:
    name, count = sys.argv[1], int(sys.argv[2])
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.stdout.writelines(WORKLOADS[name](count))


if __name__ == "__main__":
    main()
