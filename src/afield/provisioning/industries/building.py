"""From a template and its words to a whole data model: every table, nothing chosen yet. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from afield.provisioning.datamodel import (
    Aggregation,
    Column,
    ColumnType,
    Condition,
    DataModel,
    Dimension,
    Measure,
    Reference,
    Table,
    TableKind,
)
from afield.provisioning.industries.columns import made_column
from afield.provisioning.industries.template import RHYTHMS, MeasureSpec, TableSpec, Template, spoken
from afield.provisioning.industries.vocabulary import Vocabulary, kin
from afield.provisioning.recipe import Popular, Rhythm

Kin = dict[tuple[str, str], tuple[tuple[str, str], ...]]


def whole_model(template: Template, words: Vocabulary, currency: str) -> DataModel:
    """All tables, measures and dimensions of the template, in its order."""
    return DataModel(
        title=f"{words.company}: {template.label}",
        description=words.fill(template.opening),
        industry=template.name,
        currency=currency,
        tables=tuple(_table(table, template, words) for table in template.tables),
        measures=tuple(_measure(name, spec, template) for name, spec in template.measures.items()),
        dimensions=tuple(_dimensions(template)),
    )


def _table(spec: TableSpec, template: Template, words: Vocabulary) -> Table:
    tables = {table.name: table for table in template.tables}
    refs = [(tables[name].key, name) for name in spec.refs]
    columns = [Column(name=spec.key, type=ColumnType.INTEGER, description=f"Number of the row in {spec.name}.")]
    columns += [_reference(spec, tables[name], template, words) for _, name in refs]
    if spec.date:
        columns.append(_date(spec))
    columns += [made_column(name, column, spec, words) for name, column in spec.columns.items()]
    return Table(
        name=spec.name,
        kind=TableKind.FACT if spec.date else TableKind.DIMENSION,
        description=words.fill(spec.about),
        primary_key=spec.key,
        columns=tuple(columns),
        references=tuple(Reference(column=column, table=table) for column, table in refs),
        date_column=spec.date.name if spec.date else None,
        weight=spec.weight,
        size=spec.size,
    )


def _reference(spec: TableSpec, other: TableSpec, template: Template, words: Vocabulary) -> Column:
    """Names of this table that belong to names of the other are tied to them."""
    here = [column.pool for column in spec.columns.values() if column.named and column.pool]
    there = {column.pool for column in other.columns.values() if column.named}
    pairs = [kin(words, name, template.words[name]) for name in here if template.words[name].groups in there]
    recipe = Popular(power=0.8 if spec.date else 0.5, kin=pairs[0] if pairs else ())
    about = f"Which row of {other.name} it belongs to."
    return Column(name=other.key, type=ColumnType.INTEGER, description=about, recipe=recipe)


def _date(spec: TableSpec) -> Column:
    assert spec.date
    week, year = RHYTHMS[spec.rhythm]
    recipe = Rhythm(week=week, year=year, growth=spec.growth)
    return Column(name=spec.date.name, type=ColumnType.DATE, description="The day it happened.", recipe=recipe)


def _measure(name: str, spec: MeasureSpec, template: Template) -> Measure:
    label = spec.label or spoken(name)
    if spec.ratio:
        above, below = spec.ratio
        about = spec.about or f"{_label(template, above)}, divided by {_label(template, below).lower()}."
        fact = template.measures[above].place[0]
        return Measure(
            name=name, label=label, description=about, fact=fact, numerator=above, denominator=below,
            format=spec.format, synonyms=spec.also,
        )  # fmt: skip
    table, column = spec.place
    conditions = [Condition(column=only, values=values) for only, values in spec.only.items()]
    return Measure(
        name=name,
        label=label,
        description=spec.about or _described(spec, table, column),
        fact=table,
        aggregation=Aggregation(spec.aggregation or ""),
        column=column,
        only=conditions[0] if conditions else None,
        format=spec.format,
        synonyms=spec.also,
    )


def _label(template: Template, name: str) -> str:
    return template.measures[name].label or spoken(name)


def _described(spec: MeasureSpec, table: str, column: str | None) -> str:
    what = f"{spoken(column).lower()} of {spoken(table).lower()}" if column else spoken(table).lower()
    only = "".join(f", where {spoken(name).lower()} is {_either(values)}" for name, values in spec.only.items())
    verb = {"sum": "Total", "average": "Average", "minimum": "Smallest", "maximum": "Largest", "count": "Number of"}
    return f"{verb.get(spec.aggregation or '', 'Number of different')} {what}{only}."


def _either(values: tuple[str | bool, ...]) -> str:
    return " or ".join("yes" if value is True else "no" if value is False else value for value in values)


def _dimensions(template: Template) -> Iterator[Dimension]:
    for table in template.tables:
        for name, spec in table.columns.items():
            if spec.ask:
                about = spec.about or f"{spec.ask} of the {spoken(table.name).lower()}."
                yield Dimension(
                    name=name, label=spec.ask, description=about, table=table.name, column=name, synonyms=spec.also
                )
        if table.date:
            label = table.date.label or spoken(table.date.name)
            about = f"When it happened: the day of a row of {spoken(table.name).lower()}."
            yield Dimension(
                name=table.date.name, label=label, description=about, table=table.name, column=table.date.name,
                synonyms=table.date.also, time=True,
            )  # fmt: skip
