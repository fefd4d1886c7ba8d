"""The chat's own words, which name no data: what they ask for, which of them say nothing, which mean the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import yaml
from pydantic import Field

from afield.provisioning.brief import Frozen
from afield.provisioning.chat.words import tokens


class Cue(StrEnum):
    """What a word or phrase asks for."""

    BY = "by"
    PER = "per"
    WHICH = "which"
    WHEN = "when"
    TOP = "top"
    BOTTOM = "bottom"
    FAST = "fast"  # most of a growth, and least of a duration
    SLOW = "slow"
    GOOD = "good"  # what is best depends on the measure
    BAD = "bad"
    WHERE = "where"
    POINTING = "pointing"  # at a row of the answer before
    SHARE = "share"
    PERCENT = "percent"  # a share, or a rate
    GROWTH = "growth"
    DECLINE = "decline"
    CUMULATIVE = "cumulative"
    COMPARE = "compare"
    MORE = "more"  # a comparison, if there are two things to compare
    AGAINST = "against"  # what follows is what is compared with
    EACH = "each"
    NOT = "not"
    ABOVE = "above"
    BELOW = "below"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    OR_MORE = "or_more"  # after the number
    OR_LESS = "or_less"
    HOW_MANY = "how_many"
    AVERAGE = "average"
    TOTAL = "total"
    OVER_TIME = "over_time"
    PLACE = "place"  # in, for, from: what follows is a filter
    AND = "and"
    WHY = "why"
    ALSO = "also"
    AGAIN = "again"  # what about, and only, instead: it goes on from the question before
    ALL = "all"
    SORT = "sort"
    ASCENDING = "ascending"
    DESCENDING = "descending"
    UNFILTERED = "unfiltered"
    FRESH = "fresh"  # forget what was said
    HELP = "help"
    NEITHER = "neither"  # asked for, and not to be had: median, forecast, ...


class Vocabulary(Frozen):
    """What `vocabulary.yaml` holds."""

    cues: dict[Cue, tuple[str, ...]]
    fillers: frozenset[str]
    kin: tuple[tuple[str, ...], ...]
    burdens: tuple[str, ...] = Field(description="Words of measures of which less is better.")
    durations: tuple[str, ...] = Field(description="Words of measures of how long something takes.")
    hints: dict[str, tuple[str, ...]] = Field(description="Words, with the words of measures that they may ask for.")


@cache
def vocabulary() -> Vocabulary:
    """Read once."""
    text = (files(__package__) / "vocabulary.yaml").read_text("utf-8")
    return Vocabulary.model_validate(yaml.safe_load(text))


@cache
def cue_phrases() -> Mapping[tuple[str, ...], tuple[Cue, ...]]:
    """Phrases, word by word, and what they ask for."""
    found: dict[tuple[str, ...], tuple[Cue, ...]] = {}
    for cue, phrases in vocabulary().cues.items():
        for phrase in phrases:
            key = tuple(token.text for token in tokens(phrase))
            found[key] = (*found.get(key, ()), cue)
    return MappingProxyType(found)


@cache
def longest_phrase() -> int:
    """How many words the longest has."""
    return max(map(len, cue_phrases()))


@cache
def everyday_words() -> frozenset[str]:
    """Words that ask for something, or say nothing, by themselves."""
    return vocabulary().fillers | {phrase[0] for phrase in cue_phrases() if len(phrase) == 1}


def own_words() -> Iterator[str]:
    """Every word that stands in a cue, or says nothing; they are no misspellings of something else."""
    for phrase in cue_phrases():
        yield from phrase
    yield from vocabulary().fillers
