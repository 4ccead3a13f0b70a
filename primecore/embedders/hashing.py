"""Vectors out of words and their parts by hashing, without a model. Knows text only.

Feature hashing (Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", 2009) of words and of their
character 3- to 5-grams with the ends marked (as in Bojanowski et al., "Enriching Word Vectors with Subword
Information", 2017): each feature adds plus or minus its weight to one number, and the whole is scaled to length one.
It finds texts that share words, or words that share a stem or a spelling; it knows nothing of synonyms.
"""

from __future__ import annotations

import math
import re
import unicodedata
from array import array
from collections import Counter

import xxhash

from primecore.errors import InvalidArgument

DIMENSIONS = 512
GRAMS = (3, 4, 5)
GRAMS_WEIGHT = 0.7  # of all grams of a word together, beside 1 for the word itself

_WORD = re.compile(r"\w+")


class Hashing:
    """The same vector for the same text in every process and on every machine.

    >>> Hashing()(["leads the project"])[0] == Hashing()(["Leads the project!"])[0]
    True
    """

    name = f"hashing-{DIMENSIONS}"
    dimensions = DIMENSIONS

    def __call__(self, texts: list[str], /) -> list[array[float]]:
        """Vectors of length one. Raises InvalidArgument for a text of nothing but white space."""
        return [_vector(text) for text in texts]


def _vector(text: str) -> array[float]:
    folded = unicodedata.normalize("NFKC", text).casefold()
    sums = [0.0] * DIMENSIONS
    for word, count in Counter(_WORD.findall(folded) or folded.split()).items():
        weight = 1 + math.log(count)
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
