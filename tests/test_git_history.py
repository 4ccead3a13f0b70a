"""examples/git_history.py: a git history becomes the same valid events every time, whatever git throws at it."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "examples" / "git_history.py"
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_COMMITTER_NAME": "Carla",
    "GIT_COMMITTER_EMAIL": "carla@example.org",
}

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

spec = importlib.util.spec_from_file_location("git_history", SCRIPT)
assert spec and spec.loader
git_history = importlib.util.module_from_spec(spec)
sys.modules["git_history"] = git_history
spec.loader.exec_module(git_history)


class Repo:
    """A repository to play with; every commit is a minute after the one before."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.minute = 0
        path.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str | bytes, stdin: bytes = b"", **environment: str) -> bytes:
        done = subprocess.run(
            ["git", "-C", str(self.path), *arguments],
            input=stdin,
            capture_output=True,
            env={**ENVIRONMENT, **environment},
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def write(self, files: dict[str | bytes, str | None]) -> None:
        for name, content in files.items():
            target = os.path.join(os.fsencode(self.path), os.fsencode(name))
            if content is None:
                os.remove(target)
                continue
            os.makedirs(os.path.dirname(target), exist_ok=True)
            Path(os.fsdecode(target)).write_text(content)

    def stamp(self, author: str = "Ann") -> dict[str, str]:
        self.minute += 1
        date = f"2024-05-06T07:{self.minute:02}:00+02:00"
        return {
            "GIT_AUTHOR_DATE": date,
            "GIT_COMMITTER_DATE": date,
            "GIT_AUTHOR_NAME": author,
            "GIT_AUTHOR_EMAIL": f"{author.lower()}@example.org",
        }

    def commit(
        self, files: dict[str | bytes, str | None] | None = None, message: str = "work", author: str = "Ann"
    ) -> str:
        self.write(files or {})
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "--allow-empty-message", "-m", message, **self.stamp(author))
        return self.git("rev-parse", "HEAD").decode().strip()[:12]


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "repo")


def run(path: Path | str, *options: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), str(path), *options], capture_output=True, env={**ENVIRONMENT, **environment}
    )


def events(path: Path | str, *options: str, **environment: str) -> list[dict[str, Any]]:
    """The events, each checked against the rules of the format."""
    done = run(path, *options, **environment)
    assert done.returncode == 0, done.stderr.decode()
    found = [json.loads(line.decode("utf-8")) for line in done.stdout.splitlines()]
    for event in found:
        assert set(event) == {"event_id", "event_type", "entity_id", "timestamp", "payload", "metadata"}
        assert str(uuid.UUID(event["event_id"])) == event["event_id"]
        assert datetime.fromisoformat(event["timestamp"]).tzinfo is not None
        payload = event["payload"]
        for name in filter(None, (event["entity_id"], payload.get("source"), payload.get("target"))):
            assert 1 <= len(name.encode("utf-8")) <= 1024
            assert not re.search(r"[\x00-\x1f\x7f-\x9f]", name)
            assert re.match(r"(edge:|node:(person|commit|file):).", name)
    assert len({event["event_id"] for event in found}) == len(found)
    return found


def created(path: Path, kind: str, *options: str) -> list[dict[str, Any]]:
    """The events that create a node of this type."""
    return [event for event in events(path, *options) if event["payload"].get("node_type") == kind]


