"""What words can mean in one model: its measures, dimensions and values under all their names. Pure.

A model's own names count fully. Words that commonly stand for them count less, so that they propose rather than decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, cached_property
from types import MappingProxyType

from afield.provisioning.chat.cues import cue_phrases, everyday_words, own_words, vocabulary
from afield.provisioning.chat.words import stem, stems, tokens
from afield.provisioning.datamodel import ColumnType, DataModel, Dimension, Measure
from afield.provisioning.recipe import Named

OWN, KIN, LOOSE = 1.0, 0.85, 0.7
"""How sure a name is: the model's own; a word of the same meaning; a word that hints at it."""


class Kind(StrEnum):
    """What is named."""

    MEASURE = "measure"
    DIMENSION = "dimension"
    VALUE = "value"


@dataclass(frozen=True, slots=True)
class Term:
    """One name of something. `name`: the measure, or the dimension; `value`: of values, as the data has it."""

    kind: Kind
    name: str
    phrase: tuple[str, ...]
    strength: float = OWN
    value: str | bool | None = None


@cache
def _kin_words() -> Mapping[str, tuple[str, ...]]:
    """Stems, and those of the words of the same meaning."""
    found: dict[str, tuple[str, ...]] = {}
    for group in vocabulary().kin:
        for word in map(stem, group):
            found[word] = (*found.get(word, ()), *map(stem, group))
    return found


@cache
def _hint_words() -> Mapping[str, frozenset[str]]:
    return {stem(word): frozenset(map(stem, nouns)) for word, nouns in vocabulary().hints.items()}


@dataclass(frozen=True)
class Lexicon:
    """All terms of a model, found by the stems they contain."""

    model: DataModel
    terms: tuple[Term, ...]

    @cached_property
    def by_stem(self) -> Mapping[str, tuple[Term, ...]]:
        """The terms that have a stem in their phrase."""
        found: dict[str, dict[Term, None]] = {}
        for term in self.terms:
            for word in term.phrase:
                found.setdefault(word, {})[term] = None
        return MappingProxyType({word: tuple(terms) for word, terms in found.items()})

    @cached_property
    def plain_words(self) -> frozenset[str]:
        """Words that everybody uses; they are no misspellings."""
        return frozenset(own_words()) | {word for group in vocabulary().kin for word in group}

    @cached_property
    def everyday(self) -> frozenset[str]:
        """Words that are not the beginning of somebody's name when they stand alone."""
        return everyday_words() | {word for group in vocabulary().kin for word in group}

    @cached_property
    def known(self) -> Mapping[str, str]:
        """Words that mean something here, with their stems: what misspelt ones may be taken for."""
        cues = {word for phrase in cue_phrases() for word in phrase}
        return MappingProxyType({word: stem(word) for word in (*cues, *_words_of(self.model, self.terms))})


def lexicon_of(model: DataModel, values: Mapping[str, Sequence[str]]) -> Lexicon:
    """The names of everything in a model. `values`: of dimensions, as the data has them."""
    named = [*_named(model.measures, Kind.MEASURE), *_named(model.dimensions, Kind.DIMENSION)]
    every = [*named, *_values(model, values)]
    taken = {term.phrase for term in every}
    kin = [term for term in (*_kin(named), *_flags(model)) if term.phrase not in taken]
    loose = [term for term in _loose(model.measures) if term.phrase not in taken]
    return Lexicon(model, tuple(dict.fromkeys([*every, *kin, *loose])))


def names_of(one: Measure | Dimension) -> tuple[str, ...]:
    """What something is called."""
    return (one.label, one.name, *one.synonyms)


def _named(ones: Iterable[Measure | Dimension], kind: Kind) -> Iterator[Term]:
    for one in ones:
        yield from (Term(kind, one.name, phrase) for phrase in dict.fromkeys(map(stems, names_of(one))) if phrase)


def _values(model: DataModel, values: Mapping[str, Sequence[str]]) -> Iterator[Term]:
    for dimension in model.dimensions:
        column = model.table(dimension.table).column(dimension.column)
        if column.type is ColumnType.BOOLEAN:
            yield from _yes_and_no(dimension)
        if column.type is not ColumnType.TEXT:
            continue
        listed = () if dimension.name in values and isinstance(column.recipe, Named) else column.values
        for value in dict.fromkeys((*listed, *values.get(dimension.name, ()))):
            for phrase in dict.fromkeys((stems(value), _joined(value))):
                if phrase:
                    yield Term(Kind.VALUE, dimension.name, phrase, OWN, value)


def _joined(value: str) -> tuple[str, ...]:
    """`E-mail` is also written `email`."""
    return stems(value.replace("-", "")) if "-" in value and value[0].isalpha() else ()


def _yes_and_no(dimension: Dimension) -> Iterator[Term]:
    phrase = stems(dimension.label)
    yield Term(Kind.VALUE, dimension.name, ("not", *phrase), OWN, value=False)


def _kin(terms: Iterable[Term]) -> Iterator[Term]:
    """Each name with one of its words replaced by one of the same meaning."""
    for term in terms:
        for place, word in enumerate(term.phrase):
            for other in _kin_words().get(word, ()):
                phrase = (*term.phrase[:place], other, *term.phrase[place + 1 :])
                yield Term(term.kind, term.name, phrase, KIN)


def _flags(model: DataModel) -> Iterator[Term]:
    """`Became customers`: what is counted only where a column says yes is also called like the column."""
    for measure in model.measures:
        if measure.only and measure.only.values == (True,):
            phrase = stems(measure.only.column.replace("_", " "))
            if len(phrase) > 1:
                yield Term(Kind.MEASURE, measure.name, phrase, KIN)


def _loose(measures: Iterable[Measure]) -> Iterator[Term]:
    """Verbs and the like, for the measures that they may ask for."""
    for measure in measures:
        own = {phrase[0] for phrase in map(stems, names_of(measure)) if len(phrase) == 1}
        own |= {
            phrase[0] for phrase in map(stems, names_of(measure)) if len(phrase) == 2 and phrase[1] in {"sold", "sell"}
        }
        for word, nouns in _hint_words().items():
            if own & nouns:
                yield Term(Kind.MEASURE, measure.name, (word,), LOOSE)


def _words_of(model: DataModel, terms: Iterable[Term]) -> Iterator[str]:
    """As they are written; of kin only the stems are known, which is near enough to a word."""
    everything: list[Measure | Dimension] = [*model.measures, *model.dimensions]
    for one in everything:
        for name in names_of(one):
            yield from (token.text for token in tokens(name))
    for term in terms:
        if isinstance(term.value, str):
            yield from (token.text for token in tokens(term.value))
    own = {word for term in terms for word in term.phrase}
    for group in vocabulary().kin:
        yield from (word for word in group if stem(word) in own)
    yield from vocabulary().hints
