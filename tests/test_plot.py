"""benchmarks/plot.py: pages and picture say what the results say, and the pages of this project are up to date."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from support.pages import ROOT, anchors, links

PLOT = ROOT / "benchmarks" / "plot.py"
VERSIONS = {"python": "3.11.7"}
HEAD = {
    "machine": {"cpu": "Abacus 9", "cpus": 2, "system": "Linux-1.2-x", "versions": VERSIONS, "commit": "abc"},
    "noise_before": {"slowest_over_fastest": 1.02},
    "noise_after": {"slowest_over_fastest": 1.11},
}
NS = {
    "dict[id], one value for all": {"p50": 400.0},
    "dict[id], a value each": {"p50": 500.0},
    "len(neighbors(id))": {"p50": 200.0, "p99": 900.0},
    "list(neighbors(id))": {"p50": 1600.0},
    "node(id)": {"p50": 1000.0},
    "neighbors_many(1,000 ids), an id": {"mean": 100.0},
}
PER = {"all": 150.0, "tables": 101.0, "each_more": 99.0, "by_stats": {"nodes": 101.4, "dedupe": 16.0, "stats": 0.0}}
FIGURES = {
    "neighbors": {"nodes": 1000, "edges": 5000, "ns": NS},
    "ingest": {
        "events": 1000,
        "bytes_per_event": 301.6,
        "prime_events_per_second": 2_000_000.4,
        "orjson_loads_per_second": 700_000.0,
        "json_loads_per_second": 250_000.0,
    },
    "memory": {"nodes": 1000, "edges": 5000, "bytes_per_node": PER, "bytes_per_edge": {**PER, "tables": 120.0}},
    "reopen": {name: {"events": 1000.0, "open_s": 0.25, "open_all_cores_s": 0.125} for name in ("mixed", "graph")},
    "append": {"append_interval_ns_p50": 1234.0, "durable_8_threads_events_per_second": 4321.0},
}


def plot(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PLOT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder with a result of every benchmark."""
    folder = tmp_path / "results"
    folder.mkdir()
    for name, figures in FIGURES.items():
        (folder / f"{name}.json").write_text(json.dumps({"benchmark": name, **HEAD, "figures": figures}))
    return folder


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The pages that are written to, without figures."""
    root = tmp_path / "root"
    (root / "docs").mkdir(parents=True)
    names = ("limits", "durability", "recall", "benchmarks", "http", "mcp")
    for page in ("README.md", *(f"docs/{name}.md" for name in names)):
        shutil.copy(ROOT / page, root / page)
    (tmp_path / "none").mkdir()
    assert plot("--root", root, "--results", tmp_path / "none").returncode == 0
    return root


def test_the_pages_say_what_the_stored_results_say():
    done = plot("--check")
    assert done.returncode == 0, f"run `python benchmarks/plot.py`:\n{done.stdout}{done.stderr}"


def test_every_result_reaches_the_pages(results: Path, copy: Path):
    assert plot("--root", copy, "--results", results, "--check").returncode == 1
    assert plot("--root", copy, "--results", results).returncode == 0
    readme, limits = ((copy / page).read_text() for page in ("README.md", "docs/limits.md"))
    for told in ("200 ns", "1.6 us", "2,000,000", "0.25 s", "4,321", "101 and 120 bytes", "Abacus 9", "1.11 times"):
        assert told in readme, told
    assert "| of it tables, lists and indexes | 101 | 120 |" in limits and "| `dedupe`" in limits
    assert "`stats`, as" not in limits
    assert plot("--root", copy, "--results", results).stdout == ""
    assert plot("--root", copy, "--results", results, "--check").returncode == 0
    assert "docs/benchmarks.svg" in links(copy / "README.md") and anchors(copy / "docs/limits.md")


def test_bars_are_as_long_as_their_figures(results: Path, copy: Path):
    plot("--root", copy, "--results", results)
    svg = ElementTree.parse(copy / "docs" / "benchmarks.svg").getroot()
    name = "{http://www.w3.org/2000/svg}rect"
    bars = [(it.get("class"), float(it.get("width", 0))) for it in svg.iter(name)]
    ns = [one.get("p50", one.get("mean")) for one in NS.values()]
    rates = [value for name, value in FIGURES["ingest"].items() if name.endswith("per_second")]
    for values, drawn in ((ns, bars[:6]), (rates, bars[6:])):
        assert len(values) == len(drawn)
        for value, (_, width) in zip(values, drawn, strict=True):
            assert width / max(it for _, it in drawn) == pytest.approx(value / max(values), abs=0.001)
    assert [kind for kind, _ in bars] == ["other"] * 2 + ["ours"] * 5 + ["other"] * 2


def test_what_was_not_measured_is_left_out(results: Path, copy: Path):
    for name in ("neighbors", "memory", "reopen", "append"):
        (results / f"{name}.json").unlink()
    plot("--root", copy, "--results", results)
    readme, limits = ((copy / page).read_text() for page in ("README.md", "docs/limits.md"))
    assert "2,000,000" in readme and "dict[id]" not in readme and "| figure |" not in readme
    assert "begin (written by benchmarks/plot.py) -->\n<!-- memory: end -->" in limits


def test_a_page_without_its_markers_is_told(results: Path, copy: Path):
    (copy / "README.md").write_text("# Prime\n")
    done = plot("--root", copy, "--results", results)
    assert done.returncode == 1 and "markers for benchmarks" in done.stderr


def test_what_durability_costs_is_shown(results, copy):
    names = {
        "durable": "raw_us_p50 prime_us_p50 prime_durable_us_p50 sqlite_us_p50 prime_times_raw prime_durable_times_raw "
        "record_bytes prime_1_writer_per_second prime_64_writers_per_second prime_64_times_1 "
        "raw_64_writers_per_second turns_of_64_threads_per_second sqlite_1_writer_per_second "
        "sqlite_64_writers_per_second",
        "append_tail": "interval_append_p999_ns interval_append_max_us never_append_p999_ns never_append_max_us "
        "interval_chunk_p999_ns interval_chunk_max_us never_chunk_p999_ns never_chunk_max_us "
        "interval_events_per_second interval_worst_unsynced_ms",
        "verify": "read_s_per_gib verify_log_s_per_gib verify_s_per_gib recover_log_s_per_gib recover_s_per_gib "
        "backup_s_per_gib",
        "follow": "visible_ns_p50 visible_ns_p99 visible_ns_max forwarded_appends_per_second "
        "forwarded_append_many_100_events_per_second",
    }
    for name, listed in names.items():
        figures = {figure: 1000.0 + number for number, figure in enumerate(listed.split())}
        (results / f"{name}.json").write_text(json.dumps({"benchmark": name, **HEAD, "figures": figures}))
    assert plot("--root", copy, "--results", results).returncode == 0
    page = (copy / "docs/durability.md").read_text()
    for said in (
        "1001 us, 1004.00 times `pwrite` and `fdatasync` (1000 us)",
        "1.0 us and 1,001 us; without syncs 1.0 us and 1,003 us",
        "1003.00 s for the log alone, 1004.00 s with all projections",
        "median 1 us, 99th percentile 1 us, longest 1 us",
    ):
        assert said in page, said


def test_the_ladder_is_shown_as_it_was_climbed(results, copy):
    rungs = {
        "kills": {"unit": "kills", "tried": 1234, "runs": 9, "seconds": 60.4, "failures": 0},
        "power-cuts": {"unit": "cuts", "tried": 0, "runs": 0, "seconds": 0, "failures": 0, "not_allowed": "no mounts"},
    }
    result = {"machine": HEAD["machine"], "first_seed": 7, "seconds": 61.2, "figures": {"failures": 0, "rungs": rungs}}
    (results / "torture.json").write_text(json.dumps({"benchmark": "torture", **result}))
    assert plot("--root", copy, "--results", results).returncode == 0
    page = (copy / "docs/durability.md").read_text()
    assert "| kills | 1,234 | kills | 60 | 0 |" in page and "| power-cuts | not allowed there | cuts | 0 | 0 |" in page
    assert "first seed 7" in page and "torture" not in (copy / "README.md").read_text().replace("make torture", "")


def test_the_faces_have_tables_of_their_own(results, copy):
    one = {"p50_us": 60.0, "p99_us": 2_550.0, "requests_per_second": 14_018.7}
    http = {name: one for name in ("bare", "route", "neighbors", "stats", "events_1", "events_1000")}
    http |= {f"{name}_32_connections": one for name in ("route", "neighbors", "stats")}
    http |= {"stats": {**one, "p50_us": 72.0}, "nodes": 100_000, "events_per_second_1000_a_request": 523_850.0}
    mcp = {"nothing": one, "prime_neighbors": {**one, "p50_us": 90.0}, "nodes": 10_000}
    for name, figures in (("http_face", http), ("mcp_face", mcp)):
        (results / f"{name}.json").write_text(json.dumps({"benchmark": name, **HEAD, "figures": figures}))
    assert plot("--root", copy, "--results", results).returncode == 0
    page = (copy / "docs/http.md").read_text()
    assert "| `GET stats` | 72 us | 2,550 us | 14,019 | 1.20 |" in page and "523,850 events a second" in page
    page = (copy / "docs/mcp.md").read_text()
    assert "10,000 nodes" in page and "| 90 us | 2,550 us | 1.50 |" in page
    assert "http_face" not in (copy / "README.md").read_text()