def short(found: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Events as short tuples: what is created, updated, deleted, and the edges by their ends."""
    result = []
    for event in found:
        kind, payload = event["event_type"].removeprefix("prime."), event["payload"]
        if kind == "edge.created":
            result.append((payload["relation"], bare(payload["source"]), bare(payload["target"])))
        elif kind == "edge.updated":
            result.append((kind, str(payload["weight"])))
        else:
            result.append((kind, bare(event["entity_id"])))
    return result


def bare(entity_id: str) -> str:
    return entity_id.split(":", 2)[2]


def test_a_small_history(repo: Repo):
    first = repo.commit({"README": "hello", "src/a.py": "1"}, "Begin")
    second = repo.commit({"src/a.py": "2"}, "Go on", author="Bob")
    third = repo.commit({"src/a.py": "3"}, "Again", author="Bob")
    found = events(repo.path)
    assert short(found) == [
        ("node.created", "Ann"),
        ("node.created", first),
        ("authored", "Ann", first),
        ("node.created", "README"),
        ("added", first, "README"),
        ("touched", "Ann", "README"),
        ("node.created", "src/a.py"),
        ("added", first, "src/a.py"),
        ("touched", "Ann", "src/a.py"),
        ("node.created", "Bob"),
        ("node.created", second),
        ("authored", "Bob", second),
        ("parent", second, first),
        ("node.updated", "src/a.py"),
        ("modified", second, "src/a.py"),
        ("touched", "Bob", "src/a.py"),
        ("node.created", third),
        ("authored", "Bob", third),
        ("parent", third, second),
        ("node.updated", "src/a.py"),
        ("modified", third, "src/a.py"),
        ("edge.updated", "2.0"),
    ]
    commit = found[1]
    assert commit["timestamp"] == "2024-05-06T07:01:00+02:00"
    assert commit["payload"]["properties"]["name"] == "Begin"
    assert found[3]["payload"]["properties"]["domain"] == "root"
    assert found[6]["payload"]["properties"] == {"name": "a.py", "path": "src/a.py", "ext": "py", "domain": "src"}
    assert found[-1]["entity_id"] == found[15]["entity_id"], "the weight of the edge that is there, not another edge"


def test_the_same_history_gives_the_same_bytes_and_a_longer_one_the_same_beginning(repo: Repo):
    repo.commit({"a": "1", "b": "1"})
    repo.commit({"a": "2", "b": None})
    before = run(repo.path).stdout
    assert run(repo.path).stdout == before
    repo.commit({"c": "1"})
    after = run(repo.path).stdout
    assert after.startswith(before)
    assert len(after) > len(before)


def test_deletions_and_renames(repo: Repo):
    repo.commit({"old.txt": "some lines\n" * 20, "gone.txt": "x"})
    second = repo.commit({"old.txt": None, "new.txt": "some lines\n" * 20, "gone.txt": None})
    found = events(repo.path)
    after = short(found)[short(found).index(("node.created", second)) :]
    assert after == [
        ("node.created", second),
        ("authored", "Ann", second),
        ("parent", second, bare(found[1]["entity_id"])),
        ("deleted", second, "gone.txt"),
        ("node.deleted", "gone.txt"),
        ("node.created", "new.txt"),
        ("renamed_to", "old.txt", "new.txt"),
        ("node.deleted", "old.txt"),
        ("renamed", second, "new.txt"),
        ("touched", "Ann", "new.txt"),
    ]
    created = next(event for event in found if event["entity_id"] == "node:file:new.txt")
    assert created["payload"]["properties"]["renamed_from"] == "old.txt"


def test_a_file_that_comes_back_starts_a_new_life(repo: Repo):
    repo.commit({"a": "1"})
    repo.commit({"a": None})
    repo.commit({"a": "1"})
    assert Counter(short(events(repo.path)))["node.created", "a"] == 2


def test_names_that_move_on_in_a_ring(repo: Repo):
    one, two, three = "one\n" * 50, "two\n" * 50, "three\n" * 50
    repo.commit({"x/a": one, "x/b": two, "x/c": three})
    # What git tells of it is that a and b have new content and c became d; nothing that is still there may be deleted.
    repo.commit({"x/a": three, "x/b": one, "x/c": None, "x/d": two})
    live = set()
    for entry in short(events(repo.path)):
        if entry[0] == "node.created":
            live.add(entry[1])
        elif entry[0] == "node.deleted":
            live.remove(entry[1])
    assert {name for name in live if "/" in name} == {"x/a", "x/b", "x/d"}


def test_names_of_any_bytes(repo: Repo):
    names: list[bytes] = [
        b"caf\xe9.txt",  # Latin-1
        "grüße/日本.md".encode(),
        b"line\nbreak\ttab",
        b":100644 100644 abc def M",
        b'quote"back\\slash',
        b" leading and trailing ",
        "c1\u0085control".encode(),
        b"-rf",
    ]
    repo.commit({name: "x" for name in names})
    repo.commit({name: "y" for name in names})
    files = {event["entity_id"] for event in events(repo.path) if event["entity_id"].startswith("node:file:")}
    assert "node:file:caf\\xe9.txt" in files
    assert "node:file:grüße/日本.md" in files
    assert "node:file:line\\x0abreak\\x09tab" in files
    assert "node:file::100644 100644 abc def M" in files
    assert "node:file:c1\\x85control" in files
    assert len(files) == len(names)


def test_a_path_longer_than_an_id_may_be(repo: Repo):
    deep = "/".join(["d" * 200] * 7)
    repo.commit({f"{deep}/one": "1", f"{deep}/two": "2"})
    files = [event for event in events(repo.path) if event["payload"].get("node_type") == "file"]
    assert len({file["entity_id"] for file in files}) == 2, "two long paths are two files"
    assert {file["payload"]["properties"]["path"] for file in files} == {f"{deep}/one", f"{deep}/two"}


def test_merges(repo: Repo):
    repo.commit({"base": "1\n2\n3\n"})
    repo.git("checkout", "-q", "-b", "side")
    side = repo.commit({"side": "s", "base": "1\n2\nside\n"}, author="Bob")
    repo.git("checkout", "-q", "main")
    main = repo.commit({"main": "m", "base": "main\n2\n3\n"})
    repo.git("merge", "-q", "--no-commit", "--no-ff", "side")
    merge = repo.commit({"evil": "only the merge has it"}, "Merge side")
    found = events(repo.path)
    merged = short(found)[short(found).index(("node.created", merge)) :]
    assert merged[1:4] == [("authored", "Ann", merge), ("parent", merge, main), ("parent", merge, side)]
    assert ("added", merge, "evil") in merged
    assert ("added", merge, "side") not in merged, "what the branches brought is told by their own commits"
    labels = {bare(event["entity_id"]): event["payload"]["labels"] for event in found if "labels" in event["payload"]}
    assert labels == {merge: ["merge"]}


def test_parallel_branches_that_add_the_same_file(repo: Repo):
    repo.commit({"base": "1"})
    repo.git("checkout", "-q", "-b", "side")
    repo.commit({"both": "same"})
    repo.git("checkout", "-q", "main")
    repo.commit({"both": "same"})
    repo.git("merge", "-q", "side", "-m", "merge", **repo.stamp())
    kinds = [entry[0] for entry in short(events(repo.path)) if entry[-1] == "both"]
    assert kinds == ["node.created", "added", "touched", "node.updated", "added"]


def test_parents_come_before_children_though_clocks_lie(repo: Repo):
    repo.commit({"a": "1"})
    repo.minute = 50
    late = repo.commit({"a": "2"})
    repo.minute = 5
    early = repo.commit({"a": "3"})
    commits = [entry[1] for entry in short(events(repo.path)) if entry[0] == "node.created" and len(entry[1]) == 12]
    assert commits.index(late) < commits.index(early)


def test_subjects_and_names_out_of_the_ordinary(repo: Repo):
    repo.commit({"a": "1"}, message="")
    repo.commit({"a": "2"}, message="tab\tand \x1b[31mcolour", author="Zoë: the 2nd")
    repo.git("config", "i18n.commitEncoding", "ISO-8859-1")
    repo.git("commit", "-q", "--allow-empty", "-F", "-", stdin=b"caf\xe9", **repo.stamp())
    names = [event["payload"]["properties"]["name"] for event in created(repo.path, "commit")]
    assert names == ["", "tab\tand \x1b[31mcolour", "café"]
    assert ("node.created", "Zoë: the 2nd") in short(events(repo.path))


def test_wild_dates(repo: Repo):
    repo.commit({"a": "1"})
    tree = repo.git("rev-parse", "HEAD^{tree}").decode().strip()
    for date in ("99999999999999 +0000", "0 -9959", "-1 +0000", "garbage"):
        raw = f"tree {tree}\nauthor A <a@b> {date}\ncommitter A <a@b> {date}\n\nwild\n".encode()
        sha = repo.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=raw).decode().strip()
        repo.git("update-ref", "refs/heads/main", sha)
        assert len([entry for entry in short(events(repo.path)) if entry[0] == "authored"]) == 1


def test_anonymous_hides_every_name(repo: Repo):
    repo.commit({"a": "1"}, author="Annabel")
    repo.commit({"a": "2"}, author="Bertram")
    output = run(repo.path, "--anonymous").stdout
    assert b"Annabel" not in output and b"annabel" not in output and b"Bertram" not in output
    people = [event["entity_id"] for event in created(repo.path, "person", "--anonymous")]
    assert len(people) == 2
    assert all(re.fullmatch(r"node:person:dev-[0-9a-f]{10}", person) for person in people)


def test_the_users_configuration_changes_nothing(repo: Repo, tmp_path: Path):
    repo.commit({"dir/old": "line\n" * 30, "b": "1"})
    repo.commit({"dir/old": None, "dir/new": "line\n" * 30, "b": "2"})
    plain = run(repo.path).stdout
    config = tmp_path / "gitconfig"
    config.write_text(
        "[color]\n ui = always\n[core]\n quotePath = true\n pager = false\n[format]\n pretty = oneline\n notes = *\n"
        "[log]\n showSignature = true\n showRoot = false\n decorate = full\n date = relative\n follow = true\n"
        "[diff]\n renames = false\n renameLimit = 1\n noprefix = true\n external = false\n orderFile = /nowhere\n"
        " relative = true\n mnemonicPrefix = true\n"
    )
    hostile = {"GIT_CONFIG_GLOBAL": str(config), "GIT_EXTERNAL_DIFF": "false", "GIT_DIFF_OPTS": "-u9"}
    assert repo.git("log", **hostile) != repo.git("log"), "the configuration is in force"
    assert run(repo.path, **hostile).stdout == plain
    assert run(repo.path / "dir", **hostile).stdout == plain


def test_variables_of_a_running_hook_change_nothing(repo: Repo, tmp_path: Path):
    repo.commit({"a": "1"})
    other = Repo(tmp_path / "other")
    other.commit({"z": "1"})
    inside_hook = {"GIT_DIR": str(other.path / ".git"), "GIT_WORK_TREE": str(other.path)}
    assert run(repo.path, **inside_hook).stdout == run(repo.path).stdout


def test_subfolder_and_bare_clone_tell_the_same(repo: Repo, tmp_path: Path):
    repo.commit({"sub/a": "1", "b": "2"})
    repo.git("clone", "-q", "--bare", str(repo.path), str(tmp_path / "bare.git"))
    assert run(repo.path / "sub").stdout == run(repo.path).stdout == run(tmp_path / "bare.git").stdout


def test_a_shallow_clone_says_so(repo: Repo, tmp_path: Path):
    for number in range(3):
        repo.commit({"a": str(number)})
    repo.git("clone", "-q", "--depth", "1", f"file://{repo.path}", str(tmp_path / "shallow"))
    done = run(tmp_path / "shallow")
    assert done.returncode == 0
    assert b"shallow clone" in done.stderr
    assert Counter(entry[0] for entry in short(events(tmp_path / "shallow")))["authored"] == 1


def test_an_empty_repository_gives_no_events(repo: Repo):
    done = run(repo.path)
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"no commits yet" in done.stderr


@pytest.mark.parametrize("name", ["plain", "missing", "file"])
def test_what_is_no_repository(tmp_path: Path, name: str):
    (tmp_path / "plain").mkdir()
    (tmp_path / "file").write_text("x")
    done = run(tmp_path / name, GIT_CEILING_DIRECTORIES=str(tmp_path))
    assert (done.returncode, done.stdout) == (66, b"")
    assert done.stderr.startswith(b"git_history: ") and b"Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_no_git_on_this_machine(tmp_path: Path):
    done = run(tmp_path, PATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (69, b"")
    assert b"git is not installed" in done.stderr and b"Traceback" not in done.stderr


def test_a_damaged_repository_is_not_taken_for_a_short_history(repo: Repo):
    repo.commit({"a": "1"})
    repo.commit({"a": "2"})
    first = repo.git("rev-parse", "HEAD~1").decode().strip()
    (repo.path / ".git" / "objects" / first[:2] / first[2:]).unlink()
    done = run(repo.path)
    assert done.returncode == 69
    assert b"git log" in done.stderr and b"Traceback" not in done.stderr


def test_a_reader_that_has_seen_enough(repo: Repo):
    repo.commit({f"file-{number}": "x" for number in range(2000)})
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), str(repo.path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_output_to_a_file(repo: Repo, tmp_path: Path):
    repo.commit({"a": "1"})
    done = run(repo.path, "--output", str(tmp_path / "events.jsonl"))
    assert (done.returncode, done.stdout) == (0, b"")
    assert (tmp_path / "events.jsonl").read_bytes() == run(repo.path).stdout
    assert run(repo.path, "--output", str(tmp_path / "no" / "such")).returncode == 74


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_tokens_do_not_depend_on_how_the_stream_is_cut(size: int):
    stream = b"one\0\0three and more\0" + b"x" * 40 + b"\0"
    chunks = [stream[start : start + size] for start in range(0, len(stream), size)]
    assert list(git_history.split_nul(chunks)) == [b"one", b"", b"three and more", b"x" * 40]


def test_prime_takes_every_event_once(repo: Repo, store_path: Path):
    primecore = pytest.importorskip("primecore")
    if not hasattr(primecore, "open"):
        pytest.skip("the engine is not part of this tree")
    repo.commit({"a": "1", b"caf\xe9": "1", "line\nbreak": "2"})
    repo.commit({"a": None, "b": "1"}, author="Bob")
    source = store_path.parent / "events.jsonl"
    source.write_bytes(run(repo.path).stdout)
    count = len(events(repo.path))
    with primecore.open(store_path) as prime:
        first, second = prime.ingest(source), prime.ingest(source)
        assert (first.appended, first.duplicates, first.refused) == (count, 0, 0)
        assert (second.appended, second.duplicates, second.refused) == (0, count, 0)
        assert prime.stats().ignored_events == 0
        assert prime.stats().dangling_edges == 0
        assert {peer.peer for peer in prime.neighbors("node:person:Bob", relation="touched")} == {"node:file:b"}
