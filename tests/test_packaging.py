"""What is shipped: sdist and wheel hold what they should and work in an empty environment; strict is strict.

In CI the builds run isolated, with nothing but what pyproject.toml asks for; elsewhere with what is installed, which
takes no network. `-m "not packaging"` leaves this file out.
"""

from __future__ import annotations

import email
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ISOLATED = os.environ.get("CI", "").lower() in ("true", "1")

pytestmark = pytest.mark.packaging


def run(*command: str | Path, cwd: Path, fails: bool = False, **environment: str) -> str:
    """What the command printed. Knows nothing of this project's folder or of the environment that runs the tests."""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PRIME_", "VIRTUAL_ENV"))
    }
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**clean, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert (done.returncode != 0) == fails, f"{' '.join(map(str, command))} -> {done.returncode}\n{done.stdout}"
    return done.stdout


def shipped(*folders: str) -> Iterator[Path]:
    """Files that somebody wrote, not ones that were built, below these folders of the project."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix not in (".so", ".c", ".pyc"):
                built = path.suffix == ".html" and path.parent.name != "web"  # annotated C, as Cython writes it
                if not built:
                    yield path.relative_to(ROOT)


# --- sdist and wheel -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from it."""
    pytest.importorskip("build")
    folder = tmp_path_factory.mktemp("dist")
    options = [] if ISOLATED else ["--no-isolation"]
    # From inside `folder`, or the project's own build/ would shadow the package of that name.
    run(sys.executable, "-m", "build", *options, "--outdir", folder, ROOT, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def sdist(dist: Path) -> dict[str, int]:
    """Name without the leading folder -> bytes."""
    [path] = dist.glob("*.tar.gz")
    assert path.name == f"primecore-{PROJECT['version']}.tar.gz"
    with tarfile.open(path) as archive:
        return {member.name.partition("/")[2]: member.size for member in archive if member.isfile()}


@pytest.fixture(scope="module")
def wheel(dist: Path) -> zipfile.ZipFile:
    [path] = dist.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_sdist_carries_all_sources(sdist: dict[str, int]):
    wanted = {path.as_posix() for path in shipped("primecore", "cli", "tests", "examples", "docs", "benchmarks")}
    wanted |= {"setup.py", "pyproject.toml", "Makefile", "LICENSE", "CHANGELOG.md", "MANIFEST.in"}
    wanted |= {name for name in ("README.md",) if (ROOT / name).exists()}
    assert not wanted - set(sdist), "forgotten in MANIFEST.in"


def test_the_sdist_carries_nothing_built(sdist: dict[str, int]):
    built = [name for name in sdist if name.endswith((".c", ".so", ".pyc", ".html")) and "/include/" not in name]
    assert not [name for name in built if "/faces/web/" not in name]
    assert not [name for name in sdist if name.startswith((".venv", "build/", "dist/", ".git/"))]


def test_the_wheel_carries_what_runs_and_nothing_else(wheel: zipfile.ZipFile):
    names = set(wheel.namelist())
    sources = {
        path
        for path in shipped("primecore", "cli")
        if path.suffix in (".py", ".pyi") or path.name == "py.typed" or path.parent.name == "web"
    }
    wanted = {path.as_posix() if path.parts[0] == "primecore" else f"primecore/{path.as_posix()}" for path in sources}
    assert not wanted - names, "forgotten: is there an __init__.py in its folder?"
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    compiled = {f"primecore/{path.stem}{suffix}" for path in (ROOT / "primecore").glob("_*.pyx")}
    information = {name for name in names if name.startswith(f"primecore-{PROJECT['version']}.dist-info/")}
    assert names - information == wanted | compiled, "no .pyx, .pxd, .c or .h, and no top-level package but primecore"


def test_the_wheel_describes_itself(wheel: zipfile.ZipFile):
    information = f"primecore-{PROJECT['version']}.dist-info"
    metadata = email.message_from_bytes(wheel.read(f"{information}/METADATA"))
    assert metadata["Name"] == "primecore"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert set(metadata.get_all("Provides-Extra", [])) == {"dev", "server", "mcp"}
    needed = {re.split(r"[^\w-]", need)[0] for need in metadata.get_all("Requires-Dist", []) if "extra" not in need}
    assert needed == {re.split(r"[^\w-]", need)[0] for need in PROJECT["dependencies"]}
    assert b"prime = primecore.cli.main:main" in wheel.read(f"{information}/entry_points.txt")
    assert b"Apache License" in wheel.read(f"{information}/licenses/LICENSE")
    assert wheel.read(f"{information}/top_level.txt").split() == [b"primecore"]


# --- an empty environment --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def elsewhere(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds the wheel and what it asks for; the sources are out of reach."""
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder / "venv", with_pip=True)
    [path] = dist.glob("*.whl")
    run(folder / "venv/bin/python", "-m", "pip", "install", "-qq", "--disable-pip-version-check", path, cwd=folder)
    return folder


