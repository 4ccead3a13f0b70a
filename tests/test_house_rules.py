"""The rules of the house, held by tests: what may import what, what start-up costs, what is public, how big things get.

Each rule looks at the files that are there. Where a rule must be bent, the exception stands in a table here, with its
reason.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
CODE_FOLDERS = ("primecore", "cli", "examples", "benchmarks", "tests")

# --- the floors ------------------------------------------------------------------------------------------------------

WORDS, GROUND, OVER_GROUND, VIEWS, ENGINE, SERVICE, FACES = range(7)
FLOOR_NAMES = ("words", "compiled ground", "over the ground", "views", "engine", "service", "faces")
# First match wins. A module may import from its own floor and from those below it, never from above.
FLOORS: list[tuple[str, int]] = [
    (r"primecore\.(errors|model|config|exactjson)", WORDS),
    (r"primecore\._\w+", GROUND),
    (r"primecore\.(codec|storage|memory_storage|log|logreader|refusals|segments|manifest|finder)", OVER_GROUND),
    (r"primecore\.(recovery|lock|parquet)", OVER_GROUND),
    (r"primecore\.(checking|newstore|salvaging|copies|diagnosis)", OVER_GROUND),
    (r"primecore\.(live|address|frames|channel)", OVER_GROUND),
    (r"primecore\.embedders(\..+)?", OVER_GROUND),
    (r"primecore\.(projections(\..+)?|compaction|checkpoint)", VIEWS),
    (r"primecore\.(engine|follower|keeper|checkpointer)", ENGINE),
    (r"primecore\.(service|operations|ingest|writes|searches|alike|care|transfer|past(\..+)?)", SERVICE),
    (r"primecore\.(embeds|recalls|memories|contexts|briefing|requests|outcomes)", SERVICE),
    (r"primecore\.(owner|via_owner|opening)", SERVICE),
    (r"primecore\.bench(\..+)?", SERVICE),  # a user of the public API that ships with it
    (r"primecore", SERVICE),  # the package itself offers what the service offers, and nothing of the faces
    (r"primecore\.(faces|cli)(\..+)?", FACES),
]
# Commands that are there to start another face, and put several together.
STARTS_A_FACE = {f"primecore.cli.commands.{name}" for name in ("serve", "mcp", "install")}
# What a floor and all below it must not know, whatever is installed.
FORBIDDEN_BELOW_FACES = {"click", "rich", "http", "socketserver", "asyncio", "starlette", "fastapi", "uvicorn", "mcp"}
FORBIDDEN_IN_ENGINE = {"json", "orjson"}

# --- sizes -----------------------------------------------------------------------------------------------------------

MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 70
# path, or path::function -> (lines allowed, why)
SIZE_EXCEPTIONS: dict[str, tuple[int, str]] = {}

# --- words -----------------------------------------------------------------------------------------------------------

# Written in two halves, so that this file does not break its own rule.
FORBIDDEN_WORDS = {
    r"\bTO" r"DO\b": "unfinished work belongs in the tracker",
    r"\bFIX" r"ME\b": "unfinished work belongs in the tracker",
    r"\bXX" r"X\b": "unfinished work belongs in the tracker",
    r"NotImplemented" r"Error": "no stubs: what is not there is not offered",
    r"assert Tr" r"ue\b": "asserts nothing",
    r"(?<![\w.])/wo" r"rk/": "a path of one machine",
    r"(?<![\w.])/ro" r"ot/": "a path of one machine",
    r"(?<![\w.])/ho" r"me/\w": "a path of one machine",
    r"(?<![\w.])/tm" r"p/[a-z]\w+/": "a path of one machine",
    r"py"
    r"pi\.org|pythonhost"
    r"ed\.org|npm"
    r"js\.(org|com)|crates\.i"
    r"o\b|deb\.debian\.o"
    r"rg": "a registry's host",
    r"-march=na" r"tive": "the build must run on other machines",
}
TEXT_SUFFIXES = {".py", ".pyx", ".pxd", ".pyi", ".h", ".c", ".md", ".toml", ".in", ".sh", ".txt", ".cfg", ".yml", ""}


# --- finding things --------------------------------------------------------------------------------------------------


def files(*patterns: str, folders: tuple[str, ...] = CODE_FOLDERS) -> list[Path]:
    """Source files, relative to the root."""
    found = {path for folder in folders for pattern in patterns for path in (ROOT / folder).rglob(pattern)}
    return sorted(path.relative_to(ROOT) for path in found if "__pycache__" not in path.parts and path.is_file())


def module_name(path: Path) -> str:
    """primecore/log.py -> primecore.log; cli/main.py -> primecore.cli.main."""
    parts = path.with_suffix("").parts
    parts = ("primecore", *parts) if parts[0] == "cli" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def floor_of(module: str) -> int | None:
    return next((floor for pattern, floor in FLOORS if re.fullmatch(pattern, module)), None)


PRODUCT = files("*.py", "*.pyx", "*.pxd", folders=("primecore", "cli"))
MODULES = {module_name(path) for path in PRODUCT}
COMPILED = files("*.pyx", folders=("primecore",))


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, module) of all that a file imports, also inside functions and under TYPE_CHECKING."""
    package = module_name(path) if path.stem == "__init__" else module_name(path).rpartition(".")[0]
    if path.suffix == ".py":
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from resolve(
                    node.lineno, package, "." * node.level + (node.module or ""), [a.name for a in node.names]
                )
        return
    for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1):
        if match := re.match(r"\s*from\s+(\S+)\s+c?import\s+\(?(.*)", line):
            names = re.findall(r"(\w+)(?:\s+as\s+\w+)?", match[2].split("#")[0])
            yield from resolve(number, package, match[1], names)
        elif match := re.match(r"\s*c?import\s+([\w.]+)", line):
            yield number, match[1]


