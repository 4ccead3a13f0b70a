"""The tables of docs/benchmarks.md, and the pictures beside them, from stored results. Measures nothing."""

from __future__ import annotations

from typing import Any, NamedTuple

from primecore.bench.svg import Bar, Chart, Curve, Panel
from primecore.bench.words import duration

Result = dict[str, Any]
GROWTH_PICTURE, PEERS_PICTURE = "docs/growth.svg", "docs/peers.svg"
PEERS = "peers-"  # what the names of their results begin with


class Column(NamedTuple):
    """A figure of a table: its key, its heading, how it is told, and whether more of it is better."""

    key: str
    heading: str
    kind: str
    more: bool = False


TITLES = {
    "graph": "Graph: {nodes:,} nodes, {edges:,} edges",
    "vectors": "Vectors: {vectors:,} of {dimensions} dimensions, the 10 nearest",
    "large-vectors": "Vectors: {vectors:,} of {dimensions} dimensions, the 10 nearest",
    "log": "Log: {events:,} events",
    "texts": "Texts: {texts:,} found by their words, the 10 best",
    "agents": "Agent memories: {texts:,} sentences, found again by meaning or words, the 10 best",
}
ONE, BULK = "one at a time, a second", "in bulk, a second"
VECTORS = (
    Column("query_us", "query", "us"),
    Column("query_p99_us", "query, p99", "us"),
    Column("recall_at_10", "recall@10", "share", True),
    Column("query_after_insert_us", "first query after an insert", "us"),
    Column("insert_us", "insert", "us"),
    Column("memory_mib", "memory, MiB", "count"),
    Column("disk_mib", "disk, MiB", "count"),
)
TEXTS = (
    Column("search_us", "search", "us"),
    Column("search_p99_us", "search, p99", "us"),
    Column("add_us", "add one", "us"),
    Column("bulk_texts_per_second", BULK, "count", True),
    Column("memory_mib", "memory, MiB", "count"),
    Column("disk_mib", "disk, MiB", "count"),
)
COLUMNS = {
    "graph": (
        Column("node_us", "read a node", "us"),
        Column("neighbors_uniform_us", "neighbours, any", "us"),
        Column("neighbors_zipf_us", "neighbours, popular", "us"),
        Column("two_hops_us", "two hops", "us"),
        Column("one_at_a_time_per_second", ONE, "count", True),
        Column("bulk_events_per_second", BULK, "count", True),
        Column("open_s", "open", "s"),
        Column("memory_mib", "memory, MiB", "count"),
        Column("disk_mib", "disk, MiB", "count"),
    ),
    "vectors": VECTORS,
    "large-vectors": VECTORS,
    "log": (
        Column("one_at_a_time_per_second", ONE, "count", True),
        Column("batches_per_second", "in batches of 1,000, a second", "count", True),
        Column("read_back_per_second", "read back, a second", "count", True),
        Column("disk_mib", "disk, MiB", "count"),
    ),
    "texts": TEXTS,
    "agents": TEXTS,
}


def told(value: float, kind: str) -> str:
    """A figure as people read it."""
    if kind == "us":
        return duration(value * 1000)
    if kind == "s":
        return duration(value * 1e9)
    if kind == "share":
        return f"{value:.3f}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def peers_of(results: dict[str, Result]) -> dict[str, Result]:
    """The results of the contenders, by kind in the order of the page."""
    return {kind: results[PEERS + kind] for kind in COLUMNS if PEERS + kind in results}


def measured(result: Result) -> list[dict[str, Any]]:
    """The answers that have figures."""
    return [answer for answer in result["figures"]["answers"] if "figures" in answer]


def peers_part(results: dict[str, Result], origin: str) -> str:
    """The tables of all kinds, what failed, and where Prime is behind; empty without a result."""
    kinds = {kind: result for kind, result in peers_of(results).items() if measured(result)}
    if not kinds:
        return ""
    parts = [f"![{'; '.join(panel.title for panel in peers_panels(results))}]({PEERS_PICTURE.removeprefix('docs/')})"]
    parts += ["", f"{origin}. The best of each column is in bold.", ""]
    for kind, result in kinds.items():
        answers = measured(result)
        columns = tuple(one for one in COLUMNS[kind] if any(answer["figures"].get(one.key) for answer in answers))
        parts += [f"### {TITLES[kind].format(**answers[0]['figures'])}", ""]
        parts += table(answers, columns)
        parts += [*behind(answers, columns), *noise_told(result), ""]
        failed = [answer for answer in result["figures"]["answers"] if "failed" in answer]
        parts += [f"- {answer['name']} is not there: {plain(answer['failed'])}" for answer in failed]
        parts += ["", "| | a write that returned survives | does not do |", "|---|---|---|"]
        parts += [f"| {naming(answer)} | {answer['durability']} | {answer['lacks']} |" for answer in answers]
        parts.append("")
    left_out = {name: why for result in kinds.values() for name, why in result["figures"]["left_out"].items()}
    return "\n".join([*parts, "### Left out", "", *(f"- {name}: {why}" for name, why in left_out.items()), ""])


