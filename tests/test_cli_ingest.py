"""`prime ingest`: bad input never costs what was good, and what is there already is not appended again."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.command_line import EXAMPLE_EVENTS, Shell, node

BROKEN = '{"event_type": "prime.node.created", "entity_id": "node:thing:x", "payload": {}}\n'
DATA = Path(os.environ.get("PRIME_TEST_DATA", Path(__file__).parents[1] / "../shared/data"))
REPORT = ["read", "appended", "duplicates", "refused", "events_per_second", "position", "files"]


@pytest.fixture
def prime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(tmp_path, monkeypatch)


def counts(report: dict[str, int]) -> tuple[int, int, int, int]:
    return report["read"], report["appended"], report["duplicates"], report["refused"]


def test_a_report_has_its_documented_shape(prime: Shell) -> None:
    result = prime("ingest", prime.write("a.jsonl", EXAMPLE_EVENTS), "--json")
    assert (result.code, result.err) == (0, "")
    assert list(result.document) == REPORT
    assert counts(result.document) == (5, 5, 0, 0)
    assert result.document["position"] == 5 and result.document["events_per_second"] > 0
    assert list(result.document["files"][0]) == ["file", *REPORT[:-1]]


def test_a_file_twice_adds_nothing_and_a_grown_one_what_is_new(prime: Shell) -> None:
    file = prime.write("a.jsonl", EXAMPLE_EVENTS)
    assert counts(prime("ingest", file, "--json").document) == (5, 5, 0, 0)
    assert counts(prime("ingest", file, "--json").document) == (5, 0, 5, 0)
    prime.write("a.jsonl", EXAMPLE_EVENTS + node("new"))
    assert counts(prime("ingest", file, "--json").document) == (6, 1, 5, 0)
    prime.write("a.jsonl.gz", gzip.compress((EXAMPLE_EVENTS + node("new")).encode()))
    assert counts(prime("ingest", f"{file}.gz", "--json").document) == (6, 0, 6, 0)


def test_stdin_is_recognised_only_by_its_source(prime: Shell) -> None:
    assert counts(prime("ingest", "-", "--source", "s", "--json", stdin=EXAMPLE_EVENTS).document) == (5, 5, 0, 0)
    assert counts(prime("ingest", "-", "--source", "s", "--json", stdin=EXAMPLE_EVENTS).document) == (5, 0, 5, 0)
    assert counts(prime("ingest", "-", "--json", stdin=EXAMPLE_EVENTS).document) == (5, 5, 0, 0)


def test_several_files_are_summed(prime: Shell) -> None:
    one, two = prime.write("one.jsonl", EXAMPLE_EVENTS), prime.write("two.jsonl", node("a") + "\n" + node("b"))
    document = prime("ingest", one, two, one, "--json").document
    assert counts(document) == (12, 7, 5, 0)
    assert document["position"] == 7
    assert [(it["file"], *counts(it)) for it in document["files"]] == [
        (str(one), 5, 5, 0, 0),
        (str(two), 2, 2, 0, 0),
        (str(one), 5, 0, 5, 0),
    ]


def test_a_broken_line_stops_and_everything_before_it_is_kept(prime: Shell) -> None:
    file = prime.write("a.jsonl", node("a") + node("b") + BROKEN + node("c"))
    result = prime("ingest", file, "--json")
    assert result.code == 65
    assert counts(result.document) == (3, 2, 0, 1)
    assert result.error["code"] == "invalid_event"
    assert "a.jsonl:3:" in result.error["message"] and "payload.properties" in result.error["message"]
    assert prime("stats", "--json").document["durable_position"] == 2
    plain = prime("ingest", file)
    assert plain.code == 65
    assert plain.err.startswith("prime: error: ") and plain.err.count("\n") == 1
    assert "a.jsonl:3:" in plain.err


def test_a_broken_line_stops_the_files_behind_it_too(prime: Shell) -> None:
    one, two = prime.write("one.jsonl", node("a") + BROKEN), prime.write("two.jsonl", node("b"))
    result = prime("ingest", one, two, "--json")
    assert result.code == 65
    assert counts(result.document) == (2, 1, 0, 1)
    assert [it["file"] for it in result.document["files"]] == [str(one)]


def test_skip_goes_on_and_counts(prime: Shell) -> None:
    file = prime.write("a.jsonl", node("a") + BROKEN + "not json\n" + node("b"))
    result = prime("ingest", "--on-error", "skip", file, "--json")
    assert (result.code, counts(result.document)) == (0, (4, 2, 0, 2))


@pytest.mark.parametrize(
    "spelling",
    [
        ["--on-error", "quarantine", "bad.jsonl", "a.jsonl"],
        ["a.jsonl", "--on-error", "quarantine", "bad.jsonl"],
        ["--on-error=quarantine", "bad.jsonl", "a.jsonl"],
        ["--on-error", "quarantine", "--quarantine", "bad.jsonl", "a.jsonl"],
        ["a.jsonl", "--quarantine=bad.jsonl"],
        ["--on-error", "quarantine", "bad.jsonl", "--", "a.jsonl"],
    ],
    ids=" ".join,
)
def test_quarantine_keeps_the_broken_lines(prime: Shell, spelling: list[str]) -> None:
    prime.write("a.jsonl", node("a") + BROKEN + node("b"))
    result = prime("--json", "ingest", *spelling)
    assert (result.code, counts(result.document)) == (0, (3, 2, 0, 1))
    assert "node:thing:x" in (prime.folder / "bad.jsonl").read_text()


@pytest.mark.parametrize(
    "spelling",
    [
        ["a.jsonl", "--on-error", "quarantine"],
        ["--on-error", "quarantine", "a.jsonl"],
        ["a.jsonl", "--on-error", "quarantine", "--json"],
        ["a.jsonl", "--on-error", "skip", "--quarantine", "bad.jsonl"],
        ["a.jsonl", "--on-error", "quarantine", "a.jsonl"],
        ["--on-error", "quarantine", "link.jsonl", "a.jsonl"],
    ],
    ids=" ".join,
)
def test_quarantine_never_takes_an_input_for_its_file(prime: Shell, spelling: list[str]) -> None:
    content = node("a") + BROKEN
    prime.write("a.jsonl", content)
    (prime.folder / "link.jsonl").symlink_to("a.jsonl")
    assert prime("ingest", *spelling).code == 2
    assert (prime.folder / "a.jsonl").read_text() == content
    assert not prime.store.exists()


@pytest.mark.parametrize(
    ("name", "code", "exit_code"), [("missing.jsonl", "file_not_found", 66), ("folder", "io_error", 74)]
)
def test_a_file_that_cannot_be_read_stops_before_anything_is_done(
    prime: Shell, name: str, code: str, exit_code: int
) -> None:
    good = prime.write("good.jsonl", EXAMPLE_EVENTS)
    (prime.folder / "folder").mkdir()
    result = prime("ingest", good, name, "--json")
    assert (result.code, result.out, result.error["code"]) == (exit_code, "", code)
    assert name in result.error["message"]
    assert not prime.store.exists()


@pytest.mark.parametrize(
    ("content", "events"),
    [
        (b"", 0),
        (b"\n \n\t\r\n", 0),
        (EXAMPLE_EVENTS.encode().rstrip(b"\n"), 5),
        (EXAMPLE_EVENTS.replace("\n", "\r\n").encode(), 5),
        (b"\xef\xbb\xbf" + EXAMPLE_EVENTS.encode(), 5),
        (b"\n\n" + EXAMPLE_EVENTS.encode().replace(b"\n", b"\n\n"), 5),
    ],
    ids=["empty", "blank", "no final newline", "CRLF", "BOM", "blank lines"],
)
def test_what_editors_do_to_files_is_taken(prime: Shell, content: bytes, events: int) -> None:
    result = prime("ingest", prime.write("a.jsonl", content), "--json")
    assert (result.code, counts(result.document)) == (0, (events, events, 0, 0))


@pytest.mark.parametrize(
    "line",
    [
        b"[]",
        b'"text"',
        b"{",
        b'{"event_type":"a.b","entity_id":"x","payload":{"n":NaN}}',
        b'{"event_type":"a.b","entity_id":"x","payload":{"s":"\\ud800"}}',
        b'{"event_type":"a.b","entity_id":"x","payload":{"s":"\xff"}}',
        b'{"event_type":"a.b","entity_id":"x","entity_id":"x"}',
        b'{"event_type":"a.b","entity_id":"x","colour":1}',
        b'{"event_type":"a.b","entity_id":"x","payload":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}",
        b'{"event_type":"a.b","entity_id":"x","payload":{"s":"' + b"x" * (17 << 20) + b'"}}',
    ],
    ids=["array", "string", "cut", "NaN", "surrogate", "UTF-8", "key twice", "unknown", "deep", "long"],
)
def test_a_bad_line_is_one_line_on_stderr(prime: Shell, line: bytes) -> None:
    file = prime.write("a.jsonl", node("a").encode() + line + b"\n")
    result = prime("ingest", file)
    assert result.code == 65
    assert "a.jsonl:2:" in result.err
    assert result.err.count("\n") == 1 and len(result.err) < 1000
    assert prime("stats", "--json").document["events"] == 1


def test_a_gzip_that_ends_early_keeps_what_could_be_read(prime: Shell) -> None:
    lines = "".join(node(str(number), noise=os.urandom(64).hex()) for number in range(5000))
    file = prime.write("a.jsonl.gz", gzip.compress(lines.encode())[:-2000])
    result = prime("ingest", file)
    assert result.code in {65, 74}
    assert "a.jsonl.gz" in result.err and result.err.count("\n") == 1
    assert 0 < prime("stats", "--json").document["events"] < 5000


def test_zstd_is_read(prime: Shell) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    packed = pyarrow.Codec("zstd").compress(EXAMPLE_EVENTS.encode(), asbytes=True)
    assert counts(prime("ingest", prime.write("a.jsonl.zst", packed), "--json").document) == (5, 5, 0, 0)


def test_an_event_id_with_other_content_is_a_conflict(prime: Shell) -> None:
    event_id = "0189d5a0-0000-7000-8000-000000000000"
    lines = [json.dumps({**json.loads(node(name)), "event_id": event_id}) for name in "ab"]
    result = prime("ingest", "-", "--json", stdin="\n".join(lines))
    assert (result.code, result.error["code"]) == (65, "idempotency_conflict")
    assert counts(result.document) == (2, 1, 0, 1)


def test_interrupting_says_what_is_durable_and_keeps_it(prime: Shell) -> None:
    command = [sys.executable, "-m", "primecore.cli", "ingest", "--source", "slow", "-"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write("".join(node(str(number)) for number in range(50_000)).encode())
    process.stdin.flush()
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    process.stdin.close()
    assert process.stdout is not None and process.stderr is not None
    out, err = process.stdout.read(), process.stderr.read().decode()
    assert process.wait(timeout=30) == 130
    assert out == b""
    assert err.startswith("prime: interrupted; everything up to position ") and err.count("\n") == 1
    assert prime("stats", "--json").document["events"] > 0


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no real logs at {DATA} (set PRIME_TEST_DATA)")
@pytest.mark.parametrize(
    ("name", "events", "nodes", "edges", "dangling", "ignored"),
    [("redb-history", 14_986, 1_861, 7_463, 0, 0), ("lxml-history", 47_407, 7_619, 22_885, 2, 2)],
)
def test_real_logs(prime: Shell, name: str, events: int, nodes: int, edges: int, dangling: int, ignored: int) -> None:
    file = DATA / f"{name}.jsonl.gz"
    report = prime("ingest", file, "--json").document
    assert counts(report) == (events, events, 0, 0)
    stats = prime("stats", "--json").document
    found = [stats[key] for key in ("events", "nodes", "edges", "dangling_edges", "ignored_events")]
    assert found == [events, nodes, edges, dangling, ignored]
    assert stats["durable_position"] == stats["position"] == events
    assert prime("replay", "--verify", "--json").document["equal"] is True
    assert counts(prime("ingest", file, "--json").document) == (events, 0, events, 0)
