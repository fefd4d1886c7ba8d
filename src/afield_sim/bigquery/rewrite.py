"""BigQuery's SQL as DuckDB's, with the same meaning or not at all. Pure.

sqlglot does most of it. What follows are the places where its translation runs and gives something else; what cannot be
translated is refused and not approximated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import sqlglot
from sqlglot import ErrorLevel, exp
from sqlglot.errors import SqlglotError

from .errors import invalid_query, not_simulated

_NUMERIC = exp.DataType.build("DECIMAL(38, 9)", dialect="duckdb")
_REFUSED: Mapping[type[exp.Expr], str] = {
    exp.TableSample: "TABLESAMPLE",
    exp.ApproxTopK: "APPROX_TOP_COUNT",
    exp.ApproxQuantiles: "APPROX_QUANTILES",
    exp.JSONExtract: "JSON functions",
}


def parse(sql: str) -> exp.Query:
    """One query in BigQuery's dialect. BigQueryError."""
    try:
        statements = [one for one in sqlglot.parse(sql, read="bigquery") if one is not None]
    except SqlglotError as error:
        raise invalid_query(f"Syntax error: {str(error).splitlines()[0]}") from None
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise not_simulated("anything but one SELECT")
    return statements[0]


def rewrite(query: exp.Query) -> str:
    """DuckDB's SQL for a query whose tables are DuckDB's already. BigQueryError."""
    tree: exp.Expr = query.copy()
    for kind, name in _REFUSED.items():
        if tree.find(kind):
            raise not_simulated(name)
    for unnest in tree.find_all(exp.Unnest):
        if unnest.args.get("offset"):
            raise not_simulated("UNNEST ... WITH OFFSET")
    for node in reversed(list(tree.walk())):  # what is inside comes first
        change = _CHANGES.get(type(node))
        if change:
            node.replace(change(node))
    try:
        return tree.sql(dialect="duckdb", unsupported_level=ErrorLevel.RAISE)
    except SqlglotError as error:
        raise not_simulated(str(error).splitlines()[0]) from None


def _duck(sql: str, **parts: exp.Expr) -> exp.Expr:
    """A piece of DuckDB's SQL with parts put in for their names."""

    def put(node: exp.Expr) -> exp.Expr:
        return exp.paren(parts[node.name].copy()) if isinstance(node, exp.Column) and node.name in parts else node

    return sqlglot.parse_one(sql, read="duckdb").transform(put)


def _divide(node: exp.Expr) -> exp.Expr:
    """By zero is an error, and not infinity."""
    zero = "CASE WHEN below = 0 THEN error('division by zero') ELSE result END"
    return _duck(zero, below=node.expression, result=node)


def _anonymous(node: exp.Expr) -> exp.Expr:
    if node.name.upper() != "IEEE_DIVIDE":
        return node
    above, below = node.expressions
    return exp.paren(_duck("CAST(above AS DOUBLE) / CAST(below AS DOUBLE)", above=above, below=below))


def _extract(node: exp.Expr) -> exp.Expr:
    """DAYOFWEEK counts from Sunday, which is 1; WEEK from the first Sunday of the year: days before it are week 0."""
    part, value = node.this, node.expression
    if isinstance(part, exp.WeekStart):
        if part.this.name.upper() != "MONDAY":
            raise not_simulated(f"EXTRACT(WEEK({part.this.name}))")
        return _duck("CAST(strftime(value, '%W') AS BIGINT)", value=value)
    match part.name.upper():
        case "DAYOFWEEK":
            return _duck("dayofweek(value) + 1", value=value)
        case "WEEK":
            return _duck("CAST(strftime(value, '%U') AS BIGINT)", value=value)
        case "ISOWEEK":
            return _duck("weekofyear(value)", value=value)
        case "DATE":
            return _duck("CAST(value AS DATE)", value=value)
    return node


def _as_date(node: exp.Expr) -> exp.Expr:
    """Dates cut or moved stay dates. What is no date is refused, when the query runs."""
    refused = "error('Not simulated: DATE functions of ' || typeof(value))"
    sql = f"CASE WHEN typeof(value) = 'DATE' THEN moved ELSE {refused} END"
    return _duck(sql, value=node.this, moved=exp.cast(node.copy(), exp.DType.DATE))


def _timestamp_diff(node: exp.Expr) -> exp.Expr:
    """Whole units, not borders crossed."""
    unit = exp.Literal.string(node.text("unit").lower())
    return exp.Anonymous(this="date_sub", expressions=[unit, node.expression, node.this])


def _substring(node: exp.Expr) -> exp.Expr:
    """Position 0 is position 1."""
    node = node.copy()
    start = node.args["start"]
    node.set("start", _duck("CASE WHEN start = 0 THEN 1 ELSE start END", start=start))
    return node


def _bracket(node: exp.Expr) -> exp.Expr:
    """Beyond the end is an error, unless it is a SAFE_ position."""
    if node.args.get("safe") or len(node.expressions) != 1:
        return node
    index = exp.Literal.number(node.args.get("offset") or 0)
    beyond = "place < first OR place - first >= len(list)"
    sql = f"CASE WHEN {beyond} THEN error('Array index is out of bounds') ELSE found END"
    return _duck(sql, place=node.expressions[0], first=index, list=node.this, found=node)


def _array_agg(node: exp.Expr) -> exp.Expr:
    """The first so many: a slice of them all."""
    limit = node.this
    if not isinstance(limit, exp.Limit):
        return node
    whole = exp.ArrayAgg(this=limit.this)
    return exp.Anonymous(this="list_slice", expressions=[whole, exp.Literal.number(1), limit.expression])


def _cast(node: exp.Expr) -> exp.Expr:
    """NUMERIC has nine places, where DuckDB's DECIMAL has three."""
    if node.args["to"].this is exp.DType.DECIMAL and not node.args["to"].expressions:
        node = node.copy()
        node.set("to", _NUMERIC.copy())
    return node


def _literal(node: exp.Expr) -> exp.Expr:
    """A number with a point is a float, and not a decimal."""
    if node.args.get("is_string") or not any(sign in node.this for sign in ".eE"):
        return node
    return exp.cast(node.copy(), exp.DType.DOUBLE)


def _percentile(node: exp.Expr) -> exp.Expr:
    if not isinstance(node.parent, exp.Window):
        raise invalid_query("Function PERCENTILE_CONT cannot be called without an OVER clause")
    return node


_CHANGES: Mapping[type[exp.Expr], Callable[[exp.Expr], exp.Expr]] = {
    exp.Div: _divide,
    exp.IntDiv: _divide,
    exp.Mod: _divide,
    exp.Anonymous: _anonymous,
    exp.Extract: _extract,
    exp.DateTrunc: _as_date,
    exp.DateAdd: _as_date,
    exp.DateSub: _as_date,
    exp.TimestampDiff: _timestamp_diff,
    exp.DatetimeDiff: _timestamp_diff,
    exp.Substring: _substring,
    exp.Bracket: _bracket,
    exp.ArrayAgg: _array_agg,
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.Literal: _literal,
    exp.PercentileCont: _percentile,
}
