"""benchmarks/peers and the pages made of them: contenders without packages run; what fails or lies is a line."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from support.children import child_environment
from support.pages import ROOT

FOLDER = ROOT / "benchmarks" / "peers"
OWN = {path.stem for path in (*FOLDER.glob("*.py"), *(ROOT / "benchmarks").glob("*.py"))}


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Imports a script by its name; their plain names are forgotten again."""
    for folder in (FOLDER.parent, FOLDER):
        monkeypatch.syspath_prepend(str(folder))
    before = {name: sys.modules.pop(name) for name in OWN & sys.modules.keys()}
    yield importlib.import_module
    for name in OWN & sys.modules.keys():
        del sys.modules[name]
    sys.modules.update(before)


def test_contenders_without_packages_answer_everything(tmp_path: Path, load: Any):
    table = load("table")
    names = sorted({peer.name for peer in table.TABLE if not peer.packages} - {"MCP reference server"})
    only = [word for name in names for word in ("--only", name)]
    command = [sys.executable, str(FOLDER / "run.py"), "--scale", "0.001", "--output", str(tmp_path), *only]
    command += ["--environment", str(tmp_path / "none"), "--dir", str(tmp_path / "stores")]
    done = subprocess.run(command, capture_output=True, text=True, env=child_environment(), timeout=300)
    assert done.returncode == 0, done.stderr
    results = {path.stem: json.loads(path.read_text()) for path in tmp_path.glob("peers-*.json")}
    assert list(results.values()) == sorted(json.loads(done.stdout), key=list(results.values()).index)
    assert results.keys() == {f"peers-{kind}" for kind in table.KINDS}
    pages = load("pages")
    for answer in (answer for result in results.values() for answer in result["figures"]["answers"]):
        assert "failed" not in answer, answer
        assert {column.key for column in pages.COLUMNS[answer["kind"]]} <= answer["figures"].keys()
    assert list((tmp_path / "stores").iterdir()) == []
    part = pages.peers_part(results, "Abacus 9")
    assert all(f"| {name} |" in part for name in names)
    again = subprocess.run([*command, "--resume"], capture_output=True, text=True, env=child_environment(), timeout=300)
    assert again.returncode == 0 and "done" not in again.stderr, "what is there was measured again"


def here(peer: Any, python: str) -> bool:
    """Whether the packages of a contender are in the environment of that interpreter."""
    if not peer.packages:
        return peer.name != "MCP reference server" or (ROOT / "build" / "peers-npm" / "node_modules").exists()
    code = "import importlib.metadata, sys; [importlib.metadata.version(name) for name in sys.argv[1:]]"
    return subprocess.run([python, "-c", code, *peer.packages], capture_output=True).returncode == 0


def test_every_contender_that_is_installed_answers_as_plain_python_does(tmp_path: Path, load: Any):
    run, table = load("run"), load("table")
    python = run.python_of(run.ENVIRONMENT)
    wrong = []
    for peer in table.TABLE:
        if here(peer, python):
            answer = run.ask(peer, python, 1.0, tmp_path, 120, check=True)
            if not answer.get("figures", {}).get("compared") and "no " not in answer.get("failed", "")[:3]:
                wrong.append(answer)
    assert wrong == []


@pytest.mark.parametrize("lie", ["node", "neighbors", "two_hops"])
def test_the_comparison_finds_whoever_lies(tmp_path: Path, load: Any, lie: str):
    check, plain = load("check"), load("plain")
    made = plain.DictGraph(tmp_path)
    honest = getattr(made, lie)
    setattr(made, lie, lambda key: honest(key) if key != "node:person:00000299" else honest("node:person:00000000"))
    with pytest.raises(load("ask").WrongAnswer, match="00000299"):
        check.graph(made)


def test_the_comparison_finds_what_was_lost_or_invented(tmp_path: Path, load: Any):
    check, logs, remembered, nearest = (load(name) for name in ("check", "logs", "remembered", "nearest"))
    (tmp_path / "log").mkdir()
    made = logs.SqliteLog(tmp_path / "log")
    every = made.payloads
    made.payloads = lambda: reversed(list(every()))
    wrong = load("ask").WrongAnswer
    with pytest.raises(wrong, match="payloads"):
        check.log(made)
    made.close()
    (tmp_path / "texts").mkdir()
    invents = remembered.Fts5Memory(tmp_path / "texts")
    search = invents.search
    invents.search = lambda query, k: [*search(query, k - 1), "nobody said this"]
    with pytest.raises(wrong, match="without a word"):
        check.words(invents)
    invents.close()
    deaf = nearest.NumpyVectors(tmp_path, load("ask").DIMENSIONS)
    deaf.add = lambda number, vector: None
    with pytest.raises(wrong, match="just added"):
        check.vectors(deaf)


