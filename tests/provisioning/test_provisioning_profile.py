"""From pages to a company: its name, its industry, what is known and what is not."""

from __future__ import annotations

import pytest

from afield.provisioning.brief import Brief
from afield.provisioning.company import About, Statement
from afield.provisioning.embedding.words import WordVectors
from afield.provisioning.industries.library import industries
from afield.provisioning.research.failures import Reason, ScrapeError
from afield.provisioning.research.industry import judge, of_hint, rank
from afield.provisioning.research.names import best_name
from afield.provisioning.research.profile import profile
from afield.provisioning.research.reading import Reading

HOME = "https://www.acme.example/"
WORDS = WordVectors()


def page(title: str = "", text: str = "", url: str = HOME, script_only: bool = False, **said: str) -> Reading:
    places = {"name": "opengraph og:site_name", "product": "price list", "category": "navigation"}
    statements = tuple(
        Statement(about=About(about), text=words, source=url, found_in=places.get(about, "text"))
        for about, words in said.items()
    )
    return Reading(
        url=url, title=title, statements=statements, links=(), text=text, structured=True, script_only=script_only
    )


def name_of(*readings: Reading) -> str | None:
    statement, reason = best_name(readings)
    assert reason
    return statement.text if statement else None


def stated(text: str, found_in: str) -> Reading:
    statement = Statement(about=About.NAME, text=text, source=HOME, found_in=found_in)
    return Reading(url=HOME, title="", statements=(statement,), links=(), text="")


def test_places_that_agree_outvote_one_that_does_not() -> None:
    one = [stated("Acme", "opengraph og:site_name"), stated("Acme Ltd", "copyright line")]
    assert name_of(*one, stated("Shop Builder", "json-ld Organization")) == "Acme"


def test_the_part_that_every_title_has_is_the_name() -> None:
    titles = ("Bolt & Bolt - Screws for all", "About us | Bolt & Bolt", "Screws | Bolt & Bolt")
    pages = [page(title, url=f"https://127.0.0.1/{number}") for number, title in enumerate(titles)]
    assert name_of(*pages) == "Bolt & Bolt"


def test_a_name_like_the_address_counts_more() -> None:
    assert name_of(page("Everything for smiths | Acme")) == "Acme"


def test_without_a_name_the_address_stands_for_it_and_that_is_said() -> None:
    company = profile(Brief(customer_url=HOME, industry_hint="retail"), [page()], industries(), WORDS)
    assert company.name == "www.acme.example"
    assert About.NAME in company.unknown
    assert "does not say its name" in company.reasons[0]


@pytest.mark.parametrize(
    ("hint", "industry"),
    [
        ("retail", "retail"),
        ("Banking", "banking"),
        ("an insurance company", "insurance"),
        ("university with bachelor programmes", "education"),
        ("freight forwarding and transport", "logistics"),
        ("quantum archaeology", None),
    ],
)
def test_hints_mean_an_industry_or_none(hint: str, industry: str | None) -> None:
    assert of_hint(hint, industries(), WORDS) == industry


def test_a_hint_wins_over_the_site() -> None:
    judged = judge(["A bank with current accounts and mortgages."], "insurance", industries(), WORDS)
    assert judged
    assert (judged.guess.industry, judged.guess.hinted, judged.guess.runner_up) == ("insurance", True, "banking")


def test_a_hint_that_is_no_industry_leaves_it_to_the_site_and_is_noted() -> None:
    judged = judge(["A bank with current accounts and mortgages."], "quantum archaeology", industries(), WORDS)
    assert judged
    assert (judged.guess.industry, judged.guess.hinted) == ("banking", False)
    assert "quantum archaeology" in judged.doubts[0]


def test_a_close_call_is_said_to_be_one() -> None:
    judged = judge(["Something else altogether, in other words."], "", industries(), WORDS)
    assert judged
    assert "close call" in judged.doubts[-1]


def test_scores_are_cosines_in_order() -> None:
    ranked = rank(["A hotel with rooms and a spa."], industries(), WORDS)
    assert ranked[0][0] == "travel"
    assert len(ranked) == len(industries())
    assert all(-1 <= score <= 1 for _, score in ranked)
    assert [score for _, score in ranked] == sorted((score for _, score in ranked), reverse=True)


def test_nothing_to_read_fails_unless_the_brief_says_what_it_is() -> None:
    empty = page("Acme", "Please enable JavaScript to use this wonderful app of ours.", script_only=True)
    with pytest.raises(ScrapeError, match="JavaScript") as caught:
        profile(Brief(customer_url=HOME), [empty], industries(), WORDS)
    assert caught.value.reason is Reason.NOTHING_TO_READ
    hinted = profile(Brief(customer_url=HOME, industry_hint="energy"), [empty], industries(), WORDS)
    assert hinted.industry.industry == "energy"
    context = "Electricity and gas supplier with green tariffs, whose churn we want to show."
    told = profile(Brief(customer_url=HOME, use_case_context=context), [empty], industries(), WORDS)
    assert told.industry.industry == "energy"


def test_statements_are_merged_and_what_is_missing_is_named() -> None:
    summary = "An online shop that sells clothes, shoes and accessories."
    pages = [
        page("Acme", name="Acme", category="Boots", product="Anvil", summary=summary),
        page("Acme", url=f"{HOME}b", name="ACME", category="anvil", product="ANVIL"),
    ]
    company = profile(Brief(customer_url=HOME), pages, industries(), WORDS, ["a note"])
    assert company.said(About.NAME) == ("Acme",)
    assert company.said(About.PRODUCT) == ("Anvil",)
    assert company.said(About.CATEGORY) == ("Boots",)
    assert company.unknown == (About.AUDIENCE, About.PLACE, About.PRICE, About.LOGO, About.COLOUR)
    assert company.pages == (HOME, f"{HOME}b")
    assert company.notes[0] == "a note"
    assert all(one.source.startswith(HOME) for one in company.statements)
