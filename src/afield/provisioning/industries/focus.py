"""What a person wants to see, found among a model's measures and dimensions. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from afield.provisioning.brief import Brief
from afield.provisioning.datamodel import DataModel, Dimension, Measure
from afield.provisioning.industries.topics import Topics, overlap, stems
from afield.provisioning.reach import asked

ENOUGH = 0.5
_SLACK = 0.01  # what a longer name may cost
_HINT = 0.4  # what a description's word counts, beside a name's


@dataclass(frozen=True, slots=True)
class Hit:
    """A phrase, and what it most likely means. `score` is the share of its words found, 0 to 1."""

    phrase: str
    meant: Measure | Dimension | None
    score: float


def wishes(brief: Brief) -> tuple[str, ...]:
    """The phrases of the brief's focus that are not also to be avoided."""
    topics = Topics(brief.avoid_topics)
    return tuple(phrase for phrase in brief.special_focus if not topics.mentioned_in(phrase))


def hits(model: DataModel, phrases: Iterable[str]) -> tuple[Hit, ...]:
    """For each phrase the measure or dimension with most of its words; None where none has half of them."""
    return tuple(_hit(model, phrase) for phrase in phrases)


def _hit(model: DataModel, phrase: str) -> Hit:
    best = max(asked(model), key=lambda one: _score(phrase, one), default=None)
    score = _score(phrase, best) if best else 0.0
    return Hit(phrase, best, score) if score >= ENOUGH - _SLACK else Hit(phrase, None, 0.0)


def _score(phrase: str, one: Measure | Dimension) -> float:
    """The best of its names; of two equally good ones the shorter, which has less that was not asked for."""
    names = (one.label, one.name, *one.synonyms)
    best = max((overlap(phrase, name), -len(stems(name))) for name in names)
    return max(best[0] + best[1] / 1000, _HINT * overlap(phrase, f"{one.label} {one.description}"))
