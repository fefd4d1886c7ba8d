"""What a query's answer should be, computed from the generated files and in plain Python; and whether an answer is it.

The chat compiles a query to one SQL statement. Here, each fact is summed up with Polars, and what is made of the sums
is computed row by row, so that a mistake in the one is not a mistake in the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeAlias

from afield.provisioning.agents.recount_files import Cell, Days, Files, Key
from afield.provisioning.datamodel import Aggregation, Measure
from afield.provisioning.query import Breakdown, Change, Filter, Grain, Operator, Query

Row: TypeAlias = dict[str, Cell]
Table: TypeAlias = dict[Key, Row]

_BEFORE = "_before"
_ZERO = frozenset({Aggregation.SUM, Aggregation.COUNT, Aggregation.COUNT_DISTINCT})  # over no rows
_MONTHS = {Grain.MONTH: 1, Grain.QUARTER: 3, Grain.YEAR: 12}
_CLOSE = 1e-6


@dataclass(frozen=True, slots=True)
class Recount:
    """Recounts over one dataset."""

    files: Files

    def table(self, query: Query) -> Table:
        """All rows the query has, by their keys, each with its values by column; neither ordered nor cut off."""
        spans = {"": self._days(query)}
        if query.compare:
            spans[_BEFORE] = self._until_today(query.compare.start, query.compare.end)
        table: Table = {} if query.breakdowns else {(): {}}
        for suffix, days in spans.items():
            for key, row in self._summed(query, days, query.breakdowns).items():
                moved = _moved(key, query) if suffix else key
                table.setdefault(moved, {}).update({name + suffix: value for name, value in row.items()})
        for row in table.values():
            self._fill(row, query, spans)
        self._change(table, query)
        return {key: row for key, row in table.items() if self._shown(key, row, query)}

    # ------------------------------------------------------------------ sums

    def _summed(self, query: Query, days: Days, by: Sequence[Breakdown]) -> Table:
        bases = self._bases(query)
        hidden = {one.field for one in self._shares_shown(query)}
        conditions = [one for one in query.filters if not self._is_measure(one.field) and one.field not in hidden]
        found: Table = {}
        for fact in dict.fromkeys(one.fact for one in bases):
            measures = [one for one in bases if one.fact == fact]
            for key, row in self.files.sums(fact, measures, by, conditions, days).items():
                found.setdefault(key, {}).update(row)
        return found

    def _bases(self, query: Query) -> list[Measure]:
        model = self.files.model
        found: dict[str, Measure] = {}
        for measure in self._measures(query):
            for name in filter(None, (measure.numerator, measure.denominator)):
                found[name] = model.measure(name)
            if measure.aggregation is not None:
                found[measure.name] = measure
        return list(found.values())

    def _measures(self, query: Query) -> list[Measure]:
        """Those asked for, and those it is ordered or filtered by."""
        names = [*query.measures, *(one.field for one in query.filters if self._is_measure(one.field))]
        if query.order and self._is_measure(query.order.field):
            names.append(query.order.field)
        return [self.files.model.measure(name) for name in dict.fromkeys(names)]

    def _is_measure(self, name: str) -> bool:
        model = self.files.model
        return name not in {one.name for one in model.dimensions} and name in {one.name for one in model.measures}

    def _until_today(self, start: date | None, end: date | None) -> Days:
        tomorrow = self.files.dataset.today + timedelta(days=1)
        return Days(start=start, end=min(end, tomorrow) if end else tomorrow)

    def _days(self, query: Query) -> Days:
        """The query's days; for growth, what the first one is compared with, too."""
        if query.period is None:
            return self._until_today(None, None)
        start, time = query.period.start, _time(query)
        if query.change is Change.GROWTH and time is not None and time.grain is not None:
            dimension = self.files.model.dimension(time.dimension)
            own = all(self.files.own_date(one.fact, dimension) for one in self._bases(query))
            if own and _first_day(_number(start, time.grain), time.grain) == start:
                start = _first_day(_number(start, time.grain) - 1, time.grain)
        return self._until_today(start, query.period.end)

    # ------------------------------------------------------------------ what is made of them

    def _fill(self, row: Row, query: Query, spans: Mapping[str, Days]) -> None:
        for suffix in spans:
            for base in self._bases(query):
                row.setdefault(base.name + suffix, None)
                if row[base.name + suffix] is None and base.aggregation in _ZERO:
                    row[base.name + suffix] = 0
            for one in self._measures(query):
                if one.aggregation is None:
                    row[one.name + suffix] = _ratio(row[f"{one.numerator}{suffix}"], row[f"{one.denominator}{suffix}"])

    def _change(self, table: Table, query: Query) -> None:
        for name in (one.name for one in self._measures(query)):
            if query.compare:
                for row in table.values():
                    row[f"{name}_change"] = _relative(row[name], row[name + _BEFORE])
            elif query.change is Change.SHARE:
                self._share(table, query, name)
            elif query.change in {Change.GROWTH, Change.CUMULATIVE}:
                _along_time(table, query, name)

    def _share(self, table: Table, query: Query, name: str) -> None:
        total = self._summed(query, self._days(query), ()).get((), {})
        self._fill(total, query, {"": self._days(query)})
        for row in table.values():
            row[f"{name}_share"] = _ratio(row[name], total[name])

    # ------------------------------------------------------------------ what is shown

    def _shares_shown(self, query: Query) -> list[Filter]:
        """Of shares: conditions on a breakdown choose what is shown, and leave the total whole."""
        keys = {one.dimension for one in query.breakdowns if not one.grain}
        return [one for one in query.filters if query.change is Change.SHARE and one.field in keys]

    def _shown(self, key: Key, row: Row, query: Query) -> bool:
        places = {one.dimension: key[place] for place, one in enumerate(query.breakdowns)}
        on_keys = all(_holds(places[one.field], one) for one in self._shares_shown(query))
        on_values = all(_holds(row[one.field], one) for one in query.filters if self._is_measure(one.field))
        return on_keys and on_values and self._in_period(places, query)

    def _in_period(self, places: Mapping[str, Cell], query: Query) -> bool:
        """Growth reads what lies before the period, and does not show it."""
        time = _time(query)
        if query.change is not Change.GROWTH or query.period is None or time is None or time.grain is None:
            return True
        day = places[time.dimension]
        if not isinstance(day, date):
            return self._days(query).start == query.period.start
        return _number(day, time.grain) >= _number(query.period.start, time.grain)


