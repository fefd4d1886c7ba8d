"""Which words of a demo are a template's own and could have better names: lists of products, categories, campaigns.

Pure. What the company's site says is never renamed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from afield.provisioning.brief import Frozen
from afield.provisioning.company import About
from afield.provisioning.datamodel import DataModel
from afield.provisioning.industries.library import template
from afield.provisioning.industries.template import ColumnSpec, Template, spoken
from afield.provisioning.story import Story

MOST_LISTS, MOST_NAMES = 5, 24
_NAMED = frozenset({About.PRODUCT, About.CATEGORY})
_NONE = frozenset({"no", "none", "unknown", "other", "others"})  # `No campaign` is not a name


class NameList(Frozen):
    """Names of one place. `one`: what one of them is called; `groups`: of each name, where it belongs to one."""

    place: str
    one: str
    old: tuple[str, ...]
    groups: Mapping[str, str] = {}


def place_of(table: str, column: str, spec: ColumnSpec) -> str | None:
    """Where a column's names come from; None where they are no list of names."""
    if spec.pool:
        return spec.pool
    return f"{table}.{column}" if isinstance(spec.named, tuple) else None


def namelists(story: Story, model: DataModel) -> tuple[NameList, ...]:
    """All lists that could be renamed, those of the template's pools first."""
    form = template(model.industry)
    return (*_pools(form, story, model), *_columns(form, model))[:MOST_LISTS]


def _pools(form: Template, story: Story, model: DataModel) -> Iterator[NameList]:
    own = [word.partition(": ") for word in story.own_words]
    there = {value for table in model.tables for column in table.columns for value in column.values}
    for name, pool in form.words.items():
        old = tuple(word for place, _, word in own if place == name and word in there)[:MOST_NAMES]
        if old and pool.about in _NAMED:
            groups = {word: group for word, group in pool.kin() if word in old}
            yield NameList(place=name, one=pool.one, old=old, groups=groups)


def _columns(form: Template, model: DataModel) -> Iterator[NameList]:
    there = {table.name for table in model.tables}
    for table in form.tables:
        for name, spec in table.columns.items():
            if table.name in there and isinstance(spec.named, tuple):
                old = tuple(word for word in spec.named if _is_name(word))[:MOST_NAMES]
                if old:
                    yield NameList(place=f"{table.name}.{name}", one=spoken(name).lower(), old=old)


def _is_name(word: str) -> bool:
    return word.split(maxsplit=1)[0].lower() not in _NONE and any(char.isalpha() for char in word)
