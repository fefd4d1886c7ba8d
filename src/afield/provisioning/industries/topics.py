"""Comparing phrases by the stems of their words. Pure, and coarse on purpose: English endings only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_STOP_WORDS = """
a an and any are as at be by do for from has have how in into is it its of on or our out over per than that the their
them this to up we what when where which who why with your you
"""
_STOP = frozenset(_STOP_WORDS.split())
_ENDINGS = (
    "ations", "ation", "ments", "ment", "ings", "ing", "ions", "ion", "ers", "ies", "er", "ed", "es", "s", "e", "y",
)  # fmt: skip
_WORD = re.compile(r"[^\W_]+")
_SAFE_PREFIX = 5


def stem(word: str) -> str:
    """A word without its ending, but never shorter than three letters."""
    bare = word.lower()
    for ending in _ENDINGS:
        if bare.endswith(ending) and len(bare) - len(ending) >= 3:
            bare = bare[: -len(ending)]
            break
    return bare[:-1] if len(bare) > 3 and bare[-1] == bare[-2] else bare


@lru_cache(maxsize=8192)
def stems(text: str) -> tuple[str, ...]:
    """The stems of the words that mean something, in order."""
    return tuple(stem(word) for word in _WORD.findall(text) if word.lower() not in _STOP)


def akin(one: str, other: str) -> bool:
    """Two stems are of one word: equal, or a long one begins with the other."""
    short, long = sorted((one, other), key=len)
    return short == long or (len(short) >= _SAFE_PREFIX and long.startswith(short))


def overlap(phrase: str, text: str) -> float:
    """The share of the phrase's words that the text has, 0 to 1."""
    wanted, there = stems(phrase), stems(text)
    if not wanted:
        return 0.0
    return sum(any(akin(word, other) for other in there) for word in wanted) / len(wanted)


@dataclass(frozen=True, slots=True)
class Topics:
    """Things not to be spoken of."""

    phrases: tuple[str, ...]

    def mentioned_in(self, *texts: str) -> bool:
        """One of them is in these texts with all its words. Rather once too often than once too seldom."""
        whole = " ".join(texts)
        return any(overlap(phrase, whole) == 1.0 for phrase in self.phrases)

    def without(self, text: str) -> str:
        """The text without the sentences that mention one."""
        sentences = re.split(r"(?<=[.!?;])\s+|\n+", text.strip())
        return " ".join(one for one in sentences if one and not self.mentioned_in(one))
