"""What every test may use: data, store paths, hypothesis profiles. And a rule: CI skips nothing for want of a tool."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

try:
    from hypothesis import HealthCheck, Verbosity, settings
except ModuleNotFoundError:  # the tests of plain things run without it
    settings = None  # type: ignore[assignment,misc]

ROOT = Path(__file__).resolve().parent.parent
IN_CI = os.environ.get("CI", "").lower() in ("true", "1")

TOOL = (
    r"(chromium|curl|npm|wrk|strace|valgrind|git|gcc|cc|clang|make|ruff|mypy|cython|pip|gzip|zstd|hypothesis|psutil|"
    r"playwright|python3?(\.\d+)?)"
)

# A skip for one of these reasons says that this machine lacks a program or package, which CI has to install.
MISSING_TOOL = re.compile(
    r"could not import|no module named|not on PATH|not installed|is missing|missing tool"
    rf"|\b{TOOL}\b.*\b(not found|absent|unavailable|required|needed)"
    rf"|\b(needs?|requires?|without|no) (the (tool|command|program) )?{TOOL}\b",
    re.IGNORECASE,
)
MISSING_DATA = re.compile(r"PRIME_TEST_DATA|\bno (test |real )?data\b", re.IGNORECASE)


def pytest_configure(config: pytest.Config) -> None:
    """Chooses how hard hypothesis tries: HYPOTHESIS_PROFILE=quick (default), ci, long."""
    # A shell starts what runs in the background with Ctrl-C ignored, and what is started from here would ignore it too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if settings is None:
        return
    patient = [HealthCheck.too_slow, HealthCheck.data_too_large]
    settings.register_profile("quick", max_examples=60, deadline=None, suppress_health_check=patient)
    # Random on purpose, since each run then tries something new; what fails is printed as a blob that reproduces it.
    settings.register_profile(
        "ci", settings.get_profile("quick"), max_examples=100, derandomize=False, database=None, print_blob=True
    )
    settings.register_profile("long", settings.get_profile("ci"), max_examples=3000, verbosity=Verbosity.normal)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if IN_CI else "quick"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """Turns a skipped test into a failed one where CI lacks a tool."""
    report = yield
    fail_if_tool_is_missing(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector):
    """The same for a module that skips itself (`pytest.importorskip` at its head)."""
    report = yield
    fail_if_tool_is_missing(report)
    return report


def fail_if_tool_is_missing(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Rewrites the report in place; leaves xfails and all other skips alone."""
    if not IN_CI or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if MISSING_TOOL.search(reason) and not MISSING_DATA.search(reason):
        report.outcome = "failed"
        report.longrepr = f"CI must not skip for want of a tool (install it in .ci/run or the dev extra): {reason}"


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The folder that holds pyproject.toml."""
    return ROOT


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real event logs (*.jsonl.gz): PRIME_TEST_DATA, else ../shared/data beside the project."""
    folder = Path(os.environ.get("PRIME_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not any(folder.glob("*.jsonl.gz")):
        pytest.skip(f"no real data in {folder}: set PRIME_TEST_DATA to a folder of *.jsonl.gz")
    return folder


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    """A path at which a store may be made; nothing is there yet."""
    return tmp_path / "memory"