SHOWN = {
    "graph": ("neighbors_uniform_us", "Graph: the neighbours of a node, median"),
    "vectors": ("query_us", "Vectors, the smaller set: a query, median"),
    "large-vectors": ("query_us", "Vectors, the larger set: a query, median"),
    "log": ("batches_per_second", "Log: events a second, in batches (longer is better)"),
    "texts": ("search_us", "Texts: a search, median"),
    "agents": ("search_us", "Agent memories: a search, median"),
}
"""The figure of each kind that the picture shows."""


def peers_panels(results: dict[str, Result]) -> list[Panel]:
    """Bars of one figure of each kind, the best first."""
    panels = []
    for kind, result in peers_of(results).items():
        key, title = SHOWN[kind]
        column = next(column for column in COLUMNS[kind] if column.key == key)
        found = [(answer["figures"][key], answer["name"]) for answer in measured(result) if answer["figures"].get(key)]
        bars = [
            Bar(name, value, told(value, column.kind), name.startswith("Prime"))
            for value, name in sorted(found, reverse=column.more)
        ]
        if bars:
            panels.append(Panel(f"{title}, logarithmic", bars, logarithmic=True))
    return panels


def noise_told(result: Result) -> list[str]:
    """The warnings that belong to a table."""
    said = noise(result).strip()
    return ["", said] if said else []


def noise(result: Result) -> str:
    """A warning where the machine was not quiet, or the workload not the published one."""
    worst = max(result[when]["slowest_over_fastest"] for when in ("noise_before", "noise_after"))
    said = "" if worst <= 1.25 else f" The machine was noisy ({worst:.2f}): trust ratios, not figures."
    return said + ("" if result["scale"] == 1 else " A small scale flatters what scans.")


def naming(answer: dict[str, Any]) -> str:
    """A contender with its version; Prime's is that of this page."""
    versions = answer.get("versions", {}) if not answer["name"].startswith("Prime") else {}
    return answer["name"] + "".join(f" ({version})" for version in list(versions.values())[:1])


def plain(reason: str) -> str:
    """A reason on one line that says nothing of this machine's folders."""
    return " ".join(word if "/" not in word else "..." for word in reason.split()).replace("|", "/")


