"""The Data Modeling Agent's work without a language model: a template, filled, cut to size and turned to the brief.

Pure. What comes out is sound (`afield.provisioning.soundness`) and does not mention what the brief wants avoided.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

from afield.errors import InvalidInputError
from afield.provisioning.brief import Brief
from afield.provisioning.company import About, Company
from afield.provisioning.datamodel import DataModel, Dimension, Measure
from afield.provisioning.industries.building import whole_model
from afield.provisioning.industries.focus import Hit, hits, wishes
from afield.provisioning.industries.library import template
from afield.provisioning.industries.pruning import with_tables, without_topics
from afield.provisioning.industries.template import FEWEST_TABLES, LEVELS, MOST_TABLES, Template
from afield.provisioning.industries.topics import Topics, overlap
from afield.provisioning.industries.vocabulary import vocabulary
from afield.provisioning.reach import asked, facts, ways_from
from afield.provisioning.story import Story

Named = TypeVar("Named", Measure, Dimension)
_MOST_TITLE = 160
_CURRENCIES = (("€", "EUR"), ("EUR", "EUR"), ("£", "GBP"), ("GBP", "GBP"), ("CHF", "CHF"), ("¥", "JPY"), ("$", "USD"))


def model_for(brief: Brief, company: Company, story: Story) -> DataModel:
    """The model of one demo. Raises NotFoundError for an industry without a template, InvalidInputError if the topics
    to avoid leave nothing."""
    model = base_model(brief, company)
    topics = Topics(brief.avoid_topics)
    found = hits(model, wishes(brief))
    return model.model_copy(
        update={
            "title": _title(model, story, topics),
            "description": _description(model, brief, company, found, topics),
            "measures": _ordered([_also(one, found, model) for one in model.measures], found, story),
            "dimensions": _ordered([_also(one, found, model) for one in model.dimensions], found, story),
        }
    )


def base_model(brief: Brief, company: Company) -> DataModel:
    """The template with the company's words, without the topics to avoid, of the size asked for."""
    form = template(company.industry.industry)
    words = vocabulary(brief, company, form)
    whole = without_topics(whole_model(form, words, currency_of(company)), Topics(brief.avoid_topics))
    if not facts(whole) or not whole.measures:
        message = f"What is to be avoided leaves nothing of a {form.label} demo: {', '.join(brief.avoid_topics)}."
        raise InvalidInputError(message, hint="Name fewer or narrower topics.")
    return _chosen(whole, form, brief)


def currency_of(company: Company) -> str:
    """The currency that most of the site's prices are in; US dollars if it has none."""
    prices = " ".join(company.said(About.PRICE))
    counts = {code: 0 for _, code in _CURRENCIES}
    for sign, code in _CURRENCIES:
        counts[code] += prices.count(sign)
    best = max(counts, key=lambda code: counts[code])
    return best if counts[best] else "USD"


def _chosen(whole: DataModel, form: Template, brief: Brief) -> DataModel:
    """The tables of the complexity asked for, those of the focus, and more where too few are left."""
    levels = {table.name: LEVELS.index(table.level) for table in form.tables}
    wanted = LEVELS.index(brief.demo_complexity)
    names = [table.name for table in whole.tables if levels[table.name] <= wanted]
    names += [name for name in _focused(whole, brief) if name not in names]
    names = names[:MOST_TABLES]
    later = [table.name for table in whole.tables if table.name not in names]
    model = with_tables(whole, names)
    while later and (len(model.tables) < FEWEST_TABLES or not facts(model)):
        names.append(later.pop(0))
        model = with_tables(whole, names)
    return model


def _focused(whole: DataModel, brief: Brief) -> list[str]:
    """The tables of what the focus means. For a dimension also a fact that reaches it, and what lies between."""
    names: list[str] = []
    for hit in hits(whole, wishes(brief)):
        if isinstance(hit.meant, Measure):
            names.append(hit.meant.fact)
        elif hit.meant:
            names += _between(whole, hit.meant.table)
    return names


def _between(whole: DataModel, table: str) -> list[str]:
    for fact in facts(whole):
        for way in ways_from(whole, fact).get(table, ()):
            return [fact, *(reference.table for reference in way)]
    return []


def _ordered(ones: Sequence[Named], found: Sequence[Hit], story: Story) -> tuple[Named, ...]:
    """What the focus means comes first, then what the story speaks of."""
    meant = [hit.meant.name for hit in found if hit.meant]
    told = " ".join(scene.shows for scene in story.scenes)

    def rank(one: Named) -> tuple[int, int]:
        if one.name in meant:
            return (0, meant.index(one.name))
        return (1, 0) if overlap(one.label, told) == 1.0 else (2, 0)

    return tuple(sorted(ones, key=rank))


def _also(one: Named, found: Sequence[Hit], model: DataModel) -> Named:
    """With the brief's own words for it as synonyms, unless they already are a name of something."""
    taken = _taken(model)
    new: list[str] = []
    for hit in found:
        if hit.meant and hit.meant.name == one.name and hit.phrase.lower() not in taken:
            taken.add(hit.phrase.lower())
            new.append(hit.phrase.lower())
    return one.model_copy(update={"synonyms": (*one.synonyms, *new)}) if new else one


def _taken(model: DataModel) -> set[str]:
    """All names that something has already."""
    return {word.lower() for one in asked(model) for word in (one.label, *one.synonyms)}


def _title(model: DataModel, story: Story, topics: Topics) -> str:
    title = " ".join(story.title.split())[:_MOST_TITLE]
    return title if title and not topics.mentioned_in(title) else model.title


def _description(model: DataModel, brief: Brief, company: Company, found: Sequence[Hit], topics: Topics) -> str:
    """What the data is about, in the template's words, the site's, and the brief's."""
    summary = next(iter(company.said(About.SUMMARY)), "")
    missing = [hit.phrase for hit in found if hit.meant is None]
    meant = [f"{hit.phrase} (as {hit.meant.label})" for hit in found if hit.meant]
    parts = [
        model.description,
        _said("The company says of itself", summary[:300]),
        _said("Made for", brief.target_persona),
        _said("Industry", brief.industry_hint),
        _said("The use case", brief.use_case_context),
        _said("In focus", ", ".join(meant)),
        _said("Asked for, but not in the data", ", ".join(missing)),
        _said("Shaped as it would come from", ", ".join(brief.integrations)),
        "All of it is made up.",
    ]
    return "\n".join(part for part in (topics.without(part) for part in parts if part) if part)


def _said(what: str, text: str) -> str:
    line = re.sub(r"\s+", " ", text).strip()
    return f"{what}: {line}" + ("" if line.endswith((".", "!", "?")) else ".") if line else ""
