"""Whole visits to the simulator's sites."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from afield.provisioning.brief import Brief
from afield.provisioning.company import About, Company
from afield.provisioning.research.agent import research
from afield.provisioning.research.branding import extract_branding
from afield.provisioning.research.failures import Reason, ScrapeError
from afield.provisioning.research.fetch import Limits, Reach
from afield.provisioning.research.guard import Fence
from afield_sim.testing import Simulator, running_simulator


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with running_simulator(websites=True) as running:
        yield running


def reach(sim: Simulator, pages: int = 4) -> Reach:
    limits = Limits(pages=pages, page_s=20)
    return Reach(fence=Fence(loopback=True), ca_file=Path(sim.websites.ca_file), limits=limits)


async def company(sim: Simulator, name: str, pages: int = 4) -> Company:
    return await research(Brief(customer_url=sim.websites.sites[name].https), reach(sim, pages))


async def asked(sim: Simulator, site: str) -> bool:
    """Whether Afield asked for anything there. Others on this machine may knock on the wrong door."""
    agents = (await sim.websites_admin.counters())["agents"].get(site, {})
    return any(agent.startswith("AfieldBot") for agent in agents)


ORDINARY = [
    ("fjordwear", "Fjordwear", "retail", "Oslo"),
    ("harbourhill", "Harbour & Hill Bank", "banking", "Edinburgh"),
    ("kestrel", "Kestrel Mutual", "insurance", "Columbus"),
    ("marea", "Hotel Marea", "travel", "Viana do Castelo"),
    ("brenner", "Brenner & Söhne", "manufacturing", "Brno"),
    ("aldermill", "Aldermill Furniture", "retail", "Ludlow"),
    ("ecluse", "Hôtel de l'Écluse", "travel", "Pouilly-en-Auxois"),
]


@pytest.mark.parametrize(("site", "name", "industry", "place"), ORDINARY)
async def test_sites_of_several_industries(sim: Simulator, site: str, name: str, industry: str, place: str) -> None:
    found = await company(sim, site)
    assert (found.name, found.industry.industry) == (name, industry)
    assert place in found.said(About.PLACE)
    assert found.said(About.PRODUCT)
    assert found.said(About.CATEGORY)
    assert found.said(About.PRICE)
    assert len(found.pages) == 4
    assert all(one.source.startswith(sim.websites.sites[site].https) for one in found.statements)


async def test_the_other_agents_get_everything_a_site_has(sim: Simulator) -> None:
    steps: list[tuple[float, str]] = []
    site = sim.websites.sites["fjordwear"]
    brief = Brief(customer_url=site.https)
    found = await research(brief, reach(sim, 8), lambda share, words: steps.append((share, words)))
    assert found.said(About.CATEGORY) == ("Jackets", "Boots", "Bags", "Children")
    assert {"Skagen Rain Jacket", "Lille Rain Suit"} <= set(found.said(About.PRODUCT))
    assert {"€189.00", "€79.00"} <= set(found.said(About.PRICE))
    assert found.said(About.COLOUR) == ("#0b3d4f",)
    assert found.unknown == ()
    shares = [share for share, _ in steps]
    assert (shares, shares[-1]) == (sorted(shares), 1.0)
    asked = await sim.websites_admin.requests("fjordwear")
    assert len(asked) == 9
    assert all(count == 1 for count in asked.values())


async def test_words_for_language_models_are_only_words(sim: Simulator) -> None:
    found = await company(sim, "greenfork")
    assert (found.name, found.industry.industry) == ("Greenfork Catering", "restaurant")
    assert found.said(About.SUMMARY)[0].startswith("Greenfork cooks fresh meals")
    quotes = [one for one in found.statements if "Diamond" in one.text or "Evil" in one.text or "169.254" in one.text]
    assert {(one.about, one.found_in) for one in quotes} <= {(About.SUMMARY, "first paragraph")}
    assert "$1,000,000" not in found.said(About.PRICE)
    assert set(await sim.websites_admin.requests("greenfork")) <= {"/robots.txt", "/", "/menu", "/about", "/locations"}


async def test_a_site_without_structured_data_is_said_to_be_so(sim: Simulator) -> None:
    found = await company(sim, "aldermill", pages=2)
    assert "The site has no structured data; what is known of it comes from its text." in found.notes
    assert About.COLOUR in found.unknown


async def test_a_site_that_needs_scripts(sim: Simulator) -> None:
    site = sim.websites.sites["cloudherd"].https
    with pytest.raises(ScrapeError, match="next to nothing without JavaScript") as caught:
        await research(Brief(customer_url=site), reach(sim))
    assert caught.value.reason is Reason.NOTHING_TO_READ
    found = await research(Brief(customer_url=site, industry_hint="software"), reach(sim))
    assert (found.name, found.industry.hinted) == ("Cloudherd", True)
    assert "without JavaScript" in found.notes[0]
    assert About.PRODUCT in found.unknown


async def test_a_page_that_fails_later_is_noted(sim: Simulator) -> None:
    await sim.websites_admin.fault("kestrel", failing={"status": 500, "skip": 2, "next": 1})
    found = await company(sim, "kestrel", pages=3)
    assert len(found.pages) == 2
    assert "could not be read: the site answers 500 Internal Server Error." in found.notes[0]


async def test_the_first_page_has_to_be_read(sim: Simulator) -> None:
    with pytest.raises(ScrapeError, match=r"^Failed to scrape URL: certificate has expired"):
        await company(sim, "expired")


async def test_nothing_of_this_machine_is_researched_without_the_allowance(sim: Simulator) -> None:
    with pytest.raises(ScrapeError) as caught:
        await research(Brief(customer_url=sim.websites.sites["fjordwear"].http))
    assert caught.value.reason is Reason.FORBIDDEN
    assert not await asked(sim, "fjordwear")


async def test_branding_with_its_sources(sim: Simulator) -> None:
    site = sim.websites.sites["fjordwear"].https
    found = await extract_branding(site, reach(sim))
    assert found.name == "Fjordwear"
    assert [(one.value, one.found_in) for one in found.colours] == [
        ("#0b3d4f", "meta theme-color"),
        ("#f2a541", "css --accent-color"),
    ]
    assert found.colours[1].source == site + "style.css"
    assert found.logos[0].value == site + "logo.svg"
    assert found.fonts[0].value == "Nunito Sans"
    assert found.images[0].found_in == "meta og:image"
