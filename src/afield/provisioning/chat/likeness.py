"""What words are like in meaning, by sentence vectors: it proposes measures and dimensions, and people decide."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from afield.provisioning.chat.lexicon import Kind, names_of
from afield.provisioning.chat.matching import Meaning
from afield.provisioning.datamodel import DataModel, Dimension, Measure
from afield.provisioning.embedding.embedder import Embedder

_MOST = 3
_ENOUGH = 0.4  # a cosine; below it, everything is like everything


class Likeness:
    """The vectors of all names of a model. Making it takes a second for a hundred names; each use some milliseconds."""

    def __init__(self, embedder: Embedder, model: DataModel) -> None:
        self._embedder = embedder
        self._names = [*_named(model.measures, Kind.MEASURE), *_named(_spoken(model), Kind.DIMENSION)]
        self._vectors = embedder.vectors([name for _, _, name in self._names])

    def near(self, phrase: str, kind: Kind) -> tuple[Meaning, ...]:
        """What the phrase is most like; nothing where that is not much. Scores are cosines."""
        scores = self._vectors @ self._embedder.vectors([phrase])[0]
        best: dict[str, float] = {}
        for place in np.argsort(-scores):
            found, name, _ = self._names[int(place)]
            if found is kind and scores[place] >= _ENOUGH:
                best.setdefault(name, float(scores[place]))
        return tuple(Meaning(kind, name, score) for name, score in list(best.items())[:_MOST])


def _named(ones: Sequence[Measure | Dimension], kind: Kind) -> list[tuple[Kind, str, str]]:
    return [(kind, one.name, name.replace("_", " ")) for one in ones for name in names_of(one)]


def _spoken(model: DataModel) -> list[Dimension]:
    """Those that people name; times are asked for in other words."""
    return [one for one in model.dimensions if not one.time]
