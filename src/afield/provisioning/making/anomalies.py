"""Choosing the anomalies to plant: where there are rows enough that one can find them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from math import ceil

import numpy as np

from afield.provisioning.dataset import Anomaly, AnomalyKind
from afield.provisioning.making.ground import Expected, Ground
from afield.provisioning.making.popularity import share
from afield.provisioning.making.segments import Segment, segments
from afield.provisioning.making.values import Floats
from afield.provisioning.reach import facts

ENOUGH = 80
"""Rows that a window would usually have, for its anomaly to be planted."""
LONGEST_WEEKS = 4
_SHARES = (0.08, 0.6)
_RECENT, _APART = 70, 84  # days: before today, and between two, so that each has quiet weeks on both sides
_KINDS = (AnomalyKind.SPIKE, AnomalyKind.DROP, AnomalyKind.OUTAGE, AnomalyKind.SPIKE)
_FACTORS = {AnomalyKind.SPIKE: (2.6, 3.4), AnomalyKind.DROP: (0.2, 0.35), AnomalyKind.OUTAGE: (0.0, 0.0)}


def plan(ground: Ground, expected: Mapping[str, Expected], rng: np.random.Generator) -> tuple[Anomaly, ...]:
    """A spike and a drop of the largest fact, an outage of the next, and in larger models one more spike."""
    large = [name for name in facts(ground.model) if _daily(expected[name], ground) * 7 * LONGEST_WEEKS >= ENOUGH]
    large = large or [max(expected, key=lambda name: expected[name].rows)]
    places = [large[0], large[0], large[1 % len(large)], *large[2:3]]
    taken: set[tuple[str, str]] = set()
    found = []
    for number, (fact, kind) in enumerate(zip(places, _KINDS, strict=False)):
        chosen = _segment(ground, fact, expected[fact], taken, rng)
        start = ground.days.today - timedelta(_RECENT + _APART * number + int(rng.integers(0, 14)))
        start -= timedelta(start.weekday())
        part = share(_weights(expected[fact], chosen, ground), chosen.mask) if chosen else 1.0
        length = _weeks(_daily(expected[fact], ground) * part)
        found.append(_anomaly(kind, fact, chosen, (start, start + timedelta(weeks=length)), rng))
    return tuple(found)


def _daily(expected: Expected, ground: Ground) -> float:
    return expected.rows / len(ground.days.days)


def _weeks(daily: float) -> int:
    return max(1, min(LONGEST_WEEKS, ceil(ENOUGH / (daily * 7)))) if daily else LONGEST_WEEKS


def _weights(expected: Expected, chosen: Segment, ground: Ground) -> Floats:
    """As they are in the middle of the data."""
    numbers = ground.days.days
    middle = int(numbers[len(numbers) // 2])
    return expected.popular[chosen.reference.column].at(middle, middle + 1, int(numbers[0]))


def _segment(
    ground: Ground, fact: str, expected: Expected, taken: set[tuple[str, str]], rng: np.random.Generator
) -> Segment | None:
    """One that has rows enough, is not nearly everything, and has no anomaly yet; None: the fact as a whole."""
    daily = _daily(expected, ground)
    fit = []
    for one in segments(ground.model, fact, ground.tables):
        part = share(_weights(expected, one, ground), one.mask)
        often = daily * part * 7 * LONGEST_WEEKS >= ENOUGH
        if often and _SHARES[0] <= part <= _SHARES[1] and (fact, one.dimension.name) not in taken:
            fit.append(one)
    if not fit:
        return None
    chosen = fit[int(rng.integers(len(fit)))]
    taken.add((fact, chosen.dimension.name))
    return chosen


def _anomaly(
    kind: AnomalyKind, fact: str, chosen: Segment | None, window: tuple[date, date], rng: np.random.Generator
) -> Anomaly:
    low, high = _FACTORS[kind]
    return Anomaly(
        kind=kind,
        fact=fact,
        start=window[0],
        end=window[1],
        factor=round(low + (high - low) * float(rng.random()), 2),
        dimension=chosen.dimension.name if chosen else None,
        value=chosen.value if chosen else None,
    )
