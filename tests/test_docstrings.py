"""Examples in docstrings run: each in its module, with a fresh store called `prime` that holds a little team."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import primecore

MODULES = ["primecore", *(it.name for it in pkgutil.walk_packages(primecore.__path__, "primecore."))]
MODULES = [name for name in MODULES if not name.startswith("primecore.cli")]  # its examples are commands


def examples() -> dict[str, doctest.DocTest]:
    """The docstrings that show something, of Python and of compiled modules."""
    parser = doctest.DocTestParser()
    found = {}
    for module in map(importlib.import_module, MODULES):
        things = {module.__name__.removeprefix("primecore."): module}
        for name, thing in vars(module).items():
            if getattr(thing, "__module__", None) == module.__name__:
                things[name] = thing
                if inspect.isclass(thing):
                    things |= {f"{name}.{member}": value for member, value in vars(thing).items()}
        for name, thing in things.items():
            if callable(thing) or isinstance(thing, property | type(module)):
                text = inspect.getdoc(thing) or ""
                found[name] = parser.get_doctest(text, dict(vars(module)), name, module.__name__, None)
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
def test_examples_in_docstrings_run(name: str, tmp_path: Path):
    shown: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    with team() as prime:
        test = EXAMPLES[name]
        test.globs |= {"primecore": primecore, "prime": prime, "path": tmp_path / "store"}
        result = runner.run(test, out=shown.append)
    assert result.attempted and not result.failed, "".join(shown)


def test_the_examples_are_found():
    for name in ("open", "Writes.append", "Writes.add_node", "Writes.add_edge", "Prime.neighbors", "Reader.neighbors"):
        assert name in EXAMPLES
