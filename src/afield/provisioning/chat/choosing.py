"""Which measures are meant where a question does not name them: averages, ratios, counts of things. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from afield.provisioning.chat.cues import Cue, vocabulary
from afield.provisioning.chat.draft import Draft
from afield.provisioning.chat.words import stems
from afield.provisioning.datamodel import Aggregation, DataModel, Dimension, Format, Measure
from afield.provisioning.semantic.errors import QueryError


def measured(
    draft: Draft, measures: tuple[Measure, ...], per: tuple[Measure, ...], model: DataModel
) -> tuple[Measure, ...]:
    """The measures after `average`, `per order` and `percentage of` have had their say. Raises QueryError."""
    if per:
        return tuple(_per(one, per[0], model) for one in measures)
    if Cue.AVERAGE in draft.cues:
        return tuple(_averaged(draft, one, model) for one in measures)
    return measures


def as_ratio(draft: Draft, measures: tuple[Measure, ...], model: DataModel) -> Measure | None:
    """`Percentage of late orders` may be a ratio that the model has; so may `which carrier is worst at them`."""
    if not {Cue.SHARE, Cue.GOOD, Cue.BAD} & draft.cues or len(measures) != 1 or measures[0].only is None:
        return None
    return next((one for one in model.measures if one.numerator == measures[0].name), None)


def is_burden(measure: Measure) -> bool:
    """Less of it is better, so that the worst has most."""
    return _has_word(measure, vocabulary().burdens) or is_duration(measure)


def is_duration(measure: Measure) -> bool:
    """It says how long something takes, so that the slowest has most. Averages do; sums of days are amounts."""
    return measure.aggregation in {None, Aggregation.AVERAGE} and _has_word(measure, vocabulary().durations)


def _has_word(measure: Measure, words: tuple[str, ...]) -> bool:
    own = {*stems(measure.label), *stems(measure.name)}
    return bool(own & {stem for word in words for stem in stems(word)})


def adds_up(measure: Measure) -> bool:
    """Parts of it make a whole, so that it has shares."""
    return measure.aggregation in {Aggregation.SUM, Aggregation.COUNT, Aggregation.COUNT_DISTINCT}


def counting(dimension: Dimension, model: DataModel) -> Iterator[Measure]:
    """Measures that count different ones of something."""
    for measure in model.measures:
        if measure.aggregation is Aggregation.COUNT_DISTINCT and measure.only is None:
            for reference in model.table(measure.fact).references:
                if reference.column == measure.column and reference.table == dimension.table:
                    yield measure


def only_condition(
    measures: tuple[Measure, ...], within: Measure, model: DataModel
) -> tuple[str, tuple[str | bool, ...]] | None:
    """`Revenue of cancelled orders`: the dimension and its values; None where all rows are meant anyway.

    Raises QueryError.
    """
    if any(one.fact != within.fact for one in measures) or within.aggregation is not Aggregation.COUNT:
        raise QueryError(
            f"{measures[0].label} of {within.label.lower()} cannot be computed.", hint="Ask for one of them."
        )
    if within.only is None:
        return None
    for dimension in model.dimensions:
        if (dimension.table, dimension.column) == (within.fact, within.only.column):
            return dimension.name, within.only.values
    message = f"{measures[0].label} of {within.label.lower()} alone cannot be computed."
    raise QueryError(message, hint="The data cannot be filtered by that.")


def _per(measure: Measure, other: Measure, model: DataModel) -> Measure:
    """The ratio of two measures, if the model has it; or the average, which is the sum per row."""
    for one in model.measures:
        if (one.numerator, one.denominator) == (measure.name, other.name):
            return one
    already = measure.format is Format.PERCENT or measure.aggregation is Aggregation.AVERAGE
    if already and other.fact == measure.fact:
        return measure
    rows = other.aggregation is Aggregation.COUNT and other.only is None and other.fact == measure.fact
    average = _average_of(measure, model) if rows else None
    if average is None:
        options = tuple(one.name for one in model.measures if one.aggregation in {None, Aggregation.AVERAGE})
        message = f"{measure.label} per {other.label.lower()} is not in the data."
        raise QueryError(message, hint="There are other averages and rates.", options=options)
    return average


def _averaged(draft: Draft, measure: Measure, model: DataModel) -> Measure:
    if measure.aggregation in {None, Aggregation.AVERAGE}:
        return measure
    average = _average_of(measure, model)
    if average is None or draft.grain:
        options = (measure.name,) if average is None else (measure.name, average.name)
        of = f"{measure.label.lower()} by {draft.grain}" if draft.grain else measure.label.lower()
        raise QueryError(f"An average of {of} is not in the data.", hint="Its total is.", options=options)
    return average


def _average_of(measure: Measure, model: DataModel) -> Measure | None:
    for one in model.measures:
        if one.aggregation is Aggregation.AVERAGE and (one.fact, one.column) == (measure.fact, measure.column):
            return one if measure.aggregation is Aggregation.SUM and one.only == measure.only else None
    return None