def resolve(line: int, package: str, origin: str, names: list[str]) -> Iterator[tuple[int, str]]:
    """`from X import y` imports module X.y if there is one, else X."""
    dots = len(origin) - len(origin.lstrip("."))
    if dots:
        base = package.split(".")[: len(package.split(".")) - dots + 1]
        origin = ".".join([*base, *filter(None, [origin.lstrip(".")])])
    for name in names:
        yield line, f"{origin}.{name}" if f"{origin}.{name}" in MODULES else origin


def functions(path: Path) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node


# --- the direction of imports ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PRODUCT, ids=str)
def test_imports_go_down(path: Path):
    floor = floor_of(module_name(path))
    assert floor is not None, f"{path} stands on no floor: add it to FLOORS in {Path(__file__).name}"
    for line, module in imports(path):
        if module == "primecore" or module.startswith("primecore."):
            target = floor_of(module)
            assert target is not None, f"{path}:{line} imports {module}, which stands on no floor"
            assert target <= floor, (
                f"{path}:{line} ({FLOOR_NAMES[floor]}) imports {module} ({FLOOR_NAMES[target]}): imports only go down"
            )


@pytest.mark.parametrize("path", PRODUCT, ids=str)
def test_each_floor_knows_only_what_it_may(path: Path):
    floor = floor_of(module_name(path))
    for line, module in imports(path):
        top = module.partition(".")[0]
        where = f"{path}:{line} imports {module}"
        if floor is not None and floor < FACES:
            assert top not in FORBIDDEN_BELOW_FACES, f"{where}: that is for the faces"
        if floor == WORDS:
            assert top in sys.stdlib_module_names or top in ("primecore", "__future__"), f"{where}: words need no more"
        if floor == ENGINE:
            assert top not in FORBIDDEN_IN_ENGINE, f"{where}: the engine knows no JSON"


def test_modules_import_each_other_in_one_direction():
    # Also on one floor: `ingest` stands below `service`, `segments` below `log`.
    graph: dict[str, set[str]] = {}
    for path in PRODUCT:
        own = module_name(path)
        graph.setdefault(own, set()).update(module for _, module in imports(path) if module in MODULES - {own})
    # The package's own file names what it offers for the type checker, and loads it when it is asked for.
    graph.pop("primecore", None)
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, "a ring of imports: " + " -> ".join((*above[above.index(module) :], module))
        if module not in done:
            for below in sorted(graph.get(module, ())):
                visit(below, (*above, module))
            done.add(module)

    for module in sorted(graph):
        visit(module, ())


