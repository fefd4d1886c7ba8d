"""Putting one query together from a draft whose words have all been given one meaning. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from afield.provisioning.chat import periods
from afield.provisioning.chat.choosing import adds_up, is_burden, is_duration, measured, only_condition
from afield.provisioning.chat.cues import Cue
from afield.provisioning.chat.draft import Draft
from afield.provisioning.chat.lexicon import Kind
from afield.provisioning.chat.matching import Meaning
from afield.provisioning.chat.when import periods_meant
from afield.provisioning.datamodel import DataModel, Format, Measure
from afield.provisioning.query import Breakdown, Change, Filter, Grain, Operator, Order, Period, Query
from afield.provisioning.reach import time_of
from afield.provisioning.semantic.answer import Role, column_name
from afield.provisioning.semantic.errors import QueryError

_LARGE = 25  # more values than this are ranked, not listed
_RANKED = 10
_FINE = frozenset({Grain.DAY, Grain.WEEK})  # of which there are as many
_RANKING = frozenset({Cue.TOP, Cue.BOTTOM})
_ASKING = frozenset({Cue.WHICH, Cue.TOP, Cue.BOTTOM})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a question is asked of. `sizes`: how many values a dimension has; missing where they are not known."""

    model: DataModel
    today: date
    sizes: Mapping[str, int]
    base: Query | None = None  # the question before, if this one goes on from it


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to take the words that may mean several things."""

    measures: tuple[Meaning, ...]
    ordered_by: tuple[Meaning, ...]
    per: tuple[Meaning, ...]
    within: tuple[Meaning, ...]
    breakdowns: tuple[Meaning, ...]
    counted: tuple[Meaning, ...]
    bounds: tuple[Meaning, ...]
    conditions: tuple[Meaning, ...]

    @property
    def all(self) -> tuple[Meaning, ...]:
        """Every meaning chosen."""
        return (*self.asked, *self.breakdowns, *self.counted, *self.conditions)

    @property
    def asked(self) -> tuple[Meaning, ...]:
        """Those that are measures."""
        return (*self.measures, *self.ordered_by, *self.per, *self.within, *self.bounds)


@dataclass(frozen=True, slots=True)
class Assembly:
    """A draft, and how its words are taken. `ratio`: in place of the measure."""

    draft: Draft
    choice: Choice
    scene: Scene
    ratio: Measure | None = None

    def query(self) -> Query:
        """The query. Raises QueryError for what cannot be."""
        measures = self._measures()
        period, compare = periods_meant(self.draft, self.scene.today, self.scene.base)
        filters = self._filters(measures)
        breakdowns = self._breakdowns(measures, filters, period, compare)
        change = self._change(measures, breakdowns, compare)
        breakdowns = self._timed(measures, breakdowns, change, compare)
        order, limit = self._ranking(measures, breakdowns, change, compare)
        if len(measures) > 5 or len(breakdowns) > 3 or len(filters) > 10:
            raise QueryError(
                "That is too much for one answer: 5 figures by 3 things are.", hint="Ask for less at once."
            )
        return Query(
            measures=tuple(one.name for one in measures),
            breakdowns=breakdowns,
            filters=(*filters, *self._bounds(breakdowns)),
            period=period,
            compare=compare,
            change=change,
            order=order,
            limit=limit,
        )

    # --------------------------------------------------------------------------------------------------- measures

    def _measures(self) -> tuple[Measure, ...]:
        """Those named; or what is counted, compared with a number, or ordered by; or those of the question before."""
        model, base = self.scene.model, self.scene.base
        named = self._named()
        named = named or (() if base else self._of(self.choice.bounds) or self._of(self.choice.ordered_by))
        if self.ratio:
            named = (self.ratio,)
        own = measured(self.draft, named, self._of(self.choice.per), model)
        before = tuple(model.measure(name) for name in base.measures) if base else ()
        if not own:
            return measured(self.draft, before, self._of(self.choice.per), model)
        return (
            tuple(dict.fromkeys((*before, *own))) if base and Cue.ALSO in self.draft.cues else tuple(dict.fromkeys(own))
        )

    def _named(self) -> tuple[Measure, ...]:
        """`How many customers and orders` are both; `how many customers complained` nothing counts."""
        counted, named = self._counted(), self._of(self.choice.measures)
        if counted and named and not self.draft.together:
            message = f"{counted[0].label} and {named[0].label.lower()} cannot be counted together."
            raise QueryError(message, hint="Ask for one of them.", options=(named[0].name, counted[0].name))
        return (*counted, *named)

    def _of(self, meanings: tuple[Meaning, ...]) -> tuple[Measure, ...]:
        return tuple(self.scene.model.measure(one.name) for one in meanings)

    def _counted(self) -> tuple[Measure, ...]:
        found = []
        for one in self.choice.counted:
            if one.kind is Kind.DIMENSION:
                label = self.scene.model.dimension(one.name).label
                raise QueryError(f"{label} cannot be counted.", hint="No measure of the data counts them.")
            found.append(self.scene.model.measure(one.name))
        return tuple(found)

    # ----------------------------------------------------------------------------------------- breakdowns and filters

    def _breakdowns(
        self, measures: tuple[Measure, ...], filters: tuple[Filter, ...], period: Period | None, compare: Period | None
    ) -> tuple[Breakdown, ...]:
        base = self.scene.base
        own = [*self._named_breakdowns(period), *self._compared_values(filters, compare)]
        grain = self._grain(period)
        if grain and not any(one.grain for one in own):
            own.append(self._time(measures, grain))
        before = tuple(self._kept(measures)) if base else ()
        if base and not own:
            return () if Cue.TOTAL in self.draft.cues and self.draft.first is not None else before
        if base and Cue.ALSO in self.draft.cues and not self.choice.measures:
            own = [*(one for one in before if one.dimension not in {new.dimension for new in own}), *own]
        return tuple({one.dimension: one for one in own}.values())

    def _named_breakdowns(self, period: Period | None) -> Iterator[Breakdown]:
        for one in self.choice.breakdowns:
            dimension = self.scene.model.dimension(one.name)
            grain = (self.draft.grain or periods.fitting_grain(period)) if dimension.time else None
            yield Breakdown(dimension=dimension.name, grain=grain)

    def _compared_values(self, filters: tuple[Filter, ...], compare: Period | None) -> Iterator[Breakdown]:
        """`Compare store X and store Y` wants both, each by itself; a share of X wants X by itself."""
        if not {Cue.COMPARE, Cue.EACH, Cue.SHARE} & self.draft.cues:
            return
        named = {one.name for one in self.choice.breakdowns}
        for one in filters:
            cues = {Cue.EACH} if compare else {Cue.COMPARE, Cue.EACH}
            several = len(one.values) > 1 and cues & self.draft.cues
            alone = Cue.SHARE in self.draft.cues and self.ratio is None and not named and not self.draft.grain
            if one.operator is Operator.IS and one.field not in named and self._is_new(one) and (several or alone):
                yield Breakdown(dimension=one.field)

    def _is_new(self, condition: Filter) -> bool:
        return condition.field in {one.name for one in self.choice.conditions}

    def _grain(self, period: Period | None) -> Grain | None:
        if self.draft.grain or self.draft.growth:
            return self.draft.grain or self.draft.growth
        if Cue.WHEN in self.draft.cues and self.draft.descending is not None:
            return Grain.MONTH
        return periods.fitting_grain(period) if Cue.OVER_TIME in self.draft.cues else None

    def _time(self, measures: tuple[Measure, ...], grain: Grain) -> Breakdown:
        return Breakdown(dimension=time_of(self.scene.model, measures[0].fact).name, grain=grain)

    def _kept(self, measures: tuple[Measure, ...]) -> Iterator[Breakdown]:
        """The breakdowns of the question before; times become those of the measure's own rows."""
        assert self.scene.base
        for one in self.scene.base.breakdowns:
            grain = self.draft.grain or one.grain
            yield self._time(measures, grain) if one.grain and grain else one

    def _timed(
        self, measures: tuple[Measure, ...], breakdowns: tuple[Breakdown, ...], change: Change, compare: Period | None
    ) -> tuple[Breakdown, ...]:
        """Growth and running totals are by month where nothing else is said."""
        if (
            change in {Change.GROWTH, Change.CUMULATIVE}
            and compare is None
            and not any(one.grain for one in breakdowns)
        ):
            return (*breakdowns, self._time(measures, Grain.MONTH))
        return breakdowns

    def _filters(self, measures: tuple[Measure, ...]) -> tuple[Filter, ...]:
        base = self.scene.base
        new: dict[tuple[str, Operator], Filter] = {}
        for one, meaning in zip(self.draft.conditions, self.choice.conditions, strict=True):
            _add(new, meaning.name, Operator.IS_NOT if one.negated else Operator.IS, meaning.values)
        for within in (one for one in self._of(self.choice.within) if one not in measures):
            condition = only_condition(measures, within, self.scene.model)
            if condition:
                _add(new, condition[0], Operator.IS, condition[1])
        free = {one.name for options in self.draft.everything for one in options}
        said = (
            {field for field, operator in new if operator is Operator.IS}
            | free
            | {one.name for one in self.choice.bounds}
        )
        kept = (
            [one for one in base.filters if one.field not in said]
            if base and Cue.UNFILTERED not in self.draft.cues
            else []
        )
        return tuple(_together(kept, new))

    def _bounds(self, breakdowns: tuple[Breakdown, ...]) -> tuple[Filter, ...]:
        """Sums are compared with a number for each store, month, ..., so there has to be one."""
        bounds = [one for one in self.draft.bounds if one.options]
        if self.draft.bounds and (not breakdowns or len(bounds) < len(self.draft.bounds)):
            said = f"{self.draft.bounds[0].number:g}"
            raise QueryError(
                f"It is not clear what is to be {self.draft.bounds[0].operator.value.replace('_', ' ')} {said}.",
                hint="Say which measure, and of what: stores with more than 100 orders, say.",
            )
        found = []
        for one, meaning in zip(bounds, self.choice.bounds, strict=True):
            percent = self.scene.model.measure(meaning.name).format is Format.PERCENT and one.number > 1
            found.append(
                Filter(
                    field=meaning.name,
                    operator=one.operator,
                    values=(_whole(one.number / 100 if percent else one.number),),
                )
            )
        return tuple(found)

    # ----------------------------------------------------------------------------------------- changes and rankings

    def _change(
        self, measures: tuple[Measure, ...], breakdowns: tuple[Breakdown, ...], compare: Period | None
    ) -> Change:
        cues, base = self.draft.cues, self.scene.base
        if compare:
            return Change.NONE
        if Cue.CUMULATIVE in cues:
            return Change.CUMULATIVE
        if Cue.SHARE in cues and self.ratio is None and not all(one.format is Format.PERCENT for one in measures):
            return self._share(measures, breakdowns)
        timed = any(one.grain for one in breakdowns)
        if {Cue.GROWTH, Cue.DECLINE} & cues and not (Cue.OVER_TIME in cues and not self.draft.grain):
            return Change.GROWTH
        if base and base.change is not Change.NONE and (timed or (base.change is Change.SHARE and breakdowns)):
            return base.change if all(map(adds_up, measures)) or base.change is Change.GROWTH else Change.NONE
        return Change.NONE

    def _share(self, measures: tuple[Measure, ...], breakdowns: tuple[Breakdown, ...]) -> Change:
        if not breakdowns:
            raise QueryError(
                f"A share of {measures[0].label.lower()} needs something to divide it by.", hint="Say by what."
            )
        return Change.SHARE

    def _ranking(
        self, measures: tuple[Measure, ...], breakdowns: tuple[Breakdown, ...], change: Change, compare: Period | None
    ) -> tuple[Order | None, int | None]:
        draft, base = self.draft, self.scene.base
        if not breakdowns:
            if draft.limit or _RANKING & draft.cues:
                what = measures[0].label.lower()
                raise QueryError(f"It is not clear what is to be ranked by {what}.", hint="Say: top 5 stores, say.")
            return None, None
        descending = draft.descending if draft.descending is not None else self._fallen(compare)
        ranked = (*self._of(self.choice.ordered_by), *measures)[0]
        if {Cue.FAST, Cue.SLOW} & draft.cues:
            descending = self._fastest_is_most(ranked) is (Cue.FAST in draft.cues)
        if {Cue.GOOD, Cue.BAD} & draft.cues and is_burden(ranked):
            descending = not descending  # the worst error rate is the highest
        if descending is None and not self.choice.ordered_by:
            return self._kept_ranking(measures, breakdowns, change) if base else (None, draft.limit)
        by = self._ordered_by(measures, change, compare)
        if draft.descending is not None and Cue.DECLINE in draft.cues and by not in {one.name for one in measures}:
            descending = not descending  # the biggest drop is the lowest change
        limit = draft.limit or (base.limit if base else None) or self._usual_limit(breakdowns)
        return Order(field=by, descending=True if descending is None else descending), limit

    def _fastest_is_most(self, measure: Measure) -> bool:
        """Of growth; of durations it is the least. Raises QueryError for what has no speed."""
        if {Cue.GROWTH, Cue.DECLINE} & self.draft.cues:
            return True
        if is_duration(measure):
            return False
        message = f"It is not clear what is fast or slow about {measure.label.lower()}."
        raise QueryError(message, hint="Say which figure.")

    def _fallen(self, compare: Period | None) -> bool | None:
        """`Which stores grew?` and `which fell?`, without a word for most."""
        if compare is None or not _ASKING & self.draft.cues or not {Cue.GROWTH, Cue.DECLINE} & self.draft.cues:
            return None
        return Cue.DECLINE not in self.draft.cues

    def _ordered_by(self, measures: tuple[Measure, ...], change: Change, compare: Period | None) -> str:
        named = self._of(self.choice.ordered_by)
        measure = named[0].name if named else measures[0].name
        if {Cue.GROWTH, Cue.DECLINE} & self.draft.cues and compare:
            return column_name(measure, Role.CHANGE)
        if {Cue.GROWTH, Cue.DECLINE} & self.draft.cues and change is Change.GROWTH:
            return column_name(measure, Role.GROWTH)
        return measure

    def _usual_limit(self, breakdowns: tuple[Breakdown, ...]) -> int | None:
        if not _ASKING & self.draft.cues:
            return None
        large = any(
            one.grain in _FINE if one.grain else self.scene.sizes.get(one.dimension, _LARGE + 1) > _LARGE
            for one in breakdowns
        )
        return _RANKED if large else None

    def _kept_ranking(
        self, measures: tuple[Measure, ...], breakdowns: tuple[Breakdown, ...], change: Change
    ) -> tuple[Order | None, int | None]:
        """The order of the question before, if what it orders is still there, and not another line over time."""
        base, limit = self.scene.base, self.draft.limit
        assert base
        if Cue.ALL in self.draft.cues and not self.choice.breakdowns:
            return None, None
        same = tuple(one.dimension for one in breakdowns) == tuple(one.dimension for one in base.breakdowns)
        if base.order is None or (not same and any(one.grain for one in breakdowns)):
            order = Order(field=measures[0].name) if limit else None
            return order, limit or (base.limit if same else None)
        names = {one.name for one in measures} | {one.dimension for one in breakdowns}
        field = base.order.field if base.order.field in names else measures[0].name
        return Order(field=field, descending=base.order.descending), limit or base.limit


def _add(
    found: dict[tuple[str, Operator], Filter], field: str, operator: Operator, values: tuple[str | bool, ...]
) -> None:
    known = found.get((field, operator))
    every = dict.fromkeys((*(known.values if known else ()), *values))
    found[field, operator] = Filter(field=field, operator=operator, values=tuple(every))


def _together(kept: list[Filter], new: dict[tuple[str, Operator], Filter]) -> Iterator[Filter]:
    """What was wanted before and is now left out is wanted no longer."""
    for one in kept:
        out = new.get((one.field, Operator.IS_NOT)) if one.operator is Operator.IS else None
        rest = tuple(value for value in one.values if out is None or value not in out.values)
        if rest:
            yield one.model_copy(update={"values": rest})
            if out:
                del new[one.field, Operator.IS_NOT]
    yield from new.values()


def _whole(number: float) -> int | float:
    return int(number) if number == int(number) else number
