"""What a query means, computed row by row in plain Python: no SQL, no joins, nothing shared with the compiler."""

from __future__ import annotations

import calendar
from collections.abc import Callable
from datetime import date, datetime, timedelta

from semantic_world import Row, Rows

from afield.provisioning.datamodel import Aggregation, DataModel, Measure
from afield.provisioning.query import Change, Filter, Grain, Operator, Period, Query

Cell = object
Key = tuple[Cell, ...]
Record = dict[str, Cell]
Groups = dict[Key, dict[str, Cell]]


def bucket(day: date, grain: Grain) -> date:
    match grain:
        case Grain.DAY:
            return day
        case Grain.WEEK:
            return day - timedelta(days=day.weekday())
        case Grain.MONTH:
            return date(day.year, day.month, 1)
        case Grain.QUARTER:
            return date(day.year, {1: 1, 2: 1, 3: 1, 4: 4, 5: 4, 6: 4, 7: 7, 8: 7, 9: 7}.get(day.month, 10), 1)
        case Grain.YEAR:
            return date(day.year, 1, 1)


def after(first: date, grain: Grain) -> date:
    """The next one begins on this day."""
    days = {Grain.DAY: 1, Grain.WEEK: 7}
    if grain in days:
        return first + timedelta(days=days[grain])
    for _ in range({Grain.MONTH: 1, Grain.QUARTER: 3, Grain.YEAR: 12}[grain]):
        first += timedelta(days=calendar.monthrange(first.year, first.month)[1])
    return first


def day(value: Cell) -> Cell:
    return value.date() if isinstance(value, datetime) else value


class World:
    """Rows that can be followed along references."""

    def __init__(self, model: DataModel, rows: Rows) -> None:
        self.model = model
        self.records = {
            table.name: [dict(zip([one.name for one in table.columns], row, strict=True)) for row in rows[table.name]]
            for table in model.tables
        }

    def lookup(self, fact: str, record: Record, name: str) -> Cell:
        dimension = self.model.dimension(name)
        found = self._follow(fact, record, dimension.table, dimension.column)
        if found is not None:
            return found[0]
        own = self.model.table(fact).date_column
        assert own
        return record[own]

    def _follow(self, here: str, record: Record | None, table: str, column: str) -> tuple[Cell] | None:
        """The value in a tuple; None when no way leads there."""
        if here == table:
            return (record[column] if record else None,)
        for reference in self.model.table(here).references:
            key = self.model.table(reference.table).primary_key
            hits = [one for one in self.records[reference.table] if record and one[key] == record[reference.column]]
            found = self._follow(reference.table, hits[0] if hits else None, table, column)
            if found is not None:
                return found
        return None


def holds(value: Cell, condition: Filter) -> bool:
    wanted = list(condition.values)
    value = day(value)
    if isinstance(value, date):
        wanted = [date.fromisoformat(str(one)) for one in wanted]
    if condition.operator is Operator.IS_NOT:
        return value not in wanted
    if value is None:
        return False
    compare: dict[Operator, Callable[[], bool]] = {
        Operator.IS: lambda: value in wanted,
        Operator.AT_LEAST: lambda: value >= wanted[0],
        Operator.AT_MOST: lambda: value <= wanted[0],
        Operator.ABOVE: lambda: value > wanted[0],
        Operator.BELOW: lambda: value < wanted[0],
    }
    return compare[condition.operator]()


def base(measure: Measure, records: list[Record]) -> Cell:
    if measure.only:
        records = [one for one in records if one[measure.only.column] in measure.only.values]
    if measure.aggregation is Aggregation.COUNT:
        return len(records) if measure.column is None else sum(one[measure.column] is not None for one in records)
    values = [one[measure.column] for one in records if one[measure.column] is not None]
    match measure.aggregation:
        case Aggregation.SUM:
            return sum(values)
        case Aggregation.COUNT_DISTINCT:
            return len(set(values))
        case Aggregation.AVERAGE:
            return sum(float(one) for one in values) / len(values) if values else None
        case Aggregation.MINIMUM:
            return min(values, default=None)
        case _:
            return max(values, default=None)


