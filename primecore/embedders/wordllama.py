"""WordLlama (static token embeddings of a language model, averaged) as an embedder, without a network. Knows text only.

The package carries its weights and its tokenizer; it is told to look nowhere else. `pip install 'primecore[embed]'`.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from primecore.errors import InvalidArgument

DIMENSIONS = 256


class WordLlama:
    """256 numbers a text, of length one. The weights are loaded at the first call."""

    name = f"wordllama-{DIMENSIONS}"
    dimensions = DIMENSIONS

    def __init__(self) -> None:
        self._model: Any = None
        self._lock = threading.Lock()

    def __call__(self, texts: list[str], /) -> Any:
        """A float32 array (n, 256). Raises InvalidArgument where the package is not installed."""
        with self._lock:
            if self._model is None:
                self._model = _load()
            return self._model.embed(texts, norm=True)


def _load() -> Any:
    try:
        import wordllama
    except ImportError:
        raise InvalidArgument(
            "embedder: wordllama is not installed", hint="pip install 'primecore[embed]', or choose another embedder"
        ) from None
    # Its own folder as the cache: it carries what it needs, and must never go and fetch it.
    folder = Path(wordllama.__file__).parent
    return wordllama.WordLlama.load(cache_dir=folder, dim=DIMENSIONS, disable_download=True)
