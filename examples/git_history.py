#!/usr/bin/env python3
"""Turns the history of a git repository into events for Prime, one JSON object a line.

    python examples/git_history.py [REPO] > events.jsonl        # REPO: a path, default the current folder
    prime ingest events.jsonl

Knows git and the event format, nothing of Prime's insides; needs the standard library and a `git` command.

    node:person:{name}      domain "people"
    node:commit:{12 hex}    domain "history"; label "merge" where it is one
    node:file:{path}        domain: its first folder, or "root"

    authored    person -> commit
    touched     person -> file, weighted by how often
    parent      commit -> its parent
    added, modified, deleted, renamed    commit -> file
    renamed_to  old file -> new file

A deleted file is a deleted node, which takes its edges with it; a rename is a new node, an edge from the old one, and
the end of the old one. What is gone stays in the history: `prime query history node:file:...`.

An event's id is made from its commit and its content, so the same history always gives the same ids: ingesting twice
appends nothing, ingesting a longer history appends only what is new.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "prime:examples/git_history")
EXIT_NO_INPUT = 66  # no such repository
EXIT_UNAVAILABLE = 69  # no git, or git failed
MAX_ID_BYTES = 1024

# Fields of the header of a commit, each ended by a NUL (what -z makes of the line end closes the last).
HEADER = ("%H", "%P", "%an", "%ae", "%cd", "%s")
LOG = [
    # Whatever the user's own configuration says, the output has this shape and no other.
    *("-c", "diff.renameLimit=1000", "-c", "diff.orderFile=/dev/null", "-c", "diff.ignoreSubmodules=none"),
    *("log", "--date=raw", "--raw", "--reverse", "--date-order", "--root", "-M50%", "-c", "-z", "--encoding=UTF-8"),
    *(
        "--no-show-signature",
        "--no-notes",
        "--no-color",
        "--no-ext-diff",
        "--no-textconv",
        "--no-mailmap",
        "--no-relative",
    ),
    f"--format=tformat:{'%x00'.join(HEADER)}",
]

# What `git rev-parse --local-env-vars` lists, and what bends the output of a diff.
POINTERS = {
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX"),
    *("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_GRAFT_FILE", "GIT_SHALLOW_FILE", "GIT_NO_REPLACE_OBJECTS"),
    *("GIT_REPLACE_REF_BASE", "GIT_INTERNAL_SUPER_PREFIX", "GIT_IMPLICIT_WORK_TREE", "GIT_NAMESPACE"),
    *("GIT_CONFIG", "GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT", "GIT_EXTERNAL_DIFF", "GIT_DIFF_OPTS", "GIT_NOTES_REF"),
}


class GitError(Exception):
    """Git is missing or refused. `exit_code` is what a command should leave with."""

    def __init__(self, message: str, exit_code: int = EXIT_UNAVAILABLE) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Change(NamedTuple):
    """What a commit did to one path. `kind` is git's letter: A, M, D, R (then `old` is the former path), ..."""

    kind: str
    path: bytes
    old: bytes = b""


class Commit(NamedTuple):
    """One commit, as git tells it. `time` is RFC 3339 with the committer's offset."""

    sha: str
    parents: tuple[str, ...]
    author: str
    email: str
    time: str
    subject: str
    changes: tuple[Change, ...]


# --- reading git -----------------------------------------------------------------------------------------------------


def git(repo: str, *arguments: str) -> list[str]:
    """The command line for git in `repo`."""
    return ["git", "-C", repo, *arguments]


def git_environment() -> dict[str, str]:
    """Our environment, less what would point git at another repository (a running hook sets it), and in English."""
    kept = {name: value for name, value in os.environ.items() if name not in POINTERS}
    return {**kept, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}


