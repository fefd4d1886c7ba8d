"""The words a template is filled with: the site's own where it has some, else the template's, each with its origin."""

from __future__ import annotations

import re

from afield.provisioning.brief import Brief, Frozen
from afield.provisioning.company import Company, Statement
from afield.provisioning.industries.template import PoolSpec, Template
from afield.provisioning.industries.topics import Topics, overlap

FEWEST, MOST = 4, 24
_MOST_LETTERS, _MOST_WORDS = 48, 6
_LINKS = """
home|about|about us|contact|contact us|blog|news|press|login|log in|sign in|sign up|register|cart|basket|checkout
account|my account|careers|jobs|help|support|faq|faqs|search|menu|more|terms|privacy|imprint|legal|cookies
sitemap|shop|products
services|solutions|learn more|read more|all|en|de|fr|es|english|deutsch
"""
_NOT_NAMES = frozenset(re.split(r"[|\n]", _LINKS.strip()))


class Word(Frozen):
    """One word filled in. Without a statement it is the template's own."""

    text: str
    pool: str
    statement: Statement | None = None


class Vocabulary(Frozen):
    """All words of one demo."""

    company: str
    words: tuple[Word, ...]

    def of(self, pool: str) -> tuple[str, ...]:
        """The words of one pool."""
        return tuple(word.text for word in self.words if word.pool == pool)

    def said(self, pool: str) -> tuple[str, ...]:
        """Those of them that the site says."""
        return tuple(word.text for word in self.words if word.pool == pool and word.statement)

    def own(self) -> tuple[str, ...]:
        """What the template supplied, as `pool: word`."""
        return tuple(f"{word.pool}: {word.text}" for word in self.words if word.statement is None)

    def sources(self) -> tuple[str, ...]:
        """What the site supplied, as `pool: word (where on it, address)`."""
        said = [(word, word.statement) for word in self.words if word.statement]
        return tuple(f"{word.pool}: {word.text} ({one.found_in}, {one.source})" for word, one in said)

    def fill(self, text: str) -> str:
        """A template's text with its slots filled: {company}, and pools as their first words."""
        slots = {"company": self.company}
        for pool in {word.pool for word in self.words}:
            slots[pool] = _listed((self.said(pool) or self.of(pool))[:3])
        return re.sub(r"\{(\w+)\}", lambda slot: slots.get(slot[1], slot[0]), text)


def vocabulary(brief: Brief, company: Company, template: Template) -> Vocabulary:
    """Fill the template's pools. Words of topics to avoid are left out."""
    topics = Topics(brief.avoid_topics)
    words = [word for name, pool in template.words.items() for word in _filled(name, pool, company, topics)]
    return Vocabulary(company=_line(company.name) or "The company", words=tuple(words))


def kin(words: Vocabulary, name: str, pool: PoolSpec) -> tuple[tuple[str, str], ...]:
    """Which group each word belongs to, as far as one can tell: the template says so, or the names share a word."""
    if pool.groups is None:
        return ()
    groups, known = words.of(pool.groups), dict(pool.kin())
    found = []
    for word in words.of(name):
        group = known.get(word)
        best = group if group in groups else max(groups, key=lambda one: overlap(one, word), default="")
        if best and (best == group or overlap(best, word) > 0):
            found.append((word, best))
    return tuple(found)


def _filled(name: str, pool: PoolSpec, company: Company, topics: Topics) -> list[Word]:
    words: dict[str, Word] = {}
    for statement in company.statements:
        text = _name(statement.text)
        if statement.about is pool.about and text and not topics.mentioned_in(text):
            words.setdefault(text.lower(), Word(text=text, pool=name, statement=statement))
    wanted = FEWEST if words else MOST
    for text in pool.words():
        if len(words) < wanted and not topics.mentioned_in(text):
            words.setdefault(text.lower(), Word(text=text, pool=name))
    return list(words.values())[:MOST]


def _name(text: str) -> str:
    """A statement that can be a name; empty if it is a sentence, an address, or a link every site has."""
    line = _line(text)
    too_long = len(line) > _MOST_LETTERS or len(line.split()) > _MOST_WORDS
    if (
        too_long
        or line.lower() in _NOT_NAMES
        or not re.search(r"[^\W\d_]", line)
        or re.search(r"://|[{}<>|\\`@]", line)
    ):
        return ""
    return line


def _line(text: str) -> str:
    """On one line, without control characters."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:80].strip(" .,:;-")


def _listed(words: tuple[str, ...]) -> str:
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
