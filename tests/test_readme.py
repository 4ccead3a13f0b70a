"""What README.md and the pages in docs/ show is what happens: their Python runs, their commands print what is shown.

The blocks of one page run in order, in one namespace and one folder. A `text` block right behind a Python block is what
that prints. In a `console` block, lines that begin with `$ ` are commands and the rest is what they print; a block
without such output is not run. docs/cli.md has rules of its own, in test_cli_docs.py.
"""

from __future__ import annotations

import contextlib
import io
import re
import shutil
from pathlib import Path

import pytest
from support.command_line import Shell
from support.pages import PAGES, ROOT, Block, blocks

import primecore

CHECKED = [path for path in PAGES if path.name != "cli.md"]


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A folder with the examples in it, a home and a store of its own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    return Shell(tmp_path, monkeypatch)


def commands(block: Block) -> list[tuple[str, str]]:
    """(command, what it is shown to print) of a console block."""
    parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    assert parts[0] == "", "a console block begins with `$ `"
    return [(part.partition("\n")[0], part.partition("\n")[2]) for part in parts[1:]]


def trimmed(text: str) -> list[str]:
    """Lines without what editors take off their ends."""
    return [line.rstrip() for line in text.splitlines()]


def test_the_pages_are_found():
    assert {"README.md", "architecture.md", "python.md", "events.md"} <= {path.name for path in CHECKED}
    readme = ROOT / "README.md"
    assert blocks(readme, "python") and blocks(readme, "console")


@pytest.mark.parametrize("path", [path for path in CHECKED if blocks(path, "python")], ids=lambda path: path.name)
def test_python_blocks_run_and_print_what_is_shown(path: Path, shell: Shell):
    namespace: dict[str, object] = {"__name__": "page"}
    for block in blocks(path, "python"):
        printed = io.StringIO()
        code = compile("\n" * block.line + block.text, str(path), "exec")
        with contextlib.redirect_stdout(printed):
            exec(code, namespace)
        if block.shown is not None:
            assert printed.getvalue() == block.shown, f"{path.name}:{block.line}"
        else:
            assert printed.getvalue() == "", f"{path.name}:{block.line} prints what the page does not show"
    for value in namespace.values():
        if isinstance(value, primecore.Prime):
            with pytest.raises(primecore.StoreClosed):
                value.stats()


@pytest.mark.parametrize("path", [path for path in CHECKED if blocks(path, "console")], ids=lambda path: path.name)
def test_console_blocks_print_what_is_shown(path: Path, shell: Shell):
    for block in blocks(path, "console"):
        steps = commands(block)
        if not any(shown for _, shown in steps):
            continue
        for command, shown in steps:
            result = shell.process(f"({command}) 2>&1")
            assert trimmed(result.out) == trimmed(shown), f"{path.name}:{block.line}: {command}"


def test_the_first_example_is_short_and_comes_first():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    first = blocks(ROOT / "README.md", "python")[0]
    assert len(first.text.strip().splitlines()) <= 12
    assert first.line < 40 and readme.index("```python") < readme.index("## Install")


def test_the_two_commands_that_set_up_a_clone_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\w+)", blocks(ROOT / "README.md", "sh")[1].text, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