def evaluate(query: Query, model: DataModel, rows: Rows, today: date) -> list[Row]:
    return Evaluation(query, model, rows, today).rows()


class Evaluation:
    def __init__(self, query: Query, model: DataModel, rows: Rows, today: date) -> None:
        self.query, self.model, self.today = query, model, today
        self.world = World(model, rows)
        dimensions = {one.name for one in model.dimensions}
        self.on_rows = [one for one in query.filters if one.field in dimensions]
        self.on_measures = [one for one in query.filters if one.field not in dimensions]
        plain_keys = {one.dimension for one in query.breakdowns if not one.grain}
        share = query.change is Change.SHARE
        self.on_shown = [one for one in self.on_rows if share and one.field in plain_keys]
        self.on_rows = [one for one in self.on_rows if one not in self.on_shown]
        names = list(query.measures)
        if query.order and query.order.field in {one.name for one in model.measures} - set(names):
            names.append(query.order.field)
        self.shown = names
        self.needed = list(dict.fromkeys([*names, *(one.field for one in self.on_measures)]))
        self.time = next((number for number, one in enumerate(query.breakdowns) if one.grain), None)

    def rows(self) -> list[Row]:
        query = self.query
        now = self.grouped(query.period)
        before: Groups = {}
        if query.compare:
            before = self.moved(self.grouped(query.compare))
        found = {}
        for key in {**now, **before}:
            found[key] = self.cells(key, now, before)
        keep = [key for key in found if self.passes(key, now)]
        return self.ordered([(*key, *found[key]) for key in keep])

    def grouped(self, period: Period | None, *, keyed: bool = True) -> Groups:
        members: dict[Key, dict[str, list[Record]]] = {} if keyed and self.query.breakdowns else {(): {}}
        facts = dict.fromkeys(part.fact for name in self.needed for part in self.parts(name))
        for fact in facts:
            for record in self.world.records[fact]:
                if self.counts(fact, record, period):
                    key = self.key(fact, record) if keyed else ()
                    members.setdefault(key, {}).setdefault(fact, []).append(record)
        return {key: {name: self.value(name, group) for name in self.needed} for key, group in members.items()}

    def parts(self, name: str) -> list[Measure]:
        measure = self.model.measure(name)
        if measure.numerator and measure.denominator:
            return [self.model.measure(measure.numerator), self.model.measure(measure.denominator)]
        return [measure]

    def value(self, name: str, group: dict[str, list[Record]]) -> Cell:
        values = [base(part, group.get(part.fact, [])) for part in self.parts(name)]
        if len(values) == 1:
            return values[0]
        above, below = values
        return None if above is None or not below else float(above) / float(below)

    def counts(self, fact: str, record: Record, period: Period | None) -> bool:
        own = self.model.table(fact).date_column
        if own:
            when = day(record[own])
            if when is None or when > self.today or (period and not period.start <= when < period.end):
                return False
        return all(holds(self.world.lookup(fact, record, one.field), one) for one in self.on_rows)

    def key(self, fact: str, record: Record) -> Key:
        found = []
        for one in self.query.breakdowns:
            value = self.world.lookup(fact, record, one.dimension)
            found.append(bucket(day(value), one.grain) if one.grain and value is not None else value)
        return tuple(found)

    def own_time(self, place: int) -> bool:
        """The breakdown is of when the facts happened, for all of them."""
        dimension = self.model.dimension(self.query.breakdowns[place].dimension)
        return dimension.table in {"orders", "visits"}

    def moved(self, groups: Groups) -> Groups:
        """Times of the second period, moved by as many months (weeks, ...) as it lies away."""
        return {tuple(self.moved_cell(*pair) for pair in enumerate(key)): values for key, values in groups.items()}

    def moved_cell(self, place: int, cell: Cell) -> Cell:
        grain = self.query.breakdowns[place].grain
        if grain is None or not self.own_time(place):
            return cell
        here, there = bucket(self.query.period.start, grain), bucket(self.query.compare.start, grain)
        while there < here:
            there, cell = after(there, grain), after(cell, grain)
        while there > here:
            there, cell = (bucket(day - timedelta(days=1), grain) for day in (there, cell))
        return cell

    def cells(self, key: Key, now: Groups, before: Groups) -> list[Cell]:
        empty = {name: self.value(name, {}) for name in self.needed}
        cells: list[Cell] = []
        for name in self.shown:
            value = now.get(key, empty)[name]
            cells.append(value)
            if self.query.compare:
                old = before.get(key, empty)[name]
                cells += [old, relative(value, old)]
            elif self.query.change is not Change.NONE:
                cells.append(self.changed(name, key, value, now))
        return cells

    def changed(self, name: str, key: Key, value: Cell, now: Groups) -> Cell:
        if self.query.change is Change.SHARE:
            total = self.grouped(self.query.period, keyed=False)[()][name]
            return float(value) / float(total) if total else None
        others = [*key[: self.time], *key[self.time + 1 :]]
        series = {
            one[self.time]: values[name]
            for one, values in now.items()
            if [*one[: self.time], *one[self.time + 1 :]] == others
        }
        first = key[self.time]
        if self.query.change is Change.CUMULATIVE:
            return sum(
                number for when, number in series.items() if first is None or (when is not None and when <= first)
            )
        return self.growth(name, key, value, series)

    def growth(self, name: str, key: Key, value: Cell, series: dict[Cell, Cell]) -> Cell:
        first, grain = key[self.time], self.query.breakdowns[self.time].grain
        if first is None:
            return None
        last = bucket(first - timedelta(days=1), grain)
        period = self.query.period
        if last not in series and period and first == period.start and self.own_time(self.time):
            wider = self.grouped(Period(start=last, end=period.end))
            old_key = (*key[: self.time], last, *key[self.time + 1 :])
            return relative(value, wider[old_key][name]) if old_key in wider else None
        return relative(value, series[last]) if last in series else None

    def passes(self, key: Key, now: Groups) -> bool:
        values = now.get(key) or {name: self.value(name, {}) for name in self.needed}
        names = [one.dimension for one in self.query.breakdowns]
        shown = all(holds(key[names.index(one.field)], one) for one in self.on_shown)
        return shown and all(holds(values[one.field], one) for one in self.on_measures)

    def ordered(self, rows: list[Row]) -> list[Row]:
        width = len(self.query.breakdowns)
        names = [one.dimension for one in self.query.breakdowns]
        per_measure = 3 if self.query.compare else 1 if self.query.change is Change.NONE else 2
        columns = {name: number for number, name in enumerate(names)}
        columns |= {name: width + number * per_measure for number, name in enumerate(self.shown)}
        first, descending = width, True
        if self.time is not None:
            first, descending = self.time, False
        if self.query.order:
            first, descending = columns[self.query.order.field], self.query.order.descending
        for column in reversed(range(width)):
            rows.sort(key=lambda row: (row[column] is None, row[column] if row[column] is not None else 0))
        known = [row for row in rows if row[first] is not None]
        some = sorted(known, key=lambda row: row[first], reverse=descending)  # equals stay in their order
        none = [row for row in rows if row[first] is None]
        return (some + none)[: self.query.limit] if self.query.limit else some + none


def relative(value: Cell, old: Cell) -> Cell:
    if value is None or not old:
        return None
    return (float(value) - float(old)) / abs(float(old))


def near(one: Cell, other: Cell) -> bool:
    """Numbers up to rounding."""
    if isinstance(one, int | float) and isinstance(other, int | float) and not isinstance(one, bool):
        return abs(one - other) <= 1e-9 * max(1.0, abs(one), abs(other))
    return one == other


def same(rows: list[Row], others: list[Row]) -> bool:
    return len(rows) == len(others) and all(
        len(row) == len(other) and all(near(a, b) for a, b in zip(row, other, strict=True))
        for row, other in zip(rows, others, strict=True)
    )
