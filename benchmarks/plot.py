"""Draws what results/*.json say, and writes the tables of README.md and of pages in docs/.

    python benchmarks/plot.py            writes them
    python benchmarks/plot.py --check    says whether they are what the results say (exit code 1 if not)

Nothing is measured here and no figure is written by hand. Where a result is missing, its part is left out.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from durability import figures_part, torture_part
from faces import http_part, mcp_part
from pages import (
    GROWTH_PICTURE,
    PEERS,
    PEERS_PICTURE,
    growth_charts,
    growth_part,
    peers_panels,
    peers_part,
    quality_part,
)

from primecore.bench.svg import Bar, Panel, picture

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PICTURE, COMPARISON = "docs/benchmarks.svg", "docs/benchmarks.md"

Result = dict[str, Any]


# --- what the results say --------------------------------------------------------------------------------------------


def load(folder: Path) -> dict[str, Result]:
    """Results by the name of their benchmark."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}
    return {name: one for name, one in found.items() if "machine" in one}  # counts of instructions are no figures


def neighbors_panel(result: Result) -> Panel:
    """Median latency of a question."""
    figures = result["figures"]
    shown = (
        ("dict[id], one value for all", "dict[id] of a Python dict", "p50"),
        ("dict[id], a value each", "dict[id], a value of its own each", "p50"),
        ("len(neighbors(id))", "len(prime.neighbors(id))", "p50"),
        ("list(neighbors(id))", "list(prime.neighbors(id)), 10 items", "p50"),
        ("node(id)", "prime.node(id), properties parsed", "p50"),
        ("neighbors_many(1,000 ids), an id", "neighbors_many, an id of 1,000 (mean)", "mean"),
    )
    bars = [
        Bar(label, figures["ns"][name][kind], nanoseconds(figures["ns"][name][kind]), not name.startswith("dict"))
        for name, label, kind in shown
        if name in figures["ns"]
    ]
    size = f"{figures['nodes']:,} nodes, {figures['edges']:,} edges"
    return Panel(f"Time of one look-up by a fresh id, median ({size})", bars)


def ingest_panel(result: Result) -> Panel:
    """Events per second of a file, beside parsers that only parse."""
    figures = result["figures"]
    shown = (
        ("prime_events_per_second", "Prime, until in the graph and durable", True),
        ("orjson_loads_per_second", "orjson.loads of the same lines", False),
        ("json_loads_per_second", "json.loads of the same lines", False),
    )
    bars = [Bar(label, figures[name], f"{figures[name]:,.0f}", ours) for name, label, ours in shown]
    return Panel(f"Events per second ({figures['events']:,} events of {figures['bytes_per_event']:.0f} bytes)", bars)


def nanoseconds(value: float) -> str:
    """With a unit that people read."""
    return f"{value:,.0f} ns" if value < 1000 else f"{value / 1000:,.1f} us"


PANELS: dict[str, Callable[[Result], Panel]] = {"neighbors": neighbors_panel, "ingest": ingest_panel}


def panels(results: dict[str, Result]) -> list[Panel]:
    """Those whose results are there."""
    return [make(results[name]) for name, make in PANELS.items() if name in results]


def origin(results: dict[str, Result]) -> str:
    """Where the figures come from, in one line for each machine and version that they come from."""
    lines: dict[str, list[str]] = {}
    for name, result in timed(results).items():
        line = f"{platform(result)}, commit {result['machine']['commit'] or 'unknown'}"
        lines.setdefault(line, []).append(f"`{name}` (noise {noise(result):.2f})")
    return "; ".join(f"{line}: {', '.join(names)}" for line, names in lines.items())


def brief_origin(results: dict[str, Result]) -> str:
    """The same for a reader in a hurry: the machines, and how equal equal work was."""
    own = timed(results)
    machines = "; ".join(dict.fromkeys(platform(result) for result in own.values()))
    noisiest = max(own, key=lambda name: noise(own[name]))
    return (
        f"{machines}. [Each result](benchmarks/results) names its commit, and how much equal work varied beside it: "
        f"at most {noise(own[noisiest]):.2f} times, in `{noisiest}`"
    )


def timed(results: dict[str, Result]) -> dict[str, Result]:
    """Those that measured something; the others count what was tried."""
    return {name: result for name, result in results.items() if "noise_before" in result}


def platform(result: Result) -> str:
    """The machine and the versions of a result."""
    machine = result["machine"]
    system, python = machine["system"].partition("-")[0], machine["versions"]["python"]
    return f"{machine['cpu']}, {machine['cpus']} CPUs, {system}, CPython {python}"


def noise(result: Result) -> float:
    """How much longer the slowest of equal pieces of work took than the fastest, before and after."""
    return max(result[when]["slowest_over_fastest"] for when in ("noise_before", "noise_after"))


def only(results: dict[str, Result], start: str) -> dict[str, Result]:
    """Those whose names begin so."""
    return {name: result for name, result in results.items() if name.startswith(start)}


# --- the pages -------------------------------------------------------------------------------------------------------


def readme_part(results: dict[str, Result]) -> str:
    """Picture and figures for README.md; empty without results."""
    shown = panels(results)
    if not shown:
        return ""
    words = "; ".join(
        f"{panel.title}: " + ", ".join(f"{bar.label} {bar.told}" for bar in panel.bars) for panel in shown
    )
    own = {name: result for name, result in results.items() if not name.startswith((PEERS, "growth", "http_", "mcp_"))}
    lines = [f"![{words}]({PICTURE})", ""]
    rows = [f"| {what} | {told} |" for what, told in further(results)]
    if rows:
        lines += ["| figure | measured |", "|---|---|", *rows, ""]
    lines.append(
        "Medians, made by [benchmarks/](benchmarks/README.md): events per second of a file on all cores, the rest on "
        f"one pinned core unless it says otherwise. {brief_origin(own)}."
    )
    return "\n".join(lines) + "\n"