def test_the_installed_package_stands_alone(elsewhere: Path):
    python = elsewhere / "venv/bin/python"
    script = (
        "import pathlib, pkgutil, importlib, sys, primecore, primecore.errors\n"
        "home = pathlib.Path(primecore.__path__[0])\n"
        "assert home.is_relative_to(sys.prefix), home\n"
        "assert (home / 'py.typed').is_file()\n"
        "assert not [p for s in ('pyx', 'pxd', 'c', 'h') for p in home.rglob('*.' + s)]\n"
        "names = [m.name for m in pkgutil.walk_packages([str(home)], 'primecore.') if m.name[-8:] != '__main__']\n"
        "for name in names: importlib.import_module(name)\n"
        "print(len(names), 'modules')\n"
        "try: import cli\n"
        "except ModuleNotFoundError: pass\n"
        "else: raise SystemExit('a top-level package called cli was installed')\n"
    )
    assert int(run(python, "-c", script, cwd=elsewhere).split()[0]) >= len(list((ROOT / "primecore").glob("_*.pyx")))


@pytest.mark.skipif(not (ROOT / "cli/main.py").is_file(), reason="cli/main.py is not part of this tree")
def test_the_installed_command_works(elsewhere: Path):
    prime, store = elsewhere / "venv/bin/prime", elsewhere / "store"
    assert PROJECT["version"] in run(prime, "--version", cwd=elsewhere)
    assert "ingest" in run(prime, "--help", cwd=elsewhere)
    if not (ROOT / "primecore/service.py").is_file():
        pytest.skip("primecore/service.py is not part of this tree")
    shutil.copy(ROOT / "examples/team.jsonl", elsewhere)
    run(prime, "--data-dir", store, "ingest", "team.jsonl", cwd=elsewhere)
    answer = run(prime, "--data-dir", store, "--json", "query", "neighbors", "node:project:auth", cwd=elsewhere)
    assert '"node:person:alice"' in answer and '"leads"' in answer
    run(prime, "--data-dir", store, "replay", "--verify", cwd=elsewhere)


@pytest.mark.skipif(
    not (ROOT / "primecore/service.py").is_file(), reason="primecore/service.py is not part of this tree"
)
def test_the_installed_library_works(elsewhere: Path):
    script = (
        "import primecore\n"
        "with primecore.open('library') as prime:\n"
        "    alice = prime.add_node('person', {'name': 'Alice'}, id='alice')\n"
        "    auth = prime.add_node('project', {'name': 'Auth'}, id='auth')\n"
        "    prime.add_edge(alice, auth, 'works_on', weight=0.9)\n"
        "with primecore.open('library') as prime:\n"
        "    [peer] = prime.neighbors(alice)\n"
        "    assert (peer.peer, peer.relation, peer.weight) == (auth, 'works_on', 0.9), peer\n"
        "    assert prime.position == 3\n"
    )
    run(elsewhere / "venv/bin/python", "-c", script, cwd=elsewhere)


def test_the_demo_works_without_a_repository(elsewhere: Path):
    if not (ROOT / "primecore/service.py").is_file() or not (ROOT / "cli/main.py").is_file():
        pytest.skip("engine and command line are not part of this tree")
    shutil.copytree(ROOT / "examples", elsewhere / "examples")
    shown = run(
        *(elsewhere / "venv/bin/python", "examples/demo.py", "--prime", elsewhere / "venv/bin/prime"),
        cwd=elsewhere,
        GIT_CEILING_DIRECTORIES=str(elsewhere.parent),
    )
    assert "built-in team" in shown and "node:service:sessions" in shown


# --- the strict build ------------------------------------------------------------------------------------------------

