"""The public conformance suite of the Model Context Protocol, every scenario of it, on Prime's server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable

import pytest
from conformance import run

DOCUMENT = run.HERE.parents[1] / "docs" / "mcp.md"


@pytest.fixture(scope="module")
def fetched() -> None:
    if shutil.which("npm") is None:
        pytest.skip("npm not found")
    try:
        run.fetch()
    except subprocess.CalledProcessError:
        if os.environ.get("CI"):
            raise
        pytest.skip("the suite could not be fetched")


@pytest.mark.parametrize("how", [run.served, run.carried])
def test_scenarios_pass_but_for_those_that_are_listed_with_a_reason(how: Callable[[], int], fetched: None) -> None:
    assert how() == 0


def listed(name: str) -> set[str]:
    return set(re.findall(r"^  - (\S+)$", (run.HERE / name).read_text(), re.MULTILINE))


def test_what_prime_does_not_pass_with_fixtures_it_does_not_pass_without_either() -> None:
    assert listed("carried.yml") < listed("served.yml")


def test_the_page_says_what_is_not_offered() -> None:
    text = DOCUMENT.read_text()
    for name in listed("carried.yml"):
        assert f"`{name}`" in text, name
