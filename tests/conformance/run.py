"""Runs the public MCP conformance suite on Prime's server. `run.py`; what it needs is fetched by npm into build/npm.

Twice: on `prime serve` as it is (served.yml), and on the same server with the suite's own tools, resources and prompts
in it (carried.yml). Fails where a scenario fails that the file does not name, and where one passes that it does.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from support.serving import Process, serving

import primecore

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parents[1] / "build" / "npm"
# The suite wants a newer Node.js than many systems have, so it comes with one of its own.
SUITE = {"@modelcontextprotocol/conformance": "0.1.16", "node": "22.23.3"}


def fetch() -> None:
    """Puts the suite into build/npm, where it is not there yet. Raises CalledProcessError."""
    wanted = json.dumps({"private": True, "dependencies": SUITE})
    told = FOLDER / "fetched.json"
    if told.is_file() and told.read_text() == wanted:
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "package.json").write_text(wanted)
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=FOLDER, check=True, stdin=subprocess.DEVNULL)
    told.write_text(wanted)


def suite(url: str, expected: str) -> int:
    """The exit code of all scenarios against a server."""
    node, program = FOLDER / "node_modules/node/bin/node", FOLDER / "node_modules/.bin/conformance"
    what = ["server", "--suite", "all", "--url", url.replace("127.0.0.1", "localhost") + "/mcp"]
    command = [node.resolve(), program.resolve(), *what, "--expected-failures", HERE / expected]
    with tempfile.TemporaryDirectory() as place:
        return subprocess.run([*map(str, command)], cwd=place).returncode


def served() -> int:
    """On `prime serve`."""
    with tempfile.TemporaryDirectory() as place, Process(Path(place, "memory")) as server:
        return suite(server.url, "served.yml")


def carried() -> int:
    """On its server with the suite's fixtures."""
    from conformance.fixtures import Fixtures

    with primecore.open(":memory:") as prime:
        application, life = Fixtures(prime).over_http()
        with serving(prime, mounts={"/mcp": application}, lives=(life,)) as server:
            return suite(server.url, "carried.yml")


if __name__ == "__main__":
    fetch()
    sys.exit(served() or carried())
