"""Cutting a question into stretches that mean something: names, times, cues, numbers. Pure.

Of all ways to cut it the one is taken that explains most of its words; longer names win over shorter ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from afield.provisioning.chat.cues import Cue, cue_phrases, longest_phrase, vocabulary
from afield.provisioning.chat.lexicon import Kind, Lexicon
from afield.provisioning.chat.matching import Match, Meaning, matches
from afield.provisioning.chat.time import Mention, TimeKind, mentions
from afield.provisioning.chat.words import Token, corrected, number_of, tokens

CLOSE = 0.12
"""Two meanings whose scores differ by less are both asked about."""
_LENGTH = 1.2  # two words together mean more than each by itself
_TIME, _UNIT, _CUE, _NUMBER, _FILLER, _WEAK, _VAGUE, _SURE = 1.05, 0.6, 0.8, 0.7, 0.3, 0.4, 0.2, 1.3
_INTRODUCING = frozenset({Cue.PLACE, Cue.NOT, Cue.AND, Cue.COMPARE, Cue.AGAINST})


@dataclass(frozen=True, slots=True)
class Span:
    """Some words of the question, from token `start` up to, not including, `end`, and what they are.

    An unknown word has none of it.
    """

    start: int
    end: int
    weight: float = 0.0
    meanings: tuple[Meaning, ...] = ()
    mention: Mention | None = None
    cues: tuple[Cue, ...] = ()
    number: float | None = None

    @property
    def unknown(self) -> bool:
        """Nothing explains it."""
        return self.weight == 0


@dataclass(frozen=True, slots=True)
class Cut:
    """A question in pieces."""

    text: str
    words: tuple[Token, ...]
    spans: tuple[Span, ...]

    def said(self, span: Span) -> str:
        """The words of a span, as they were written."""
        return self.text[self.words[span.start].start : self.words[span.end - 1].end]

    def beside(self, place: int) -> tuple[int, ...]:
        """The spans before and after, unless a comma keeps them apart."""
        found = [place - 1] if place and not apart(self.text, self.words, self.spans[place].start) else []
        if place + 1 < len(self.spans) and not apart(self.text, self.words, self.spans[place].end):
            found.append(place + 1)
        return tuple(found)

    def of_kind(self, place: int, kind: Kind) -> tuple[Meaning, ...]:
        """What a span may mean of one kind, if it is among the best."""
        return close(self.spans[place].meanings, kind) if place < len(self.spans) else ()

    @property
    def misread(self) -> tuple[tuple[str, str], ...]:
        """Words that were taken for misspellings of others."""
        return tuple((self.text[one.start : one.end], one.read_as) for one in self.words if one.read_as)


def close(meanings: Sequence[Meaning], kind: Kind) -> tuple[Meaning, ...]:
    """The meanings of one kind that are about as good as its best."""
    found = [one for one in meanings if one.kind is kind]
    return tuple(one for one in found if one.score > found[0].score - CLOSE)


def apart(text: str, words: Sequence[Token], place: int) -> bool:
    """A comma stands before this word."""
    return bool({",", ";", ":"} & {*text[words[place - 1].end : words[place].start]})


def cut(text: str, lexicon: Lexicon, today: date) -> Cut:
    """The question in the pieces that explain it best."""
    raw = tokens(text)
    times = mentions(text, today)
    covered = {
        place for mention in times for place, token in enumerate(raw) if mention.start <= token.start < mention.end
    }
    mended = corrected(raw, lexicon.known, lexicon.plain_words)
    words = tuple(
        one if place in covered else other for place, (one, other) in enumerate(zip(raw, mended, strict=True))
    )
    return Cut(text, words, _best([*_candidates(text, words, lexicon), *_times(words, times)], len(words)))


def _best(candidates: Sequence[Span], length: int) -> tuple[Span, ...]:
    """The cut with the greatest weight; words that nothing explains stand by themselves."""
    ending: list[list[Span]] = [[] for _ in range(length + 1)]
    for span in candidates:
        ending[span.end].append(span)
    best: list[tuple[float, Span | None]] = [(0.0, None)]
    for end in range(1, length + 1):
        ways = [(best[end - 1][0], Span(end - 1, end))]
        ways += [(best[span.start][0] + span.weight, span) for span in ending[end]]
        best.append(max(ways, key=lambda way: way[0]))
    found: list[Span] = []
    place = length
    while place > 0:
        last = best[place][1]
        assert last
        found.append(last)
        place = last.start
    return tuple(reversed(found))


def _candidates(text: str, words: tuple[Token, ...], lexicon: Lexicon) -> Iterator[Span]:
    begin = _beginning(words)
    breaks = {place for place in range(1, len(words)) if apart(text, words, place)}
    found = [match for match in matches(words, lexicon, breaks) if match.end > begin]
    for match in found:
        factor = match.meanings[0].score * _certainty(match, found, text, words)
        yield Span(match.start, match.end, factor * _weight(match.start, match.end), match.meanings)
    yield from _cues(words)
    for place, token in enumerate(words):
        number = number_of(token)
        if number is not None:
            yield Span(place, place + 1, _NUMBER, number=number)
            if place + 1 < len(words) and words[place + 1].text in _SCALES:
                scaled = number * _SCALES[words[place + 1].text]
                yield Span(place, place + 2, _NUMBER * 2, number=scaled)
        if token.text in vocabulary().fillers:
            yield Span(place, place + 1, _FILLER, cues=())
        if token.text in _SMALL:
            yield Span(place, place + 1, _NUMBER / 2, number=_SMALL[token.text])


_SCALES = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "percent": 0.01}
_VERBS = frozenset(
    [
        "show",
        "list",
        "give",
        "display",
        "tell",
        "plot",
        "chart",
        "rank",
        "count",
        "report",
        "view",
        "compare",
        "filter",
        "see",
        "get",
    ]
)
_SMALL = {"two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0, "six": 6.0, "seven": 7.0, "eight": 8.0, "nine": 9.0,
          "ten": 10.0, "dozen": 12.0, "twenty": 20.0}  # fmt: skip


def _beginning(words: tuple[Token, ...]) -> int:
    """Where the question begins after `show me`: a verb there names nothing, though a model may have shows."""
    place = 0
    while place < len(words) and (words[place].text in vocabulary().fillers or words[place].text in _VERBS):
        place += 1
        if words[place - 1].text in _VERBS:
            return place
    return 0


def _weight(start: int, end: int) -> float:
    return float((end - start) ** _LENGTH)


def _certainty(match: Match, found: Sequence[Match], text: str, words: tuple[Token, ...]) -> float:
    """A value beside the name of its dimension, or after another value of it, surely is one. Else one whose words are
    numbers or cues, such as `Over 1000`, hardly is."""
    best = match.meanings[0]
    if best.kind is not Kind.VALUE:
        return 1.0
    beside = {at for at in (match.start, match.end) if 0 < at < len(words) and not apart(text, words, at)}
    named = {
        one.name for other in found if {other.start, other.end} & beside for one in other.meanings[:1] if not one.values
    }
    if named & {one.name for one in close(match.meanings, Kind.VALUE)} or _continues(match, found, words):
        return _SURE
    inside = words[match.start : match.end]
    said = text[inside[0].start : inside[-1].end].lower()
    if "-" in said and said in {str(value).lower() for value in best.values}:
        return 1.0
    if all(number_of(one) is not None or (one.text,) in cue_phrases() for one in inside):
        return _WEAK
    by_the_way = said == text[inside[0].start : inside[-1].end] and not _introduced(match.start, words)
    return _VAGUE if by_the_way and all(one.text in vocabulary().fillers for one in inside) else 1.0


def _introduced(place: int, words: tuple[Token, ...]) -> bool:
    """`For business` names a value, `new business` need not."""
    return place > 0 and bool(_INTRODUCING & {*cue_phrases().get((words[place - 1].text,), ())})


def _continues(match: Match, found: Sequence[Match], words: tuple[Token, ...]) -> bool:
    """`18-39 and 80 and over`: after another value of the same dimension."""
    if match.start < 2 or words[match.start - 1].text not in {"and", "or"}:
        return False
    own = {one.name for one in close(match.meanings, Kind.VALUE)}
    before = (close(other.meanings, Kind.VALUE) for other in found if other.end == match.start - 1)
    return any(one.name in own for meanings in before for one in meanings)


def _cues(words: tuple[Token, ...]) -> Iterator[Span]:
    for start in range(len(words)):
        for end in range(start + 1, min(start + longest_phrase(), len(words)) + 1):
            found = cue_phrases().get(tuple(token.text for token in words[start:end]))
            if found:
                yield Span(start, end, _CUE * _weight(start, end), cues=found)


def _times(words: tuple[Token, ...], times: Sequence[Mention]) -> Iterator[Span]:
    for mention in times:
        inside = [place for place, token in enumerate(words) if token.start < mention.end and token.end > mention.start]
        if inside:
            start, end = inside[0], inside[-1] + 1
            factor = _UNIT if mention.kind is TimeKind.UNIT else _TIME
            yield Span(start, end, factor * _weight(start, end), mention=mention)
