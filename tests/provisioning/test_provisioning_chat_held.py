"""The held set: questions over three industries, their answers beside results by SQL written by hand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from benchmarks.chat_questions import INDUSTRIES, TODAY, Judged, Verdict, questions, shop

from afield.provisioning.brief import Brief, Complexity
from afield.provisioning.chat.agent import known_of
from afield.provisioning.chat.outcomes import Reading, Understood
from afield.provisioning.chat.understand import State, understand
from afield.provisioning.company import Company, IndustryGuess
from afield.provisioning.golden import golden_questions
from afield.provisioning.making import make
from afield.provisioning.modeling import model_for
from afield.provisioning.query import GoldenQuestion, Query
from afield.provisioning.storytelling import story_for

LEAST = 0.9


async def judged(folder: Path, suffix: str = "") -> list[Judged]:
    found = []
    for industry in INDUSTRIES:
        async with shop(industry, folder) as opened:
            found += [await opened.judge(question) for question in questions(industry + suffix)]
    return found


def test_the_set_is_large_and_broad() -> None:
    every = [question for industry in INDUSTRIES for question in questions(industry)]
    assert len(every) >= 60
    assert len({question.id for question in every}) == len(every)
    kinds = {"comparison", "top-n", "series", "filter", "share", "growth", "turns", "two facts", "outside", "unclear"}
    assert kinds <= {question.about for question in every}


async def test_nine_of_ten_are_right_and_none_is_silently_wrong(tmp_path: Path) -> None:
    found = await judged(tmp_path)
    tally = Counter(one.verdict for one in found)
    misses = [
        f"{one.question.id} {one.verdict}: {one.question.ask} -> {one.detail}"
        for one in found
        if one.verdict != "right"
    ]
    assert tally[Verdict.RIGHT] / len(found) >= LEAST, misses
    assert not tally[Verdict.WRONG], misses
    assert not tally[Verdict.FAILED], misses


@pytest.mark.parametrize("industry", ["banking", "hospital", "media", "restaurant"])
def test_golden_questions_are_understood_as_their_plans(industry: str, tmp_path: Path) -> None:
    brief = Brief(customer_url="https://company.example", demo_complexity=Complexity.COMPLEX)
    guess = IndustryGuess(industry=industry, score=0.9)
    company = Company(url=brief.customer_url, name="Company", industry=guess)
    model = model_for(brief, company, story_for(brief, company))
    dataset = make(model, brief, 1, TODAY, 6000, tmp_path, lambda _share, _what: None)
    known = known_of(model, {}, TODAY)
    golden = golden_questions(model, dataset, brief)
    other = [one.text for one in golden if not _means(understand(one.text, State(), known), one)]
    assert len(golden) >= 12
    assert not other


def _means(reading: Reading, golden: GoldenQuestion) -> bool:
    """The same plan. The largest first is the usual order; without a number in the text any limit is as good."""
    if not isinstance(reading, Understood):
        return False
    counted = any(letter.isdigit() for letter in golden.text)
    return _plain(reading.query, limited=counted) == _plain(golden.query, limited=counted)


def _plain(query: Query, *, limited: bool) -> Query:
    usual = query.order and query.order.field == query.measures[0] and query.order.descending
    timed = any(one.grain for one in query.breakdowns)
    order = None if usual and not timed else query.order
    return query.model_copy(update={"order": order, "limit": query.limit if limited else None})
