"""Which industry a company looks like: its own sentences beside the prototype sentences of each. Pure but slow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from afield.provisioning.company import IndustryGuess
from afield.provisioning.embedding.embedder import Embedder, likeness
from afield.provisioning.industries.topics import overlap

_BEST = 3  # prototypes that count: the average of the best three errs less often than the best alone, or all
_LIKE_HINT = {"words": 0.2}
_LIKE_HINT_MODEL = 0.35
_CLOSE = 0.03


class Industry(Protocol):
    """What a template is to the one who matches."""

    @property
    def name(self) -> str: ...

    @property
    def label(self) -> str: ...

    @property
    def prototypes(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Judged:
    """The guess, why, and what is doubtful about it."""

    guess: IndustryGuess
    reason: str
    doubts: tuple[str, ...] = ()


def judge(texts: Sequence[str], hint: str, industries: Sequence[Industry], embedder: Embedder) -> Judged | None:
    """The industry of the hint if it is one of them, else the one most like the texts; None without either."""
    hinted = of_hint(hint, industries, embedder) if hint else None
    ranked = rank(texts, industries, embedder) if texts else []
    if hinted is not None:
        score = next((score for name, score in ranked if name == hinted), 1.0)
        other, other_score = next(((name, score) for name, score in ranked if name != hinted), ("", 0.0))
        guess = IndustryGuess(industry=hinted, score=score, runner_up=other, runner_up_score=other_score, hinted=True)
        return Judged(guess, f"The industry is {hinted} because the brief says {hint!r}.")
    if not ranked:
        return None
    (first, score), (second, second_score) = ranked[0], ranked[1] if len(ranked) > 1 else ("", 0.0)
    guess = IndustryGuess(industry=first, score=score, runner_up=second, runner_up_score=second_score)
    doubts = [f"The hint {hint!r} is none of the known industries."] if hint else []
    if score - second_score < _CLOSE:
        doubts.append(f"The industry is a close call between {first} and {second}; a hint decides it.")
    reason = f"The site is most like {first} ({score:.2f}), then {second} ({second_score:.2f}), by {embedder.name}."
    return Judged(guess, reason, tuple(doubts))


def rank(texts: Sequence[str], industries: Sequence[Industry], embedder: Embedder) -> list[tuple[str, float]]:
    """All industries with their scores, the most likely first. A score is the mean over the texts, -1 to 1."""
    prototypes = [sentence for one in industries for sentence in one.prototypes]
    owners = np.array([one.name for one in industries for _ in one.prototypes])
    alike = likeness(embedder, texts, prototypes)
    scores = []
    for one in industries:
        best = np.sort(alike[:, owners == one.name], axis=1)[:, -_BEST:]
        scores.append((one.name, round(float(best.mean()), 4)))
    return sorted(scores, key=lambda pair: -pair[1])


def of_hint(hint: str, industries: Sequence[Industry], embedder: Embedder) -> str | None:
    """The industry a person's words mean: by name, by label, or by likeness that is beyond doubt."""
    for one in industries:
        if hint.strip().casefold() in {one.name.casefold(), one.label.casefold()}:
            return one.name
    named = [one.name for one in industries if overlap(one.label, hint) == 1.0 or overlap(one.name, hint) == 1.0]
    if len(named) == 1:
        return named[0]
    ranked = rank([hint], industries, embedder)
    least = _LIKE_HINT.get(embedder.name, _LIKE_HINT_MODEL)
    return ranked[0][0] if ranked and ranked[0][1] >= least else None
