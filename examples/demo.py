#!/usr/bin/env python3
"""The demo behind `make demo`: a git history becomes events, the events a graph, and the graph answers.

    python examples/demo.py [--prime COMMAND] [REPO]

Knows the `prime` command and the event format; imports nothing of Prime. The store is temporary and goes at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import pty
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
FEW_EVENTS = 40  # below this a history is too short to show anything


class Cast(NamedTuple):
    """Who plays in the demo: whole entity ids."""

    kind: str  # the node type to list
    start: str  # whose neighbours are asked for
    path: tuple[str, str]
    past: str  # whose history is asked for


class Stage:
    """Runs the command in sight of the audience."""

    def __init__(self, prime: str, store: Path) -> None:
        self.prime = prime
        self.store = store
        self.colors = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colors else text

    def say(self, text: str) -> None:
        """A heading."""
        print(f"\n{self.paint(text, '1')}", flush=True)

    def run(self, *arguments: str, lines: int = 20) -> None:
        """Shows a command and what it prints, cut to `lines`; leaves the demo if it fails."""
        shown = shlex.join(["prime", *(argument.replace(str(self.store.parent), "...") for argument in arguments)])
        print(self.paint(f"$ {shown}", "36"), flush=True)
        environment = {**os.environ, "PRIME_DATA_DIR": str(self.store)}
        environment.setdefault("TERM", "xterm")
        if not self.colors:
            environment["NO_COLOR"] = "1"
        code, output = as_on_a_terminal([self.prime, *arguments], environment)
        kept = output.rstrip("\n").splitlines()
        print("\n".join(kept[:lines]))
        if len(kept) > lines:
            print(self.paint(f"... and {len(kept) - lines} more lines", "2"))
        if code:
            raise SystemExit(f"demo: `{shown}` failed with exit code {code}")


def as_on_a_terminal(command: list[str], environment: dict[str, str]) -> tuple[int, str]:
    """Exit code and output of a command that believes to write to a terminal, so that people's tables are shown."""
    ours, theirs = pty.openpty()
    size = shutil.get_terminal_size((110, 50))
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, min(size.columns, 120), 0, 0))
    with subprocess.Popen(command, stdout=theirs, env=environment) as process:
        os.close(theirs)
        chunks = []
        with contextlib.suppress(OSError):  # how Linux says that the other end is closed
            while chunk := os.read(ours, 1 << 16):
                chunks.append(chunk)
        os.close(ours)
        code = process.wait()
    return code, b"".join(chunks).decode("utf-8", "replace").replace("\r\n", "\n")


def make_events(repo: str, target: Path) -> tuple[Path, str]:
    """The events to show and what they are: the repository's history, or the built-in team where that is too short."""
    done = subprocess.run(
        [sys.executable, str(HERE / "git_history.py"), repo, "--output", str(target)],
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no git history"])[-1].removeprefix("git_history: ")
        return HERE / "team.jsonl", f"No history to show ({why}): using the built-in team"
    with target.open("rb") as lines:
        count = sum(1 for _ in lines)
    if count < FEW_EVENTS:
        return HERE / "team.jsonl", f"This git history is short ({count} events): using the built-in team"
    return target, f"{count:,} events from the git history of {Path(repo).resolve().name}"


def cast(events: Path) -> Cast:
    """Chooses the players: the busiest person, the file most often touched, one that was renamed or deleted."""
    if events.name == "team.jsonl":
        return Cast(
            "project", "node:project:auth", ("node:person:carol", "node:decision:tokens"), "node:service:sessions"
        )
    people: Counter[str] = Counter()
    touched: Counter[str] = Counter()
    live: set[str] = set()
    gone: list[str] = []
    first: dict[str, str] = {}
    with events.open(encoding="utf-8") as lines:
        for line in lines:
            event: dict[str, Any] = json.loads(line)
            entity, kind, payload = event["entity_id"], event["event_type"], event["payload"]
            if kind == "prime.node.created" and entity.startswith("node:file:"):
                live.add(entity)
                first.setdefault(entity, entity)
            elif kind == "prime.node.deleted":
                live.discard(entity)
                gone.append(entity)
            elif payload.get("relation") == "authored":
                people[payload["source"]] += 1
            elif payload.get("relation") in ("added", "modified", "renamed"):
                touched[payload["target"]] += 1
    busiest = [file for file, _ in touched.most_common() if file in live] or list(first)
    authors = [person for person, _ in people.most_common()]
    # From one person to another, else from the busiest file to the next: two ends that something connects.
    path = (authors[0], authors[1]) if len(authors) > 1 else (busiest[0], busiest[1])
    return Cast("person", busiest[0], path, gone[-1] if gone else busiest[0])


def play(stage: Stage, events: Path, players: Cast) -> None:
    """The demo itself."""
    stage.say("1. Ingest the events: every one checked, logged, and in the graph at once")
    stage.run("ingest", str(events))
    stage.say("2. Once more: nothing is appended twice")
    stage.run("ingest", str(events))
    stage.say("3. What the store holds")
    stage.run("stats", lines=40)
    stage.say(f"4. Nodes of type {players.kind}")
    stage.run("query", "nodes", "--type", players.kind, "--limit", "5")
    stage.say("5. Neighbours: who and what is around it")
    stage.run("query", "neighbors", players.start, "--limit", "10")
    stage.say("6. How two of them are connected")
    stage.run("query", "path", *players.path)
    stage.say("7. The past of one that has changed or gone: history keeps it")
    stage.run("query", "history", players.past)
    stage.say("8. Domains")
    stage.run("query", "domains")
    stage.say("9. Rebuild everything from the log and compare: nothing lives anywhere else")
    stage.run("replay", "--verify")


def main() -> int:
    """Parses the arguments, sets the stage, plays."""
    parser = argparse.ArgumentParser(description="Show Prime on a git history.")
    parser.add_argument("repo", nargs="?", default=str(HERE.parent), help="a git repository (default: this one)")
    parser.add_argument("--prime", default="prime", help="the prime command to run")
    options = parser.parse_args()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `make demo | head` ends quietly
    prime = shutil.which(options.prime)
    if prime is None:
        print(f"demo: no command {options.prime!r}: run `make demo`, or install the package first", file=sys.stderr)
        return 69
    with tempfile.TemporaryDirectory(prefix="prime-demo-") as folder:
        stage = Stage(prime, Path(folder) / "memory")
        events, what = make_events(options.repo, Path(folder) / "events.jsonl")
        stage.say(what)
        play(stage, events, cast(events))
    stage.say("That was Prime. The store was temporary; `prime --help` shows what else it does.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
