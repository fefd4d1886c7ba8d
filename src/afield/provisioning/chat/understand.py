"""Understanding a question: the typed query it means, or what to ask back, or that it lies outside. Pure.

A measure is never guessed: what fits badly is asked about, and what fits two things equally well. Words that nothing in
the data explains are said to be so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Protocol

from afield.provisioning.brief import Frozen
from afield.provisioning.chat.assembling import Scene
from afield.provisioning.chat.cues import Cue
from afield.provisioning.chat.draft import Draft, Unknown
from afield.provisioning.chat.lexicon import Kind, Lexicon
from afield.provisioning.chat.matching import Meaning
from afield.provisioning.chat.outcomes import Ask, Option, Outside, Reading, Understood
from afield.provisioning.chat.planning import Plan, plans
from afield.provisioning.chat.reading import read
from afield.provisioning.chat.saying import listed, said, understood
from afield.provisioning.chat.spans import CLOSE, cut
from afield.provisioning.chat.suggesting import (
    options,
    reasons,
    some_measures,
    starters,
    with_dimensions,
)
from afield.provisioning.chat.words import plain
from afield.provisioning.datamodel import DataModel
from afield.provisioning.query import Query
from afield.provisioning.semantic.errors import QueryError

SURE = 0.72
"""A measure or a value that fits less well is asked about."""
LONGEST = 2000  # letters of a question
_MOST = 5  # options of a question back
_TURNS = frozenset({Cue.AGAIN, Cue.ALSO, Cue.AND})
_NEVER = frozenset({Cue.WHY, Cue.NEITHER, Cue.HELP, Cue.FRESH})
_MEANS = frozenset(
    {
        Cue.ALL,
        Cue.ASCENDING,
        Cue.DESCENDING,
        Cue.UNFILTERED,
        Cue.TOTAL,
        Cue.OVER_TIME,
        Cue.CUMULATIVE,
        Cue.SHARE,
        Cue.GROWTH,
        Cue.DECLINE,
        Cue.TOP,
        Cue.BOTTOM,
    }
)
"""Cues that say something by themselves about the question before."""
_FORGOTTEN = "What was said before is forgotten. You can ask, for example:"
_NOT_DONE = (
    "This chat adds up, compares and ranks what is in the data. It does not forecast, look for causes or compute "
    "statistics beyond sums, counts, averages and rates, and it knows no weekdays or hours."
)
_PICK = re.compile(
    r"(?:the |option |number |no\.? ?)*(?P<n>[1-9]|first|second|third|fourth|fifth|last)(?: one| option)?[.!)]?"
)
_PLACES = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5}
_YES = frozenset({"yes", "yes please", "y", "ok", "okay", "sure", "exactly", "correct", "right", "that one"})


class State(Frozen):
    """What is remembered: the last query, and what was offered with the last answer."""

    query: Query | None = None
    offered: tuple[Option, ...] = ()
    asked: bool = False  # the offers were a question back


class Alike(Protocol):
    """Finds what words that nothing explains are like."""

    def near(self, phrase: str, kind: Kind) -> tuple[Meaning, ...]:
        """The likest measures or dimensions, or none."""
        ...


@dataclass(frozen=True, slots=True)
class Known:
    """What questions are about. `sizes`: how many values dimensions have, where that is known."""

    lexicon: Lexicon
    today: date
    sizes: Mapping[str, int]
    alike: Alike | None = None

    @property
    def model(self) -> DataModel:
        """The data model."""
        return self.lexicon.model


def understand(question: str, state: State, known: Known) -> Reading:
    """What a question means after what was said before."""
    text = " ".join(question.split())[:LONGEST]
    picked = _picked(text, state)
    if picked:
        return _meant(picked.query, known.model)
    draft = read(cut(text, known.lexicon, known.today), known.model)
    if not draft.measures and state.query is None:  # `list all stores`
        draft.breakdowns += draft.everything
    scene = Scene(model=known.model, today=known.today, sizes=known.sizes, base=_base(draft, state))
    proposed = _proposed(text, draft, scene, known.alike) if known.alike else None
    return proposed or _refused(draft, scene) or _unexplained(draft, scene) or _planned(draft, scene)


# --------------------------------------------------------------------------------------------- what was said before


def _picked(text: str, state: State) -> Option | None:
    """One of the offers, by its number or in its words."""
    low = plain(text).strip(" .?!")
    for option in state.offered:
        if plain(option.wording) == low:
            return option
    found = _PICK.fullmatch(low)
    if not state.offered:
        return None
    if low in _YES and state.asked:
        return state.offered[0]
    if found is None:
        return None
    place = len(state.offered) if found["n"] == "last" else int(_PLACES.get(found["n"], 0) or found["n"])
    return state.offered[place - 1] if place <= len(state.offered) else None


def _base(draft: Draft, state: State) -> Query | None:
    """The query that this one goes on from; after a question back, the first that was offered."""
    if Cue.FRESH in draft.cues:
        return None
    complete = bool(draft.measures or draft.counted or draft.per or (draft.bounds and Cue.AGAIN not in draft.cues))
    answers = (
        state.asked and len(draft.measures) == 1 and not draft.breakdowns and not draft.conditions and not draft.grain
    )
    if complete and not answers and draft.first not in _TURNS:
        return None
    return state.offered[0].query if state.asked and state.offered else state.query


# ------------------------------------------------------------------------------------------------------- proposing


def _proposed(text: str, draft: Draft, scene: Scene, alike: Alike) -> Ask | None:
    """What the words that nothing explains may stand for; only ever as a question back."""
    words = [one for one in draft.unknown if _matters(one)]
    if not words or _NEVER & draft.cues:
        return None
    guessed = replace(draft, unknown=[], measures=[*draft.measures], breakdowns=[*draft.breakdowns])
    if words[0].role in {Cue.BY, Cue.EACH, Cue.PER}:
        guess = alike.near(words[0].text, Kind.DIMENSION)
        guessed.breakdowns += [guess]
    elif not _has_measure(draft, scene):
        guess = alike.near(text, Kind.MEASURE)
        guessed.measures += [guess]
    else:
        return None
    found = _without(guessed, scene) if guess else ()
    if not found:
        return None
    question = f"“{words[0].text}” is not known here. Is it one of these that you mean?"
    return Ask(question=question, options=_offers(found, scene))


# -------------------------------------------------------------------------------------------------------- refusing


def _refused(draft: Draft, scene: Scene) -> Outside | None:
    """What no data of this kind can tell, and what is no question about it."""
    if Cue.WHY in draft.cues:
        return _why(draft, scene)
    if draft.nested:
        return _within_each(draft, scene)
    offers = starters(scene.model, scene.today)
    if Cue.FRESH in draft.cues and draft.empty:
        return Outside(reason=_FORGOTTEN, suggestions=offers, fresh=True)
    if Cue.NEITHER in draft.cues:
        return Outside(reason=_NOT_DONE, suggestions=offers)
    if Cue.POINTING in draft.cues:
        return Outside(reason="Which one that is has to be said by its name.", suggestions=offers)
    talks = not draft.empty or (scene.base and _MEANS & draft.cues)
    return None if talks else Outside(reason=_about(draft, scene.model), suggestions=offers)


def _within_each(draft: Draft, scene: Scene) -> Outside:
    bare = replace(draft, limit=None, descending=None, cues=draft.cues - {Cue.TOP, Cue.BOTTOM})
    offers = options((one.query for one in _without(bare, scene)), scene.model)
    return Outside(reason="A ranking within each of something cannot be computed. What can:", suggestions=offers)


def _about(draft: Draft, model: DataModel) -> str:
    """What there is to ask about."""
    words = [f"“{one.text}”" for one in draft.unknown if _matters(one)]
    lead = f"Nothing in the data is known as {listed(words)}. " if words and Cue.HELP not in draft.cues else ""
    measures = [one.label.lower() for one in some_measures(model)]
    by = [one.label.lower() for one in model.dimensions if not one.time][:6]
    return f"{lead}You can ask about {listed(measures)} and more; by {listed(by)} and more; and by time."


def _why(draft: Draft, scene: Scene) -> Outside:
    reason = "The data shows what happened, not why."
    names = [one[0].name for one in draft.measures] or (list(scene.base.measures) if scene.base else [])
    if not names:
        return Outside(reason=reason, suggestions=starters(scene.model, scene.today))
    period = draft.periods[0].period if draft.periods else (scene.base.period if scene.base else None)
    measure = scene.model.measure(names[0])
    suggestions = reasons(measure, period, Cue.GROWTH not in draft.cues, scene.model, scene.today)
    return Outside(reason=f"{reason} It can show where and when it happened:", suggestions=suggestions)


def _matters(word: Unknown) -> bool:
    return len(word.text) > 1 or word.text.isdigit()


def _unexplained(draft: Draft, scene: Scene) -> Outside | None:
    """Words that nothing explains are not passed over in silence."""
    words = [one for one in draft.unknown if _matters(one)]
    if not words:
        return None
    text, role = f"“{words[0].text}”", words[0].role
    if role in {Cue.BY, Cue.EACH}:
        reason = f"The data cannot be broken down by {text}: nothing in it is called so."
    elif role is Cue.NOT:
        reason = f"{text} cannot be left out: no value that is known is called so."
    elif role is Cue.PLACE:
        reason = f"The data has no {text} that is known."
    else:
        mean = "mean" if len(words) > 1 else "means"
        reason = f"It is not clear what {listed([f'“{one.text}”' for one in words])} {mean} here."
    found = _without(draft, scene)
    dimensions = [one.name for one in scene.model.dimensions]
    offers = with_dimensions(dimensions, found[0].query, scene.model) if found and role in {Cue.BY, Cue.EACH} else ()
    offers = offers or options((one.query for one in found), scene.model) or starters(scene.model, scene.today)
    return Outside(reason=f"{reason} What can be answered:", suggestions=offers)


def _without(draft: Draft, scene: Scene) -> tuple[Plan, ...]:
    try:
        return plans(draft, scene) if _has_measure(draft, scene) else ()
    except QueryError:
        return ()


def _has_measure(draft: Draft, scene: Scene) -> bool:
    named = draft.measures or draft.counted or draft.ordered_by or any(one.options for one in draft.bounds)
    return bool(named or scene.base)


# ------------------------------------------------------------------------------------------------------- answering


def _planned(draft: Draft, scene: Scene) -> Reading:
    if not _has_measure(draft, scene):
        return _which_measure(draft, scene)
    try:
        found = plans(draft, scene)
    except QueryError as error:
        return _cannot(error, draft, scene)
    best = found[0]
    close = [one for one in found if one.score > best.score - CLOSE]
    if len(close) > 1:
        return Ask(question="That can be read in more than one way. Which do you mean?", options=_offers(close, scene))
    if best.sure < SURE:
        return Ask(question="Is this what you mean?", options=_offers(found, scene))
    return _meant(best.query, scene.model, draft, best.score)


def _offers(found: Iterable[Plan], scene: Scene) -> tuple[Option, ...]:
    return options((one.query for one in found), scene.model, _MOST)


def _which_measure(draft: Draft, scene: Scene) -> Reading:
    """All is clear but what to count."""
    found = []
    for measure in some_measures(scene.model, 12):
        meaning = Meaning(Kind.MEASURE, measure.name, 1.0)
        found += [one.query for one in _without(replace(draft, measures=[(meaning,)]), scene)][:1]
    offers = options(found, scene.model, _MOST)
    if not offers:
        reason = f"No figure goes with all of that. {_about(draft, scene.model)}"
        return Outside(reason=reason, suggestions=starters(scene.model, scene.today))
    return Ask(question="Which figure do you want to see?", options=offers)


def _cannot(error: QueryError, draft: Draft, scene: Scene) -> Reading:
    """Why not, and what can be asked with the measure or the dimensions that were named."""
    bare = Draft(measures=draft.measures or [one.options for one in draft.bounds if one.options], periods=draft.periods)
    found = _without(bare, replace(scene, base=None)) or _without(bare, scene)
    offers: tuple[Option, ...] = ()
    if found:
        offers = with_dimensions(error.options, found[0].query, scene.model)
    named = {one.name for one in scene.model.measures} & {*error.options}
    offers = offers or options((Query(measures=(name,)) for name in error.options if name in named), scene.model)
    offers = offers or options((one.query for one in found), scene.model) or starters(scene.model, scene.today)
    return Outside(reason=f"{error.message} {error.hint}".strip(), suggestions=offers)


def _meant(query: Query, model: DataModel, draft: Draft | None = None, score: float = 1.0) -> Understood:
    notes = tuple(f"“{written}” was read as “{taken}”." for written, taken in (draft.misread if draft else ()))
    return Understood(
        query=query, wording=said(query, model), shown=understood(query, model), notes=notes, confidence=min(1.0, score)
    )
