"""What SQL may do here: one SELECT over the dataset's own tables, with functions that only compute. Pure.

The parse is by sqlglot in the warehouse's own dialect. What is not known to be harmless is refused: tables and
functions are on lists, statements are of one kind. The warehouse's own fences stand behind this one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import traverse_scope

from afield.provisioning.warehouse.base import Dialect, RefusedSqlError

MAX_LENGTH = 50_000

_COMPUTING = """
    abs and any_value approx_distinct approx_quantile array_agg avg array between case cast ceil coalesce concat
    contains corr count count_if countif covar_pop covar_samp cume_dist current_date
    date date_add date_diff date_from_parts date_from_unix_date date_sub date_trunc
    day day_of_month day_of_week day_of_week_iso day_of_year dayofmonth dayofweek dayofweek_iso dayofyear dense_rank
    exp extract first first_value floor format_date greatest hour ieee_divide if initcap is_inf is_nan isodow
    lag last last_value last_day lead least left length ln log lower lpad ltrim
    make_date max median min minute mod month nth_value ntile nullif or
    percent_rank percentile_cont percentile_disc pow power quantile quantile_cont quarter rank regexp_like replace right
    round row_number rpad rtrim safe_cast safe_divide second sign sqrt starts_with stddev stddev_pop stddev_samp
    str_position strftime string_agg group_concat sub_string substr substring sum time_to_str
    timestamp_trunc trim trunc try_cast ts_or_ds_to_date upper variance var_pop var_samp variance_pop
    week week_of_year week_start weekofyear year xor
"""
_FUNCTIONS = frozenset(_COMPUTING.split())
"""All that compute from their arguments alone."""

_FORBIDDEN = (
    exp.DML, exp.DDL, exp.Command, exp.Describe, exp.Into, exp.Lock, exp.Parameter, exp.Placeholder, exp.Pragma,
    exp.SessionParameter, exp.Set, exp.Show, exp.Summarize,
)  # fmt: skip


def guarded(sql: str, tables: Collection[str], dialect: Dialect) -> exp.Query:
    """The statement, parsed. RefusedSqlError says in a sentence why it may not run."""
    if len(sql) > MAX_LENGTH:
        raise RefusedSqlError(f"The statement is longer than {MAX_LENGTH:,} characters.", hint="Ask for less at once.")
    statement = _only_select(sql, dialect)
    for why in _objections(statement, {name.lower() for name in tables}):
        allowed = ", ".join(sorted(tables))
        raise RefusedSqlError(f"{why}.", hint=f"A statement may read these tables: {allowed}.")
    return statement


def _only_select(sql: str, dialect: Dialect) -> exp.Query:
    try:
        statements = [one for one in sqlglot.parse(sql, read=dialect) if one is not None]
    except (SqlglotError, RecursionError) as error:
        first = str(error).partition("\n")[0][:200]
        raise RefusedSqlError(f"The statement cannot be read: {first}", hint="Write one SELECT.") from None
    if len(statements) != 1:
        raise RefusedSqlError(f"These are {len(statements)} statements.", hint="Write exactly one SELECT.")
    statement = statements[0]
    if not isinstance(statement, exp.Query) or isinstance(statement, exp.Table):
        kind = type(statement).__name__.upper()
        raise RefusedSqlError(f"A statement of kind {kind} is not allowed.", hint="Write one SELECT.")
    return statement


def _objections(statement: exp.Query, tables: Collection[str]) -> Iterator[str]:
    yield from _kinds(statement)
    yield from _functions(statement)
    yield from _tables(statement, tables)


def _kinds(statement: exp.Query) -> Iterator[str]:
    """Parts that change, run or lock something, or that reach outside."""
    for node in statement.walk():
        if isinstance(node, _FORBIDDEN) and not isinstance(node, exp.Query):
            yield f"{type(node).__name__.upper()} is not allowed in a SELECT here"
        if isinstance(node, exp.With) and node.recursive:
            yield "WITH RECURSIVE is not allowed"


def _functions(statement: exp.Query) -> Iterator[str]:
    for node in statement.find_all(exp.Func):
        names = {node.name.lower()} if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc) else _names(node)
        if not names & _FUNCTIONS:
            yield f"The function {min(names).upper()} is not allowed"


def _names(node: exp.Func) -> set[str]:
    return {name.lower() for name in node.sql_names()}


def _tables(statement: exp.Query, tables: Collection[str]) -> Iterator[str]:
    """Names that are no table of the dataset, and not defined by a WITH in reach of where they stand."""
    defined: set[int] = set()
    for scope in traverse_scope(statement):
        defined |= {id(table) for table in scope.tables if not table.db and table.name in scope.cte_sources}
    for table in statement.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier):
            yield f"{table.this.sql()[:80]} is not a table of this dataset"
        elif table.db or table.catalog:
            yield f"{table.sql()[:80]} lies outside this dataset: tables are named without it"
        elif id(table) not in defined and table.name.lower() not in tables:
            yield f"There is no table {table.name[:80]} in this dataset"
