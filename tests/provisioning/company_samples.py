"""Companies and briefs for tests of the provisioning's offline parts."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from afield.provisioning.brief import Brief, Complexity, DemoMode
from afield.provisioning.company import About, Company, IndustryGuess, Statement
from afield.provisioning.datamodel import DataModel
from afield.provisioning.dataset import Dataset
from afield.provisioning.industries.library import industries
from afield.provisioning.making import make
from afield.provisioning.modeling import model_for
from afield.provisioning.storytelling import story_for

TODAY = date(2026, 3, 18)
NAMES = tuple(one.name for one in industries())
SITE = "https://tealeaf.test/"


def company(industry: str = "retail", **said: tuple[str, ...]) -> Company:
    """A company whose site says these things, by the name of what they are about."""
    statements = tuple(
        Statement(about=About(about), text=text, source=SITE, found_in="json-ld")
        for about, texts in said.items()
        for text in texts
    )
    guess = IndustryGuess(industry=industry, score=0.6)
    return Company(url=SITE, name="Tealeaf & Sons", industry=guess, statements=statements)


def tea_shop() -> Company:
    """A shop whose site says much."""
    return company(
        product=("Morning Assam", "Green Dragon", "Rose Oolong", "Glass Teapot", "Bamboo Whisk"),
        category=("Black Tea", "Green Tea", "Oolong", "Teaware"),
        place=("Ghent", "Utrecht", "Aarhus", "Porto"),
        price=("€ 12.90", "€ 8.50", "$ 10"),
        summary=("Tea, grown slowly and packed by hand.",),
    )


def brief(complexity: Complexity = Complexity.MEDIUM) -> Brief:
    """A brief of the default mode."""
    return Brief(customer_url=SITE, demo_complexity=complexity)


def advanced() -> Brief:
    """A brief of the advanced mode."""
    return Brief(
        customer_url=SITE,
        mode=DemoMode.CRAZY_FROG,
        use_case_context="The board wants to see why subscriptions to tea boxes fall behind. Returns annoy everybody.",
        industry_hint="speciality tea retail",
        target_persona="Chief Tea Officer",
        demo_complexity=Complexity.SIMPLE,
        special_focus=("late delivery share", "basket size", "sommelier certificates"),
        integrations=("Shopware", "SAP"),
        avoid_topics=("returns", "discounts"),
    )


def modelled(one: Brief, whose: Company) -> DataModel:
    """Story and model, as the agents make them one after the other."""
    return model_for(one, whose, story_for(one, whose))


def quiet(_share: float, _what: str) -> None:
    """Progress that nobody looks at."""


def made(model: DataModel, folder: Path, *, seed: int = 7, rows: int = 6000, today: date = TODAY) -> Dataset:
    """The data of a model."""
    return make(model, brief(), seed, today, rows, folder, quiet)
