"""The pages of the documentation: their code blocks, links and headings. Knows Markdown, nothing of Prime."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "benchmarks/README.md"]


class Block(NamedTuple):
    """A fenced block. `line` is that of its fence; `shown` is the `text` block right behind it, None without one."""

    kind: str
    text: str
    line: int
    shown: str | None


def blocks(path: Path, kind: str) -> list[Block]:
    """The fenced blocks of one kind, in order."""
    text = path.read_text(encoding="utf-8")
    found = []
    for match in re.finditer(r"^```(\w+)\n(.*?)^```\n(?:```text\n(.*?)^```$)?", text, re.DOTALL | re.MULTILINE):
        if match[1] == kind:
            found.append(Block(kind, match[2], text.count("\n", 0, match.start()) + 1, match[3]))
    return found


def without_code(path: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def section(path: Path, heading: str) -> str:
    """What stands under a heading, up to the next one of the same or a higher rank."""
    text = path.read_text(encoding="utf-8")
    found = re.search(rf"^(#+) {re.escape(heading)}\n(.*)", text, re.DOTALL | re.MULTILINE)
    assert found, f"{path.name} has no section {heading!r}"
    return re.split(rf"^#{{1,{len(found[1])}}} ", found[2], flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """Cells of the rows of all tables, heads and rules left out."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rules = {number for number, line in enumerate(lines) if set(line) <= set("|-: ")}
    kept = [line for number, line in enumerate(lines) if number not in rules and number + 1 not in rules]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in kept]


def names(text: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`\n]+)`", text)


def anchors(path: Path) -> set[str]:
    """The anchors that headings make, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", without_code(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def links(path: Path) -> list[str]:
    """Where the page's links and images lead."""
    text = without_code(path)
    return re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href|srcset)="([^"]+)"', text)
