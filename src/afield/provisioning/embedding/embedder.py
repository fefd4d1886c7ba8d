"""What turns sentences into vectors, and which one there is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from threading import Lock
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from afield.provisioning.embedding.files import model_folder
from afield.provisioning.embedding.words import WordVectors

Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """Makes vectors of length 1, so that a product of two is their cosine. Safe to use from several threads."""

    @property
    def name(self) -> str:
        """What is shown of it beside its results."""

    def vectors(self, sentences: Sequence[str]) -> Vectors:
        """One row a sentence. An empty sentence gives zeros or a vector that is near to nothing."""


def likeness(embedder: Embedder, sentences: Sequence[str], others: Sequence[str]) -> Vectors:
    """The cosine of every sentence with every other one: a row a sentence, -1 to 1."""
    return np.asarray(embedder.vectors(sentences) @ embedder.vectors(others).T, dtype=np.float32)


class Remembering:
    """Another embedder that is not asked twice for the sentences it was asked for last."""

    def __init__(self, embedder: Embedder, most: int = 4096) -> None:
        self._embedder = embedder
        self._most = most
        self._known: dict[str, NDArray[np.float32]] = {}
        self._lock = Lock()

    @property
    def name(self) -> str:
        """The other one's."""
        return self._embedder.name

    def vectors(self, sentences: Sequence[str]) -> Vectors:
        """One row a sentence."""
        if not sentences:
            return self._embedder.vectors(sentences)
        with self._lock:
            new = [one for one in dict.fromkeys(sentences) if one not in self._known]
            if new:
                self._known.update(zip(new, self._embedder.vectors(new), strict=True))
            result = np.stack([self._known[one] for one in sentences])
            for one in dict.fromkeys(sentences):
                self._known[one] = self._known.pop(one)  # the last to be forgotten
            for one in list(self._known)[: -self._most]:
                del self._known[one]
        return result


@cache
def best_embedder() -> Embedder:
    """The language model if its files are installed, else words alone. Blocks the first time: up to half a second."""
    folder = model_folder()
    if folder is None:
        return WordVectors()
    from afield.provisioning.embedding.minilm import MiniLm  # noqa: PLC0415 - needs the tokenizers package

    return Remembering(MiniLm(folder))