def test_a_contender_that_fails_is_a_line_with_its_reason(tmp_path: Path, load: Any):
    run, table = load("run"), load("table")
    peer = table.find("log", "SQLite WAL, FULL")
    assert run.ask(peer, "false", 0.001, tmp_path, 60)["failed"] == "no reason given"
    assert "not done after" in run.ask(peer, sys.executable, 1.0, tmp_path, 0.05)["failed"]
    broken = peer._replace(name="nobody knows it")
    assert run.ask(broken, sys.executable, 0.001, tmp_path, 60)["failed"]
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_answer_is_a_failure(tmp_path: Path, load: Any):
    ask, plain = load("ask"), load("plain")

    class Forgetful(plain.DictGraph):  # type: ignore[misc]
        def neighbors(self, key: str) -> list[Any]:
            return list(super().neighbors(key)[1:])

    with pytest.raises(ask.WrongAnswer, match="neighbours"):
        ask.graph(Forgetful(tmp_path), 0.001)
    logs = load("logs")
    made = logs.SqliteLog(tmp_path)
    made.append_many = lambda events: None
    with pytest.raises(ask.WrongAnswer, match="came back"):
        ask.log(made, 0.001)
    made.close()


def test_every_contender_is_of_its_kind_and_says_what_it_lacks(load: Any):
    table, kinds = load("table"), load("kinds")
    bases = {"graph": kinds.Graph, "vectors": kinds.Vectors, "large-vectors": kinds.Vectors, "log": kinds.Log}
    bases |= {"texts": kinds.Memory, "agents": kinds.Memory}
    assert bases.keys() == set(table.KINDS) == table.NEEDS.keys()
    assert len({(peer.kind, peer.name) for peer in table.TABLE}) == len(table.TABLE)
    for peer in table.TABLE:
        module, _, name = peer.made_by.partition(":")
        assert issubclass(getattr(load(module), name), bases[peer.kind]), peer
        assert peer.durability and peer.lacks


def result(load: Any, **figures: Any) -> dict[str, Any]:
    quiet = {"slowest_over_fastest": 1.0}
    return {"scale": 1.0, "noise_before": quiet, "noise_after": quiet, "figures": figures}


def answer(name: str, **figures: float) -> dict[str, Any]:
    entry = {"kind": "log", "name": name, "durability": "kill -9", "lacks": "wings"}
    return {**entry, "figures": {"events": 10, **figures}, "versions": {}}


def test_the_page_says_where_another_is_better(load: Any):
    pages = load("pages")
    ours = answer("Prime", one_at_a_time_per_second=100.0, batches_per_second=900.0, disk_mib=3.0)
    other = answer("Other", one_at_a_time_per_second=250.0, batches_per_second=300.0, disk_mib=3.0)
    failed = {"kind": "log", "name": "Gone", "durability": "", "lacks": "", "failed": "no | such\nfile /x/y"}
    answers = {"peers-log": result(load, answers=[ours, other, failed], left_out={"Late": "no time"})}
    part = pages.peers_part(answers, "Abacus 9")
    assert [bar.label for panel in pages.peers_panels(answers) for bar in panel.bars] == ["Prime", "Other"]
    assert "Another is better at: one at a time, a second (Other by 2.5x)." in part
    assert "| Prime | 100 | **900** | **3** |" in part and "| Other | **250** | 300 | **3** |" in part
    assert "- Gone is not there: no / such file ..." in part and "- Late: no time" in part
    assert "noisy" not in part and "small scale" not in part
    best = pages.peers_part({"peers-log": result(load, answers=[ours], left_out={})}, "Abacus 9")
    assert "Prime is best at each of these." in best
    assert pages.peers_part({}, "") == ""


def test_a_noisy_or_small_run_says_so_on_the_page(load: Any):
    pages = load("pages")
    noisy = {**result(load, curve=[]), "noise_after": {"slowest_over_fastest": 2.0}, "scale": 0.1}
    assert "noisy (2.00)" in pages.noise(noisy) and "small scale" in pages.noise(noisy)


def test_curves_and_their_table_come_from_the_same_figures(load: Any):
    pages = load("pages")
    curve = [
        {"nodes": 10_000, "events": 40_000, "node_ns_p50": 500.0, "open_s": 0.02, "memory_mib": 4.0},
        {"nodes": 100_000, "events": 400_000, "node_ns_p50": 900.0, "open_s": 0.2, "memory_mib": 40.0},
    ]
    grown = result(load, curve=curve)
    part = pages.growth_part(grown, "Abacus 9")
    assert "| 10,000 | 40,000 | 500 ns | 20.0 ms | 4 MiB |" in part and "search" not in part
    charts = pages.growth_charts(grown)
    assert [curve.points for chart in charts for curve in chart.curves] == [
        [(10_000, 500.0), (100_000, 900.0)],
        [(10_000, 0.02), (100_000, 0.2)],
        [(10_000, 4.0 * 2**20), (100_000, 40.0 * 2**20)],
    ]
    assert pages.growth_part(None, "") == "" and pages.growth_charts(None) == []


def test_the_scripts_are_modules_of_their_own(load: Any):
    assert isinstance(load("run"), ModuleType) and load("run").python_of(Path("nowhere")) == sys.executable
