"""The Demo Story Agent's work without a language model: the industry's scenes in the company's words. Pure.

It tells only what the data will be able to show: a scene is left out where the model has not all it speaks of.
"""

from __future__ import annotations

import re

from afield.provisioning.brief import Brief
from afield.provisioning.company import Company
from afield.provisioning.datamodel import DataModel, Dimension, Measure
from afield.provisioning.industries.focus import Hit, hits, wishes
from afield.provisioning.industries.library import template
from afield.provisioning.industries.template import SceneSpec, Template
from afield.provisioning.industries.topics import Topics
from afield.provisioning.industries.vocabulary import Vocabulary, vocabulary
from afield.provisioning.modeling import base_model
from afield.provisioning.reach import asked, dimensions_of
from afield.provisioning.story import Scene, Story

_ANYBODY = "Management"


def story_for(brief: Brief, company: Company) -> Story:
    """The story of one demo. Raises what `modeling.base_model` raises."""
    form = template(company.industry.industry)
    words = vocabulary(brief, company, form)
    model = base_model(brief, company)
    topics = Topics(brief.avoid_topics)
    persona = topics.without(brief.target_persona) or topics.without(form.persona) or _ANYBODY
    scenes = [_asked(hit, model, persona) for hit in hits(model, wishes(brief))]
    scenes += [_filled(spec, words) for spec in form.scenes if _can_show(spec, model)]
    kept = tuple(scene for scene in scenes if not topics.mentioned_in(scene.title, scene.worry, scene.shows))
    return Story(
        title=_title(words, form, brief, topics),
        company=words.company,
        persona=persona,
        opening=_opening(form, words, brief, topics),
        scenes=kept or (_plain(model, persona),),
        sources=words.sources(),
        own_words=words.own(),
    )


def _title(words: Vocabulary, form: Template, brief: Brief, topics: Topics) -> str:
    focus = wishes(brief)
    about = " and ".join(focus[:2]) or topics.without(form.scenes[0].title) or form.label
    return f"{words.company}: {about[:1].upper()}{about[1:]}"


def _opening(form: Template, words: Vocabulary, brief: Brief, topics: Topics) -> str:
    parts = [words.fill(form.opening), brief.use_case_context]
    if brief.industry_hint:
        parts.append(f"The industry is {brief.industry_hint}.")
    if brief.integrations:
        parts.append(f"The data is shaped as it would come from {', '.join(brief.integrations)}.")
    return " ".join(part for part in (topics.without(re.sub(r"\s+", " ", part)) for part in parts) if part)


def _can_show(spec: SceneSpec, model: DataModel) -> bool:
    return {*spec.uses} <= {one.name for one in asked(model)}


def _filled(spec: SceneSpec, words: Vocabulary) -> Scene:
    return Scene(title=words.fill(spec.title), worry=words.fill(spec.worry), shows=words.fill(spec.shows))


def _asked(hit: Hit, model: DataModel, persona: str) -> Scene:
    """A scene for a wish: what the data has of it, or plainly that it has nothing."""
    title = f"{hit.phrase[:1].upper()}{hit.phrase[1:]}"
    worry = f"{persona} asks about {hit.phrase}."
    if hit.meant is None:
        return Scene(title=title, worry=worry, shows="Nothing in the data is about it; it can only be talked about.")
    if isinstance(hit.meant, Dimension):
        return Scene(title=title, worry=worry, shows=f"{_counted(model, hit.meant)} by {hit.meant.label.lower()}.")
    return Scene(title=title, worry=worry, shows=f"{hit.meant.label} {_broken_down(model, hit.meant)}.")


def _counted(model: DataModel, dimension: Dimension) -> str:
    for measure in model.measures:
        if dimension in dimensions_of(model, measure.fact):
            return measure.label
    return "What there is"


def _broken_down(model: DataModel, measure: Measure) -> str:
    by = [one.label.lower() for one in dimensions_of(model, measure.fact) if not one.time][:2]
    return f"by {' and '.join(by)}, and over time" if by else "over time"


def _plain(model: DataModel, persona: str) -> Scene:
    first = model.measures[0]
    worry = f"{persona} wants to know how things develop."
    return Scene(title=first.label, worry=worry, shows=f"{first.label} {_broken_down(model, first)}.")
