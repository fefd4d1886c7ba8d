"""Vectors out of the words alone: each stem is a direction of its own. A cosine is then the share of common words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import log1p
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from afield.provisioning.industries.topics import stems

_WIDTH = 1 << 14  # directions; of sixteen thousand pairs of stems, one shares its direction


class WordVectors:
    """Needs no model and knows no synonyms."""

    name = "words"

    def vectors(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """One row of length 1 a sentence; zeros where there is no word that means something."""
        result = np.zeros((len(sentences), _WIDTH), dtype=np.float32)
        for row, sentence in zip(result, sentences, strict=True):
            for stem, count in Counter(stems(sentence)).items():
                row[crc32(stem.encode()) % _WIDTH] += log1p(count)
        lengths = np.linalg.norm(result, axis=1, keepdims=True)
        return np.asarray(result / np.maximum(lengths, 1e-12), dtype=np.float32)
