"""Vectors out of words and their parts by hashing, without a model. Knows text only.

Feature hashing (Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", 2009) of words and of their
character 3- to 5-grams with the ends marked (as in Bojanowski et al., "Enriching Word Vectors with Subword
Information", 2017): each feature adds plus or minus its weight to one number, and the whole is scaled to length one.
It finds texts that share words, or words that share a stem or a spelling; it knows nothing of synonyms.

What a word says and how long it is go together (Piantadosi, Tily and Gibson, "Word lengths are optimized for efficient
communication", PNAS 108, 2011), so a word counts for its letters after the second, up to six: `the` and `of` make no
texts alike. A character of Chinese, Japanese or Korean is a syllable and counts as three letters. Vectors of the first
edition, `hashing-512`, in which each word counts the same, are still made for the stores that hold them.
"""

from __future__ import annotations

import math
import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Callable

import xxhash

from primecore.errors import InvalidArgument

DIMENSIONS = 512
GRAMS = (3, 4, 5)
GRAMS_WEIGHT = 0.7  # of all grams of a word together, beside 1 for the word itself
LEAST_WEIGHT, MOST_WEIGHT = 0.3, 6.0  # of words of up to two letters, and of eight and more
SYLLABLES = "\u2e80"  # from here on a character is one, about

_WORD = re.compile(r"\w+")


class Hashing:
    """The same vector for the same text in every process and on every machine.

    >>> Hashing()(["leads the project"])[0] == Hashing()(["Leads the project!"])[0]
    True
    """

    name = f"hashing-{DIMENSIONS}-2"
    dimensions = DIMENSIONS

    def __call__(self, texts: list[str], /) -> list[array[float]]:
        """Vectors of length one. Raises InvalidArgument for a text of nothing but white space."""
        return [_vector(text, _weight) for text in texts]


class FirstHashing:
    """The first edition, in which each word counts the same."""

    name = f"hashing-{DIMENSIONS}"
    dimensions = DIMENSIONS

    def __call__(self, texts: list[str], /) -> list[array[float]]:
        """Vectors of length one. Raises InvalidArgument for a text of nothing but white space."""
        return [_vector(text, lambda _: 1.0) for text in texts]


def _weight(word: str) -> float:
    letters = sum(3 if letter >= SYLLABLES else 1 for letter in word)
    return max(LEAST_WEIGHT, min(letters - 2.0, MOST_WEIGHT))


def _vector(text: str, weight_of: Callable[[str], float]) -> array[float]:
    folded = unicodedata.normalize("NFKC", text).casefold()
    sums = [0.0] * DIMENSIONS
    for word, count in Counter(_WORD.findall(folded) or folded.split()).items():
        weight = (1 + math.log(count)) * weight_of(word)
        _add(sums, word, weight)
        marked = f"<{word}>"
        grams = [marked[at : at + size] for size in GRAMS for at in range(len(marked) - size + 1)]
        for gram in grams:
            _add(sums, "#" + gram, weight * GRAMS_WEIGHT / math.sqrt(len(grams)))
    length = math.sqrt(math.fsum(value * value for value in sums))
    if length == 0:
        raise InvalidArgument("text: expected something to embed, found nothing but white space")
    return array("f", [value / length for value in sums])


def _add(sums: list[float], feature: str, weight: float) -> None:
    hashed = xxhash.xxh3_64_intdigest(feature.encode("utf-8", "surrogatepass"))
    sums[hashed % DIMENSIONS] += weight if hashed >> 63 else -weight