def _along_time(table: Table, query: Query, name: str) -> None:
    """Growth and running totals, each by itself for what else it is broken down by."""
    place = next(place for place, one in enumerate(query.breakdowns) if one.grain)
    grain = query.breakdowns[place].grain
    assert grain is not None
    running: dict[Key, float] = {}
    for key in sorted(table, key=lambda one: (one[place] is None, str(one[place]))):
        row, others, day = table[key], (*key[:place], *key[place + 1 :]), key[place]
        running[others] = running.get(others, 0.0) + _float(row[name])
        if query.change is Change.CUMULATIVE:
            row[f"{name}_cumulative"] = running[others]
            continue
        before = _first_day(_number(day, grain) - 1, grain) if isinstance(day, date) else None
        earlier = table.get((*key[:place], before, *key[place + 1 :])) if before else None
        row[f"{name}_growth"] = _relative(row[name], earlier[name]) if earlier else None


def _time(query: Query) -> Breakdown | None:
    return next((one for one in query.breakdowns if one.grain), None)


def _number(day: date, grain: Grain) -> int:
    """The number of the day, week, month, ... a day lies in."""
    if grain in _MONTHS:
        return (day.year * 12 + day.month - 1) // _MONTHS[grain]
    return day.toordinal() if grain is Grain.DAY else (day.toordinal() - 1) // 7  # day 1 was a Monday


def _first_day(number: int, grain: Grain) -> date:
    if grain in _MONTHS:
        year, month = divmod(number * _MONTHS[grain], 12)
        return date(year, month + 1, 1)
    return date.fromordinal(number if grain is Grain.DAY else number * 7 + 1)


