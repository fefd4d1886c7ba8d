"""Words of a question: plain letters, light stems, numbers, and how close a misspelt word is to a known one. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

_TOKEN = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?(?:[km]\b|%)?|[^\W\d_]+(?:'[^\W\d_]+)?\d*|>=|<=|[<>=&+]")
_NUMBER = re.compile(r"(\d+(?:,\d{3})*(?:\.\d+)?)([km%]?)")
_SCALE = {"": 1.0, "k": 1e3, "m": 1e6, "%": 0.01}
_ODD = {
    "people": "person", "men": "man", "women": "woman", "children": "child", "bought": "buy", "sold": "sell",
    "won": "win", "lost": "los", "paid": "pay", "spent": "spend", "sent": "send",
}  # fmt: skip
"""Words whose stems are not their beginnings."""
_SAME = ("series", "news", "status", "gas", "bus", "used", "need", "speed", "feed", "seed")
_APOSTROPHES = "\u2019\u2018`"
_SHORTEST_TYPO, _LONG = 5, 8


@dataclass(frozen=True, slots=True)
class Token:
    """One word, number or sign. `start` and `end` are its place in the question."""

    text: str
    stem: str
    start: int
    end: int
    read_as: str = ""  # the known word that it was taken for


def plain(text: str) -> str:
    """Lower case without accents, letter by letter, so that places stay the same."""
    return "".join(_plain(letter) for letter in text)


def _plain(letter: str) -> str:
    if letter in _APOSTROPHES:
        return "'"
    return unicodedata.normalize("NFKD", letter)[0].lower()[0]


def tokens(text: str) -> tuple[Token, ...]:
    """The words of a text; what is attached with an apostrophe is cut off."""
    return tuple(_token(found) for found in _TOKEN.finditer(plain(text)))


def _token(found: re.Match[str]) -> Token:
    word = found[0].partition("'")[0]
    return Token(word, stem(word), found.start(), found.end())


def stems(text: str) -> tuple[str, ...]:
    """The stems of a phrase."""
    return tuple(token.stem for token in tokens(text))


def stem(word: str) -> str:
    """A word without plural, past tense and last `e`: `damaged`, `damages` and `damage` become one."""
    if word in _ODD:
        return _ODD[word]
    if len(word) <= 3 or word in _SAME:
        return word
    word = _singular(word)
    if word.endswith("ed") and len(word) > 5:
        word = word[:-2]
        word = word[:-1] if word[-1] == word[-2] and word[-1] not in "ls" else word
        word = word[:-1] if word.endswith("ll") and len(word) > 5 else word
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def number_of(token: Token) -> float | None:
    """The number a token is: `1,200`, `10k`, `20%` (0.2); None for words."""
    found = _NUMBER.fullmatch(token.text)
    return float(found[1].replace(",", "")) * _SCALE[found[2]] if found else None


def corrected(words: Iterable[Token], known: Mapping[str, str], plain_words: Collection[str]) -> tuple[Token, ...]:
    """Unknown words replaced by the known one they are most likely misspellings of.

    `known`: words and their stems. `plain_words` are right as they are, but nothing is taken for one of them.
    """
    right = frozenset(known.values())
    return tuple(one if _is_right(one, known, right, plain_words) else _corrected(one, known) for one in words)


def _is_right(token: Token, known: Mapping[str, str], right: Collection[str], plain_words: Collection[str]) -> bool:
    spelt = token.text in known or token.stem in right or token.text in plain_words
    return spelt or len(token.text) < _SHORTEST_TYPO or not token.text.isalpha()


def _corrected(token: Token, known: Mapping[str, str]) -> Token:
    allowed = 2 if len(token.text) >= _LONG else 1
    near = [(distance(token.text, word, allowed), word) for word in known if _may_be(token.text, word, allowed)]
    near = sorted(pair for pair in near if pair[0] <= allowed)
    if not near or len({known[word] for far, word in near if far == near[0][0]}) > 1:
        return token
    word = near[0][1]
    return replace(token, stem=known[word], text=word, read_as=word)


def _may_be(word: str, other: str, allowed: int) -> bool:
    """People seldom miss the first letter, and short words are too much alike."""
    return word[0] == other[0] and len(other) >= _SHORTEST_TYPO and abs(len(word) - len(other)) <= allowed


def distance(one: str, other: str, most: int) -> int:
    """Letters missing, too many, wrong or swapped with the next; `most + 1` for anything beyond `most`."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, there in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != there))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == there:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)
