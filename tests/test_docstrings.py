"""Examples in docstrings run: each on a fresh store that holds a little team."""

from __future__ import annotations

import doctest
import importlib
import inspect

import pytest

import primecore

MODULES = ["primecore", "primecore.service", "primecore.projections.base", "primecore.model", "primecore.errors"]


def examples() -> dict[str, doctest.DocTest]:
    """The docstrings that show something, of Python and of compiled modules."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = {test.name: test for name in MODULES for test in finder.find(importlib.import_module(name), name)}
    reader = importlib.import_module("primecore._reads").Reader
    for name, method in inspect.getmembers(reader):
        parsed = doctest.DocTestParser().get_doctest(inspect.getdoc(method) or "", {}, f"Reader.{name}", None, None)
        found[parsed.name] = parsed
    return {name: test for name, test in found.items() if test.examples}


EXAMPLES = examples()


def team() -> primecore.Prime:
    """alice works on auth; bob knows nobody."""
    prime = primecore.open(":memory:")
    alice = prime.add_node("person", {"name": "Alice", "domain": "engineering"}, id="alice")
    auth = prime.add_node("project", {"name": "Auth", "domain": "product"}, id="auth")
    prime.add_node("person", {"name": "Bob", "domain": "engineering"}, id="bob")
    prime.add_edge(alice, auth, "works_on", weight=0.9, id="alice-auth")
    return prime


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_examples_in_docstrings_run(name: str):
    shown: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    with team() as prime:
        test = EXAMPLES[name]
        test.globs = {"primecore": primecore, "prime": prime, "Projection": primecore.Projection}
        result = runner.run(test, out=shown.append)
    assert result.attempted and not result.failed, "".join(shown)


def test_the_examples_are_found():
    for name in ("open", "Prime.append", "Prime.add_node", "Prime.add_edge", "Prime.neighbors"):
        assert f"primecore.service.{name}" in EXAMPLES
    assert "Reader.neighbors" in EXAMPLES
