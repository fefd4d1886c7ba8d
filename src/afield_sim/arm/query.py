"""Running a Resource Graph query over rows. Pure.

`Resources | where … | project a, b = c.d | extend b = c.d | order by a desc, b | limit n | count`, in any order.
"""

from collections.abc import Callable, Mapping, Sequence

from .kusto import QueryError, Reader, Row, read_condition, read_operand

Rows = Sequence[dict[str, object]]
Step = Callable[[Reader, Rows], Rows]

_TABLE = "resources"
_CONTAINERS = "resourcecontainers"


def run_query(query: str, rows: Rows) -> list[dict[str, object]]:
    """The rows a query leads to; QueryError when it is not understood. Rows are not changed."""
    reader = Reader(query)
    table = reader.expect("a table", "word").value.lower()
    if table not in {_TABLE, _CONTAINERS}:
        raise QueryError(f"the table {table!r} is not known here; there are Resources and ResourceContainers")
    found: Rows = rows if table == _TABLE else []
    while reader.here.kind != "end":
        reader.expect("|")
        name = reader.here.value.lower()
        step = _STEPS.get(name)
        if step is None:
            raise reader.problem(f"one of {', '.join(_STEPS)}")
        reader.take()
        found = step(reader, found)
    return list(found)


def _where(reader: Reader, rows: Rows) -> Rows:
    condition = read_condition(reader)
    return [row for row in rows if condition(row)]


def _project(reader: Reader, rows: Rows) -> Rows:
    columns = _read_columns(reader)
    return [{name: read(row) for name, read in columns.items()} for row in rows]


def _extend(reader: Reader, rows: Rows) -> Rows:
    columns = _read_columns(reader)
    return [{**row, **{name: read(row) for name, read in columns.items()}} for row in rows]


def _order(reader: Reader, rows: Rows) -> Rows:
    if not reader.skip("by"):
        raise reader.problem("by")
    keys = [_read_key(reader)]
    while reader.skip(","):
        keys.append(_read_key(reader))
    ordered = list(rows)
    for read, descending in reversed(keys):
        ordered.sort(key=_sortable(read), reverse=descending)
    return ordered


def _limit(reader: Reader, rows: Rows) -> Rows:
    return rows[: int(reader.expect("a number", "number").value)]


def _count(_: Reader, rows: Rows) -> Rows:
    return [{"Count": len(rows)}]


def _read_columns(reader: Reader) -> dict[str, Callable[[Row], object]]:
    columns = dict([_read_column(reader)])
    while reader.skip(","):
        columns.update([_read_column(reader)])
    return columns


def _read_column(reader: Reader) -> tuple[str, Callable[[Row], object]]:
    """`name`, `name = path`, or a path alone, whose parts are then joined by `_`."""
    name = reader.here.value
    read = read_operand(reader)
    if reader.skip("="):
        return name, read_operand(reader)
    return name.replace(".", "_"), read


def _read_key(reader: Reader) -> tuple[Callable[[Row], object], bool]:
    """A column and whether it descends, which it does unless told otherwise."""
    return read_operand(reader), reader.skip("asc", "desc") != "asc"


def _sortable(read: Callable[[Row], object]) -> Callable[[Row], tuple[bool, float, str]]:
    def key(row: Row) -> tuple[bool, float, str]:
        value = read(row)
        number = float(value) if isinstance(value, int | float) else 0.0
        return value is not None, number, "" if isinstance(value, int | float) else str(value)

    return key


_STEPS: Mapping[str, Step] = {
    "where": _where,
    "project": _project,
    "extend": _extend,
    "order": _order,
    "sort": _order,
    "limit": _limit,
    "take": _limit,
    "count": _count,
}
