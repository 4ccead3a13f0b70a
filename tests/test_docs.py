"""The documentation tells of all there is and nothing else: modules, records, event types, limits, methods, settings.

Commands and options are held to docs/cli.md by test_cli_docs.py, error codes to docs/errors.md by test_operations.py,
the bytes on disk to docs/format.md by test_format.py.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import click
import pytest
from support.pages import PAGES, ROOT, anchors, links, names, rows, section, without_code

import primecore
from primecore import _scan, _wal_door, config, model
from primecore._graph import Graph
from primecore.cli.main import root as command_line
from primecore.errors import InvalidEvent, PrimeError
from primecore.operations import OPERATIONS
from primecore.projections.runner import Views

ARCHITECTURE, EVENTS, LIMITS, PYTHON, README = (
    ROOT / "docs/architecture.md", ROOT / "docs/events.md", ROOT / "docs/limits.md", ROOT / "docs/python.md",
    ROOT / "README.md",
)  # fmt: skip
PACKAGE = ROOT / "primecore"
SIZES = {"char": 1, "uint8_t": 1, "uint16_t": 2, "uint32_t": 4, "int32_t": 4, "uint64_t": 8, "int64_t": 8}
SIZES |= {"float": 4, "double": 8}


# --- links and words -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path):
    for link in links(path):
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        page = (path.parent / target).resolve() if target else path
        assert page.exists(), f"{path.name} links to {link}, which is not there"
        assert not anchor or anchor in anchors(page), f"{path.name} links to {link}, but there is no such heading"


def test_every_page_is_linked_from_the_readme():
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in links(README) if "://" not in link}
    assert {path.resolve() for path in PAGES} - {README.resolve()} <= linked


def test_the_changelog_knows_this_version():
    assert re.search(rf"^## {re.escape(primecore.__version__)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_what_is_said_to_be_missing_is_missing():
    """When one of these is built, the README is to be told."""
    missing = section(README, "What is not there yet")
    methods = {"erase", "replicate"}
    assert methods <= set(names(missing))
    assert not [name for name in methods if hasattr(primecore.Prime, name)]
    commands = set(command_line.list_commands(click.Context(command_line)))
    assert not commands & set(names(missing))


# --- the house -------------------------------------------------------------------------------------------------------


def test_every_module_has_its_place_in_the_house():
    house = section(ARCHITECTURE, "The house")
    named = {name.removesuffix(".pxd").removesuffix(".py") for name in names(house)}
    there = {path.stem for pattern in ("*.py", "_*.pyx", "_*.pxd") for path in PACKAGE.glob(pattern)} - {"__init__"}
    assert there <= named, f"docs/architecture.md does not say what these hold: {sorted(there - named)}"
    told = {row[1].strip("`") for row in rows(section(ARCHITECTURE, "Compiled modules"))}
    compiled = {path.stem for path in PACKAGE.glob("_*.pyx")}
    assert told == compiled


def test_headers_without_code_are_named_as_such():
    intro = section(ARCHITECTURE, "Compiled modules").partition("\n|")[0]
    declared = {path.name for path in PACKAGE.glob("_*.pxd") if not path.with_suffix(".pyx").exists()}
    assert declared == {name for name in names(intro) if name.startswith("_")}


def test_tests_that_are_named_are_there():
    named = [name for path in PAGES for name in names(without_code(path)) if name.startswith("tests/")]
    assert named and all((ROOT / name).exists() for name in named), named


def test_projections_kept_at_once_are_named():
    assert {view.name for view in Views().all()} <= set(names(section(ARCHITECTURE, "Projections")))


# --- records in memory -----------------------------------------------------------------------------------------------


def declared(record: str) -> list[tuple[str, int, int]]:
    """(field, offset, size) as the C compiler lays out a struct of one of the .pxd files."""
    pattern = rf"^ *ctypedef struct {record}:[^\n]*\n((?:(?: +[^\n]*)?\n)+)"
    # The parser has a node_t of its own.
    homes = [path.read_text() for path in sorted(PACKAGE.glob("*.pxd")) if path.stem != "_json"]
    body = next(found[1] for text in homes if (found := re.search(pattern, text, re.MULTILINE)))
    laid_out, end = [], 0
    lines = [line for line in body.splitlines() if line.strip()]
    indent = len(lines[0]) - len(lines[0].lstrip())
    for line in lines:
        if len(line) - len(line.lstrip()) < indent:
            break
        kind, field, count = re.fullmatch(r"(\w+) (\w+)(?:\[(\d+)\])?", line.split("#")[0].strip()).groups()
        end = -(-end // SIZES[kind]) * SIZES[kind]
        laid_out.append((field, end, SIZES[kind] * int(count or 1)))
        end += laid_out[-1][2]
    return laid_out


RECORDS = re.findall(r"^### `(\w+)` \((\d+) bytes\)", ARCHITECTURE.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize(("record", "nbytes"), RECORDS)
def test_tables_of_records_are_as_declared(record: str, nbytes: str):
    heading = next(line for line in ARCHITECTURE.read_text().splitlines() if line.startswith(f"### `{record}`"))
    table = rows(section(ARCHITECTURE, heading.removeprefix("### ")))
    assert [(field, int(offset), int(size)) for offset, size, field, _ in table] == declared(record)
    _, offset, size = declared(record)[-1]
    assert offset + size == int(nbytes)


def test_sizes_of_records_are_as_compiled():
    graph, sizes = Graph(), {record: int(nbytes) for record, nbytes in RECORDS}
    compiled = {"node_t": graph.nodes, "edge_t": graph.edges, "entity_t": graph.entities}
    assert {name: table.record_bytes for name, table in compiled.items()} == {name: sizes[name] for name in compiled}


# --- events ----------------------------------------------------------------------------------------------------------


def test_event_types_are_those_that_the_scanner_knows():
    told = {names(row[0])[0] for row in rows(section(EVENTS, "Event types")) if names(row[0])}
    assert told == set(_wal_door.CODES)


def test_payload_fields_are_those_that_the_scanner_knows():
    slots = re.findall(r"^    AT_(\w+)", (PACKAGE / "_fields.pxd").read_text(), re.MULTILINE)
    known = {slot.lower() for slot in slots} - {"properties_domain", "metadata_embedding"}
    told = {name for row in rows(section(EVENTS, "Event types")) for name in names(re.sub(r"\([^)]*\)", "", row[2]))}
    assert told == known


def test_envelope_fields_are_those_that_the_scanner_takes():
    told = {name for row in rows(section(EVENTS, "The envelope")) for name in names(row[0])}
    for name in told:
        with pytest.raises(InvalidEvent) as refused:
            _scan.parse_line(b'{"%s":null,"%s":null}' % (name.encode(), name.encode()))
        assert "twice" in str(refused.value), name
    for other in ("type", "entity", "data", "stream"):
        assert other not in told
        with pytest.raises(InvalidEvent, match="no such field"):
            _scan.parse_line(b'{"%s":null}' % other.encode())


def test_the_example_of_an_event_is_one():
    line = re.search(r"^```json\n(.*?)\n```", EVENTS.read_text(encoding="utf-8"), re.MULTILINE)
    assert line and _scan.parse_line(line[1].encode())["event_type"] == "prime.node.created"


# --- limits ----------------------------------------------------------------------------------------------------------


def constant(name: str) -> int:
    """A limit of the code, wherever it is set."""
    sources = [path.read_text() for pattern in ("*.pxd", "*.pyx", "*.py") for path in sorted(PACKAGE.glob(pattern))]
    found = {it for text in sources for it in re.findall(rf"^ *{name} = ([\w <]+?) *(?:#.*)?$", text, re.MULTILINE)}
    assert len(found) == 1, f"{name}: {found}"
    left, _, shift = found.pop().partition("<<")
    return int(left.replace("_", ""), 0) << int(shift or 0)


def test_limits_are_those_of_the_code():
    text = section(LIMITS, "What fits")
    mib = 1 << 20
    for told in (
        f"| events in a store | {constant('MAX_POSITION'):,} |",
        f"1 to {constant('MAX_ENTITY_ID_BYTES'):,} bytes",
        f"| `event_type` | 1 to {constant('MAX_EVENT_TYPE_BYTES')} bytes",
        f"| `payload` | {constant('MAX_PAYLOAD_BYTES') // mib} MiB of JSON text, {constant('MAX_DEPTH')} levels deep |",
        f"| `metadata` | {constant('MAX_METADATA_BYTES') // mib} MiB",
        f"| a line of a file | {constant('MAX_LINE_BYTES') // mib} MiB |",
        f"1 to {constant('MAX_DIMENSIONS'):,} numbers",
        f"| a batch (`append_many`) | {constant('MAX_BATCH_BYTES') // mib} MiB",
        f"| `subgraph(limit=...)` | {constant('MAX_SUBGRAPH_NODES'):,} nodes |",
        f"| {constant('MAX_DEGREE') - constant('MAX_UNFOLDED') + 1:,} each |",
    ):
        assert told in text, told


def test_the_longest_interval_is_the_one_that_is_taken():
    low, high = re.search(r"`fsync_interval_ms` \| (\d+) to ([\d,]+) \|", section(LIMITS, "What fits")).groups()
    for good in (int(low), int(high.replace(",", ""))):
        assert config.settings(":memory:", fsync_interval_ms=good).fsync_interval_ms == good
    for bad in (int(low) - 1, int(high.replace(",", "")) + 1):
        with pytest.raises(ValueError, match="fsync_interval_ms"):
            config.settings(":memory:", fsync_interval_ms=bad)


# --- the Python API --------------------------------------------------------------------------------------------------


def test_every_setting_is_documented():
    told = [names(row[0])[0] for row in rows(section(PYTHON, "Opening"))]
    assert told == list(inspect.signature(primecore.open).parameters)
    assert set(config.Settings._fields) == set(told)
    text = section(PYTHON, "Opening")
    for told in ("`$PRIME_DATA_DIR`", f"`{config.DEFAULT_DIRECTORY}`", f"{config.FSYNC_INTERVAL_MS} by default"):
        assert told in text


def test_every_method_is_documented():
    text = PYTHON.read_text(encoding="utf-8")
    public = {name for name in vars(primecore.Prime) if not name.startswith("_")}
    told = set(re.findall(r"`(?:prime\.)?(\w+)[(`]", text)) | set(re.findall(r"\bprime\.(\w+)", text))
    assert public <= told, f"docs/python.md does not tell of {sorted(public - told)}"
    methods = {name for name, operation in OPERATIONS.items() if not operation.on_path}
    assert {name for name in OPERATIONS if hasattr(primecore.Prime, name)} == methods


def test_arguments_of_reads_are_documented():
    for row in rows(section(PYTHON, "Reading")):
        for call in names(row[0]):
            name, _, arguments = call.partition("(")
            told = [argument.strip().rstrip("=") for argument in arguments.rstrip(")").split(",") if argument.strip()]
            parameters = [it for it in inspect.signature(getattr(primecore.Prime, name)).parameters if it != "self"]
            assert told == parameters, call


def test_results_and_their_fields_are_documented():
    told = {names(row[0])[0]: tuple(names(row[1])) for row in rows(section(PYTHON, "What comes back"))}
    results = {name: thing._fields for name, thing in vars(model).items() if hasattr(thing, "_fields")}
    assert told == results
    assert set(told) <= set(primecore.__all__)


def test_every_public_name_is_documented():
    text = "".join(path.read_text(encoding="utf-8") for path in PAGES)
    missing = [name for name in primecore.__all__ if not re.search(rf"\b{name}\b", text)]
    assert not missing


def test_errors_that_the_pages_name_exist():
    known = {name for name in primecore.__all__ if inspect.isclass(getattr(primecore, name))}
    errors = {name for name in known if issubclass(getattr(primecore, name), PrimeError)}
    results = {name for name, thing in vars(model).items() if hasattr(thing, "_fields")}
    for path in PAGES:
        for name in names(without_code(path)):
            if re.fullmatch(r"(Invalid|Store|Disk|Corrupt|Version|Idempotency|Node|Edge|Limit|Outcome)[A-Z]\w+", name):
                assert name in errors | results, f"{path.name} names {name}"