def test_faces_do_not_know_each_other_nor_commands_other_commands():
    for path in PRODUCT:
        own = module_name(path)
        for line, module in imports(path):
            if own.startswith("primecore.cli") and own not in STARTS_A_FACE:
                assert not module.startswith("primecore.faces"), f"{path}:{line} imports another face"
            for face, other in (("http", "mcp"), ("mcp", "http")):
                if own.startswith(f"primecore.faces.{face}"):
                    assert not module.startswith(f"primecore.faces.{other}"), f"{path}:{line} imports another face"
            if own.startswith("primecore.faces"):
                assert not module.startswith("primecore.cli"), f"{path}:{line} imports another face"
            if own.startswith("primecore.cli.commands.") and path.stem != "__init__":
                assert not module.startswith("primecore.cli.commands."), f"{path}:{line}: one command a file"


def test_each_command_has_a_file_of_its_own():
    for path in files("*.py", folders=("cli/commands",)):
        if path.stem == "__init__":
            continue
        names = [node.name for node in tree_of(path).body if isinstance(node, ast.FunctionDef)]
        assigned = [
            t.id for n in tree_of(path).body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)
        ]
        assert (names + assigned).count("command") == 1, f"{path} should define `command`, the one it is there for"


def test_nobody_takes_private_names_from_another_python_module():
    for path in files("*.py", folders=("primecore", "cli")):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("primecore")):
                for alias in node.names:
                    is_module = node.module in ("primecore", None) or f"{node.module}.{alias.name}" in MODULES
                    private = alias.name.startswith("_") and not alias.name.startswith("__")
                    from_compiled = (node.module or "").rpartition(".")[2].startswith("_")
                    assert is_module or from_compiled or not private, f"{path}:{node.lineno} imports {alias.name}"


def test_every_folder_of_modules_is_a_package():
    folders = {path.parent for path in files("*.py", folders=("primecore", "cli"))}
    for folder in sorted(folders):
        assert (ROOT / folder / "__init__.py").is_file(), f"{folder} has no __init__.py: it would not be installed"


# --- the cost of starting --------------------------------------------------------------------------------------------


