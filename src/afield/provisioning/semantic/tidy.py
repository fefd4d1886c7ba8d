"""SQL made readable: derived tables become named steps, tables keep their names. Pure; the meaning stays."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import sqlglot
from sqlglot import exp
from sqlglot.optimizer.eliminate_subqueries import eliminate_subqueries

from afield.provisioning.warehouse.base import Dialect


def tidy(sql: str, dialect: Dialect, tables: Collection[str]) -> str:
    """The statement as steps one after the other. `tables` are names that no step may take."""
    tree = sqlglot.parse_one(sql, read=dialect)
    _inline_steps(tree)
    for select in reversed(list(tree.find_all(exp.Select))):  # the innermost first
        _spell_out(select)
        _fuse(select)
    tree = eliminate_subqueries(tree)
    _name_steps(tree, tables)
    for select in tree.find_all(exp.Select):
        _name_tables(select)
    for alias in list(tree.find_all(exp.Alias)):
        if isinstance(alias.this, exp.Column) and alias.this.name == alias.alias:
            alias.replace(alias.this)
    for moved in tree.find_all(exp.Interval, exp.DateAdd):
        _count(moved, "this" if isinstance(moved, exp.Interval) else "expression")
    return tree.sql(dialect=dialect, pretty=True, identify=True)


def _inline_steps(tree: exp.Expr) -> None:
    """Steps that ibis made, put where they are used: what is left of them becomes a step again."""
    steps = tree.args.get("with_")
    if steps is None:
        return
    for step in steps.expressions:
        for table in list(tree.find_all(exp.Table)):
            if table.name == step.alias:
                table.replace(exp.Subquery(this=step.this.copy(), alias=table.args["alias"].copy()))
    steps.pop()


def _spell_out(select: exp.Select) -> None:
    """Columns instead of a star."""
    inner = _only_source(select)
    if select.is_star and inner:
        names = inner.this.named_selects
        select.set("expressions", [exp.column(name, table=inner.alias, quoted=True) for name in names])


def _fuse(select: exp.Select) -> None:
    """One SELECT of two, if the inner one only picks, renames and filters. (sqlglot's own way leaves loose ends.)"""
    inner = _only_source(select)
    if inner is None or not isinstance(inner.this, exp.Select) or not _is_plain(inner.this):
        return
    below = inner.this
    made = {one.alias_or_name: one.unalias() for one in below.expressions}
    named = [exp.alias_(one.unalias(), one.alias_or_name, quoted=True) for one in select.expressions]
    select.set("expressions", named)
    select.set("from_", below.args["from_"])
    select.set("joins", below.args.get("joins"))
    for column in _columns(select):
        if column.table == inner.alias:
            value = made[column.name].copy()
            column.replace(exp.paren(value) if isinstance(value, exp.Binary | exp.Unary) else value)
    condition = below.args.get("where")
    if condition:
        above = select.args.get("where")
        select.set("where", None)
        select.where(condition.this, *([above.this] if above else []), copy=False)


def _only_source(select: exp.Select) -> exp.Subquery | None:
    """What a SELECT reads, if that is one other query."""
    start = select.args.get("from_")
    alone = start and isinstance(start.this, exp.Subquery) and not select.args.get("joins")
    return start.this if start and alone else None


def _is_plain(select: exp.Select) -> bool:
    """Each of its rows comes from one row below, and is made of that alone."""
    more = any(
        select.args.get(part) for part in ("group", "having", "qualify", "distinct", "limit", "order", "windows")
    )
    return not more and not select.find(exp.AggFunc, exp.Window) and select.args.get("from_") is not None


def _name_steps(tree: exp.Expr, tables: Collection[str]) -> None:
    taken = {*tables}
    names: dict[str, str] = {}
    for step in tree.find_all(exp.CTE):
        names[step.alias] = _free(_title(step.this), taken)
        taken.add(names[step.alias])
        step.args["alias"].set("this", exp.to_identifier(names[step.alias]))
    for table in tree.find_all(exp.Table):
        if table.name in names:
            table.set("this", exp.to_identifier(names[table.name]))


def _title(step: exp.Expr) -> str:
    """What a step does, in a word."""
    if isinstance(step, exp.SetOperation):
        return "stacked"
    if step.find(exp.AggFunc) and not step.find(exp.Window):
        return "summed" if step.args.get("where") or step.args.get("joins") else "gathered"
    return "read" if step.args.get("joins") else "worked_out"


def _name_tables(select: exp.Select) -> None:
    """Each table goes by its own name in its SELECT; there it stands once."""
    sources = [one for one in _sources(select) if isinstance(one, exp.Table)]
    names = {one.alias: one.name for one in sources if one.alias}
    if len(set(names.values())) < len(sources):
        return
    for column in _columns(select):
        if column.table in names:
            column.set("table", exp.to_identifier(names[column.table]))
    for one in sources:
        one.set("alias", None)


def _sources(select: exp.Select) -> Iterable[exp.Expr]:
    start = select.args.get("from_")
    return [*([start.this] if start else []), *(join.this for join in select.args.get("joins") or [])]


def _columns(select: exp.Select) -> Iterable[exp.Column]:
    """Those of this SELECT, not of the steps before it."""
    inner = lambda node: isinstance(node, exp.With)  # noqa: E731
    return [node for node in select.walk(prune=inner) if isinstance(node, exp.Column)]


def _count(moved: exp.Expr, key: str) -> None:
    """BigQuery wants the number of an interval as a number, DuckDB takes it so, too."""
    number = moved.args.get(key)
    if isinstance(number, exp.Literal) and number.is_string:
        moved.set(key, exp.Literal.number(number.name))


def _free(name: str, taken: Collection[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free