def further(results: dict[str, Result]) -> list[tuple[str, str]]:
    """Figures beside the picture."""
    found = []
    if "neighbors" in results:
        one = results["neighbors"]["figures"]["ns"]["len(neighbors(id))"]
        found.append(("`len(prime.neighbors(id))`, 99th percentile", nanoseconds(one["p99"])))
    if "reopen" in results:
        for name, words in (("mixed", "mixed events"), ("graph", "events of the graph")):
            one = results["reopen"]["figures"][name]
            what = f"opening a store of {one['events']:,.0f} {words} (replay of the log)"
            found.append((what, f"{one['open_s']:.2f} s; on all cores {one['open_all_cores_s']:.2f} s"))
    if "append" in results:
        one = results["append"]["figures"]
        found.append(("`prime.append(...)`, median", nanoseconds(one["append_interval_ns_p50"])))
        rate = one["durable_8_threads_events_per_second"]
        found.append(("durable appends from 8 threads, a second", f"{rate:,.0f}"))
    if "memory" in results:
        one = results["memory"]["figures"]
        told = f"{one['bytes_per_node']['tables']:.0f} and {one['bytes_per_edge']['tables']:.0f} bytes"
        found.append(("memory of a node and of an edge, both directions, properties and history apart", told))
    return found


def limits_part(results: dict[str, Result]) -> str:
    """What memory.py measured, for docs/limits.md; empty without its result."""
    if "memory" not in results:
        return ""
    figures = results["memory"]["figures"]
    node, edge = figures["bytes_per_node"], figures["bytes_per_edge"]
    per_gib = [f"{(1 << 30) / one['all'] / 1e6:.1f} million" for one in (node, edge)]
    lines = [
        f"Measured with {figures['nodes']:,} nodes and {figures['edges']:,} edges (`benchmarks/memory.py`), in bytes:",
        "",
        "| | a node | an edge, both directions |",
        "|---|---|---|",
        f"| anonymous memory in all | {node['all']:.0f} | {edge['all']:.0f} |",
        f"| of it tables, lists and indexes | {node['tables']:.0f} | {edge['tables']:.0f} |",
        f"| the same, of one more | {node['each_more']:.0f} | {edge['each_more']:.0f} |",
    ]
    for part in sorted({*node["by_stats"], *edge["by_stats"]}):
        values = [one["by_stats"].get(part, 0.0) for one in (node, edge)]
        if max(values) >= 1:
            lines.append(f"| `{part}`, as `stats()` counts it | {values[0]:.0f} | {values[1]:.0f} |")
    lines.append(f"| fit into 1 GiB | {per_gib[0]} | {per_gib[1]} |")
    return "\n".join([*lines, "", f"The ids of edges are UUIDs. {origin({'memory': results['memory']})}.", ""])


def between(text: str, name: str, part: str) -> str:
    """The page with what stands between its two markers replaced."""
    pattern = re.compile(rf"(<!-- {name}: begin [^\n]*-->\n).*?(<!-- {name}: end -->)", re.DOTALL)
    found, count = pattern.subn(lambda match: match[1] + part + match[2], text)
    if count != 1:
        raise SystemExit(f"plot: expected one pair of markers for {name}")
    return found


def pages(root: Path, results: dict[str, Result]) -> dict[Path, str]:
    """Every file that is made, with its text. The picture is left out where there is nothing to draw."""
    made = {
        root / page: between((root / page).read_text(encoding="utf-8"), name, part)
        for page, name, part in (
            ("README.md", "benchmarks", readme_part(results)),
            ("docs/limits.md", "memory", limits_part(results)),
            ("docs/http.md", "figures", http_part(results.get("http_face"), origin(only(results, "http_face")))),
            ("docs/mcp.md", "figures", mcp_part(results.get("mcp_face"), origin(only(results, "mcp_face")))),
        )
    }
    page = root / "docs/recall.md"
    text = between(page.read_text(encoding="utf-8"), "quality", quality_part(results.get("quality")))
    made[page] = between(text, "quality of LoCoMo", quality_part(results.get("quality_locomo"), with_categories=False))
    page = root / "docs/durability.md"
    text = between(page.read_text(encoding="utf-8"), "torture", torture_part(results.get("torture")))
    of = {name: results[name] for name in ("durable", "append_tail", "verify", "follow") if name in results}
    made[page] = between(text, "figures", figures_part(of, origin(of)))
    page, text = root / COMPARISON, (root / COMPARISON).read_text(encoding="utf-8")
    text = between(text, "peers", peers_part(results, origin(only(results, PEERS))))
    text = between(text, "growth", growth_part(results.get("growth"), origin(only(results, "growth"))))
    made[page] = text
    if bars := peers_panels(results):
        made[root / PEERS_PICTURE] = picture(bars)
    if charts := growth_charts(results.get("growth")):
        made[root / GROWTH_PICTURE] = picture(charts)
    shown = panels(results)
    if shown:
        made[root / PICTURE] = picture(shown)
    return made


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--check", action="store_true", help="write nothing; exit 1 where a page is not up to date")
    options.add_argument("--results", type=Path, default=RESULTS, help="folder of the results")
    options.add_argument("--root", type=Path, default=ROOT, help="folder of the pages")
    arguments = options.parse_args()
    stale = []
    for path, text in pages(arguments.root, load(arguments.results)).items():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(path.relative_to(arguments.root).as_posix())
        if not arguments.check:
            path.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"{name}: {'not what the results say' if arguments.check else 'written'}")
    return 1 if stale and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
