"""From what several pages say to one company. Pure but for the language model, and slow: called outside event loops."""

from __future__ import annotations

from collections.abc import Sequence

from yarl import URL

from afield.provisioning.brief import Brief
from afield.provisioning.company import About, Company, Statement
from afield.provisioning.embedding.embedder import Embedder
from afield.provisioning.research.failures import Reason, ScrapeError
from afield.provisioning.research.industry import Industry, judge
from afield.provisioning.research.names import best_name
from afield.provisioning.research.reading import Reading

_MOST_OF_A_KIND = 60
_LEAST_TEXT = 40
_PARAGRAPH = 600
_RANKS = (("json-ld", 0), ("microdata", 0), ("opengraph", 1), ("price list", 2), ("navigation", 2), ("meta", 2))
_LAST_RANK = 3


def profile(
    brief: Brief,
    readings: Sequence[Reading],
    industries: Sequence[Industry],
    embedder: Embedder,
    notes: Sequence[str] = (),
) -> Company:
    """The company. `readings` begins with the home page; `notes` say what could not be read.

    Raises ScrapeError where neither the site nor the brief says enough to know the industry.
    """
    home = readings[0]
    name, why = best_name(readings)
    statements = merged(readings, name)
    judged = judge(_texts(readings, brief), brief.industry_hint, industries, embedder)
    if judged is None:
        what = (
            "it shows next to nothing without JavaScript" if home.script_only else "it says nothing about the company"
        )
        raise ScrapeError(Reason.NOTHING_TO_READ, home.url, what)
    known = {statement.about for statement in statements}
    return Company(
        url=home.url,
        name=name.text if name else URL(home.url).host or home.url,
        industry=judged.guess,
        statements=statements,
        unknown=tuple(about for about in About if about not in known),
        pages=tuple(reading.url for reading in readings),
        notes=tuple(dict.fromkeys([*notes, *_notes(readings), *judged.doubts])),
        reasons=(why, judged.reason),
    )


def _notes(readings: Sequence[Reading]) -> list[str]:
    found = [note for one in readings for note in one.notes]
    if not any(reading.structured for reading in readings):
        found.append("The site has no structured data; what is known of it comes from its text.")
    return found


def merged(readings: Sequence[Reading], name: Statement | None) -> tuple[Statement, ...]:
    """Everything that is said, each thing once: the chosen name first, what is meant for machines before the rest."""
    every = [*([name] if name else []), *(one for reading in readings for one in reading.statements)]
    products = {one.text.casefold() for one in every if one.about is About.PRODUCT}
    found: dict[tuple[About, str], Statement] = {}
    for one in sorted(every, key=lambda one: -1 if one is name else _rank(one)):
        if one.about is not About.CATEGORY or one.text.casefold() not in products:
            found.setdefault((one.about, one.text.casefold()), one)
    kinds = {about: [one for one in found.values() if one.about is about] for about in About}
    return tuple(one for kind in kinds.values() for one in kind[:_MOST_OF_A_KIND])


def _rank(statement: Statement) -> int:
    return next((rank for start, rank in _RANKS if statement.found_in.startswith(start)), _LAST_RANK)


def _texts(readings: Sequence[Reading], brief: Brief) -> list[str]:
    """What tells the industry: the company's summaries, its offer, its pages' beginnings; else the brief's context."""
    said = [one for reading in readings for one in reading.statements]
    summaries = list(dict.fromkeys(one.text for one in said if one.about is About.SUMMARY))[:3]
    offers = [
        ", ".join(list(dict.fromkeys(one.text for one in said if one.about is about))[:12])
        for about in (About.CATEGORY, About.PRODUCT)
    ]
    pages = [reading.text[:_PARAGRAPH] for reading in readings[:3] if not reading.script_only]
    texts = [text for text in (*summaries, readings[0].title, *offers, *pages) if text]
    enough = sum(map(len, texts)) - len(readings[0].title) >= _LEAST_TEXT
    return texts if enough else [brief.use_case_context] if brief.use_case_context else []
