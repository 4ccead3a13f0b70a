"""`prime bench`: the shape of what it says, verdicts on made-up figures, what it leaves behind. Nothing is asserted
about time."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from support.children import child_environment
from support.command_line import Shell
from support.fold import Fold
from support.views import neighbor_lists

import primecore
from primecore.bench import alike, past, place, run, tables, verdict, versus, words, workloads
from primecore.bench.line import BASELINES, PRIME, Line, Setting, latencies, values
from primecore.bench.sections import TABLE, sections
from primecore.bench.svg import Bar, Chart, Curve, Panel, picture
from primecore.cli import bench_table

TINY = ("--quick", "--scale", "0.002")
UNITS = {"ns": {"p50", "p99", "p99.9", "calls"}, "per_second": {"value"}, "s": {"value"}, "bytes": {"value"}}


@pytest.fixture
def prime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(tmp_path, monkeypatch)


# --- the run ---------------------------------------------------------------------------------------------------------


def test_all_sections_run_and_say_what_they_found(prime: Shell, tmp_path: Path):
    spot = tmp_path / "spot"
    result = prime.process(f"prime bench {' '.join(TINY)} --json --dir {spot} --plot {tmp_path / 'out.svg'}")
    assert (result.code, result.err) == (0, "")
    document = result.document
    assert {line["section"] for line in document["lines"]} >= {section.name for section in sections()} - {"graph"}
    assert {"node", "neighbors", "neighbors_many"} <= {line["section"] for line in document["lines"]}
    for line in document["lines"]:
        assert line["prime"].keys() == UNITS[line["unit"]], line
        assert line["baselines"] and line["verdict"], line
        for baseline in line["baselines"]:
            assert baseline.keys() == {"name", "times"} | UNITS[line["unit"]]
            assert baseline["name"] in document["baselines"]
            figures = [value for name, value in baseline.items() if name != "name"]
            assert all(math.isfinite(value) and value > 0 for value in (*figures, *line["prime"].values())), line
    whats = [line["what"] for line in document["lines"]]
    assert len(set(whats)) == len(whats)
    assert document["verdict"].startswith("Prime is ahead in")
    assert list(spot.iterdir()) == [], "temporary files stay behind"
    bars = [it.get("class") for it in ElementTree.parse(tmp_path / "out.svg").iter() if it.tag.endswith("rect")]
    assert bars[0] == "back" and len(bars) == 1 + sum(len(line["baselines"]) for line in document["lines"])
    assert not prime.store.exists(), "no store of the user's is made"


def test_people_get_a_line_each_and_the_verdict_last(prime: Shell):
    result = prime("bench", *TINY, "--only", "append_many", "--dir", prime.folder)
    first, last = result.out.splitlines()
    what, figure, p99, p999, said = first.split("\t")
    assert what == "append_many of 100 events" and figure.endswith("/s") and (p99, p999) == ("", "")
    assert "sqlite" in said
    assert last.startswith("Prime is ahead in")


def test_what_makes_no_sense_is_refused_before_anything_runs(prime: Shell):
    for arguments, said in (
        (("--only", "nothing"), "none of: ingest"),
        (("--scale", "0"), "--scale"),
        (("--scale", "soon"), "--scale"),
        (("--plot", str(prime.folder)), "--plot"),
    ):
        result = prime("bench", *arguments)
        assert result.code == 2 and said in result.err, arguments
    result = prime("bench", "--only", "append", "--scale", "100", "--dir", prime.write("file", ""))
    assert result.code == 74 and "Traceback" not in result.err


def test_a_full_disk_is_told_before_it_is_filled(tmp_path: Path):
    with pytest.raises(primecore.DiskFull, match="MiB free"), place.temporary(tmp_path, 1 << 60):
        pytest.fail("went on")
    assert list(tmp_path.iterdir()) == []


def test_the_process_may_use_all_cores_again_afterwards(tmp_path: Path):
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    with pytest.raises(OSError):
        run.run(directory=str(Path(__file__) / "below a file"))
    with pytest.raises(primecore.DiskFull):
        run.run(directory=str(tmp_path), scale=1e9)
    assert before is None or os.sched_getaffinity(0) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(tmp_path: Path, number: signal.Signals):
    command = [sys.executable, "-m", "primecore.cli", "bench", "--dir", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=child_environment()) as process:
        until = time.monotonic() + 60
        while not any(tmp_path.glob("*/*")) and time.monotonic() < until:
            time.sleep(0.05)
        assert any(tmp_path.glob("*/*")), "the run never began"
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and out == b"" and err.startswith(b"prime: interrupted")
    assert list(tmp_path.iterdir()) == []


# --- what is measured ------------------------------------------------------------------------------------------------


def test_a_section_needs_what_it_asks(monkeypatch: pytest.MonkeyPatch):
    assert "append" in run.names()
    monkeypatch.delattr(primecore.Prime, "neighbors_many")
    assert "graph" not in run.names() and "append" in run.names()
    for section in TABLE:
        assert section.needs and section.run.__doc__


def test_dicts_and_sqlite_hold_the_graph_that_prime_holds(tmp_path: Path):
    count, fold = 300, Fold()
    with primecore.open(":memory:") as prime:
        for name in ("people", "links"):
            for line in workloads.WORKLOADS[name](count):
                assert fold.apply(json.loads(line)).verdict == "appended"
            with workloads.stream(name, count) as lines:
                prime.ingest(lines)
        held = tables.Dicts(count)
        with tables.database(tmp_path / "graph.db", tables.GRAPH) as connection:
            tables.fill(connection, count)
            for key, (out, into) in neighbor_lists(fold).items():
                ours = [tuple(it) for it in prime.neighbors(key)]
                assert len(ours) == len(out) + len(into)
                assert sorted(ours) == sorted(held.near[key])
                assert sorted(ours) == sorted(connection.execute(tables.ENTRIES, (key, key)).fetchall())
                assert prime.node(key).properties == held.properties[key]


def test_sqlite_knows_the_past_that_prime_knows(tmp_path: Path):
    count = 200
    position = count + count * workloads.LINKS_EACH // 2
    with primecore.open(":memory:") as prime, tables.database(tmp_path / "past.db", past.LIVES) as connection:
        for name in ("people", "links"):
            with workloads.stream(name, count) as lines:
                prime.ingest(lines)
        connection.executemany("insert into lives values (?, ?, ?, ?, ?, ?, ?)", past.lives(count))
        view, younger = prime.at(position=position), 0
        for key in map(workloads.node_id, range(count)):
            then = sorted(tuple(it) for it in view.neighbors(key))
            assert then == sorted(connection.execute(past.AS_OF, (key, position)).fetchall())
            younger += len(prime.neighbors(key)) - len(then)
        assert younger == 2 * (count * workloads.LINKS_EACH // 2)


def test_degrees_fall_by_a_power_law():
    count, each = 1000, 50
    degrees: dict[int, int] = dict.fromkeys(range(count), 0)
    for link in workloads.every_link(count, each):
        degrees[link.source] += 1
        assert 0 <= link.target < count
    ordered = sorted(degrees.values(), reverse=True)
    assert sum(ordered) == count * each
    # A half of all edges leave from a quarter of the nodes where degrees fall as 1 / sqrt(rank).
    assert sum(ordered[: count // 4]) / sum(ordered) == pytest.approx(0.5, abs=0.05)


def test_popular_ids_are_asked_for_more_often():
    asked = workloads.zipf(1000, 20_000, 1)
    assert asked == workloads.zipf(1000, 20_000, 1) != workloads.zipf(1000, 20_000, 2)
    counts = sorted((asked.count(key) for key in set(asked)), reverse=True)
    assert counts[0] / counts[1] == pytest.approx(2, rel=0.25) and len(counts) > 500
    assert max(map(workloads.uniform(1000, 20_000, 1).count, set(asked))) < counts[5]


def test_the_default_folder_is_beside_the_store(tmp_path: Path):
    chosen = place.choose(tmp_path / "not" / "there" / "yet")
    assert chosen.folder == tmp_path or chosen.in_memory is False
    assert place.candidates(tmp_path / "store")[0] == tmp_path


# --- verdicts --------------------------------------------------------------------------------------------------------


def line(unit: Any, prime: float, **others: float) -> Line:
    key = "p50" if unit == "ns" else "value"
    return Line("section", f"asked in {unit}", unit, {PRIME: {key: prime}} | {n: {key: v} for n, v in others.items()})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (line("ns", 100.0, dict=150.0), "1.5x faster than dict"),
        (line("ns", 150.0, dict=100.0), "dict is 1.5x faster"),
        (line("ns", 105.0, dict=100.0), "level with dict"),
        (line("ns", 100.0, dict=105.0), "level with dict"),
        (line("ns", 100.0, sqlite=4_000.0, dict=50.0), "40x faster than sqlite; dict is 2.0x faster"),
        (line("per_second", 300.0, sqlite=100.0), "3.0x faster than sqlite"),
        (line("per_second", 100.0, sqlite=300.0), "sqlite is 3.0x faster"),
        (line("s", 2.0, sqlite=0.001), "sqlite is 2,000x faster"),
        (line("bytes", 100.0, dict=200.0), "2.0x smaller than dict"),
        (line("bytes", 200.0, dict=100.0), "dict is 2.0x smaller"),
    ],
)
def test_the_verdict_on_a_line(given: Line, said: str):
    assert verdict.of_line(given, verdict.LEVEL) == said


def test_the_verdict_at_the_end_names_what_was_lost_the_worst_first():
    lines = [line("ns", 100.0, dict=50.0), line("s", 10.0, sqlite=1.0), line("per_second", 9.0, sqlite=3.0, dict=9.0)]
    said = verdict.of_all(lines, 1.02)
    assert said == (
        "Prime is ahead in 1 of 4 comparisons and level in 1. It is behind in 2, the worst first: "
        "asked in s (sqlite 10x); asked in ns (dict 2.0x). The machine was quiet (equal work differed 1.02 times)."
    )
    assert "behind" not in verdict.of_all([line("ns", 1.0, dict=2.0)], 1.0)
    many = [line("ns", 100.0 + n, dict=10.0) for n in range(verdict.WORST + 3)]
    assert "and 3 more." in verdict.of_all(many, 1.0)
    assert verdict.of_all([], 1.0) == "Nothing was compared."


def test_a_noisy_machine_makes_the_verdict_careful():
    close = line("ns", 100.0, dict=130.0)
    assert verdict.of_line(close, verdict.tolerance(1.0)) == "1.3x faster than dict"
    assert verdict.of_line(close, verdict.tolerance(2.0)) == "level with dict"
    assert verdict.tolerance(100.0) == 1.5
    assert "noisy (equal work differed 2.0 times): trust ratios" in verdict.of_all([close], 2.0)


def test_every_baseline_says_what_it_is():
    assert all(len(told) > 20 for told in BASELINES.values())


def test_slow_contenders_are_asked_less_often(tmp_path: Path):
    setting = Setting(tmp_path, True, 1.0, 3, set(), lambda text: None)
    slow, quick = [0], [0]

    def wait(_: object) -> None:
        slow[0] += 1
        time.sleep(setting.calls_s / 2)

    def pass_by(_: object) -> None:
        quick[0] += 1

    found = latencies(setting, "section", "asked", lambda number: [None] * 50, {PRIME: pass_by, "slow": wait})
    assert quick[0] == 150 and 3 <= slow[0] <= 9
    assert found.figures[PRIME]["calls"] == 50 and found.figures["slow"]["calls"] <= 3
    slow[0] = 0

    def work() -> float:
        slow[0] += 1
        time.sleep(setting.work_s)
        return 3.0

    told = values(setting, "section", "done", "s", {PRIME: lambda: 2.0, "slow": work})
    assert told.figures == {PRIME: {"value": 2.0}, "slow": {"value": 3.0}} and slow[0] == 1


def test_numpy_names_the_neighbours_that_prime_names():
    rows = alike.unit_vectors(400)
    matrix = alike.Matrix(rows[:300], 50)
    with primecore.open(":memory:") as prime:
        for number, row in enumerate(rows[:350]):
            prime.embed(f"memory:{number}", vector=row)
            if number >= 300:
                matrix.add(row)
        for query in rows[350:]:
            found = [int(hit.id.partition(":")[2]) for hit in prime.similar(vector=query, k=alike.K)]
            assert found == matrix.nearest(query)


# --- words and pictures ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (410.4, "ns", "410 ns"),
        (1_600, "ns", "1.6 us"),
        (160_000, "ns", "160 us"),
        (12_300_000, "ns", "12.3 ms"),
        (0.87, "s", "870 ms"),
        (2.5, "s", "2.50 s"),
        (816_528.3, "per_second", "816,528/s"),
        (113.2, "bytes", "113 B"),
    ],
)
def test_quantities_have_units_that_people_read(value: float, unit: str, said: str):
    assert words.quantity(value, unit) == said


def document() -> dict[str, Any]:
    lines = [
        line("ns", 100.0, dict=50.0, sqlite=4_000.0),
        line("bytes", 100.0, dict=200.0),
        line("per_second", 100.0, sqlite=101.0),
    ]
    return {
        "rounds": 3,
        "seconds": 9.9,
        "core": 1,
        "machine": {"cpu": "Abacus <9>", "cpus": 2, "versions": {"python": "3.11"}},
        "filesystem": "ext4",
        "quiet": True,
        "lines": [run.document(one, verdict.LEVEL) for one in lines],
        "verdict": verdict.of_all(lines, 1.0),
    }


def test_the_plot_points_to_the_side_of_whoever_is_ahead():
    root = ElementTree.fromstring(versus.picture(document()))
    middle = next(float(it.get("x1", 0)) for it in root.iter() if it.get("class") == "middle")
    bars = [
        (it.get("class"), float(it.get("x", 0)), float(it.get("width", 0)))
        for it in root.iter()
        if it.tag.endswith("rect") and it.get("rx")
    ]
    assert [kind for kind, _, _ in bars] == ["behind", "ahead", "ahead", "level"]
    assert bars[0][1] + bars[0][2] == pytest.approx(middle, abs=0.1)
    assert bars[1][1] == pytest.approx(middle, abs=0.1) and bars[1][2] > 5 * bars[2][2]
    said = [it.text for it in root.iter() if it.tag.endswith("text")]
    assert {"40x", "2.0x", "level", "asked in ns", "4.0 us"} <= set(said)


def test_a_terminal_shows_every_figure_beside_its_baseline(capsys: pytest.CaptureFixture[str], monkeypatch: Any):
    monkeypatch.setenv("COLUMNS", "140")
    bench_table.show(document())
    rows = [row.split() for row in capsys.readouterr().out.splitlines()]
    assert ["asked", "in", "ns", "100", "ns", "dict", "50", "ns", "2.0x", "slower"] in rows
    assert ["sqlite", "4.0", "us", "40x", "faster"] in rows
    assert ["asked", "in", "bytes", "100", "B", "dict", "200", "B", "2.0x", "smaller"] in rows
    assert ["asked", "in", "per_second", "100/s", "sqlite", "101/s", "level"] in rows
    assert ["asked", "in", "ns", "(dict", "2.0x)"] in rows


def test_a_picture_holds_its_panels_and_escapes_their_words():
    chart = Chart("by size", "ns", [Curve("a < b", [(1e4, 100.0), (1e6, 1000.0)]), Curve("one", [(1e4, 50.0)])])
    bars = Panel("bars & more", [Bar("x", 2.0, "2", True), Bar("y", 0.0, "0", False)])
    root = ElementTree.fromstring(picture([bars, chart]))
    said = [it.text for it in root.iter() if it.tag.endswith("text")]
    assert {"bars & more", "a < b", "by size", "10,000", "1,000,000"} <= set(said)
    lines = [it.get("points") for it in root.iter() if it.tag.endswith("polyline")]
    first, second = ([float(n) for n in point.split(",")] for point in max(lines, key=len).split())
    assert first[0] < second[0] and first[1] > second[1], "larger is to the right and higher"
