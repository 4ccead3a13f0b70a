"""The stubs of compiled modules, held to what the modules offer: each name is there and takes what its stub says."""

from __future__ import annotations

import ast
import inspect
import sys
from pathlib import Path
from types import ModuleType

import pytest

STUBS = sorted((Path(__file__).resolve().parent.parent / "primecore").glob("*.pyi"))


def parameters_told(node: ast.FunctionDef) -> list[tuple[str, bool]]:
    """(name, whether it may be left out) of each parameter of a stub's function."""
    plain = [*node.args.posonlyargs, *node.args.args]
    first_default = len(plain) - len(node.args.defaults)
    told = [(argument.arg, at >= first_default) for at, argument in enumerate(plain)]
    told += [(node.args.vararg.arg, False)] if node.args.vararg else []
    pairs = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    told += [(argument.arg, default is not None) for argument, default in pairs]
    return told + ([(node.args.kwarg.arg, False)] if node.args.kwarg else [])


def compare_with_stub(path: Path, owner: object, body: list[ast.stmt]) -> None:
    """Each name of a stub is there, and takes what the stub says. Overloads are several truths about one function."""
    several = {node.name for node in body if isinstance(node, ast.FunctionDef) and "overload" in decorators(node)}
    for node in body:
        name = getattr(node, "name", None) or getattr(getattr(node, "target", None), "id", None)
        if name is None or (name.startswith("_") and owner.__class__ is ModuleType):
            continue
        if name == "__buffer__" and sys.version_info < (3, 12):
            continue  # before, a type does not show that it offers a buffer
        assert hasattr(owner, name), f"{path.name} tells of {name}, which {owner!r} has not"
        thing = getattr(owner, name)
        if isinstance(node, ast.ClassDef):
            compare_with_stub(path, thing, node.body)
        elif isinstance(node, ast.FunctionDef) and callable(thing) and name not in several and not dunder(name):
            found = [
                (parameter.name, parameter.default is not parameter.empty)
                for parameter in inspect.signature(thing).parameters.values()
            ]
            told = parameters_told(node)
            told = told[1:] if "classmethod" in decorators(node) else told
            assert told == found, f"{path.name}: {name} takes {found}"


def decorators(node: ast.FunctionDef) -> set[str]:
    return {decorator.id for decorator in node.decorator_list if isinstance(decorator, ast.Name)}


def dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


@pytest.mark.parametrize("path", STUBS, ids=lambda path: path.name)
def test_stubs_tell_the_truth(path: Path):
    name = f"primecore.{path.stem}"
    module = pytest.importorskip(name, reason=f"{name} is not part of this build")
    compare_with_stub(path, module, ast.parse(path.read_text(encoding="utf-8")).body)
