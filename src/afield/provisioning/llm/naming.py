"""Giving a model's and a story's things the names a language model chose, only where all stays sound. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from afield.provisioning.brief import Brief
from afield.provisioning.datamodel import Column, Condition, DataModel, Measure, Table
from afield.provisioning.industries.library import template
from afield.provisioning.industries.template import Template
from afield.provisioning.industries.topics import Topics
from afield.provisioning.llm.namelists import NameList, place_of
from afield.provisioning.llm.wording import flaw, tidy
from afield.provisioning.reach import asked
from afield.provisioning.recipe import Popular
from afield.provisioning.soundness import unsound
from afield.provisioning.story import Rename

MOST_LETTERS = 48
_SOME = " Some of the names are a language model's."
_Names = Mapping[str, str]


@dataclass(slots=True)
class Naming:
    """Names that were taken, and why others were not."""

    renames: list[Rename] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


def chosen(wanted: NameList, names: Sequence[str], model: DataModel, brief: Brief) -> Naming:
    """The names of one list that can be taken, in place of the old ones; for the others it is said why not."""
    naming, topics, taken = Naming(), Topics(brief.avoid_topics), _taken(model)
    beside = {value.lower() for value in values_of(wanted.place, model)}
    for old, name in zip(wanted.old, names, strict=True):
        new = tidy(name)
        why = flaw(new, most=MOST_LETTERS, known=old) or _clash(new, old, taken, beside, topics)
        if why:
            naming.said.append(f"{old} keeps its name: {why}.")
        elif new != old:
            taken.add(new.lower())
            beside.add(new.lower())
            naming.renames.append(Rename(place=wanted.place, old=old, new=new))
    return naming


def renamed(model: DataModel, renames: Sequence[Rename]) -> tuple[DataModel, tuple[str, ...]]:
    """The model with the new names, and what could not be done: where it would not be sound, the old names stay."""
    if not renames:
        return model, ()
    new = _renamed(model, renames)
    flaws = unsound(new) or tuple(_doubled(new))
    if flaws:
        return model, (f"The template's names stay, with the language model's it would not be sound: {flaws[0]}",)
    return new, ()


def replaced(text: str, renames: Sequence[Rename]) -> str:
    """A text with the old names, as whole words, replaced."""
    names = {one.old: one.new for one in renames}
    if not names:
        return text
    longest_first = sorted(names, key=len, reverse=True)
    pattern = r"(?<!\w)(" + "|".join(map(re.escape, longest_first)) + r")(?!\w)"
    return re.sub(pattern, lambda found: names[found[1]], text)


def _clash(new: str, old: str, taken: set[str], beside: set[str], topics: Topics) -> str:
    low = new.lower()
    if ";" in new:
        return "a name has no semicolon"
    if low in taken and low != old.lower():
        return f"{new} is the name of something else"
    if topics.mentioned_in(new):
        return "the new one speaks of what is to be avoided"
    others = beside - {old.lower()}
    if any(low.startswith(f"{one} ") or one.startswith(f"{low} ") for one in others):
        return f"{new} begins like another one"
    return ""


def _taken(model: DataModel) -> set[str]:
    """Everything that has a name already, as the chat would look for it."""
    words = {word.lower() for one in asked(model) for word in (one.label, *one.synonyms)}
    return words | {value.lower() for table in model.tables for column in table.columns for value in column.values}


def values_of(place: str, model: DataModel) -> Iterator[str]:
    """All names at one place of the model."""
    for table, column in _places(template(model.industry), model).get(place, ()):
        yield from model.table(table).column(column).values


def _places(form: Template, model: DataModel) -> dict[str, list[tuple[str, str]]]:
    """The columns that take their names from each place."""
    found: dict[str, list[tuple[str, str]]] = {}
    there = {(table.name, column.name) for table in model.tables for column in table.columns}
    for table in form.tables:
        for name, spec in table.columns.items():
            place = place_of(table.name, name, spec)
            if place and (table.name, name) in there:
                found.setdefault(place, []).append((table.name, name))
    return found


def _renamed(model: DataModel, renames: Sequence[Rename]) -> DataModel:
    form = template(model.industry)
    names: dict[tuple[str, str], dict[str, str]] = {}
    for place, columns in _places(form, model).items():
        of_place = {one.old: one.new for one in renames if one.place == place}
        names |= {column: of_place for column in columns if of_place}
    return model.model_copy(
        update={
            "description": replaced(model.description, renames),
            "tables": tuple(_table(table, names, renames) for table in model.tables),
            "measures": tuple(_measure(one, names) for one in model.measures),
        }
    )


def _table(table: Table, names: Mapping[tuple[str, str], _Names], renames: Sequence[Rename]) -> Table:
    columns = []
    for column in table.columns:
        made = _column(column, names.get((table.name, column.name), {}))
        if isinstance(made.recipe, Popular) and made.recipe.kin:
            made = made.model_copy(update={"recipe": _popular(made.recipe, table, names, renames)})
        columns.append(made)
    return table.model_copy(update={"columns": tuple(columns), "description": replaced(table.description, renames)})


def _column(column: Column, names: _Names) -> Column:
    if not names:
        return column
    values = tuple(_value(value, names) for value in column.values)
    return column.model_copy(update={"values": values, "description": column.description + _SOME})


def _value(value: str, names: _Names) -> str:
    """A name, or a variant of one: its beginning is the name."""
    if value in names:
        return names[value]
    base = max((old for old in names if value.startswith(f"{old} ")), key=len, default="")
    return names[base] + value[len(base) :] if base else value


def _popular(
    recipe: Popular, table: Table, names: Mapping[tuple[str, str], _Names], renames: Sequence[Rename]
) -> Popular:
    """The ties between names here and names there, with the new ones."""
    here = {old: new for (name, _), some in names.items() if name == table.name for old, new in some.items()}
    there = {one.old: one.new for one in renames}
    return recipe.model_copy(update={"kin": tuple((here.get(a, a), there.get(b, b)) for a, b in recipe.kin)})


def _measure(measure: Measure, names: Mapping[tuple[str, str], _Names]) -> Measure:
    only = measure.only
    new = names.get((measure.fact, only.column), {}) if only else {}
    if only is None or not new:
        return measure
    values = tuple(_value(one, new) if isinstance(one, str) else one for one in only.values)
    return measure.model_copy(update={"only": Condition(column=only.column, values=values)})


def _doubled(model: DataModel) -> Iterator[str]:
    for table in model.tables:
        for column in table.columns:
            if len({value.lower() for value in column.values}) < len(column.values):
                yield f"{table.name}.{column.name} has one value twice."
