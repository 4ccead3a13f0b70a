"""Where MCP clients keep their configuration, and how Prime is written into it. Knows JSON files, no SDK.

Sources: the clients' own documentation (Claude Code and Claude Desktop, Cursor, Visual Studio Code).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from primecore.errors import InvalidArgument, StorageFailure

NAME = "prime"


class Client(NamedTuple):
    """A client: its title, where its file is below the home folder (Linux, macOS), and the key of its servers."""

    title: str
    linux: str
    macos: str
    key: str
    typed: bool  # whether an entry says that it is spoken to over stdin and stdout


_MAC = "Library/Application Support"
CLIENTS = {
    "claude-code": Client("Claude Code", ".claude.json", ".claude.json", "mcpServers", True),
    "claude-desktop": Client(
        "Claude Desktop",
        ".config/Claude/claude_desktop_config.json",
        f"{_MAC}/Claude/claude_desktop_config.json",
        "mcpServers",
        False,
    ),
    "cursor": Client("Cursor", ".cursor/mcp.json", ".cursor/mcp.json", "mcpServers", False),
    "vscode": Client("VS Code", ".config/Code/User/mcp.json", f"{_MAC}/Code/User/mcp.json", "servers", True),
}


class Change(NamedTuple):
    """What would be written: the file, its text before and after. They are equal where nothing is to be done."""

    path: Path
    before: str
    after: str

    @property
    def needed(self) -> bool:
        """Whether there is anything to do."""
        return self.before != self.after


def plan(client: str, command: list[str], home: Path, platform: str = sys.platform) -> Change:
    """The change that puts Prime into a client's configuration. Everything else in the file stays.

    Raises InvalidArgument where the file is not plain JSON, StorageFailure where it cannot be read.
    """
    it = CLIENTS[client]
    path = home / (it.macos if platform == "darwin" else it.linux)
    path = Path(os.path.realpath(path))  # a file that is a link stays one
    try:
        before = path.read_bytes().decode() if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise StorageFailure(f"{path}: cannot read it: {error}") from None
    entry: dict[str, Any] = {"command": command[0], "args": command[1:]}
    if it.typed:
        entry = {"type": "stdio", **entry}
    by_hand = f"add this under {it.key!r} by hand: {json.dumps({NAME: entry})}"
    try:
        document = json.loads(before.removeprefix("\ufeff")) if before.strip() else {}
    except ValueError as error:
        raise InvalidArgument(f"{path} is not plain JSON ({error}); it was left alone", hint=by_hand) from None
    servers = document.setdefault(it.key, {}) if isinstance(document, dict) else None
    if not isinstance(servers, dict):
        raise InvalidArgument(f"{path}: expected an object with an object {it.key!r}; it was left alone", hint=by_hand)
    if servers.get(NAME) == entry:
        return Change(path, before, before)
    servers[NAME] = entry
    return Change(path, before, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def apply(change: Change, now: Callable[[], float] = time.time) -> Path | None:
    """Writes a change, whole or not at all; what was there is kept in a file beside it, whose path is returned.

    Raises StorageFailure, also where somebody changed the file meanwhile.
    """
    path = change.path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        there = path.read_bytes().decode() if path.exists() else ""
        if there != change.before:
            raise StorageFailure(f"{path} was changed meanwhile; it was left alone", hint="run it again")
        backup = None
        mode = 0o600
        if path.exists():
            mode = path.stat().st_mode & 0o777
            stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now()))
            backup = path.with_name(f"{path.name}.before-prime-{stamp}")
            _write(backup, change.before, mode)
        _write(path, change.after, mode)
    except OSError as error:
        raise StorageFailure(f"{path}: cannot write it: {error.strerror or error}") from None
    return backup


def _write(path: Path, text: str, mode: int) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
