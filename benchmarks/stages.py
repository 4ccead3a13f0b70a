"""Where the time of the hot paths goes: instructions and cache misses of each compiled module, counted by callgrind.

    python benchmarks/stages.py            counts and prints
    python benchmarks/stages.py --update   writes results/stages.json and the table of docs/performance.md

The same programs and the same entrances as instructions.py, on one core. Misses are those of callgrind's model of a
first-level data cache of 32 KiB and a last one of 32 MiB, without prefetching: they say who touches memory, not how
long it takes.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import instructions
import workloads

HERE = Path(__file__).resolve().parent
RESULT = HERE / "results" / "stages.json"
PAGE = HERE.parent / "docs" / "performance.md"
PATHS = ("ingest an event", "replay an event", "append", "list(neighbors(id)), 10 entries", "node(id)")
CACHES = ("--cache-sim=yes", "--D1=32768,8,64", "--LL=33554432,16,64")
# First match wins; what matches nothing counts as "the rest".
STAGES = (
    (r"_(slices|scan|fields|json|keyset|literals|times|refusal|buffers)$", "scan: JSON text and its literals"),
    (r"_(payload|embedding)$", "rules of the event types"),
    (r"_(wal|record|crc32c|segment|sync|mapping)$|chacha|crc32c", "log: record, checksum"),
    (r"_dedupe$", "dedupe"),
    (r"_(shards|prefixes|resolve)$", "key tables"),
    (r"_(graph|changes|states|adjacency|history|graveyard|jsontree|vectors|memory)$", "fold into records and lists"),
    (r"_(index|lexical)$", "projections kept at once"),
    (r"_(lines|pipeline|replay|batch|append|encode)$", "the path itself"),
    (r"_(reads|values|jsonwrite|facts)$", "results, arguments"),
    (r"libpython|python3", "CPython"),
    (r"libc|libm|ld-linux|vgpreload", "C library: copies, compares"),
    (r"orjson", "orjson"),
)


def stage_of(module: str) -> str:
    """The stage that a compiled module belongs to."""
    return next((stage for pattern, stage in STAGES if re.search(pattern, module)), "the rest")


def module_of(file: str, function: str, library: str) -> str:
    """Whose code it is: what a header of ours defines belongs to the module that it became part of."""
    mangled = re.search(r"primecore_(\d+)(_\w+)", function)
    if mangled is not None:
        return mangled[2][: int(mangled[1])]
    if re.search(r"Python-3|/python3", file):
        return "libpython"
    return re.sub(r"\.cpython.*|\.so.*", "", Path(library or file).name)


def counted(profile: Path, operations: int) -> dict[str, dict[str, float]]:
    """By stage: instructions, and misses of the first and the last cache, an operation."""
    text = subprocess.run(
        ["callgrind_annotate", "--show=Ir,D1mr,D1mw,DLmr,DLmw", "--threshold=100", "--auto=no", profile],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    totals: dict[str, Counter[str]] = {}
    for line in text.splitlines():
        found = re.match(r"\s*((?:(?:[\d,]+|\.)\s+(?:\([\d. ]+%\)\s+)?){5})(\S.*):(\S+)(?: \[(.*)\])?$", line)
        if found is None:
            continue
        columns = re.sub(r"\([^)]*\)", "", found[1]).split()
        numbers = [0 if column == "." else int(column.replace(",", "")) for column in columns]
        module = module_of(found[2], found[3], found[4] or "")
        totals.setdefault(stage_of(module), Counter()).update(
            instructions=numbers[0], first=numbers[1] + numbers[2], last=numbers[3] + numbers[4]
        )
    return {
        stage: {kind: round(value / operations, 2) for kind, value in total.items()}
        for stage, total in sorted(totals.items(), key=lambda item: -item[1]["instructions"])
    }


def measure() -> dict[str, dict[str, dict[str, float]]]:
    """By path and stage."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="prime-stages-") as name:
        folder = Path(name)
        lines, stores = instructions.prepare(folder)
        for path in PATHS:
            for old in folder.glob("callgrind.*"):
                old.unlink()
            instructions.count(path, stores[path], lines, folder, CACHES)
            profile = max(folder.glob("callgrind.*"), key=lambda file: file.stat().st_size)
            found[path] = counted(profile, instructions.PATHS[path].operations)
    return found


def tables(found: dict[str, dict[str, dict[str, float]]]) -> str:
    """As Markdown."""
    parts = []
    for path, stages in found.items():
        whole = sum(stage["instructions"] for stage in stages.values())
        parts += [f"### {path}\n", "| stage | instructions | of all | misses of 32 KiB | misses of 32 MiB |"]
        parts += ["|---|---|---|---|---|"]
        for name, stage in stages.items():
            if stage["instructions"] >= whole / 200:
                parts.append(
                    f"| {name} | {stage['instructions']:,.0f} | {stage['instructions'] / whole:.0%} "
                    f"| {stage['first']:,.1f} | {stage['last']:,.1f} |"
                )
        parts.append(f"| all | {whole:,.0f} | | | |\n")
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--update", action="store_true", help="write the result and the table of the page")
    arguments = parser.parse_args()
    found = measure()
    print(tables(found))
    if arguments.update:
        RESULT.write_text(json.dumps({"counted_on": instructions.machine(), "paths": found}, indent=2) + "\n")
        begin, end = "<!-- stages: begin (written by benchmarks/stages.py) -->", "<!-- stages: end -->"
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(begin)
        after = rest.partition(end)[2]
        told = f"Counted on {instructions.machine()}, {workloads.EDGES_EACH_WAY} edges each way."
        PAGE.write_text(f"{before}{begin}\n{tables(found)}\n{told}\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
