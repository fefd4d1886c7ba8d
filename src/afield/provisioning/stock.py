"""What a model and its data have to ask about: which measures, by what, and which values are sure to be there. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from afield.provisioning import asking
from afield.provisioning.datamodel import Aggregation, Column, ColumnType, DataModel, Dimension, Measure
from afield.provisioning.dataset import Dataset
from afield.provisioning.query import Breakdown, Grain, Period
from afield.provisioning.reach import dimensions_of, time_of
from afield.provisioning.recipe import Choice, Named

_FEW = 12  # values that fit one chart
_OFTEN = 20  # rows for each value, so that none is missing


@dataclass(frozen=True, slots=True)
class Stock:
    """A model, and the manifest of its data."""

    model: DataModel
    dataset: Dataset

    @property
    def sums(self) -> list[Measure]:
        """Measures that add up, without conditions; in the model's order, but of every fact one first."""
        found = [m for m in self.model.measures if m.aggregation in {Aggregation.SUM, Aggregation.COUNT} and not m.only]
        firsts = _first_of_each(found)
        return [*firsts, *(measure for measure in found if measure not in firsts)]

    @property
    def firsts(self) -> list[Measure]:
        """Of every fact the first measure that adds up."""
        return _first_of_each(self.sums)

    def of(self, how: Aggregation) -> list[Measure]:
        """The measures that sum up so."""
        return [measure for measure in self.model.measures if measure.aggregation is how]

    def count_of(self, fact: str) -> Measure | None:
        """The measure that counts a fact's rows."""
        return next((m for m in self.of(Aggregation.COUNT) if m.fact == fact and not m.only), None)

    def measures_by(self, dimension: Dimension) -> list[Measure]:
        """The measures that add up and can be broken down by this."""
        return [one for one in self.sums if dimension in dimensions_of(self.model, one.fact)]

    def few(self, measure: Measure) -> list[Dimension]:
        """What it can be broken down by with few values."""
        return [one for one in self._texts(measure) if 2 <= len(self._column(one).values) <= _FEW]

    def names(self, measure: Measure) -> list[Dimension]:
        """What it can be broken down by that has names: shops, products, people."""
        found = [one for one in self._texts(measure) if isinstance(self._column(one).recipe, Named)]
        return [one for one in found if self.rows_of(one) > 2]

    def sure_values(self, measure: Measure) -> list[tuple[Dimension, str]]:
        """Values that the data has for this measure, one for each dimension."""
        return [(one, self._column(one).values[0]) for one in self.few(measure) if self._is_sure(one)]

    def time(self, measure: Measure, grain: Grain) -> Breakdown:
        """The measure's time, cut."""
        return Breakdown(dimension=time_of(self.model, measure.fact).name, grain=grain)

    def rows_in(self, table: str) -> int:
        """Rows of a table."""
        return next(file.rows for file in self.dataset.files if file.table == table)

    def rows_of(self, dimension: Dimension) -> int:
        """Rows of a dimension's table."""
        return self.rows_in(dimension.table)

    @property
    def last_year(self) -> int:
        """The last whole year."""
        return self.dataset.today.year - 1

    @property
    def last_month(self) -> Period:
        """The last whole month."""
        return asking.month(self.dataset.today.replace(day=1) - timedelta(days=1))

    @property
    def last_quarter(self) -> Period:
        """The last whole quarter."""
        return asking.quarter(asking.quarter(self.dataset.today).start - timedelta(days=1))

    def _texts(self, measure: Measure) -> list[Dimension]:
        found = dimensions_of(self.model, measure.fact)
        return [one for one in found if self._column(one).type is ColumnType.TEXT]

    def _column(self, dimension: Dimension) -> Column:
        return self.model.table(dimension.table).column(dimension.column)

    def _is_sure(self, dimension: Dimension) -> bool:
        """A name is there by definition; the first of some values, if there are rows enough for all."""
        column = self._column(dimension)
        if isinstance(column.recipe, Named):
            return True
        return isinstance(column.recipe, Choice) and self.rows_of(dimension) >= _OFTEN * len(column.values)


def _first_of_each(measures: list[Measure]) -> list[Measure]:
    """The first of each fact."""
    found: dict[str, Measure] = {}
    for measure in measures:
        found.setdefault(measure.fact, measure)
    return list(found.values())
