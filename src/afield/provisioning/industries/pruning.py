"""Making a model smaller without making it unsound: topics avoided, tables chosen, and what hung on them gone. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from afield.provisioning.datamodel import Column, DataModel, Dimension, Measure, Table
from afield.provisioning.industries.topics import Topics
from afield.provisioning.reach import facts, ways_from
from afield.provisioning.recipe import Choice, Difference, Recipe, Times, paths_of
from afield.provisioning.soundness import follow


def without_topics(model: DataModel, topics: Topics) -> DataModel:
    """Without everything that is about a topic to avoid: tables, columns, values, measures, dimensions, synonyms."""
    if not topics.phrases:
        return model
    tables = [_quiet_table(table, topics) for table in model.tables if not _is_about(table, topics)]
    return settled(
        model.model_copy(
            update={
                "title": model.title if not topics.mentioned_in(model.title) else model.industry,
                "description": topics.without(model.description),
                "tables": tuple(tables),
                "measures": tuple(_quiet(m, topics) for m in model.measures if not _names(m, topics)),
                "dimensions": tuple(_quiet(d, topics) for d in model.dimensions if not _names(d, topics)),
            }
        )
    )


def with_tables(model: DataModel, names: Iterable[str]) -> DataModel:
    """With these tables only."""
    kept = set(names)
    return settled(model.model_copy(update={"tables": tuple(t for t in model.tables if t.name in kept)}))


def settled(model: DataModel) -> DataModel:
    """Without what refers to something that is gone, until nothing does."""
    while True:
        smaller = _once(model)
        if smaller == model:
            return model
        model = smaller


def _once(model: DataModel) -> DataModel:
    names = {table.name for table in model.tables}
    tables = [_mended(table, names) for table in model.tables]
    model = model.model_copy(update={"tables": tuple(tables)})
    tables = [_made(model, table) for table in tables]
    reached = {name for fact in facts(model) for name in ways_from(model, fact)}
    tables = [table for table in tables if table.name in reached and len(table.columns) > 1 + len(table.references)]
    by_name = {table.name: table for table in tables}
    dimensions = [d for d in model.dimensions if d.table in by_name and _has(by_name[d.table], d.column)]
    measures = [m for m in model.measures if m.aggregation is None or _holds(m, by_name)]
    whole = {m.name for m in measures}
    measures = [m for m in measures if m.aggregation is not None or {m.numerator, m.denominator} <= whole]
    return model.model_copy(
        update={"tables": tuple(tables), "measures": tuple(measures), "dimensions": tuple(dimensions)}
    )


def _mended(table: Table, names: set[str]) -> Table:
    """Without references to tables that are gone, and the columns that held them."""
    gone = {r.column for r in table.references if r.table not in names or not _has(table, r.column)}
    return table.model_copy(
        update={
            "references": tuple(r for r in table.references if r.column not in gone),
            "columns": tuple(column for column in table.columns if column.name not in gone),
        }
    )


def _made(model: DataModel, table: Table) -> Table:
    """Without what columns were made from that is gone. One that was all it was made from, takes it along."""
    columns = [_free(model, table, column) for column in table.columns]
    return table.model_copy(update={"columns": tuple(column for column in columns if column is not None)})


def _free(model: DataModel, table: Table, column: Column) -> Column | None:
    recipe = column.recipe
    lost = (
        {path for path in paths_of(recipe) if not follow(model, table, path, before=column.name)} if recipe else set()
    )
    if recipe is None or not lost:
        return column
    if isinstance(recipe, Difference):
        return None
    return column.model_copy(update={"recipe": _without(recipe, lost)})


def _without(recipe: Recipe, lost: set[str]) -> Recipe | None:
    """The recipe without what it reads that is gone. A product without one of its factors is another number: such a
    column is made by its type, unless it was only a discount that is gone."""
    if isinstance(recipe, Times):
        if lost & set(recipe.factors):
            return None
        return recipe.model_copy(
            update={"factors": tuple(f for f in recipe.factors if f.removeprefix("1-") not in lost)}
        )
    influences = [name for name in ("by", "after") if getattr(recipe, name, None) in lost]
    return recipe.model_copy(update=dict.fromkeys(influences))


def _has(table: Table, name: str | None) -> bool:
    return any(column.name == name for column in table.columns)


def _holds(measure: Measure, tables: dict[str, Table]) -> bool:
    fact = tables.get(measure.fact)
    if fact is None or (measure.column and not _has(fact, measure.column)):
        return False
    if measure.only is None:
        return True
    column = next((one for one in fact.columns if one.name == measure.only.column), None)
    return column is not None and (not column.values or set(measure.only.values) <= set(column.values))


def _is_about(table: Table, topics: Topics) -> bool:
    """By its name, or by the day a fact is."""
    return topics.mentioned_in(table.name, table.primary_key) or topics.mentioned_in(table.date_column or "")


def _names(one: Measure | Dimension, topics: Topics) -> bool:
    said = (one.name, one.label, *one.synonyms)
    return not (isinstance(one, Dimension) and one.time) and topics.mentioned_in(*said)


def _quiet(one: Measure | Dimension, topics: Topics) -> Measure | Dimension:
    update: dict[str, object] = {}
    if topics.mentioned_in(one.description):
        update["description"] = f"{one.label}."
    if isinstance(one, Dimension) and one.time:
        update["synonyms"] = tuple(word for word in one.synonyms if not topics.mentioned_in(word))
        update["label"] = "Date" if topics.mentioned_in(one.label) else one.label
    return one.model_copy(update=update)


def _quiet_table(table: Table, topics: Topics) -> Table:
    structural = {table.primary_key, table.date_column, *(reference.column for reference in table.references)}
    columns = [
        _quiet_column(column, topics)
        for column in table.columns
        if column.name in structural or not topics.mentioned_in(column.name)
    ]
    kept = tuple(
        column for column in columns if column.name in structural or column.recipe is None or _possible(column)
    )
    about = topics.without(table.description) or "One of the tables."
    return table.model_copy(update={"columns": kept, "description": about})


def _possible(column: Column) -> bool:
    return not isinstance(column.recipe, Choice) or len(column.values) > 1


def _quiet_column(column: Column, topics: Topics) -> Column:
    about = "" if topics.mentioned_in(column.description) else column.description
    if not column.values:
        return column.model_copy(update={"description": about or "A column."})
    kept = [place for place, value in enumerate(column.values) if not topics.mentioned_in(value)]
    update: dict[str, object] = {"description": about or "A column.", "values": tuple(column.values[at] for at in kept)}
    if isinstance(column.recipe, Choice) and column.recipe.weights:
        weights = tuple(column.recipe.weights[at] for at in kept)
        update["recipe"] = column.recipe.model_copy(update={"weights": weights})
    return column.model_copy(update=update)
