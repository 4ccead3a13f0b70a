"""docs/http.md and docs/mcp.md, held to the routes, tools, limits and files that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support.faces_pages import TABLES, written

from primecore.faces import limits
from primecore.faces.http.protocol import MAX_HEAD_BYTES
from primecore.faces.http.settings import DEFAULT_HOST, DEFAULT_PORT, Settings
from primecore.faces.mcp import clients, resources

ROOT = Path(__file__).parents[1]
HTTP, MCP = (ROOT / "docs/http.md").read_text(), (ROOT / "docs/mcp.md").read_text()


@pytest.mark.parametrize("page", TABLES)
def test_tables_are_what_the_script_writes(page: str) -> None:
    assert (ROOT / page).read_text() == written(page), "run: PYTHONPATH=tests python tests/support/faces_pages.py"


def test_limits_are_those_of_the_code() -> None:
    it = Settings()
    for shown in (
        f"{it.body_bytes >> 20} MiB",
        f"{it.bulk_bytes >> 30} GiB",
        f"| `depth` | {limits.MAX_DEPTH} |",
        f"| `limit` | {limits.MAX_PAGE:,} |",
        f"| `ids` to start from | {limits.MAX_PATH_IDS:,} |",
        f"| an answer | {it.read_seconds:g} s",
        f"neither sends its body nor reads | {it.stall_seconds:g} s",
        f"| {MAX_HEAD_BYTES >> 10} KiB, then 431; {it.stall_seconds:g} s",
        f"| connections | {it.connections:,}, then 429",
        f"| {it.waiting} |".replace(" |", ", then 429 `too_busy`"),
        f"| {it.uploads}, {it.streams} at a time",
        f"({limits.HTTP_PAGE:,} unless asked",
        f"http://{DEFAULT_HOST}:{DEFAULT_PORT}",
    ):
        assert shown in HTTP, shown
    assert f"({limits.MCP_TOKENS:,} unless asked" in MCP
    assert f"{limits.MCP_PAGE} items unless" in MCP


def test_resources_and_prompts_are_all_there() -> None:
    for it in (*resources.RESOURCES, *resources.TEMPLATES):
        assert f"`{getattr(it, 'uri', None) or it.uri_template}`" in MCP
    for it in resources.PROMPTS:
        assert f"`{it.name}`" in MCP


def test_the_configuration_by_hand_is_what_install_writes(tmp_path: Path) -> None:
    shown = json.loads(re.findall(r"```json\n(.*?)```", MCP, re.DOTALL)[0])
    entry = shown["mcpServers"]["prime"]
    change = clients.plan("cursor", [entry["command"], *entry["args"]], tmp_path)
    assert json.loads(change.after) == shown
