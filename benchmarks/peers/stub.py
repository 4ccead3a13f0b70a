"""An embedder without a model: the words of a text, hashed into 384 numbers. The same for all who need one."""

from __future__ import annotations

import math
import zlib

DIMENSIONS = 384


def vector(text: str) -> list[float]:
    """Of length one; texts that share words are alike."""
    found = [0.0] * DIMENSIONS
    for word in text.lower().split():
        at = zlib.crc32(word.encode())
        found[at % DIMENSIONS] += 1.0
        found[(at >> 12) % DIMENSIONS] += 0.5
    length = math.sqrt(sum(number * number for number in found)) or 1.0
    return [number / length for number in found]


def embed(texts: list[str]) -> list[list[float]]:
    """Many at once."""
    return [vector(text) for text in texts]
