"""From what a question says to the queries it may mean, the likeliest first. Pure.

Where some words may mean two things, each way to take them is planned and checked against the model. What it cannot
answer drops out; what is left and close is for the person to choose from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product

from afield.provisioning.chat.assembling import Assembly, Choice, Scene
from afield.provisioning.chat.choosing import as_ratio
from afield.provisioning.chat.cues import Cue
from afield.provisioning.chat.draft import Draft, Options
from afield.provisioning.chat.matching import Meaning
from afield.provisioning.query import Query
from afield.provisioning.semantic.check import check
from afield.provisioning.semantic.errors import QueryError

_MOST_WAYS = 24


@dataclass(frozen=True, slots=True)
class Plan:
    """A query that may be meant. `score`: of the least sure name in it; `sure`: of the least sure measure or value."""

    query: Query
    score: float
    sure: float


def plans(draft: Draft, scene: Scene) -> tuple[Plan, ...]:
    """All queries that the model can answer. Raises QueryError, with the reason of the likeliest, if there is none."""
    found: dict[str, Plan] = {}
    problem: QueryError | None = None
    for choice in islice(_choices(draft), _MOST_WAYS):
        for assembly in _assemblies(draft, choice, scene):
            try:
                query = assembly.query()
                check(query, scene.model)
            except QueryError as error:
                problem = problem or error
                continue
            plan = Plan(query, _least(choice.all), _least((*choice.asked, *choice.conditions)))
            known = found.get(query.model_dump_json())
            if known is None or known.score < plan.score:
                found[query.model_dump_json()] = plan
    if not found:
        raise problem or QueryError("Nothing of this can be asked of the data.")
    return tuple(sorted(found.values(), key=lambda one: -one.score))


def _least(meanings: tuple[Meaning, ...]) -> float:
    return min((one.score for one in meanings), default=1.0)


def _choices(draft: Draft) -> Iterator[Choice]:
    slots: list[list[Options]] = [
        draft.measures, [draft.ordered_by] if draft.ordered_by else [], draft.per, draft.within, draft.breakdowns,
        draft.counted, [one.options for one in draft.bounds if one.options], [one.options for one in draft.conditions],
    ]  # fmt: skip
    for way in product(*(options for slot in slots for options in slot)):
        parts, rest = [], way
        for slot in slots:
            parts.append(rest[: len(slot)])
            rest = rest[len(slot) :]
        yield Choice(*parts)


def _assemblies(draft: Draft, choice: Choice, scene: Scene) -> Iterator[Assembly]:
    """`Percentage of late orders by store` is the late rate of each store, or each store's part of the late orders.

    Who is best at something may have most of it, or the best rate.
    """
    plain = Assembly(draft, choice, scene)
    ratio = as_ratio(draft, tuple(scene.model.measure(one.name) for one in choice.measures), scene.model)
    alone = not choice.breakdowns and not draft.grain
    rated = {Cue.PERCENT, Cue.GOOD, Cue.BAD} & draft.cues
    if ratio and (alone or rated):
        yield Assembly(draft, choice, scene, ratio)
    if ratio is None or not alone or Cue.SHARE not in draft.cues:
        yield plain
