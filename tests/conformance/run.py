"""Runs the public MCP conformance suite on `prime serve`. `run.py FOLDER`: where npm put the suite and its Node.js.

Fails where a scenario fails that expected.yml does not name, and where one passes that it does.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from support.serving import Process


def main(folder: Path) -> int:
    """The suite's exit code."""
    node, suite = folder / "node_modules/node/bin/node", folder / "node_modules/.bin/conformance"
    expected = Path(__file__).with_name("expected.yml").resolve()
    with tempfile.TemporaryDirectory() as place, Process(Path(place, "memory")) as server:
        url = server.url.replace("127.0.0.1", "localhost") + "/mcp"
        command = [node.resolve(), suite.resolve(), "server", "--url", url, "--expected-failures", expected]
        return subprocess.run([*map(str, command)], cwd=place).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
