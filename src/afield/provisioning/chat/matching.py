"""Finding a model's measures, dimensions and values in the words of a question, each with how well it fits. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from afield.provisioning.chat.lexicon import LOOSE, Kind, Lexicon, Term
from afield.provisioning.chat.words import Token, stem

_LONGEST = 7  # words of a name, with little ones between
_WEAK = ("average", "total", "number", "count", "amount", "value", "sum", "name", "kind", "type", "level", "mean")
_WEIGHTS = {stem(word): 0.35 for word in _WEAK}
_WEIGHTS |= {stem("rate"): 0.5, stem("group"): 0.35, stem("used"): 0.35}
"""What words count that say little, beside 1 for others. `Share` is not among them: it makes another measure."""
_GENERIC = frozenset(_WEIGHTS) | {stem("share"), stem("percentage")}
_LITTLE = frozenset(
    {"of", "the", "a", "an", "in", "were", "was", "are", "is", "be", "been", "has", "have", "had", "got"}
)
_LITTLE |= {"that", "which", "our", "your", "this", "their", "with", "did", "do", "does", "we", "they"}
ENOUGH = 0.45  # of a name, to be taken for it


@dataclass(frozen=True, slots=True)
class Meaning:
    """One thing some words may mean. `values`: of a dimension; several where they all begin so. `score`: 0 to 1.

    `hint`: the word is no name of it, but may ask for it.
    """

    kind: Kind
    name: str
    score: float
    values: tuple[str | bool, ...] = ()
    hint: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """Words that mean something in the model: from token `start` up to, not including, `end`. Best meaning first."""

    start: int
    end: int
    meanings: tuple[Meaning, ...]


def matches(words: Sequence[Token], lexicon: Lexicon, breaks: Collection[int] = ()) -> tuple[Match, ...]:
    """Every stretch of words that names something, overlapping ones included. `breaks`: words after a comma."""
    found = []
    for start in range(len(words)):
        for end in range(start + 1, min(start + _LONGEST, len(words)) + 1):
            if end - 1 > start and end - 1 in breaks:
                break
            meanings = _meanings(words[start:end], lexicon)
            if meanings:
                found.append(Match(start, end, meanings))
    return tuple(found)


def _meanings(words: Sequence[Token], lexicon: Lexicon) -> tuple[Meaning, ...]:
    content = tuple(token.stem for token in words if token.text not in _LITTLE)
    if not content or words[0].text in _LITTLE - {"that"} or words[-1].text in _LITTLE:
        exact = tuple(token.stem for token in words)
        return _best(_exactly(exact, lexicon)) if content else ()
    terms = lexicon.by_stem.get(content[0], ())
    whole = tuple(token.stem for token in words)
    found = [meaning for term in terms for meaning in _named(content, whole, term)]
    if any(token.text not in lexicon.everyday for token in words):
        found += _beginning(content, terms)
    misspelt = sum(bool(token.read_as) for token in words)
    return _best(replace(one, score=one.score * 0.92**misspelt) for one in found)


def _exactly(words: tuple[str, ...], lexicon: Lexicon) -> Iterator[Meaning]:
    """Names that begin or end with a little word themselves."""
    for term in lexicon.by_stem.get(words[0], ()):
        if term.phrase == words:
            yield _meaning(term, term.strength)


def _named(content: tuple[str, ...], whole: tuple[str, ...], term: Term) -> Iterator[Meaning]:
    phrase = tuple(word for word in term.phrase if word not in _LITTLE) or term.phrase
    if term.kind is Kind.VALUE:
        if content == phrase or whole == term.phrase:
            yield _meaning(term, term.strength)
        return
    given, wanted = Counter(content), Counter(phrase)
    if given == wanted:
        order = 1.0 if content == phrase else 0.97
        yield _meaning(term, term.strength * order)
    elif given <= wanted and set(content) - _GENERIC and term.strength >= 0.8:
        share = sum(map(_weight, content)) / sum(map(_weight, phrase))
        if share >= ENOUGH:
            yield _meaning(term, term.strength * share)


def _weight(word: str) -> float:
    return _WEIGHTS.get(word, 1.0)


def _meaning(term: Term, score: float) -> Meaning:
    values = () if term.value is None else (term.value,)
    return Meaning(term.kind, term.name, score, values, hint=term.strength == LOOSE)


def _beginning(content: tuple[str, ...], terms: Iterable[Term]) -> Iterator[Meaning]:
    """All values of a dimension that begin so, where none is just so."""
    longer: dict[str, list[str | bool]] = {}
    for term in terms:
        begins = len(term.phrase) > len(content) and term.phrase[: len(content)] == content
        if begins and term.kind is Kind.VALUE and term.value is not None and not content[-1].isdigit():
            longer.setdefault(term.name, []).append(term.value)
    for name, values in longer.items():
        score = 0.55 + 0.1 * len(content)
        yield Meaning(Kind.VALUE, name, min(score, 0.8), tuple(dict.fromkeys(values)))


def _best(meanings: Iterable[Meaning]) -> tuple[Meaning, ...]:
    """The best of each thing, best first."""
    best: dict[tuple[Kind, str], Meaning] = {}
    for one in meanings:
        key = (one.kind, one.name)
        if key not in best or one.score > best[key].score:
            best[key] = one
    return tuple(sorted(best.values(), key=lambda one: -one.score))
