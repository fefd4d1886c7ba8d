"""Reading a question that was cut into pieces, from left to right, into a draft. Pure.

The word before a name says what the name is there for: `by store`, `in store X`, `not store X`, `how many stores`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from afield.provisioning.chat.counts import count, counted
from afield.provisioning.chat.cues import Cue, vocabulary
from afield.provisioning.chat.draft import Bound, Condition, Draft, Options, Unknown
from afield.provisioning.chat.lexicon import Kind, names_of
from afield.provisioning.chat.spans import CLOSE, Cut, Span, apart, close
from afield.provisioning.chat.time import TimeKind
from afield.provisioning.chat.words import plain
from afield.provisioning.datamodel import DataModel
from afield.provisioning.query import Operator
from afield.provisioning.semantic.paths import path_to

_MOST = 1000  # of a limit
_VAGUE = 0.72
"""Half of a dimension's name is enough after `by`, and not elsewhere."""
_ROLES = (
    Cue.NOT, Cue.HOW_MANY, Cue.SORT, Cue.PER, Cue.BY, Cue.EACH, Cue.WHICH, Cue.TOP, Cue.BOTTOM, Cue.SHARE, Cue.ALL,
    Cue.AGAINST, Cue.COMPARE, Cue.GROWTH, Cue.DECLINE, Cue.PLACE,
)  # fmt: skip
_BROKEN_DOWN = frozenset({Cue.BY, Cue.PER, Cue.EACH, Cue.WHICH, Cue.TOP, Cue.BOTTOM, Cue.SORT})
_OPERATORS = {
    Cue.ABOVE: Operator.ABOVE,
    Cue.BELOW: Operator.BELOW,
    Cue.AT_LEAST: Operator.AT_LEAST,
    Cue.AT_MOST: Operator.AT_MOST,
    Cue.OR_MORE: Operator.AT_LEAST,
    Cue.OR_LESS: Operator.AT_MOST,
}
_KEPT = frozenset(
    {Cue.NOT, Cue.HOW_MANY, Cue.SORT, Cue.TOP, Cue.BOTTOM, Cue.WHICH, Cue.EACH, Cue.BY, Cue.PER, Cue.AGAINST}
)
"""Roles that a little word after them does not change: `not in London`, `top of`."""
_LISTED = _BROKEN_DOWN | {Cue.NOT}
_BY_ITSELF = frozenset({"break", "split", "drill"})
_EQUALS = frozenset({"is", "=", "equals", "was"})


def read(question: Cut, model: DataModel) -> Draft:
    """What the pieces say."""
    reader = Reader(question, model)
    for place in range(len(question.spans)):
        reader.take(place)
    reader.finish()
    reader.draft.misread = question.misread
    return reader.draft


