"""What a sound data model is: data can be made for it, SQL compiled, and no row is counted twice.

Whoever makes a model, a template or a language model, it is checked here before anything else uses it. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from afield.provisioning.datamodel import Aggregation, Column, ColumnType, DataModel, Measure, Table, TableKind
from afield.provisioning.reach import asked, facts, ways_from
from afield.provisioning.recipe import Chance, Choice, Joined, Named, Pool, Recipe, Rhythm, paths_of

_NUMBERS = frozenset({ColumnType.INTEGER, ColumnType.DECIMAL, ColumnType.FLOAT})
MOST_TABLES, MOST_COLUMNS = 15, 40
_RESERVED_WORDS = """
all analyse analyze and any anti array as asc assert_rows_modified asymmetric at between both by case cast check
collate collation column concurrently constraint contains create cross cube current_catalog current_date
current_role current_time current_timestamp current_user default deferrable define desc describe distinct do
else end enum escape except exclude exists extract false fetch first following for foreign freeze from full
generated glob grant group grouping groups hash having if ignore ilike in initially inner intersect interval
into is isnull join lambda last lateral leading left like limit localtime localtimestamp lookup map merge
natural new no not notnull null nulls of offset on only or order outer over overlaps partition pivot placing
positional preceding primary proto qualify range recursive references respect returning right rollup rows select
semi session_user set show similar some struct summarize symmetric table tablesample then to trailing treat true
unbounded union unique unnest unpivot user using values variadic verbose when where window with within
"""
RESERVED = frozenset(_RESERVED_WORDS.split())
"""Words that DuckDB or BigQuery keep for themselves: no table or column is called so."""


def unsound(model: DataModel) -> tuple[str, ...]:
    """Everything that is wrong with a model, each in a sentence; empty if it is sound."""
    return tuple(_flaws(model))


def _flaws(model: DataModel) -> Iterator[str]:
    names = {table.name for table in model.tables}
    yield from _naming(model)
    if not facts(model):
        yield "There is no fact."
    if len(model.tables) > MOST_TABLES:
        yield f"There are {len(model.tables)} tables, {MOST_TABLES} at most are allowed."
    for table in model.tables:
        yield from _table(table, names)
    if not _broken(model):
        yield from _ways(model)
    for measure in model.measures:
        yield from _measure(measure, model)
    yield from _dimensions(model)


def _broken(model: DataModel) -> bool:
    """References lead nowhere, so that ways cannot be followed."""
    names = {table.name for table in model.tables}
    return any(reference.table not in names for table in model.tables for reference in table.references)


def _naming(model: DataModel) -> Iterator[str]:
    names = [one.name for one in asked(model)]
    said = [word.lower() for one in asked(model) for word in (one.label, *one.synonyms)]
    yield from (f"Two tables are called {name}." for name in _twice([table.name for table in model.tables]))
    yield from (f"Two measures or dimensions are called {name}." for name in _twice(names))
    yield from (f"Two measures or dimensions are known as {word!r}." for word in _twice(said))
    for table in model.tables:
        yield from (f"{table.name} has two columns {name}." for name in _twice([c.name for c in table.columns]))
        for name in (table.name, *(column.name for column in table.columns)):
            if name in RESERVED:
                yield f"{table.name}: {name!r} is a word of SQL."
    yield from (f"{name!r} is a word of SQL." for name in names if name in RESERVED)


def _table(table: Table, names: set[str]) -> Iterator[str]:
    columns = {column.name: column for column in table.columns}
    key = columns.get(table.primary_key)
    if key is None or key.type is not ColumnType.INTEGER:
        yield f"{table.name} has no whole-number column {table.primary_key} for its key."
    if len(columns) > MOST_COLUMNS:
        yield f"{table.name} has {len(columns)} columns, {MOST_COLUMNS} at most are allowed."
    for reference in table.references:
        if reference.table not in names:
            yield f"{table.name} refers to {reference.table}, which is no table."
        column = columns.get(reference.column)
        if column is None or column.type is not ColumnType.INTEGER or reference.column == table.primary_key:
            yield f"{table.name}: {reference.column} is no whole-number column that could refer to {reference.table}."
    yield from (f"{table.name}.{name} refers to two tables." for name in _twice([r.column for r in table.references]))
    yield from _day(table, columns)


def _day(table: Table, columns: dict[str, Column]) -> Iterator[str]:
    if table.kind is TableKind.DIMENSION:
        if table.date_column:
            yield f"{table.name} is a dimension and has a date column; only facts happen."
        return
    day = columns.get(table.date_column or "")
    if day is None or day.type is not ColumnType.DATE:
        yield f"The fact {table.name} has no date column {table.date_column or ''}."
    if table.weight <= 0:
        yield f"The fact {table.name} has no share of the rows."


def _ways(model: DataModel) -> Iterator[str]:
    tables = {table.name: table for table in model.tables}
    reached: set[str] = set()
    for table in model.tables:
        ways = ways_from(model, table.name)
        if len(ways[table.name]) > 1:
            yield f"References lead from {table.name} back to it."
        for other, found in ways.items():
            if other != table.name and len(found) > 1:
                yield f"{table.name} reaches {other} in {len(found)} ways; which one is meant cannot be told."
            if other != table.name and tables[other].kind is TableKind.FACT:
                yield f"{table.name} refers to {other}, which is a fact."
        if table.kind is TableKind.FACT:
            reached |= set(ways)
    yield from (f"No fact reaches {name}." for name in tables if name not in reached)
    for table in model.tables:
        for column in table.columns:
            yield from _recipe(model, table, column)


def _measure(measure: Measure, model: DataModel) -> Iterator[str]:
    tables = {table.name: table for table in model.tables}
    fact = tables.get(measure.fact)
    if fact is None or fact.kind is not TableKind.FACT:
        yield f"The measure {measure.name} belongs to {measure.fact}, which is no fact."
        return
    if any(column.name == measure.name for column in fact.columns):
        yield f"The measure {measure.name} is called like a column of {fact.name}."
    if measure.aggregation is None:
        yield from _ratio(measure, model)
        return
    if measure.numerator or measure.denominator:
        yield f"The measure {measure.name} is an aggregation and a ratio at once."
    yield from _aggregated(measure, measure.aggregation, fact)
    yield from _condition(measure, fact)


def _aggregated(measure: Measure, how: Aggregation, fact: Table) -> Iterator[str]:
    if how is Aggregation.COUNT:
        if measure.column:
            yield f"The measure {measure.name} counts rows; it takes no column."
        return
    column = next((one for one in fact.columns if one.name == measure.column), None)
    if column is None:
        yield f"The measure {measure.name} needs a column; {fact.name} has no {measure.column}."
    elif how is Aggregation.COUNT_DISTINCT:
        return
    elif column.type not in _NUMBERS or column.name in {fact.primary_key, *(r.column for r in fact.references)}:
        yield f"The measure {measure.name} cannot compute the {how} of {fact.name}.{column.name}: it is no number."


def _condition(measure: Measure, fact: Table) -> Iterator[str]:
    if measure.only is None:
        return
    column = next((one for one in fact.columns if one.name == measure.only.column), None)
    if column is None:
        yield f"The measure {measure.name} depends on {measure.only.column}, which {fact.name} has not."
    elif column.type not in {ColumnType.TEXT, ColumnType.BOOLEAN} or not measure.only.values:
        yield f"The measure {measure.name} depends on values of {column.name}; it takes text or yes and no."
    else:
        for value in measure.only.values:
            wrong_type = isinstance(value, bool) != (column.type is ColumnType.BOOLEAN)
            if wrong_type or (column.values and value not in column.values):
                yield f"The measure {measure.name} depends on {value!r}, which {column.name} never is."


def _ratio(measure: Measure, model: DataModel) -> Iterator[str]:
    measures = {one.name: one for one in model.measures}
    if measure.column or measure.only:
        yield f"The ratio {measure.name} takes no column and no condition."
    for name in (measure.numerator, measure.denominator):
        part = measures.get(name or "")
        if part is None:
            yield f"The ratio {measure.name} needs {name or 'two measures'}, which is no measure."
        elif part.aggregation is None:
            yield f"The ratio {measure.name} is made of {part.name}, which is a ratio itself."
        elif part.fact != measure.fact:
            yield f"The ratio {measure.name} of {measure.fact} is made of {part.name} of {part.fact}."


def _dimensions(model: DataModel) -> Iterator[str]:
    tables = {table.name: table for table in model.tables}
    for one in model.dimensions:
        table = tables.get(one.table)
        column = next((c for c in table.columns if c.name == one.column), None) if table else None
        if column is None:
            yield f"The dimension {one.name} is {one.table}.{one.column}, which is not there."
        elif one.time != (column.type in {ColumnType.DATE, ColumnType.TIMESTAMP}):
            yield f"The dimension {one.name} is {'' if one.time else 'not '}marked as time, but is {column.type}."
    timed = {(one.table, one.column) for one in model.dimensions if one.time}
    for fact in facts(model):
        if (fact, tables[fact].date_column) not in timed:
            yield f"The fact {fact} has no time dimension."


def _recipe(model: DataModel, table: Table, column: Column) -> Iterator[str]:
    recipe = column.recipe
    if recipe is None:
        return
    place = f"{table.name}.{column.name}"
    if isinstance(recipe, Joined | Rhythm) and column.type is not ColumnType.DATE:
        yield f"{place} is made as a day, but is {column.type}."
    if (
        isinstance(recipe, Choice | Named)
        and not column.values
        and getattr(recipe, "pool", None) in {None, Pool.VALUES}
    ):
        yield f"{place} takes its values from a list that is empty."
    if isinstance(recipe, Choice) and recipe.weights and len(recipe.weights) != len(column.values):
        yield f"{place} has {len(column.values)} values and {len(recipe.weights)} weights."
    if isinstance(recipe, Rhythm) and column.name != table.date_column:
        yield f"{place} has a rhythm, but is not the fact's date."
    for path in paths_of(recipe):
        end = follow(model, table, path, before=column.name)
        if end is None:
            yield f"{place} is made from {path}, which is not there before it."
        elif not _fits(recipe, path, end):
            yield f"{place} is made from {path}, which is {end.type}."


def _fits(recipe: Recipe, path: str, end: Column) -> bool:
    if isinstance(recipe, Chance) and path == recipe.after:
        return end.type is ColumnType.BOOLEAN
    if isinstance(recipe, Chance | Choice) or not hasattr(recipe, "factors"):
        return end.type in ({ColumnType.TEXT, ColumnType.BOOLEAN} if hasattr(recipe, "by") else _NUMBERS)
    return end.type in _NUMBERS


def follow(model: DataModel, table: Table, path: str, *, before: str | None = None) -> Column | None:
    """The column at the end of a path; None if there is none, or it is of this table and not made before `before`."""
    *steps, last = path.split(".")
    here: Table | None = table
    for step in steps:
        other = next((r.table for r in here.references if r.column == step), None) if here else None
        here = next((one for one in model.tables if one.name == other), None)
    if here is None:
        return None
    columns: Sequence[Column] = here.columns
    if not steps and before:
        columns = columns[: [column.name for column in columns].index(before)]
    return next((column for column in columns if column.name == last), None)


def _twice(names: Sequence[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)