def modules_after(code: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after `code`."""
    script = f"import sys\ntry:\n    exec({code!r})\nexcept SystemExit:\n    pass\n"
    script += "import json\nprint('\\n' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


HEAVY = {
    "numpy",
    "pyarrow",
    "usearch",
    "pandas",
    "click",
    "rich",
    "asyncio",
    "http",
    "unittest",
    "pydoc",
    "multiprocessing",
}


@pytest.mark.skipif("primecore" not in MODULES, reason="primecore/__init__.py is not part of this tree")
def test_import_primecore_is_cheap():
    loaded = modules_after("import primecore")
    assert not loaded & (HEAVY | {"orjson", "subprocess", "tempfile"}), (
        "import these inside the functions that need them"
    )


@pytest.mark.skipif("primecore.cli.main" not in MODULES, reason="cli/main.py is not part of this tree")
@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["query", "--help"], ["query", "neighbors", "--help"]], ids=" ".join
)
def test_help_loads_nothing_it_does_not_show(arguments: list[str]):
    loaded = modules_after(
        f"import sys; sys.argv = {['prime', *arguments]!r}\nfrom primecore.cli.main import main\nmain()"
    )
    assert not loaded & (HEAVY - {"click"}), "help needs none of these"
    compiled = {module_name(path) for path in COMPILED}
    assert not loaded & compiled, "help needs no compiled module"
    assert not loaded & {"primecore.engine", "primecore.service", "primecore.log"}, "help opens no store"


# --- what is public --------------------------------------------------------------------------------------------------


@pytest.mark.skipif("primecore" not in MODULES, reason="primecore/__init__.py is not part of this tree")
def test_the_public_list_is_the_truth():
    primecore = importlib.import_module("primecore")
    listed = primecore.__all__
    assert len(listed) == len(set(listed))
    for name in listed:
        assert hasattr(primecore, name), f"__all__ lists {name}, which is not there"
    visible = {name for name in dir(primecore) if not name.startswith("_")}
    modules = {name for name in visible if isinstance(getattr(primecore, name), ModuleType)}
    language = {"annotations", "TYPE_CHECKING"}
    assert visible - modules - language == {name for name in listed if not name.startswith("_")}


@pytest.mark.skipif("primecore" not in MODULES, reason="primecore/__init__.py is not part of this tree")
def test_every_public_name_explains_itself():
    primecore = importlib.import_module("primecore")
    silent = []
    for name in primecore.__all__:
        thing = getattr(primecore, name)
        if name.startswith("__") or not (inspect.isclass(thing) or callable(thing)):
            continue
        if not (thing.__doc__ or "").strip():
            silent.append(name)
        if inspect.isclass(thing):
            for member, value in vars(thing).items():
                told = value.fget if isinstance(value, property) else value
                if not member.startswith("_") and callable(told) and not (getattr(told, "__doc__", "") or "").strip():
                    silent.append(f"{name}.{member}")
    assert not silent, f"no docstring: {', '.join(silent)}"


@pytest.mark.parametrize("path", files("*.py", "*.pyx", folders=("primecore", "cli")), ids=str)
def test_every_module_says_first_what_it_holds(path: Path):
    first = next(iter((ROOT / path).read_text(encoding="utf-8").lstrip().splitlines()), "")
    if path.suffix == ".pyx":
        meaningful = [line for line in (ROOT / path).read_text(encoding="utf-8").splitlines() if line.strip()]
        first = next((line for line in meaningful if not re.match(r"#\s*(cython|distutils)\s*:", line)), "")
        assert re.match(r'#\s*\S|r?"""\S', first), f"{path} begins with {first!r}"
    elif (ROOT / path).stat().st_size:
        assert re.match(r'r?"""\S', first), f"{path} begins with {first!r}"


# --- errors ----------------------------------------------------------------------------------------------------------


def error_classes() -> list[type[Exception]]:
    errors = importlib.import_module("primecore.errors")
    return [thing for _, thing in inspect.getmembers(errors, inspect.isclass) if issubclass(thing, errors.PrimeError)]


def test_error_codes_are_unique_and_stable_in_form():
    codes = [error.code for error in error_classes()]  # type: ignore[attr-defined]
    assert len(set(codes)) == len(codes), f"two errors share a code: {sorted(codes)}"
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)
    for error in error_classes():
        assert "code" in vars(error), f"{error.__name__} inherits its code"


def test_every_error_stands_in_the_tree_at_the_head_of_its_module():
    head = importlib.import_module("primecore.errors").__doc__ or ""
    for error in error_classes():
        assert re.search(rf"\b{error.__name__}\b", head), f"{error.__name__} is missing in the tree"


def test_every_error_code_is_documented():
    pages = [path for path in (ROOT / "docs").glob("*.md") if path.stem in ("errors", "cli")]
    if not pages:
        pytest.skip("docs/errors.md and docs/cli.md are not part of this tree")
    text = "\n".join(path.read_text(encoding="utf-8") for path in pages)
    missing = [error.code for error in error_classes() if f"`{error.code}`" not in text]  # type: ignore[attr-defined]
    assert not missing, f"docs/errors.md or docs/cli.md should say what these mean and what to do: {missing}"


# --- compiled code ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", COMPILED, ids=str)
def test_compiled_modules_avoid_known_traps(path: Path):
    for companion in (path, path.with_suffix(".pxd")):
        if not (ROOT / companion).is_file():
            continue
        in_struct = -1
        for number, line in enumerate((ROOT / companion).read_text(encoding="utf-8").splitlines(), 1):
            code = line.split("#")[0].rstrip()
            where = f"{companion}:{number}"
            indent = len(code) - len(code.lstrip())
            if in_struct >= 0 and code and indent <= in_struct:
                in_struct = -1
            if re.match(r"\s*(ctypedef|cdef)\s+(packed\s+)?(struct|union)\b", code):
                in_struct = indent
            assert not re.match(r"\s*except\s*:", code), f"{where}: a bare except hides what nobody expected"
            assert "pymutex" not in code or (in_struct < 0 and "[" not in code), (
                f"{where}: pymutex in a struct or array crashes"
            )
            assert not re.search(r"\b__(reduce|getstate|setstate)\w*__", code), f"{where}: no pickling"
            if re.match(r"\s*cdef\s+(inline\s+)?void\s+\w+\(.*\bnogil\b", code):
                assert "noexcept" in code, f"{where}: a void function without the GIL pays for a check; return a status"


