"""Letting a language model choose the industry. Without one, or if it fails, the guess by words stays."""

from __future__ import annotations

from afield.provisioning.brief import Brief
from afield.provisioning.company import Company, IndustryGuess
from afield.provisioning.industries.library import industries
from afield.provisioning.llm.answers import choice_of
from afield.provisioning.llm.errors import WriterError
from afield.provisioning.llm.port import Writer
from afield.provisioning.llm.tasks import choose_industry


async def choose(writer: Writer, company: Company, brief: Brief) -> Company:
    """The company with the industry chosen, and a note where that is another one, or could not be done. What the
    person said stays."""
    if company.industry.hinted:
        return company
    forms = industries()
    output = choice_of([one.name for one in forms])
    try:
        answer = await writer.complete(choose_industry(company, brief, forms), output)
    except WriterError as error:
        return _noted(company, company.industry, f"The industry is a guess by words: {error.message}")
    guess = _guess(company.industry, answer.industry)
    if guess.industry == company.industry.industry:
        return company.model_copy(update={"industry": guess})
    before = company.industry.industry
    return _noted(company, guess, f"A language model chose the industry {guess.industry}; by words it is {before}.")


def _guess(before: IndustryGuess, chosen: str) -> IndustryGuess:
    if chosen == before.industry:
        return before.model_copy(update={"by_model": True})
    score = before.runner_up_score if chosen == before.runner_up else 0.0
    return IndustryGuess(
        industry=chosen, score=score, runner_up=before.industry, runner_up_score=before.score, by_model=True
    )


def _noted(company: Company, guess: IndustryGuess, note: str) -> Company:
    return company.model_copy(update={"industry": guess, "notes": (*company.notes, note)})