@dataclass(slots=True)
class Reader:
    """Where one is in the question, and what has been said so far."""

    question: Cut
    model: DataModel
    draft: Draft = field(default_factory=Draft)
    role: Cue | None = None
    before: Cue | None = None  # the role of the last name; `and` takes it up again
    subject: Options = ()  # the dimension that the question begins with
    bounded: Options = ()  # a measure that is only compared with a number
    counted_names: list[tuple[str, int]] = field(default_factory=list)  # numbers before a dimension
    joined: bool = False  # by `and` to the name before
    more: list[str] = field(default_factory=list)  # words that set things side by side
    verbs: list[Options] = field(default_factory=list)  # measures that are only hinted at
    broken: int | None = None  # the place of a `by` that nothing has followed yet
    used: set[int] = field(default_factory=set)

    def take(self, place: int) -> None:
        """Read one span."""
        span = self.question.spans[place]
        if place in self.used:
            return
        if span.mention:
            self._time(span)
        elif span.meanings:
            self._name(place, span)
        elif span.number is not None:
            self._number(place, span)
        elif span.cues:
            self._cue(place, span)
        elif span.unknown:
            self.draft.unknown.append(Unknown(self.question.said(span), self.role))

    def finish(self) -> None:
        """`Customers by segment`, without a measure, counts customers; `the 4 stores with most` are a limit."""
        draft = self.draft
        if draft.descending is not None and draft.limit is None and self.counted_names:
            said, draft.limit = self.counted_names[0]
            draft.unknown = [one for one in draft.unknown if one.text != said]
        if self.broken is not None:
            draft.unknown.append(Unknown(self._said_after(self.broken), Cue.BY))
        count(draft, self.model)
        if any(options not in self.verbs for options in draft.measures):
            draft.measures = [options for options in draft.measures if options not in self.verbs]
        if self.more:
            self._more()
        counts = self.subject and len(draft.breakdowns) > 1 and not draft.measures and not draft.ordered_by
        if counts and not draft.bounds and draft.descending is None:
            draft.counted.append(counted(self.subject, self.model))
            draft.breakdowns.remove(self.subject)

    def _said_after(self, place: int) -> str:
        """The words after a `by` that say nothing, or itself."""
        spans = self.question.spans
        after = place + 1 if place + 1 < len(spans) and not spans[place + 1].cues else place
        return self.question.said(spans[after])

    def _more(self) -> None:
        """`More` sets things side by side that are named: two values, two times, or one time after the other."""
        draft = self.draft
        names = [{one.name for one in condition.options} for condition in draft.conditions]
        if any(one & other for place, one in enumerate(names) for other in names[:place]):
            draft.cues.add(Cue.COMPARE)
        elif not (Cue.COMPARE in draft.cues or draft.grain or len(draft.periods) > 1):
            draft.unknown += [Unknown(one, None) for one in self.more]

    # ------------------------------------------------------------------------------------------ cues and numbers

    def _cue(self, place: int, span: Span) -> None:
        self.draft.cues |= {*span.cues} | ({Cue.COMPARE} if Cue.AGAINST in span.cues else set())
        if self.draft.first is None:
            self.draft.first = span.cues[0]
            if Cue.WHERE in span.cues and not self.draft.measures:  # `where do they come from?`
                self.draft.unknown.append(Unknown(self.question.said(span), None))
        if {Cue.TOP, Cue.BOTTOM, Cue.ASCENDING, Cue.DESCENDING} & {*span.cues}:
            self.draft.descending = bool({Cue.TOP, Cue.DESCENDING} & {*span.cues})
        if {Cue.TOP, Cue.BOTTOM, Cue.WHICH} & {*span.cues}:
            self._limit(place, span)
        if _OPERATORS.keys() & {*span.cues} and self._compared(place, span):
            return
        if Cue.MORE in span.cues or (_OPERATORS.keys() & {*span.cues} and "than" in self.question.said(span)):
            self.more.append(self.question.said(span))
        if Cue.AND in span.cues:
            self.role = self.role or (self.before if self.before is not Cue.PLACE else None)
            self.joined = True
            return
        role = next((role for role in _ROLES if role in span.cues), None)
        if role and not (role is Cue.PLACE and self.role in _KEPT):
            self.role = role
            self.broken = place if role in {Cue.BY, Cue.PER} else self.broken
        if Cue.ALSO in span.cues and self._first_word(span) in _BY_ITSELF:
            self.role = Cue.BY

    def _first_word(self, span: Span) -> str:
        return self.question.words[span.start].text

    def _limit(self, place: int, span: Span) -> None:
        """`top 5`, `5 best`, `which 5`; and `top` alone is ten."""
        after = [place + 1] if place + 1 < len(self.question.spans) else []
        before = [place - 1] if place and Cue.WHICH not in span.cues else []
        for beside in (*after, *before):
            number = self.question.spans[beside].number
            if number and number == int(number) and 1 <= number <= _MOST and beside not in self.used:
                self.used.add(beside)
                self._forget_number(beside)
                self.draft.limit = int(number)
                return
        if plain(self.question.said(span)) in {"top", "bottom"}:
            self.draft.limit = self.draft.limit or 10

    def _forget_number(self, place: int) -> None:
        said = self.question.said(self.question.spans[place])
        self.draft.unknown = [one for one in self.draft.unknown if one.text != said]

    def _number(self, place: int, span: Span) -> None:
        following = self._following(place)
        if following is not None and {Cue.OR_MORE, Cue.OR_LESS} & {*self.question.spans[following].cues}:
            self.used.add(following)
            self._bound(place, next(c for c in self.question.spans[following].cues if c in _OPERATORS), following)
            return
        number = int(span.number or 0)
        if (
            following is not None
            and self._at(following, Kind.DIMENSION)
            and number == span.number
            and 1 <= number <= _MOST
        ):
            self.counted_names.append((self.question.said(span), number))
        self.draft.unknown.append(Unknown(self.question.said(span), self.role))

    def _compared(self, place: int, span: Span) -> bool:
        """`more than 100 orders`; before a time it is a comparison with it."""
        following = self._following(place)
        if following is None:
            return False
        other = self.question.spans[following]
        if other.number is not None:
            self.used.add(following)
            self._bound(following, next(cue for cue in span.cues if cue in _OPERATORS), following)
            return True
        if other.mention and "than" in self.question.said(span):
            self.role = Cue.AGAINST
            return True
        return False

    def _bound(self, place: int, cue: Cue, last: int) -> None:
        number = self.question.spans[place].number
        assert number is not None
        measure = self._following(last)
        options = self._measures(measure) if measure is not None else ()
        if options and measure is not None:
            self.used.add(measure)
        elif self.bounded or self.draft.measures:
            options = self.bounded or self.draft.measures[-1]
        self.bounded = ()
        self.draft.bounds.append(Bound(options, _OPERATORS[cue], number))

    def _measures(self, place: int) -> Options:
        meanings = self.question.spans[place].meanings if place < len(self.question.spans) else ()
        return close(meanings, Kind.MEASURE) if meanings and meanings[0].kind is Kind.MEASURE else ()

    def _following(self, place: int) -> int | None:
        """The next span that is no filler."""
        for after in range(place + 1, len(self.question.spans)):
            span = self.question.spans[after]
            if span.unknown or span.meanings or span.mention or span.cues or span.number is not None:
                return after
        return None

    # ------------------------------------------------------------------------------------------------------ times

    def _time(self, span: Span) -> None:
        mention = span.mention
        assert mention
        match mention.kind:
            case TimeKind.PERIOD if self.role is Cue.NOT:
                self.draft.unknown.append(Unknown(self.question.said(span), self.role))
            case TimeKind.PERIOD:
                self.draft.periods.append(mention)
                self.draft.against = mention if self.role is Cue.AGAINST else self.draft.against
                if mention.unit and self.role in {Cue.EACH, Cue.BY, Cue.PER}:
                    self.draft.grain = mention.unit
            case TimeKind.GRAIN:
                self.draft.grain = mention.grain
            case TimeKind.GROWTH:
                self.draft.growth = mention.grain
                self.draft.cues.add(Cue.GROWTH)
            case TimeKind.UNIT:
                if self.role in _BROKEN_DOWN or (self.draft.descending is not None and not self.draft.breakdowns):
                    self.draft.grain = mention.grain
            case _:
                self.draft.times.add(mention.kind)
        self._named()

    def _named(self) -> None:
        self.before, self.role, self.joined, self.broken = self.role or self.before, None, False, None

    # ------------------------------------------------------------------------------------------------------ names

    def _name(self, place: int, span: Span) -> None:
        self._go_on(span)
        kind = self._kind(place, span)
        options = close(span.meanings, kind)
        match kind:
            case Kind.DIMENSION if self._carries_value(place, options):
                return  # what was said before it is said of the value
            case Kind.MEASURE:
                self._measure(place, span, options)
            case Kind.DIMENSION:
                self._dimension(place, span, options)
            case Kind.VALUE:
                self._value(place, options)
        self._named()

    def _go_on(self, span: Span) -> None:
        """`By store, brand and month`: a comma takes up the role of the name before, as `and` does."""
        listed = self.role is None and span.start and apart(self.question.text, self.question.words, span.start)
        if listed and span.meanings[0].kind is not Kind.MEASURE and self.before in _LISTED:
            self.role, self.joined = self.before, True

    def _kind(self, place: int, span: Span) -> Kind:
        """The best; if two things are called the same, the one that the words around it speak for."""
        kinds = {one.kind for one in span.meanings if one.score > span.meanings[0].score - CLOSE}
        if {Kind.MEASURE, Kind.VALUE} <= kinds and self._is_adjective(place, span):
            return Kind.VALUE
        if {Kind.DIMENSION, Kind.VALUE} <= kinds:
            return self._dimension_or_value(place, span)
        return span.meanings[0].kind

    def _is_adjective(self, place: int, span: Span) -> bool:
        """`returned orders`: the value in its own letters, before a measure, or beside its dimension."""
        said = self.question.said(span).lower()
        own = {one.name for one in close(span.meanings, Kind.VALUE)}
        beside = {one.name for near in self.question.beside(place) for one in self._at(near, Kind.DIMENSION)}
        follows = place + 1 in self.question.beside(place) and self._measures(place + 1)  # without a comma between
        if follows or own & beside:
            return True
        measures = [self.model.measure(one.name) for one in close(span.meanings, Kind.MEASURE)]
        names = {name.lower() for one in measures for name in names_of(one)}
        if self.role is not Cue.NOT and self._is_ranked_alone(span):
            return False
        return said not in names and said in {str(value).lower() for one in span.meanings for value in one.values}

    def _is_ranked_alone(self, span: Span) -> bool:
        """`Which items get returned the most?`: there is nothing else that could be ranked."""
        others = (place for place, one in enumerate(self.question.spans) if one is not span)
        ranked = any({Cue.TOP, Cue.BOTTOM} & {*one.cues} for one in self.question.spans)
        return ranked and not any(self._measures(place) for place in others)

    def _dimension_or_value(self, place: int, span: Span) -> Kind:
        own = {one.name for one in span.meanings if one.kind is Kind.VALUE}
        if self.joined and self.draft.conditions and own & {one.name for one in self.draft.conditions[-1].options}:
            return Kind.VALUE
        if any(one.name in own for near in self.question.beside(place) for one in self._at(near, Kind.DIMENSION)):
            return Kind.VALUE
        if self._carries_value(place, close(span.meanings, Kind.DIMENSION)):
            return Kind.DIMENSION
        if self.role is Cue.NOT:
            return Kind.VALUE
        if self.role in _BROKEN_DOWN or self.question.words[span.end - 1].text.endswith("s"):
            return Kind.DIMENSION
        others = {other.meanings[0].name for other in self.question.spans if other is not span and other.meanings}
        return Kind.VALUE if own & others or self.role is Cue.PLACE else Kind.DIMENSION

    def _measure(self, place: int, span: Span, options: Options) -> None:
        draft = self.draft
        ranked = draft.descending is not None or draft.limit is not None
        if self.role is Cue.SORT or (self.role is Cue.BY and (ranked or not draft.measures)):
            draft.ordered_by = options
        elif self.role in {Cue.BY, Cue.PER, Cue.EACH}:
            draft.per.append(options)
        elif self.role is Cue.NOT:
            draft.unknown.append(Unknown(self.question.said(span), self.role))
        elif draft.measures and self._is_bounded(place):
            self.bounded = options
        elif self._is_sure and not self.joined and (self._is_of_rows() or self._follows_value(place)):
            draft.within.append(options)
        else:
            draft.together = draft.together or bool(draft.counted and self.joined)
            draft.measures.append(options)
            if options[0].hint and not self.joined:
                self.verbs.append(options)

    @property
    def _is_sure(self) -> bool:
        """A measure has been named, not only hinted at."""
        return any(options not in self.verbs for options in self.draft.measures)

    def _is_bounded(self, place: int) -> bool:
        """`Where revenue is above 1000`: it is not shown, only compared."""
        after = self._past_is(place)
        cues = self.question.spans[after].cues if after < len(self.question.spans) else ()
        return self.role is Cue.PLACE and bool(_OPERATORS.keys() & {*cues})

    def _is_of_rows(self) -> bool:
        """`Revenue of late orders`."""
        return self.role is Cue.PLACE and Cue.COMPARE not in self.draft.cues

    def _follows_value(self, place: int) -> bool:
        """`Decline rate for card payments`."""
        return any(self._at(near, Kind.VALUE) for near in self.question.beside(place) if near < place)

    def _dimension(self, place: int, span: Span, options: Options) -> None:
        draft = self.draft
        if self.role not in _BROKEN_DOWN and self._stands_for_rows(place, options):
            return
        if self.role is None and not draft.measures and not draft.breakdowns:
            self.subject = options
        draft.nested = draft.nested or bool(self.role is Cue.EACH and draft.limit and draft.breakdowns)
        if self.role is Cue.HOW_MANY:
            draft.together = draft.together or bool(draft.measures and self.joined)
            draft.counted.append(options)
        elif self.role is Cue.ALL:
            draft.everything.append(options)
        elif self.role not in _BROKEN_DOWN and options[0].score < _VAGUE and self._says_nothing(span):
            return
        elif self.role is Cue.NOT or (self.role not in _BROKEN_DOWN and options[0].score < _VAGUE):
            draft.unknown.append(Unknown(self.question.said(span), self.role))
        else:
            draft.breakdowns.append(options)

    def _says_nothing(self, span: Span) -> bool:
        """`Which features cause the most tickets?`, though there are causes in the data."""
        return all(one.text in vocabulary().fillers for one in self.question.words[span.start : span.end])

    def _carries_value(self, place: int, options: Options) -> bool:
        """`store London`, `loyalty tier is Gold`, `Web channel`."""
        names = {one.name for one in options}
        near = {*self.question.beside(place)}
        if place + 1 in near:
            near = near - {place + 1} | {self._past_is(place)}
        return any(one.name in names for beside in near for one in self._at(beside, Kind.VALUE))

    def _past_is(self, place: int) -> int:
        """The next place, past an `is`, `equals` or `=`."""
        spans = self.question.spans
        after = place + 1
        while after < len(spans) and self.question.said(spans[after]) in _EQUALS:
            after += 1
        return after

    def _stands_for_rows(self, place: int, options: Options) -> bool:
        """`Gold customers`, `customers with loyalty tier Gold`: they are only there to carry the value."""
        near = [beside for beside in self.question.beside(place) if beside < place]
        object_of = self.role is None and bool(self.draft.measures)  # `did we bill customers in Germany`
        after = self._next_names(place) if self.role is Cue.PLACE or object_of else []
        if any(self._at(beside, Kind.VALUE) for beside in (*near, *(() if object_of else after[:1]))):
            return True
        values = [self.model.dimension(one.name) for beside in after for one in self._at(beside, Kind.VALUE)]
        tables = [self.model.dimension(one.name).table for one in options]
        return any(path_to(self.model, table, value) for table in tables for value in values)

    def _next_names(self, place: int) -> list[int]:
        """The next two names, if only little words are between: `customers with a yearly contract`."""
        found: list[int] = []
        for after in range(place + 1, len(self.question.spans)):
            span = self.question.spans[after]
            if span.meanings:
                found.append(after)
            elif span.unknown or span.mention or (span.cues and Cue.PLACE not in span.cues) or len(found) == 2:
                break
        return found

    def _value(self, place: int, options: Options) -> None:
        """Of the dimension that is named beside it; after `and` of that of the value before."""
        beside = {one.name for near in self.question.beside(place) for one in self._at(near, Kind.DIMENSION)}
        if not beside and self.joined and self.draft.conditions:
            beside = {one.name for one in self.draft.conditions[-1].options}
        sure = tuple(one for one in options if one.name in beside)
        self.draft.conditions.append(Condition(sure or options, negated=self.role is Cue.NOT))

    def _at(self, place: int, kind: Kind) -> Options:
        return self.question.of_kind(place, kind)
