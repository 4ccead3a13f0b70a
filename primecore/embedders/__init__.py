"""Embedders: text into vectors. Finds one by name, wraps any callable. Knows models; nothing of stores."""

from __future__ import annotations

import importlib
import math
from array import array
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from primecore.errors import InvalidArgument

DEFAULT = "hashing"
# What vectors of a model count for in recall, words having the rest: docs/recall.md has the measurement.
SHARES = {"hashing-512-2": 0.3, "hashing-": 0.1, "wordllama-": 0.3}
SHARE = 0.5
EDITIONS = ("hashing-512", "hashing-512-2")


@runtime_checkable
class Embedder(Protocol):
    """What turns texts into vectors: a name that a store records, how many numbers a vector has, and a call.

    The call takes a list of n texts and gives n vectors of `dimensions` numbers: a float32 array (n, dimensions), or a
    list of sequences. The same text must give the same vector, in every process.
    """

    name: str
    dimensions: int

    def __call__(self, texts: list[str], /) -> Sequence[Any]:
        """The vectors of the texts, in their order."""


class Custom:
    """A callable of the caller's own as an Embedder: `name` and `dimensions` are its own, or are found out."""

    def __init__(self, function: Callable[[list[str]], Any]) -> None:
        self._function = function
        self.name = str(getattr(function, "name", None) or getattr(function, "__name__", type(function).__name__))
        self.dimensions = int(getattr(function, "dimensions", 0)) or len(function(["text"])[0])

    def __call__(self, texts: list[str], /) -> Sequence[Any]:
        """What the callable says."""
        found: Sequence[Any] = self._function(texts)
        return found


def find(wanted: object) -> Embedder:
    """The embedder of a name ("hashing", "wordllama", "package.module:name"), or of any callable.

    Raises InvalidArgument for a name that nothing has.

    >>> find("hashing").dimensions
    512
    """
    if isinstance(wanted, str):
        if wanted == "hashing" or wanted.startswith("hashing-"):
            from primecore.embedders.hashing import FirstHashing, Hashing

            return FirstHashing() if wanted == FirstHashing.name else _named(Hashing(), wanted, "hashing")
        if wanted == "wordllama" or wanted.startswith("wordllama-"):
            from primecore.embedders.wordllama import WordLlama

            return _named(WordLlama(), wanted, "wordllama")
        wanted = _imported(wanted)
    if isinstance(wanted, type):
        wanted = wanted()
    if not callable(wanted):
        raise InvalidArgument(f"embedder: expected a name or a callable, found {type(wanted).__name__}")
    return wanted if isinstance(wanted, Embedder) else Custom(wanted)


def edition(wanted: object, recorded: str | None) -> object:
    """What to find where `wanted` was asked for (None: nothing was) and vectors are of the model `recorded`.

    An embedder asked for by its short name is the edition of it that there are vectors of.

    >>> edition("hashing", "hashing-512"), edition("hashing", "wordllama-256")
    ('hashing-512', 'hashing')
    """
    if wanted is None or (wanted == "hashing" and recorded in EDITIONS):
        return recorded
    return wanted


def vectors(embedder: Embedder, texts: list[str]) -> list[Any]:
    """The vectors of texts as flat float32 buffers, checked. Raises InvalidArgument for what are no vectors of its."""
    found = embedder(texts)
    if len(found) != len(texts):
        raise InvalidArgument(f"embedder {embedder.name}: expected {len(texts)} vectors, found {len(found)}")
    checked = []
    for vector in found:
        numbers = array("f", vector)
        if len(numbers) != embedder.dimensions or not all(map(math.isfinite, numbers)) or not any(numbers):
            raise InvalidArgument(
                f"embedder {embedder.name}: expected {embedder.dimensions} numbers, finite and not all zero"
            )
        checked.append(numbers)
    return checked


def share(model: str | None) -> float:
    """What vectors of a model count for in recall beside words, which have the rest of 1.

    >>> share("hashing-512")
    0.1
    """
    return next((found for start, found in SHARES.items() if (model or "").startswith(start)), SHARE)


def _named(embedder: Embedder, wanted: str, short: str) -> Embedder:
    if wanted not in (short, embedder.name):
        raise InvalidArgument(f"embedder: there is no {wanted}, but {embedder.name}")
    return embedder


def _imported(wanted: str) -> object:
    module, _, name = wanted.partition(":")
    if not module or not name:
        raise InvalidArgument(
            f"embedder: expected hashing, wordllama or package.module:name, found {wanted!r}",
            hint="a model of your own is given as embedder= when the store is opened",
        )
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InvalidArgument(f"embedder: cannot load {wanted}: {error}") from None
