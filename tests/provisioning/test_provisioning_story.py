"""Stories: in the company's words, of what the data can show, and turned to the brief."""

from __future__ import annotations

import pytest
from company_samples import NAMES, SITE, advanced, brief, company, tea_shop

from afield.provisioning.brief import Complexity
from afield.provisioning.storytelling import story_for


@pytest.mark.parametrize("name", NAMES)
def test_every_industry_has_a_story_without_open_slots(name: str):
    story = story_for(brief(Complexity.SIMPLE), company(name))
    told = story.model_dump_json()
    assert len(story.scenes) >= 3 and story.company == "Tealeaf & Sons"
    assert not any(f"{{{slot}}}" in told for slot in ("company", "products", "categories", "places"))


def test_words_are_marked_as_the_site_s_or_the_template_s():
    story = story_for(brief(), company(place=("Ghent",)))
    assert f"places: Ghent (json-ld, {SITE})" in story.sources
    assert "places: London" in story.own_words
    assert story_for(brief(), tea_shop()).own_words == ()


def test_the_opening_names_what_the_site_sells():
    assert "sells Morning Assam, Green Dragon and Rose Oolong" in story_for(brief(), tea_shop()).opening


def test_scenes_are_only_of_what_the_model_has():
    simple = {scene.title for scene in story_for(brief(Complexity.SIMPLE), company()).scenes}
    medium = {scene.title for scene in story_for(brief(Complexity.MEDIUM), company()).scenes}
    assert "What comes back" in medium and "What comes back" not in simple


def test_the_advanced_brief_reaches_the_story():
    story = story_for(advanced(), tea_shop())
    assert story.persona == "Chief Tea Officer"
    assert story.title == "Tealeaf & Sons: Late delivery share and basket size"
    assert "tea boxes fall behind" in story.opening and "Shopware, SAP" in story.opening
    assert "speciality tea retail" in story.opening
    assert [scene.title for scene in story.scenes[:2]] == ["Late delivery share", "Basket size"]
    assert story.scenes[1].shows.startswith("Average order value by ")
    assert story.scenes[2].shows.startswith("Nothing in the data is about it")
    told = story.model_dump_json().lower()
    assert "return" not in told and "discount" not in told