def _moved(key: Key, query: Query) -> Key:
    """A time of the period compared with, beside its place in the other: the third month beside the third."""
    period, compare = query.period, query.compare
    assert period is not None
    assert compare is not None

    def moved(cell: Cell, breakdown: Breakdown) -> Cell:
        if breakdown.grain is None or not isinstance(cell, date):
            return cell
        by = _number(period.start, breakdown.grain) - _number(compare.start, breakdown.grain)
        return _first_day(_number(cell, breakdown.grain) + by, breakdown.grain)

    return tuple(moved(cell, one) for cell, one in zip(key, query.breakdowns, strict=True))


def _float(value: Cell) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _ratio(above: Cell, below: Cell) -> float | None:
    if above is None or not _float(below):
        return None
    return _float(above) / _float(below)


def _relative(now: Cell, before: Cell) -> float | None:
    if now is None or before is None or not _float(before):
        return None
    return (_float(now) - _float(before)) / abs(_float(before))


def _holds(value: Cell, condition: Filter) -> bool:
    first = condition.values[0]
    match condition.operator:
        case Operator.IS:
            return value in condition.values
        case Operator.IS_NOT:
            return value not in condition.values
    if value is None:
        return False
    here, there = _float(value), _float(first)
    compared = {
        Operator.AT_LEAST: here >= there,
        Operator.AT_MOST: here <= there,
        Operator.ABOVE: here > there,
        Operator.BELOW: here < there,
    }
    return compared[condition.operator]


# ------------------------------------------------------------------------------------------- comparing


def difference(
    query: Query, expected: Table, columns: Sequence[str], rows: Sequence[Sequence[object]], most: int = 1000
) -> str:
    """In a sentence, how an answer differs from what it should be; empty: it does not. Rows that tie for the last place
    may be either. `most`: how many rows an answer has at most."""
    names = [one.dimension for one in query.breakdowns]
    missing = [name for name in (*names, *query.measures) if name not in columns]
    if missing:
        return f"The answer has no {', '.join(missing)}."
    wanted = min(len(expected), query.limit or most, most)
    if len(rows) != wanted:
        return f"The answer has {len(rows)} rows, and should have {wanted}."
    table = {tuple(map(_plain, key)): row for key, row in expected.items()}
    for row in rows:
        cells = dict(zip(columns, row, strict=True))
        found = table.get(tuple(_plain(cells[name]) for name in names))
        wrong = "has a row that should not be there" if found is None else _wrong(cells, found)
        if wrong:
            return f"The answer {wrong}: {', '.join(str(value) for value in row)}."
    return _other_places(query, expected, columns, rows)


def _wrong(cells: Mapping[str, object], found: Row) -> str:
    for name, value in cells.items():
        if name in found and not _close(value, found[name]):
            return f"says {name} is {value} where the files say {found[name]}"
    return ""


def _other_places(query: Query, expected: Table, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Whether the values it is ordered by are those of the first rows, in order."""
    if query.order is None or query.order.field not in columns:
        return ""
    place = list(columns).index(query.order.field)
    values = list(_ordered_by(query, expected))
    best: list[Cell] = sorted((v for v in values if v is not None), key=_sortable, reverse=query.order.descending)
    best.extend([None] * (len(values) - len(best)))
    for row, value in zip(rows, best, strict=False):
        if not _close(row[place], value):
            return f"The answer is not in the order of {query.order.field}."
    return ""


def _ordered_by(query: Query, expected: Table) -> Iterator[Cell]:
    assert query.order is not None
    names = [one.dimension for one in query.breakdowns]
    for key, row in expected.items():
        yield key[names.index(query.order.field)] if query.order.field in names else row[query.order.field]


def _sortable(value: Cell) -> tuple[float, str]:
    return (float(value), "") if isinstance(value, int | float) else (0.0, str(_plain(value)))


def _plain(value: object) -> object:
    """Days as text, however they came; whole numbers as such."""
    if isinstance(value, datetime):
        value = value.date()
    if isinstance(value, date):
        return value.isoformat()
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _close(one: object, other: object) -> bool:
    numbers = (int, float)
    if isinstance(one, numbers) and isinstance(other, numbers):
        return math.isclose(one, other, rel_tol=_CLOSE, abs_tol=_CLOSE)
    return _plain(one) == _plain(other)
