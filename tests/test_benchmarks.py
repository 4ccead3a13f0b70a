"""Every benchmark runs at a tiny scale and gives the figures it promises. Nothing is asserted about time."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.children import child_environment
from support.fold import Fold
from support.views import neighbor_lists

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"
PROMISED = {
    "ingest": ["events", "prime_events_per_second", "json_loads_per_second", "times_json", "times_orjson"],
    "neighbors": ["nodes", "edges", "ns", "p50_ratio"],
    "memory": ["nodes", "edges", "bytes_per_node", "bytes_per_edge", "memory_bytes"],
    "reopen": ["mixed", "graph"],
    "lexical": ["documents", "prime_search_ns_p50", "fts5_search_ns_p50", "times_fts5", "prime_bytes_per_document"],
    "recall": ["nodes", "vector_us_p50", "both_us_p50", "words_us_p50", "vector_times_similar"],
    "verify": [f"{work}_s_per_gib" for work in ("read", "verify_log", "verify", "recover_log", "recover", "backup")],
    "durable": ["prime_times_raw", "prime_64_times_1", "sqlite_us_p50", "sqlite_64_writers_per_second"],
    "append_tail": ["interval_append_p999_ns", "never_append_p999_ns", "interval_chunk_max_us", "never_chunk_max_us"],
    "follow": ["visible_ns_p99", "visible_ns_max", "forwarded_appends_per_second", "appends_per_second"],
    "as_of": ["events", "position", "ns", "p50_ratio", "graveyard_bytes"],
    "http_face": ["bare", "route", "neighbors_p50_over_bare", "stats_p50_over_route", "events_1", "events_1000"],
    "mcp_face": ["nothing", "prime_neighbors", "neighbors_p50_ratio"],
    "vectors": ["small", "large"],
    "growth": ["curve"],
    "checkpoint": ["replay", "checkpoint", "open_ratio", "query_ms_checkpoint", "query_ms_python_sqlite3"],
    "compaction": ["sizes", "neighbors_ns"],
    "append": ["append_interval_ns_p50", "append_many_100_events_per_second", "durable_8_threads_events_per_second"],
}


def run(*arguments: object) -> str:
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=child_environment(), timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_script_is_known_here_and_in_the_readme():
    scripts = {p.stem for p in FOLDER.glob("*.py") if "common.parser(" in p.read_text()}
    assert scripts == PROMISED.keys()
    readme = (FOLDER / "README.md").read_text()
    assert all(f"benchmarks/{name}.py" in readme for name in PROMISED)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="pins cores and reads /proc, as Linux has them")
@pytest.mark.parametrize("name", PROMISED)
def test_a_tiny_run_gives_all_figures(tmp_path, name):
    if name == "http_face" and shutil.which("wrk") is None:
        pytest.skip("wrk not found")
    printed = run(
        FOLDER / f"{name}.py", "--scale", 0.0005, "--rounds", 1, "--dir", tmp_path / "w", "--output", tmp_path
    )
    result = json.loads((tmp_path / f"{name}.json").read_text())
    assert result == json.loads(printed)
    assert result["benchmark"] == name and result["machine"]["versions"]["python"]
    assert all(figure in result["figures"] for figure in PROMISED[name])

    def numbers(value):
        if isinstance(value, dict):
            for part in value.values():
                yield from numbers(part)
        elif isinstance(value, float):
            yield value

    assert all(math.isfinite(number) for number in numbers(result["figures"]))


def test_workloads_are_the_same_every_time_and_as_described():
    lines = run(FOLDER / "workloads.py", "mixed", 3000).splitlines()
    assert lines == run(FOLDER / "workloads.py", "mixed", 3000).splitlines()
    fold, kinds = Fold(), []
    for event in map(json.loads, lines):
        assert fold.apply(event).verdict == "appended"
        kinds.append(event["event_type"])
    assert fold.ignored == 0 and len(fold.taken) == 3000
    shares = [kinds.count(f"prime.{kind}") / 3000 for kind in ("node.created", "edge.created", "node.updated")]
    assert shares == pytest.approx([0.45, 0.50, 0.05], abs=0.03)
    assert sum(map(len, lines)) / 3000 == pytest.approx(300, rel=0.05)


def test_the_graph_has_five_edges_each_way():
    fold = Fold()
    for name in ("nodes", "edges"):
        for line in run(FOLDER / "workloads.py", name, 250).splitlines():
            assert fold.apply(json.loads(line)).verdict == "appended"
    assert {(len(out), len(into)) for out, into in neighbor_lists(fold).values()} == {(5, 5)}
    assert len(fold.edges) == 1250 and neighbor_lists(fold).keys() == fold.nodes.keys()