def table(answers: list[dict[str, Any]], columns: tuple[Column, ...]) -> list[str]:
    """A row for each contender, the best of each column in bold."""
    best = {column.key: best_of(answers, column)[1] for column in columns}
    lines = ["| | " + " | ".join(column.heading for column in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for answer in answers:
        cells = []
        for column in columns:
            value = answer["figures"].get(column.key)
            text = told(value, column.kind) if value else ""  # nothing on the disk is no small thing on the disk
            cells.append(f"**{text}**" if value and value == best[column.key] else text)
        lines.append(f"| {naming(answer)} | " + " | ".join(cells) + " |")
    return lines


def best_of(answers: list[dict[str, Any]], column: Column) -> tuple[str, float]:
    """Who is best, and by which figure."""
    choose = max if column.more else min
    figures = [(answer["figures"].get(column.key), answer["name"]) for answer in answers]
    found = [(value, name) for value, name in figures if value]
    value, name = choose(found)
    return name, value


def behind(answers: list[dict[str, Any]], columns: tuple[Column, ...]) -> list[str]:
    """Where another is better than Prime, in words."""
    ours = next((answer["figures"] for answer in answers if answer["name"] == "Prime"), None)
    if ours is None:
        return []
    lost = []
    for column in columns:
        name, value = best_of(answers, column)
        if name == "Prime" or not ours.get(column.key):
            continue
        factor = value / ours[column.key] if column.more else ours[column.key] / value
        if factor >= 1.05:
            lost.append(f"{column.heading} ({name} by {factor:,.1f}x)")
        elif column.kind == "share" and factor > 1:
            lost.append(f"{column.heading} ({name}: {value:.3f})")
    return ["", "Another is better at: " + "; ".join(lost) + "."] if lost else ["", "Prime is best at each of these."]


GROWTH = (
    ("ingest_ns_per_event", "ns", "ingest, an event"),
    ("neighbors_ns_p50", "ns", "list(neighbors(id)), median"),
    ("node_ns_p50", "ns", "node(id), median"),
    ("past_ns_p50", "ns", "list(at(position=...).neighbors(id)), median"),
    ("search_ns_p50", "ns", "search by words, median"),
    ("recall_ns_p50", "ns", "recall, median"),
    ("open_s", "s", "open, by replay"),
    ("open_checkpoint_s", "s", "open, from a checkpoint"),
    ("memory_mib", "bytes", "memory"),
    ("log_mib", "bytes", "log"),
)


def growth_charts(result: Result | None) -> list[Chart]:
    """Time of an operation, time to open, and memory, against the number of nodes."""
    if result is None:
        return []
    charts = []
    for unit, title in (("ns", "Time of one operation"), ("s", "Opening"), ("bytes", "Memory, and the log on disk,")):
        curves = []
        for key, of_unit, label in GROWTH:
            points = [
                (one["nodes"], one[key] * (2**20 if unit == "bytes" else 1))
                for one in result["figures"]["curve"]
                if of_unit == unit and one.get(key, 0) > 0
            ]
            if points:
                curves.append(Curve(label, points))
        if curves:
            charts.append(Chart(f"{title} against the number of nodes", unit, curves))
    return charts


def growth_part(result: Result | None, origin: str) -> str:
    """The curves as a picture and as a table; empty without a result."""
    if result is None:
        return ""
    curve = result["figures"]["curve"]
    shown = [row for row in GROWTH if any(row[0] in one for one in curve)]
    lines = [f"![Cost against size, as in the table below]({GROWTH_PICTURE.removeprefix('docs/')})", ""]
    lines += ["| nodes | events | " + " | ".join(label for _, _, label in shown) + " |"]
    lines += ["|---" * (len(shown) + 2) + "|"]
    for one in curve:
        cells = [growth_cell(one.get(key), unit) for key, unit, _ in shown]
        lines.append(f"| {one['nodes']:,.0f} | {one['events']:,.0f} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", *walls(curve), "", f"{origin}.{noise(result)}", ""])


MEMORY_GIB = 16


def walls(curve: list[dict[str, float]]) -> list[str]:
    """What grows, and what runs out first, in words made of the smallest size and of the largest."""
    last = curve[-1]
    said = []
    if "memory_mib" in last:
        per_node = last["memory_mib"] * 2**20 / last["nodes"]
        fit = MEMORY_GIB * 2**30 / per_node / 1e6
        said.append(
            f"- **Memory is the first wall**: {per_node:,.0f} bytes a node with its properties and three edges, so "
            f"{MEMORY_GIB} GiB hold about {fit:,.0f} million of them."
        )
    if "open_s" in last:
        rate = last["events"] / last["open_s"]
        said.append(f"- **Opening by replay** takes a second for {rate / 1e6:.1f} million events of the log.")
    for key, what, why in (
        ("neighbors_ns_p50", "`neighbors`", "more misses in the caches"),
        ("node_ns_p50", "`node`", "more misses in the caches"),
        ("search_ns_p50", "`search`", "the lists of its words grow"),
        ("recall_ns_p50", "`recall`", "the lists of its words grow, and more vectors are looked at"),
    ):
        sizes = [one for one in curve if key in one]
        if len(sizes) > 1:
            times = sizes[-1][key] / sizes[0][key]
            more = sizes[-1]["nodes"] / sizes[0]["nodes"]
            said.append(f"- With {more:,.0f} times as much {what} takes {times:.1f} times as long ({why}).")
    return said if len(curve) > 1 else []


def growth_cell(value: float | None, unit: str) -> str:
    """A figure of a row, or nothing."""
    if value is None:
        return ""
    return f"{value:,.0f} MiB" if unit == "bytes" else duration(value * (1e9 if unit == "s" else 1))


def quality_part(result: dict[str, Any] | None, with_categories: bool = True) -> str:
    """How well recall finds, for docs/recall.md; empty without its result."""
    if result is None:
        return ""
    lines: list[str] = []
    for embedder, found in result["figures"]["embedders"].items():
        means = found["mean_by_share"].items()
        lines += [
            f"**{embedder}**, mean of all measures on the first half, by what vectors count for: "
            + ", ".join(f"{share}: {mean:.3f}" for share, mean in means)
            + f". In force: {found['in_force']}.",
            "",
        ]
        for level, arms in found["levels"].items():
            names = [name for name in arms["words"]["all"] if name != "questions"]
            asked = f"{arms['words']['all']['questions']:,} questions of the other half"
            lines += [f"| {embedder}, by {level}, {asked} | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
            for group in ["all", *(sorted(set(arms["words"]) - {"all"}) if with_categories else [])]:
                for arm in arms if group == "all" else ["words", "vectors", "fused + graph"]:
                    figures = " | ".join(f"{arms[arm][group][name]:.3f}" for name in names)
                    head = arm if group == "all" else f"{group}: {arm}"
                    lines.append(f"| {head} | {figures} |")
            lines.append("")
    return "\n".join([*lines, *quality_losses(result["figures"]["embedders"]), ""])


def quality_losses(embedders: dict[str, Any]) -> list[str]:
    """Where one arm alone does better than all together, over all questions and by category."""
    losses: dict[bool, list[str]] = {True: [], False: []}
    for embedder, found in embedders.items():
        for level, arms in found["levels"].items():
            for group, means in arms["fused + graph"].items():
                for arm in ("words", "vectors"):
                    better = [name for name in means if means[name] < arms[arm][group][name]]
                    if better:
                        where = "" if group == "all" else f"{group}, "
                        losses[group == "all"].append(f"{where}{embedder}, by {level}: {arm} ({', '.join(better)})")
    return [
        "Of the means over all questions, one arm alone is better than words, vectors and edges together in "
        + ("none." if not losses[True] else "these: " + "; ".join(losses[True]) + "."),
        "",
        "By category it is in " + ("none." if not losses[False] else "these: " + "; ".join(losses[False]) + "."),
    ]
