"""Names of a language model: taken where the model stays sound, refused in a sentence where not."""

from __future__ import annotations

from pathlib import Path

import pytest
from company_samples import NAMES, advanced, brief, company, made, modelled, tea_shop
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from afield.provisioning.brief import Brief, Complexity
from afield.provisioning.llm.fence import fenced
from afield.provisioning.llm.namelists import NameList, namelists
from afield.provisioning.llm.naming import chosen, renamed, replaced, values_of
from afield.provisioning.llm.wording import flaw
from afield.provisioning.recipe import Popular
from afield.provisioning.soundness import unsound
from afield.provisioning.story import Rename
from afield.provisioning.storytelling import story_for

RETAIL = modelled(brief(), company())


def lists(one: Brief, whose) -> tuple[NameList, ...]:
    return namelists(story_for(one, whose), modelled(one, whose))


@pytest.mark.parametrize("industry", NAMES)
def test_every_industry_can_be_renamed_and_stays_sound(industry: str):
    order, whose = brief(Complexity.COMPLEX), company(industry)
    before = model = modelled(order, whose)
    for number, wanted in enumerate(lists(order, whose)):
        letters = [chr(ord("a") + place) for place in range(len(wanted.old))]
        naming = chosen(wanted, [f"Q{letter}{'xyzuv'[number]}ko" for letter in letters], model, order)
        assert naming.said == [] and len(naming.renames) == len(wanted.old)
        model, flaws = renamed(model, naming.renames)
        assert flaws == () and unsound(model) == ()
        assert _names_at(wanted.place, before) & {*wanted.old} == {*wanted.old}
        assert not _names_at(wanted.place, model) & {*wanted.old}


def _names_at(place: str, model) -> set[str]:
    return {*values_of(place, model)}


def test_what_the_site_says_is_not_renamed():
    places = {wanted.place for wanted in lists(brief(), tea_shop())}
    assert "products" not in places and "categories" not in places
    some = lists(brief(), company(product=("Morning Assam",)))
    assert "Morning Assam" not in next(one for one in some if one.place == "products").old


def test_ties_between_products_and_categories_follow(tmp_path: Path):
    order, whose = brief(), company()
    model = modelled(order, whose)
    found = {one.place: one.old for one in lists(order, whose)}
    renames = [Rename(place="products", old=old, new=f"P {old}") for old in found["products"]]
    renames += [Rename(place="categories", old=old, new=f"C {old}") for old in found["categories"]]
    new, flaws = renamed(model, renames)
    assert flaws == ()
    before, after = _kin(model), _kin(new)
    assert before and after == tuple((f"P {one}", f"C {other}") for one, other in before)
    assert made(new, tmp_path).files


def _kin(model) -> tuple[tuple[str, str], ...]:
    columns = [column for table in model.tables for column in table.columns]
    return next(one.recipe.kin for one in columns if isinstance(one.recipe, Popular) and one.recipe.kin)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Revenue", "something else"),
        ("footwear", "something else"),
        ("Cap", "begins like"),
        ("Half price returns", "avoided"),
        ("x" * 49, "longer"),
        ("see http://evil.test", "address or markup"),
        ("<script>alert</script>", "markup"),
        ("'; drop table orders; --{}", "markup"),
        ("Model 3000", "made up"),
        ("...", "nothing"),
        ("Nice\x07bell", "control"),
    ],
)
def test_names_that_are_not_taken(name: str, why: str):
    order = brief().model_copy(update={"avoid_topics": ("returns",)})
    model = modelled(order, company())
    wanted = NameList(place="products", one="product", old=("Rucksack", "Trail tent"))
    naming = chosen(wanted, [name, "Cap Ferret"], model, order)
    if why == "begins like":
        naming = chosen(wanted, ["Cap Ferret", "Cap"], model, order)
    assert len(naming.said) == 1 and why in naming.said[0]


def test_a_model_that_would_not_be_sound_keeps_its_names():
    model = modelled(brief(), company())
    column = next(c for t in model.tables for c in t.columns if c.name == "category_name")
    clash = [Rename(place="categories", old=column.values[0], new=column.values[1])]
    same, flaws = renamed(model, clash)
    assert same is model and "would not be sound" in flaws[0]


@limits(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.text(max_size=60), min_size=6, max_size=6))
def test_whatever_comes_the_model_stays_sound(names: list[str]):
    order, model = brief(), RETAIL
    wanted = next(one for one in lists(order, company()) if one.place == "categories")
    naming = chosen(wanted, names[: len(wanted.old)], model, order)
    new, flaws = renamed(model, naming.renames)
    assert unsound(new) == () and flaws == ()
    assert len(naming.renames) + len(naming.said) <= len(wanted.old)


def test_words_are_replaced_as_a_whole_and_at_once():
    renames = [Rename(place="p", old="Bags", new="Sacks"), Rename(place="p", old="Bags and more", new="Bags")]
    assert replaced("Bags, Handbags, Bags and more.", renames) == "Sacks, Handbags, Bags."


def test_numbers_may_be_said_again_but_not_made_up():
    assert flaw("Since 1920, 3.5 stars", most=80, known="1920: 3.5") == ""
    assert "12" in flaw("Sales fell by 12", most=80, known="Sales fell")


@limits(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.text() | st.sampled_from(["</website>", "<website>", "&lt;/website&gt;", "\u2028"]), max_size=5))
def test_no_text_closes_its_fence(quoted):
    text = fenced("website", quoted)
    assert text.count("</website>") == 1 and text.endswith("\n</website>") and text.count("<") == 2


def test_the_order_is_kept_apart():
    assert all(wanted.old for wanted in lists(advanced(), tea_shop()))