def ask(repo: str, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a short git command."""
    try:
        done = subprocess.run(git(repo, *arguments), capture_output=True, env=git_environment(), check=False)
    except FileNotFoundError:
        raise GitError("git is not installed, or not on PATH: install it and try again") from None
    return done.returncode, text(done.stdout).strip(), text(done.stderr).strip()


def read_commits(repo: str, notice: Callable[[str], None]) -> Iterator[Commit]:
    """The commits that lead to HEAD, parents first, streamed from one `git log`."""
    code, _, problem = ask(repo, "rev-parse", "--git-dir")
    if code:
        raise GitError(f"{repo}: {problem.splitlines()[0] if problem else 'not a git repository'}", EXIT_NO_INPUT)
    if ask(repo, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")[0]:
        notice(f"{repo}: no commits yet, so no events")
        return
    if ask(repo, "rev-parse", "--is-shallow-repository")[1] == "true":
        notice(f"{repo}: a shallow clone, its history begins where it was cut (`git fetch --unshallow` gets the rest)")
    with subprocess.Popen(git(repo, *LOG), stdout=subprocess.PIPE, env=git_environment()) as process:
        assert process.stdout is not None
        finished = False
        try:
            yield from parse_log(split_nul(iter(lambda: process.stdout.read1(1 << 16), b"")))  # type: ignore[union-attr]
            finished = True
        finally:
            if not finished:
                process.kill()
        if process.wait():
            raise GitError(f"{repo}: `git log` failed with exit code {process.returncode}; what was written is not all")


def split_nul(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The NUL-terminated tokens of a stream."""
    rest: list[bytes] = []
    for chunk in chunks:
        head, *tail = chunk.split(b"\0")
        rest.append(head)
        if tail:
            yield b"".join(rest)
            yield from tail[:-1]
            rest = [tail[-1]]
    if any(rest):
        yield b"".join(rest)


def parse_log(tokens: Iterator[bytes]) -> Iterator[Commit]:
    """Commits from the tokens of `git log --raw -z` with our header.

    Paths are told from headers by grammar, never by looks: a `:modes` token says how many paths follow it.
    """
    header: list[bytes] = []
    changes: list[Change] = []
    for token in tokens:
        if len(header) < len(HEADER):
            header.append(token)
            continue
        token = token.removeprefix(b"\n")  # git puts one before the first change of a commit
        if token.startswith(b":"):
            kind = token.rsplit(b" ", 1)[-1].decode("ascii", "replace")
            path = next(tokens, b"")
            if kind[:1] in ("R", "C") and not token.startswith(b"::"):
                changes.append(Change(kind[0], next(tokens, b""), path))
            else:
                # A merge has one letter per parent; it is an addition or deletion only if all say so.
                changes.append(Change(kind[0] if len(set(kind)) == 1 and kind[0] in "AD" else "M", path))
        elif token:
            yield make_commit(header, changes)
            header, changes = [token], []
    if len(header) == len(HEADER):
        yield make_commit(header, changes)


def make_commit(header: list[bytes], changes: list[Change]) -> Commit:
    """A commit from its header's fields."""
    sha, parents, author, email, date, subject = (text(field) for field in header)
    return Commit(sha, tuple(parents.split()), author, email, when(date), subject, tuple(changes))


def when(date: str) -> str:
    """RFC 3339 from git's raw date, "seconds +hhmm". Old repositories hold wild ones: a senseless zone becomes UTC, a
    senseless date 1970."""
    seconds, _, zone = date.partition(" ")
    minutes = int(zone[1:3]) * 60 + int(zone[3:5]) if re.fullmatch(r"[+-]\d{4}", zone, re.ASCII) else 0
    if minutes >= 24 * 60:
        minutes = 0
    offset = timezone(timedelta(minutes=-minutes if zone.startswith("-") else minutes))
    try:
        return datetime.fromtimestamp(int(seconds), offset).isoformat()
    except (ValueError, OverflowError, OSError):
        return "1970-01-01T00:00:00+00:00"


# --- names -----------------------------------------------------------------------------------------------------------


def text(raw: bytes) -> str:
    """UTF-8, and where it is not, the bytes made visible: b"caf\\xe9" reads as caf\\xe9."""
    return raw.decode("utf-8", "backslashreplace")


def plain(name: str) -> str:
    """The name with control characters made visible, since no id may hold them."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda match: f"\\x{ord(match[0]):02x}", name)


def node_id(kind: str, name: str) -> str:
    """`node:{kind}:{name}`; a name too long for an id is cut and ends in a hash of the whole."""
    whole = f"node:{kind}:{plain(name)}"
    encoded = whole.encode()
    if len(encoded) <= MAX_ID_BYTES:
        return whole
    tail = "~" + hashlib.sha256(name.encode()).hexdigest()[:16]
    return encoded[: MAX_ID_BYTES - len(tail)].decode("utf-8", "ignore") + tail


# --- making events ---------------------------------------------------------------------------------------------------


class History:
    """Folds commits into events. Holds what is live: people, files, and who touched which file how often."""

    def __init__(self, *, anonymous: bool = False) -> None:
        self.anonymous = anonymous
        self.people: set[str] = set()
        self.files: dict[str, dict[str, int]] = {}  # live file -> person -> times touched
        self.commit = Commit("", (), "", "", "", "", ())

    def events(self, commits: Iterable[Commit]) -> Iterator[dict[str, Any]]:
        """The events of the commits, in order."""
        for commit in commits:
            self.commit = commit
            person = self.person_name(commit)
            yield from self.commit_events(person)
            for change in commit.changes:
                yield from self.change_events(change, person)

    def person_name(self, commit: Commit) -> str:
        """The author's name, or a hash that stands for it."""
        if self.anonymous:
            return "dev-" + hashlib.sha256(f"{commit.author}\0{commit.email}".encode()).hexdigest()[:10]
        return commit.author.strip() or commit.email.strip() or "unknown"

    def commit_events(self, person: str) -> Iterator[dict[str, Any]]:
        """The author if new, the commit, and its edges to both sides."""
        commit = self.commit
        author, this = node_id("person", person), node_id("commit", commit.sha[:12])
        if author not in self.people:
            self.people.add(author)
            yield self.node(author, {"name": person, "domain": "people"})
        labels = ["merge"] if len(commit.parents) > 1 else None
        yield self.node(
            this, {"name": commit.subject, "sha": commit.sha, "date": commit.time, "domain": "history"}, labels=labels
        )
        yield self.edge(author, this, "authored")
        for parent in dict.fromkeys(commit.parents):
            yield self.edge(this, node_id("commit", parent[:12]), "parent")

    def change_events(self, change: Change, person: str) -> Iterator[dict[str, Any]]:
        """What one change of the commit means for its file."""
        path, old = text(change.path), text(change.old)
        file, this, author = node_id("file", path), node_id("commit", self.commit.sha[:12]), node_id("person", person)
        if change.kind == "D":
            # The edge comes first, so that the file's history shows who deleted it; then it goes with the file.
            if file in self.files:
                yield self.edge(this, file, "deleted")
                yield self.delete(file)
            return
        relation = {"A": "added", "R": "renamed", "C": "added"}.get(change.kind, "modified")
        if file in self.files:
            # On parallel branches a file may be added twice, or modified after the other branch dropped it.
            yield self.event(
                "prime.node.updated",
                file,
                {"properties": {"last_commit": self.commit.sha[:12], "last_changed": self.commit.time}},
            )
        else:
            self.files[file] = {}
            yield self.node(file, file_properties(path, old if change.kind == "R" else ""))
        if change.kind == "R":
            before = node_id("file", old)
            if before in self.files:
                yield self.edge(before, file, "renamed_to")
                yield self.delete(before)
        yield self.edge(this, file, relation)
        yield self.touch(author, file)

    def touch(self, author: str, file: str) -> dict[str, Any]:
        """The edge from a person to a file, heavier each time."""
        times = self.files[file][author] = self.files[file].get(author, 0) + 1
        if times == 1:
            return self.edge(author, file, "touched", weight=1.0)
        return self.event("prime.edge.updated", edge_id(author, file, "touched", ""), {"weight": float(times)})

    def node(self, entity_id: str, properties: dict[str, Any], labels: list[str] | None = None) -> dict[str, Any]:
        """The event that creates a node."""
        payload: dict[str, Any] = {"node_type": entity_id.split(":", 2)[1], "properties": properties}
        if labels:
            payload["labels"] = labels
        return self.event("prime.node.created", entity_id, payload)

    def edge(self, source: str, target: str, relation: str, weight: float | None = None) -> dict[str, Any]:
        """The event that creates an edge. What a commit does it does once; a person touches a file again and again."""
        payload: dict[str, Any] = {"source": source, "target": target, "relation": relation}
        if weight is not None:
            payload["weight"] = weight
        scope = "" if relation == "touched" else self.commit.sha
        return self.event("prime.edge.created", edge_id(source, target, relation, scope), payload)

    def delete(self, file: str) -> dict[str, Any]:
        """The event that deletes a file's node, and its edges with it."""
        del self.files[file]
        return self.event("prime.node.deleted", file, {})

    def event(self, event_type: str, entity_id: str, payload: dict[str, Any]) -> dict[str, Any]:
        """The envelope. Its id covers commit, type, entity and payload: same id, same event."""
        body = {"event_type": event_type, "entity_id": entity_id, "timestamp": self.commit.time, "payload": payload}
        event_id = uuid.uuid5(NAMESPACE, f"{self.commit.sha}\0{encode(body)}")
        return {"event_id": str(event_id), **body, "metadata": {"source": "git", "correlation_id": self.commit.sha}}


def edge_id(source: str, target: str, relation: str, scope: str) -> str:
    """A stable edge id."""
    return f"edge:{uuid.uuid5(NAMESPACE, chr(0).join((scope, relation, source, target)))}"


def file_properties(path: str, renamed_from: str = "") -> dict[str, Any]:
    """What a file's node says of it."""
    folder, _, name = path.rpartition("/")
    stem, dot, extension = name.rpartition(".")
    properties = {
        "name": name,
        "path": path,
        "ext": extension.lower() if dot and stem else "",
        "domain": folder.split("/", 1)[0] or "root",
    }
    if renamed_from:
        properties["renamed_from"] = renamed_from
    return properties


def encode(event: dict[str, Any]) -> str:
    """Compact JSON, letters as they are."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))


# --- the command -----------------------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """Writes the events to stdout (or a file) and one line of summary to stderr."""
    parser = argparse.ArgumentParser(description="Turn a git history into Prime events (JSONL).")
    parser.add_argument("repo", nargs="?", default=".", help="path of a repository or bare repository (default: .)")
    parser.add_argument("--anonymous", action="store_true", help="people by hash instead of by name")
    parser.add_argument("--output", "-o", metavar="FILE", help="write there instead of to stdout")
    options = parser.parse_args(arguments)

    def notice(message: str) -> None:
        print(f"git_history: {message}", file=sys.stderr)

    commits = events = 0
    history = History(anonymous=options.anonymous)

    def counted(stream: Iterable[Commit]) -> Iterator[Commit]:
        nonlocal commits
        for commit in stream:
            commits += 1
            yield commit

    try:
        with open(options.output or sys.stdout.fileno(), "wb", closefd=options.output is not None) as out:
            for event in history.events(counted(read_commits(options.repo, notice))):
                out.write(encode(event).encode() + b"\n")
                events += 1
    except GitError as problem:
        notice(str(problem))
        return problem.exit_code
    except BrokenPipeError:
        # Whoever read us has seen enough (`| head`). Nothing may write to the broken pipe again, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as problem:
        notice(f"cannot write: {problem}")
        return 74
    notice(f"{commits} commits, {events} events")
    return 0


if __name__ == "__main__":
    sys.exit(main())
