"""From a column of a template to a column of a model: its type, its values, and the recipe for making them. Pure."""

from __future__ import annotations

from afield.provisioning.datamodel import Column, ColumnType
from afield.provisioning.industries.template import ColumnSpec, TableSpec, spoken
from afield.provisioning.industries.vocabulary import Vocabulary
from afield.provisioning.naming import variations
from afield.provisioning.recipe import (
    Amount,
    Chance,
    Choice,
    Clock,
    Code,
    Difference,
    Joined,
    Named,
    Past,
    Pool,
    Recipe,
    Times,
    Whole,
)

_TYPES = {
    "named": ColumnType.TEXT,
    "code": ColumnType.TEXT,
    "choice": ColumnType.TEXT,
    "amount": ColumnType.DECIMAL,
    "level": ColumnType.FLOAT,
    "count": ColumnType.INTEGER,
    "whole": ColumnType.INTEGER,
    "chance": ColumnType.BOOLEAN,
    "times": ColumnType.DECIMAL,
    "difference": ColumnType.DECIMAL,
    "past": ColumnType.DATE,
    "joined": ColumnType.DATE,
    "clock": ColumnType.TIMESTAMP,
}


def made_column(name: str, spec: ColumnSpec, table: TableSpec, words: Vocabulary) -> Column:
    """The model's column. Its description says where its values come from, if from the company's site."""
    values = _values(spec, words)
    if spec.named and values and table.size:
        values = variations(values, spec.variants, table.size)
    about = spec.about or f"{spec.label or spec.ask or spoken(name)} of the {spoken(table.name).lower()}."
    return Column(
        name=name,
        type=_TYPES[spec.kind],
        description=about + _origin(spec, words),
        values=values,
        recipe=_recipe(spec, values),
    )


def _values(spec: ColumnSpec, words: Vocabulary) -> tuple[str, ...]:
    if spec.pool:
        return words.of(spec.pool)
    given = spec.named or spec.choice
    return given if isinstance(given, tuple) else ()


def _origin(spec: ColumnSpec, words: Vocabulary) -> str:
    if not spec.pool:
        return ""
    said, used = len(words.said(spec.pool)), len(words.of(spec.pool))
    if not said:
        return " Generic names: the company's site has none."
    return (
        " Names from the company's site." if said == used else " Names from the company's site, and some generic ones."
    )


def _recipe(spec: ColumnSpec, values: tuple[str, ...]) -> Recipe:
    kind = spec.kind
    if kind in {"amount", "level", "count"}:
        return _amount(spec)
    if kind in {"named", "code", "choice"}:
        return _text(spec, values)
    return _moment(spec) if kind in {"past", "joined", "clock"} else _computed(spec)


def _computed(spec: ColumnSpec) -> Recipe:
    if spec.whole:
        return Whole(low=spec.whole[0], high=spec.whole[1], even=spec.even)
    if spec.chance is not None:
        return Chance(rate=spec.chance, after=spec.after, by=spec.by)
    if spec.difference:
        return Difference(of=spec.difference[0], less=spec.difference[1])
    return Times(factors=spec.times or (), noise=spec.noise)


def _amount(spec: ColumnSpec) -> Amount:
    median, spread = spec.amount or spec.level or spec.count or (1.0, 0.0)
    low, high = spec.range or (0.0, None)
    return Amount(median=median, spread=spread, minimum=low, maximum=high, by=spec.by)


def _text(spec: ColumnSpec, values: tuple[str, ...]) -> Recipe:
    if spec.code:
        return Code(prefix=spec.code)
    if spec.choice is not None:
        weights = spec.weights if len(spec.weights) == len(values) else ()
        return Choice(weights=weights, by=spec.by)
    pool = Pool.VALUES if values else Pool(str(spec.named))
    return Named(pool=pool, variants=spec.variants)


def _moment(spec: ColumnSpec) -> Recipe:
    if spec.past:
        return Past(days=spec.past)
    if spec.joined:
        return Joined(half_life=spec.joined)
    first, last = spec.clock or (8, 20)
    return Clock(first=first, last=last)
