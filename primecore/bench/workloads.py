"""The named workloads as lines of JSONL, each from a fixed seed. Imports the standard library only, and no engine.

    python -m primecore.bench.workloads mixed 1000000 > mixed.jsonl

- mixed: about 300 bytes an event; 45 % nodes, 50 % edges with UUID ids, 5 % updates; ids of events given. Ends of edges
  are skewed: a few nodes have many.
- nodes, edges: COUNT nodes, then five edges out of and five into each of them, in an order that jumps about.
- people, links: COUNT nodes with three to five properties, then three edges for each of them on the average, whose
  sources are drawn as unevenly as links among people are (degrees by a power law), their targets evenly.
"""

from __future__ import annotations

import bisect
import contextlib
import functools
import itertools
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, NamedTuple

SEED = 20_240_506
START = datetime(2024, 1, 1, tzinfo=UTC)
DOMAINS = ("engineering", "product", "research", "support", "sales", "people", "finance", "legal")
RELATIONS = ("knows", "works_on", "mentions", "depends_on", "reviewed", "wrote", "asked", "answered")
TYPES = ("person", "project", "document", "topic")
WORDS = ("agent", "memory", "graph", "vector", "event", "log", "replay", "index", "shard", "token", "prompt", "answer")
EDGES_EACH_WAY = 5
LINKS_EACH = 3
ZIPF_RANKS = 100_000
TEXT_SEED, VOCABULARY = 4711, 20_000
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
    """What follows the head of a line that makes a node, which joins `nodes`."""
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


class Person(NamedTuple):
    """A node of the power-law graph."""

    id: str
    properties: dict[str, str | int | float]


class Link(NamedTuple):
    """An edge of the power-law graph: its id, the numbers of its ends, what it says."""

    id: str
    source: int
    target: int
    relation: str
    weight: float


def every_person(count: int) -> Iterator[Person]:
    """The nodes of the power-law graph: two to four properties besides the domain."""
    rng = random.Random(SEED + 3)
    for n in range(count):
        properties: dict[str, str | int | float] = {
            "name": f"Person {n}",
            "domain": DOMAINS[int(8 * rng.random())],
            "age": n % 90,
        }
        if n % 3:
            properties["score"] = round(rng.random(), 4)
        if n % 3 == 2:
            properties["text"] = " ".join(rng.choices(WORDS, k=5))
        yield Person(node_id(n), properties)


def every_link(count: int, each: int = LINKS_EACH) -> Iterator[Link]:
    """The edges of the power-law graph. The degree of the node of rank r falls as 1 / sqrt(r); ranks are shuffled."""
    rng = random.Random(SEED + 4)
    ranks = list(range(count))
    rng.shuffle(ranks)
    draw = rng.random
    for n in range(count * each):
        # The inverse of the cumulated 1 / sqrt(rank): a square.
        source = ranks[int(count * draw() ** 2)]
        target = (source + 1 + int((count - 1) * draw())) % count  # anyone but oneself
        h = rng.randbytes(16).hex()
        edge_id = f"edge:{h[:8]}-{h[8:12]}-4{h[13:16]}-a{h[17:20]}-{h[20:]}"
        yield Link(edge_id, source, target, RELATIONS[n % 8], n % 100 / 100)


def people(count: int) -> Iterator[str]:
    """Lines that make the nodes of the power-law graph."""
    rng = random.Random(SEED + 5)
    for person in every_person(count):
        # What Python prints of them is JSON but for its quotes: no value has one, and encoders take thrice as long.
        properties = str(person.properties).replace("'", '"')
        yield (
            f'{{"event_id":"{uuid_text(rng)}","event_type":"prime.node.created","entity_id":"{person.id}",'
            f'"timestamp":"2024-01-01T00:00:00Z","payload":{{"properties":{properties}}}}}\n'
        )


def links(count: int) -> Iterator[str]:
    """Lines that make the edges of the power-law graph."""
    rng = random.Random(SEED + 6)
    for link in every_link(count):
        yield (
            f'{{"event_id":"{uuid_text(rng)}","event_type":"prime.edge.created","entity_id":"{link.id}",'
            f'"timestamp":"2024-01-01T00:00:00Z","payload":{{"source":"{node_id(link.source)}",'
            f'"target":"{node_id(link.target)}","relation":"{link.relation}","weight":{link.weight}}}}}\n'
        )


def uniform(count: int, calls: int, seed: int) -> list[str]:
    """Ids of the graph that no one has hashed, each as likely as any other."""
    rng = random.Random(seed)
    return [node_id(rng.randrange(count)) for _ in range(calls)]


def zipf(count: int, calls: int, seed: int) -> list[str]:
    """Ids of the graph that no one has hashed; the one of rank r is asked for as often as 1 / r says."""
    rng = random.Random(seed)
    ranked, sums = _ranked(count)
    return [node_id(ranked[bisect.bisect(sums, rng.random() * sums[-1])]) for _ in range(calls)]


@functools.cache
def _ranked(count: int) -> tuple[list[int], list[float]]:
    """Numbers by their popularity, and how often they are asked for, cumulated."""
    order = random.Random(SEED + 7)
    ranked = [order.randrange(count) for _ in range(min(count, ZIPF_RANKS))]
    return ranked, list(itertools.accumulate(1 / (rank + 1) for rank in range(len(ranked))))


def facts(count: int) -> list[str]:
    """Texts of 6 to 18 words, drawn from 20,000 words as unevenly as those of a language are (Zipf)."""
    rng = random.Random(TEXT_SEED)
    words = [f"{rng.choice('bcdfglmnprstv')}{rng.choice('aeiou')}{number:x}" for number in range(VOCABULARY)]
    weights = list(itertools.accumulate(1 / (rank + 5) for rank in range(VOCABULARY)))
    return [" ".join(rng.choices(words, cum_weights=weights, k=rng.randint(6, 18))) for _ in range(count)]


def queries(texts: list[str], count: int) -> list[str]:
    """Questions of one to four words, drawn from the words of the texts: what is common there is common here."""
    rng = random.Random(TEXT_SEED + 1)
    drawn = [word for text in texts for word in text.split()]
    return [" ".join(rng.choices(drawn, k=rng.randint(1, 4))) for _ in range(count)]


WORKLOADS = {"mixed": mixed, "nodes": nodes, "edges": edges, "people": people, "links": links}


@contextlib.contextmanager
def stream(name: str, count: int) -> Iterator[BinaryIO]:
    """The lines of a workload as a pipe from another process, so that making them costs this one no memory."""
    # Without the script's folder on the path (-P): its neighbours must not pass for modules of the standard library.
    command = [sys.executable, "-P", __file__, name, str(count)]
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
    """Prints the lines of a workload."""
    name, count = sys.argv[1], int(sys.argv[2])
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.stdout.writelines(WORKLOADS[name](count))


if __name__ == "__main__":
    main()