GOOD = """# A module without fault.
def answer():
    return 42
"""
HINT = """# Costs a check for exceptions at each call.
cdef void nothing() nogil:
    pass

def call():
    with nogil:
        nothing()
"""
CYTHON_WARNING = """# Falls over its own feet.
def call():
    return 1
    return 2
"""
C_WARNING = """# The C is at fault.
cdef extern from *:
    '''
    static int odd(void) { int unused; return 1; }
    '''
    int odd() nogil

def call():
    return odd()
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A project with our build and one module of its own."""
    pytest.importorskip("Cython")
    for name in ("setup.py", "pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "README.md").write_text("tiny\n")
    (tmp_path / "primecore/include").mkdir(parents=True)
    (tmp_path / "primecore/__init__.py").write_text("")
    return tmp_path


def compile_tiny(project: Path, source: str, *, strict: bool, fails: bool = False) -> str:
    (project / "primecore/_tiny.pyx").write_text(source)
    return run(
        *(sys.executable, "setup.py", "build_ext", "--inplace"),
        cwd=project,
        fails=fails,
        PRIME_STRICT="1" if strict else "0",
    )


def test_good_code_builds_strictly_and_only_once(tiny: Path):
    compile_tiny(tiny, GOOD, strict=True)
    script = "import primecore._tiny as tiny; print(tiny.answer())"
    assert run(sys.executable, "-c", script, cwd=tiny).strip() == "42"
    again = run(sys.executable, "setup.py", "build_ext", "--inplace", cwd=tiny, PRIME_STRICT="1")
    assert "Cythonizing" not in again and "gcc" not in again, "nothing changed, so nothing is to be done"
    assert not list((tiny / "primecore").glob("*.c")), "generated C stays out of the sources"


@pytest.mark.parametrize(
    ("source", "complaint"),
    [(HINT, "performance hint"), (CYTHON_WARNING, "warning: "), (C_WARNING, "unused")],
    ids=["performance hint", "Cython warning", "C warning"],
)
def test_complaints_fail_a_strict_build_again_and_again(tiny: Path, source: str, complaint: str):
    compile_tiny(tiny, source, strict=False)
    assert complaint in compile_tiny(tiny, source, strict=True, fails=True), "what a lenient build made must not pass"
    again = run(sys.executable, "setup.py", "build_ext", "--inplace", cwd=tiny, fails=True, PRIME_STRICT="1")
    assert complaint in again, "a second try must not find the rejected C up to date"


def test_a_complaint_is_not_forgotten_over_an_error_in_another_module(tiny: Path):
    (tiny / "primecore/_worse.pyx").write_text("# Translated after the other.\nthis is no Cython\n")
    compile_tiny(tiny, HINT, strict=True, fails=True)
    (tiny / "primecore/_worse.pyx").write_text(GOOD)
    again = run(sys.executable, "setup.py", "build_ext", "--inplace", cwd=tiny, fails=True, PRIME_STRICT="1")
    assert "performance hint" in again


def test_a_changed_declaration_builds_anew(tiny: Path):
    (tiny / "primecore/_other.pxd").write_text("cdef enum:\n    ANSWER = 1\n")
    source = (
        "# Uses a number from elsewhere.\nfrom primecore._other cimport ANSWER\n\ndef answer():\n    return ANSWER\n"
    )
    script = "import primecore._tiny as tiny; print(tiny.answer())"
    compile_tiny(tiny, source, strict=True)
    assert run(sys.executable, "-c", script, cwd=tiny).strip() == "1"
    declaration = tiny / "primecore/_other.pxd"
    declaration.write_text("cdef enum:\n    ANSWER = 2\n")
    later = declaration.stat().st_mtime + 5
    os.utime(declaration, (later, later))
    run(sys.executable, "setup.py", "build_ext", "--inplace", cwd=tiny, PRIME_STRICT="1")
    assert run(sys.executable, "-c", script, cwd=tiny).strip() == "2"


# --- CI and its own rules --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        ("strace is not installed", "failed"),
        ("could not import 'hypothesis': No module named 'hypothesis'", "failed"),
        ("needs gcc", "failed"),
        ("no real data in somewhere: set PRIME_TEST_DATA", "skipped"),
        ("root may mount nothing here", "skipped"),
    ],
)
def test_ci_skips_nothing_for_want_of_a_tool(tmp_path: Path, reason: str, outcome: str):
    shutil.copy(ROOT / "tests/conftest.py", tmp_path)
    (tmp_path / "test_it.py").write_text(f"import pytest\ndef test_it():\n    pytest.skip({reason!r})\n")
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py")
    assert f"1 {outcome}" in run(*command, cwd=tmp_path, fails=outcome == "failed", CI="true")
    assert "1 skipped" in run(*command, cwd=tmp_path, CI="")
