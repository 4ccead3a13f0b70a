"""Runs `prime` as a shell would: arguments in; exit code, stdout and stderr out."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from primecore.cli.commands.ingest import EXAMPLE
from primecore.cli.main import main

EXAMPLE_EVENTS = "".join(line + "\n" for line in EXAMPLE.splitlines() if line.startswith("{"))
"""The lines of the store that all examples use."""


class Result(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """stdout as one JSON document."""
        return json.loads(self.out)

    @property
    def documents(self) -> list[Any]:
        """stdout as JSONL."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error(self) -> dict[str, str]:
        """The error object on stderr."""
        error: dict[str, str] = json.loads(self.err)["error"]
        return error


class Shell:
    """A store and a command line that uses it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.store = folder / "store"
        self.patch = monkeypatch
        monkeypatch.setenv("PRIME_DATA_DIR", str(self.store))
        monkeypatch.setenv("HOME", str(folder / "home"))
        monkeypatch.chdir(folder)

    def __call__(self, *arguments: object, stdin: str | bytes = b"") -> Result:
        """Run in this process: quick, and still everything from the parsing of arguments to the bytes on stdout."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        streams = {
            name: io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for name in ("stdout", "stderr")
        }
        with self.patch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given), encoding="utf-8"))
            for name, stream in streams.items():
                patch.setattr(sys, name, stream)
            code = main([str(argument) for argument in arguments])
        out, err = (stream.buffer.getvalue().decode() for stream in streams.values())  # type: ignore[attr-defined]
        return Result(code, out, err)

    def process(self, command: str, **environment: str) -> Result:
        """Run a line of bash in a process of its own, with `prime` being this very code."""
        script = f'prime() {{ "{sys.executable}" -m primecore.cli "$@"; }}; {command}'
        done = subprocess.run(
            ["bash", "-c", script], capture_output=True, env={**os.environ, **environment}, timeout=60, check=False
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def write(self, name: str, text: str | bytes) -> Path:
        """A file in the folder."""
        path = self.folder / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def with_example(self) -> Shell:
        """The same, with the example's events in the store."""
        assert self("ingest", "--source", "demo", "-", stdin=EXAMPLE_EVENTS).code == 0
        return self


def node(name: str, /, **properties: Any) -> str:
    """A line that creates `node:thing:NAME`."""
    event = {
        "event_type": "prime.node.created",
        "entity_id": f"node:thing:{name}",
        "payload": {"properties": properties},
    }
    return json.dumps(event) + "\n"


def edge(name: str, source: str, target: str, relation: str = "knows", **payload: Any) -> str:
    """A line that creates `edge:NAME`."""
    payload = {"source": source, "target": target, "relation": relation, **payload}
    return json.dumps({"event_type": "prime.edge.created", "entity_id": f"edge:{name}", "payload": payload}) + "\n"
