"""`prime install`: what is written into clients' configurations, and what is never lost from them."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from support.command_line import Shell

from primecore.errors import InvalidArgument, StorageFailure
from primecore.faces.mcp import clients

COMMAND = ["/usr/bin/prime", "--data-dir", "/data/memory", "mcp"]


@pytest.fixture
def prime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(tmp_path, monkeypatch)


@pytest.mark.parametrize("client", clients.CLIENTS)
@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_a_client_without_configuration_gets_one(tmp_path: Path, client: str, platform: str) -> None:
    change = clients.plan(client, COMMAND, tmp_path, platform)
    assert clients.apply(change) is None
    entry = json.loads(change.path.read_text())[clients.CLIENTS[client].key]["prime"]
    assert (entry["command"], entry["args"]) == (COMMAND[0], COMMAND[1:])
    assert not clients.plan(client, COMMAND, tmp_path, platform).needed
    assert stat.S_IMODE(change.path.stat().st_mode) == 0o600


def test_everything_else_stays_and_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / ".cursor/mcp.json"
    path.parent.mkdir()
    before = '{"theme":"ü","mcpServers":{"other":{"command":"x"},"prime":{"command":"old"}},"z":[1,2.50]}'
    path.write_text(before)
    path.chmod(0o640)
    change = clients.plan("cursor", COMMAND, tmp_path)
    backup = clients.apply(change)
    assert backup is not None and backup.read_text() == before
    after = json.loads(path.read_text())
    expected = json.loads(before)
    expected["mcpServers"]["prime"] = {"command": COMMAND[0], "args": COMMAND[1:]}
    assert after == expected and list(after) == ["theme", "mcpServers", "z"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert {it.name for it in path.parent.iterdir()} == {"mcp.json", backup.name}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_any_document_keeps_what_it_holds(tmp_path_factory: pytest.TempPathFactory, document: object) -> None:
    home = tmp_path_factory.mktemp("home")
    path = home / ".claude.json"
    path.write_text(json.dumps(document))
    fits = isinstance(document, dict) and isinstance(document.get("mcpServers", {}), dict)
    if not fits:
        with pytest.raises(InvalidArgument, match="left alone"):
            clients.plan("claude-code", COMMAND, home)
        return
    clients.apply(clients.plan("claude-code", COMMAND, home))
    after = json.loads(path.read_text())
    after["mcpServers"].pop("prime")
    assert isinstance(document, dict)
    others = {name: it for name, it in document.get("mcpServers", {}).items() if name != "prime"}
    assert after == {**document, "mcpServers": others}


@pytest.mark.parametrize("text", ["{", '// comment\n{"servers": {}}', "[]", '{"servers": 3}', '{"servers": null}'])
def test_what_is_not_understood_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / ".config/Code/User/mcp.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(InvalidArgument, match=r"left alone.*by hand"):
        clients.plan("vscode", COMMAND, tmp_path, "linux")
    assert path.read_text() == text


def test_links_stay_links_and_changes_of_others_stay(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.json"
    real.write_text("{}")
    (tmp_path / ".claude.json").symlink_to(real)
    change = clients.plan("claude-code", COMMAND, tmp_path)
    real.write_text('{"meanwhile": 1}')
    with pytest.raises(StorageFailure, match="meanwhile"):
        clients.apply(change)
    clients.apply(clients.plan("claude-code", COMMAND, tmp_path))
    assert (tmp_path / ".claude.json").is_symlink()
    assert set(json.loads(real.read_text())) == {"meanwhile", "mcpServers"}


def test_the_command_shows_asks_and_writes(prime: Shell) -> None:
    path = prime.folder / "home/.cursor/mcp.json"
    shown = prime("install", "cursor", "--dry-run")
    assert shown.code == 0 and '+    "prime": {' in shown.out and not path.exists()
    refused = prime("install", "cursor")
    assert refused.code == 2 and "--yes" in refused.err and not path.exists()
    done = prime("install", "cursor", "--yes", "--data-dir", "my store")
    assert done.code == 0 and "wrote" in done.err
    arguments = json.loads(path.read_text())["mcpServers"]["prime"]["args"]
    assert arguments[-3:] == ["--data-dir", str(prime.folder / "my store"), "mcp"]
    again = prime("install", "cursor", "--yes", "--data-dir", "my store")
    assert "has it already" in again.err and again.out == ""
    document = prime("install", "cursor", "--yes", "--json").document
    assert document["changed"] is True and Path(document["backup"]).exists()


def test_the_list_of_clients_is_that_of_the_command() -> None:
    from primecore.cli.commands.install import CLIENTS

    assert tuple(clients.CLIENTS) == CLIENTS


def started(entry: dict[str, Any], **environment: str) -> Any:
    """What the server answers that a client starts by an entry of its configuration."""

    async def run() -> Any:
        parameters = StdioServerParameters(command=entry["command"], args=entry["args"], env=environment)
        with open(os.devnull, "w") as nowhere:
            async with Client(stdio_client(parameters, errlog=nowhere)) as client:
                assert len((await client.list_tools()).tools) > 25
                await client.call_tool("prime_add_node", {"type": "person", "id": "a", "properties": {}})
                return (await client.call_tool("prime_stats", {})).structured_content

    return anyio.run(run)


@pytest.mark.parametrize("page", ["README.md", "docs/mcp.md"])
def test_the_configuration_that_is_shown_starts_a_server(page: str, tmp_path: Path) -> None:
    text = (Path(__file__).resolve().parents[1] / page).read_text()
    (entry,) = [
        json.loads(it)["mcpServers"]["prime"]
        for it in re.findall(r"```json\n(.*?)```", text, re.DOTALL)
        if "mcpServers" in it
    ]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    assert started(entry, PATH=path, HOME=str(tmp_path))["total_nodes"] == 1
    assert (tmp_path / ".prime/memory").is_dir()


def test_what_install_writes_starts_a_server(prime: Shell) -> None:
    """By whole paths: a client that is started from a desktop has no PATH to speak of."""
    assert prime("install", "claude-code", "--yes", "--data-dir", "my store").code == 0
    entry = json.loads((prime.folder / "home/.claude.json").read_text())["mcpServers"]["prime"]
    assert entry["type"] == "stdio" and Path(entry["command"]).is_absolute()
    assert started(entry, PATH="/usr/bin:/bin", HOME=str(prime.folder / "home"))["total_nodes"] == 1
    assert (prime.folder / "my store").is_dir()