@pytest.mark.parametrize("path", COMPILED, ids=str)
def test_memory_is_allocated_in_cinit_only(path: Path):
    method = ""
    for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1):
        if match := re.match(r"\s+(?:def|cdef|cpdef)\b.*?\b(\w+)\s*\(", line):
            method = match[1]
        if method == "__init__":
            assert not re.search(r"\b(malloc|calloc|mmap|posix_memalign|aligned_alloc)\s*\(", line), f"{path}:{number}"


@pytest.mark.parametrize("path", COMPILED, ids=str)
def test_compiled_modules_declare_themselves(path: Path):
    text = (ROOT / path).read_text(encoding="utf-8")
    docs = "".join(page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs").glob("*.md")))
    assert (ROOT / path.with_suffix(".pxd")).is_file() or f"{path.stem}" in docs, (
        f"{path} has no .pxd and no word in docs/"
    )
    # Offered to Python: functions, and what our own Python imports. Classes that only compiled code uses need no stub.
    offered = set(re.findall(r"^(?:def|cpdef\s+(?:[\w.*]+\s+)*)\s*\b([A-Za-z]\w*)\s*\(", text, re.MULTILINE))
    for user in files("*.py", folders=("primecore", "cli")):
        for node in ast.walk(tree_of(user)):
            if isinstance(node, ast.ImportFrom) and node.module == module_name(path):
                offered |= {alias.name for alias in node.names}
    stub = ROOT / path.with_suffix(".pyi")
    if not offered:
        return
    assert stub.is_file(), f"{path} offers Python names ({', '.join(sorted(offered))}) and has no .pyi"
    body = ast.parse(stub.read_text(encoding="utf-8")).body
    told = {getattr(node, "name", None) or getattr(getattr(node, "target", None), "id", None) for node in body}
    told |= {
        name.id for node in body if isinstance(node, ast.Assign) for name in node.targets if isinstance(name, ast.Name)
    }
    assert offered <= told, f"{stub.name} does not tell of {sorted(offered - told)}"


# --- sizes and words -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", files("*.py", "*.pyx", "*.pxd", "*.h"), ids=str)
def test_files_and_functions_stay_small(path: Path):
    allowed, _ = SIZE_EXCEPTIONS.get(path.as_posix(), (MAX_FILE_LINES, ""))
    lines = len((ROOT / path).read_text(encoding="utf-8").splitlines())
    assert lines <= allowed, f"{path} has {lines} lines, more than {allowed}: what in it is a thing of its own?"
    if path.suffix == ".py":
        for name, node in functions(path):
            most, _ = SIZE_EXCEPTIONS.get(f"{path.as_posix()}::{name}", (MAX_FUNCTION_LINES, ""))
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= most, f"{path}:{node.lineno} {name} has {length} lines, more than {most}"


def test_size_exceptions_are_still_needed_and_say_why():
    for key, (_, why) in SIZE_EXCEPTIONS.items():
        path, _, function = key.partition("::")
        assert len(why) > 10, f"{key}: why?"
        assert (ROOT / path).is_file(), f"{key} is gone: take it off the table"
        assert not function or function in dict(functions(Path(path))), f"{key} is gone: take it off the table"


def texts() -> list[Path]:
    """All that is written by hand, wherever it lies."""
    top = [path.relative_to(ROOT) for path in ROOT.iterdir() if path.is_file() and path.name != ".git"]
    below = files("*", folders=(*CODE_FOLDERS, "docs", ".ci"))
    return sorted(path for path in {*top, *below} if path.suffix in TEXT_SUFFIXES and path.name != "LICENSE")


@pytest.mark.parametrize("path", texts(), ids=str)
def test_no_forbidden_words(path: Path):
    try:
        text = (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    if path.suffix == ".c" and text.startswith("/* Generated by Cython"):
        return
    for pattern, why in FORBIDDEN_WORDS.items():
        if match := re.search(pattern, text):
            line = text.count("\n", 0, match.start()) + 1
            pytest.fail(f"{path}:{line}: {match[0]!r}: {why}")
