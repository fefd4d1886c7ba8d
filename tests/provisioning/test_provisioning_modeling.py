"""Models made from templates: sound, of the size asked for, and turned to the brief."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from company_samples import NAMES, SITE, advanced, brief, company, modelled, tea_shop
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from afield.errors import InvalidInputError, NotFoundError
from afield.provisioning.brief import Brief, Complexity
from afield.provisioning.industries.topics import Topics
from afield.provisioning.modeling import currency_of
from afield.provisioning.reach import facts
from afield.provisioning.soundness import unsound
from afield.provisioning.storytelling import story_for

TOPICS = ("returns", "discounts", "customers", "staff", "claims", "prices", "fraud", "reviews", "ratings", "costs")


def texts(value: object) -> Iterator[str]:
    """Every text in a model, whatever holds it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from texts(getattr(value, name))
    elif isinstance(value, tuple):
        for one in value:
            yield from texts(one)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("complexity", Complexity)
def test_every_template_gives_a_sound_model_of_each_size(name: str, complexity: Complexity):
    model = modelled(brief(complexity), company(name))
    assert unsound(model) == ()
    assert 5 <= len(model.tables) <= 15 and len(facts(model)) >= 2
    assert any(measure.aggregation is None for measure in model.measures)


@pytest.mark.parametrize("name", NAMES)
def test_more_complexity_means_more_tables(name: str):
    counts = [len(modelled(brief(one), company(name)).tables) for one in Complexity]
    assert counts[0] < counts[1] < counts[2]


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(NAMES), st.sampled_from(Complexity), st.sets(st.sampled_from(TOPICS), max_size=3))
def test_what_is_avoided_is_nowhere_and_the_model_stays_sound(name: str, complexity: Complexity, avoid: set[str]):
    one = Brief(customer_url=SITE, demo_complexity=complexity, avoid_topics=tuple(sorted(avoid)))
    try:
        story = story_for(one, company(name))
        model = modelled(one, company(name))
    except InvalidInputError:
        return  # nothing was left of it, and that is said
    assert unsound(model) == ()
    topics = Topics(one.avoid_topics)
    structure = {table.primary_key for table in model.tables}
    said = [text for text in (*texts(model), *texts(story)) if text not in structure]
    assert [text for text in said if topics.mentioned_in(text)] == []


def test_the_site_s_words_are_in_the_data_model_and_say_that_they_are():
    model = modelled(brief(), tea_shop())
    products = model.table("products").column("product_name")
    assert products.values[:2] == ("Morning Assam", "Green Dragon")
    assert products.description.endswith("Names from the company's site.")
    assert model.table("stores").column("store_name").values == ("Ghent", "Utrecht", "Aarhus", "Porto")
    assert model.currency == "EUR"
    assert "Tea, grown slowly" in model.description


def test_where_the_site_says_nothing_the_names_are_called_generic():
    column = modelled(brief(), company()).table("stores").column("store_name")
    assert column.description.endswith("Generic names: the company's site has none.")


def test_the_advanced_brief_reaches_the_model():
    model = modelled(advanced(), tea_shop())
    assert "late delivery share" in model.title.lower()
    assert "Chief Tea Officer" in model.description
    assert "tea boxes fall behind" in model.description
    assert "Shopware, SAP" in model.description
    assert "sommelier certificates" in model.description.split("Asked for, but not in the data:")[1]
    assert "deliveries" in {table.name for table in model.tables}, "the focus brings in its table"
    assert [measure.name for measure in model.measures[:2]] == ["late_delivery_rate", "average_order_value"]
    assert "late delivery share" in model.measure("late_delivery_rate").synonyms


def test_the_advanced_brief_s_topics_are_gone_with_all_that_hung_on_them():
    model = modelled(advanced(), tea_shop())
    assert "returns" not in {table.name for table in model.tables}
    columns = {column.name for column in model.table("orders").columns}
    assert "discount" not in columns and "Returned" not in model.table("orders").column("order_status").values
    assert "Returns annoy" not in model.description


def test_a_brief_that_avoids_everything_is_refused():
    everything = ("orders", "visits", "returns", "reviews", "deliveries")
    with pytest.raises(InvalidInputError, match="leaves nothing"):
        modelled(Brief(customer_url=SITE, avoid_topics=everything), company())


def test_an_industry_without_template_is_refused():
    with pytest.raises(NotFoundError):
        modelled(brief(), company("alchemy"))


@pytest.mark.parametrize(
    ("prices", "currency"),
    [((), "USD"), (("£ 3", "£ 4", "€ 1"), "GBP"), (("from CHF 20",), "CHF"), (("free",), "USD")],
)
def test_the_currency_is_that_of_most_prices(prices: tuple[str, ...], currency: str):
    assert currency_of(company(price=prices)) == currency
