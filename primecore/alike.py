"""What is alike: checks a question, finds the vector it stands for, asks the index. Knows no store and no writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from primecore import _knn
from primecore.errors import InvalidArgument, PrimeError, ReembedUnfinished, VectorNotFound
from primecore.model import Hit
from primecore.projections.vectors import Filters, VectorIndex, float32
from primecore.writes import check_count

Look = Callable[[Callable[[], Any]], Any]


class Source(NamedTuple):
    """Whose vectors are asked, of now or of the past; what embeds a text as they were; how one position is seen."""

    vectors: VectorIndex
    embedded: Callable[[list[str]], list[Any]]
    look: Look


def alike(
    source: Source, asked: tuple[Any, str | None, str | None, Any], k: int, min_score: float | None, filters: Filters
) -> list[Hit]:
    """What is most alike; `asked` is a query, an id, a text, a vector, of which one is given. See `Prime.similar`."""
    check_count(k, "k")
    least = -2.0 if min_score is None else _number(min_score, "min_score")
    if filters.any:
        for name in ("type", "domain", "label", "prefix"):
            value = getattr(filters, name)
            if value is not None and not isinstance(value, str):
                raise InvalidArgument(f"{name}: expected a string, found {value!r}")
    vectors = source.vectors

    def found() -> list[Hit]:
        check_whole(vectors)
        numbers, own = _numbers(source, *asked)
        if numbers is None:
            return []
        if filters.by_nodes:
            hits: list[Hit] = source.look(lambda: vectors.nearest(numbers, k, least, filters, own))
            return hits
        return vectors.nearest(numbers, k, least, filters, own)

    return in_one_space(vectors, found)


def in_one_space(vectors: VectorIndex, ask: Callable[[], list[Hit]]) -> list[Hit]:
    """What `ask` gives, asked again where another space came into force meanwhile.

    A text that was embedded by one model must not be compared with vectors of another.
    """
    while True:
        definition = vectors.definitions
        try:
            found = ask()
        except PrimeError:
            if definition == vectors.definitions:
                raise
        else:
            if definition == vectors.definitions:
                return found


def check_whole(vectors: VectorIndex) -> None:
    """Raises ReembedUnfinished where texts wait for vectors of the space in force."""
    if vectors.awaiting:
        raise ReembedUnfinished(
            f"{vectors.awaiting:,} texts wait for vectors of {vectors.model}: no answer would be whole",
            hint="`prime reembed` goes on where it was broken off",
        )


def _numbers(source: Source, query: Any, id: str | None, text: str | None, vector: Any) -> tuple[Any, str | None]:
    # (numbers, whose they are); no numbers where there are no vectors that a text could be compared with.
    if (query is not None) + (id is not None) + (text is not None) + (vector is not None) != 1:
        raise InvalidArgument("similar: expected one of a query, id=, text= and vector=")
    if isinstance(query, str):
        own = query.removeprefix("vec:")
        if source.vectors.vector(own) is not None or query.startswith(("node:", "vec:")):
            id = own
        else:
            text = query
    elif query is not None:
        vector = query
    if id is not None:
        id = checked_id(id).removeprefix("vec:")
        numbers = source.vectors.vector(id)
        if numbers is None:
            raise VectorNotFound(f"there is no vector of {id}", hint="store one with embed()")
        return numbers, id
    if text is not None:
        checked_text(text)
        return (source.embedded([text])[0] if source.vectors.dimensions else None), None
    numbers = float32(vector)
    if source.vectors.dimensions == 0:
        _check_numbers(numbers)
    return numbers, None


def recorded(vectors: VectorIndex) -> str | None:
    """The model that vectors are of, if it is one that can be found by name."""
    model = vectors.model
    return model if model is not None and model.startswith(("hashing-", "wordllama-")) else None


def checked_id(id: Any) -> str:
    """An id, if it is one. Raises InvalidArgument."""
    if not isinstance(id, str) or not id:
        raise InvalidArgument(f"id: expected text, found {id!r}")
    return id


def checked_text(text: Any) -> str:
    """A text that says something. Raises InvalidArgument."""
    if not isinstance(text, str) or not text.strip():
        raise InvalidArgument(f"text: expected something to embed, found {text!r}")
    return text


def _check_numbers(numbers: Any) -> None:
    try:
        _knn.check_numbers(numbers)
    except ValueError as error:
        raise InvalidArgument(f"vector: {error}") from None


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        raise InvalidArgument(f"{name}: expected a number, found {value!r}")
    return float(value)
