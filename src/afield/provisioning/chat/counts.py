"""Counting different things: which measures can, and what a verb beside them says. Pure."""

from __future__ import annotations

from afield.provisioning.chat.choosing import counting
from afield.provisioning.chat.draft import Draft, Options
from afield.provisioning.chat.lexicon import Kind
from afield.provisioning.chat.matching import Meaning
from afield.provisioning.datamodel import Aggregation, DataModel


def counted(options: Options, model: DataModel) -> Options:
    """The measures that count different ones of a dimension, which may be several; or itself, where there are none."""
    found = {
        measure.name: Meaning(Kind.MEASURE, measure.name, one.score)
        for one in options
        for measure in counting(model.dimension(one.name), model)
    }
    return tuple(found.values()) or options


def count(draft: Draft, model: DataModel) -> None:
    """Measures for the dimensions that are counted. `How many customers bought`: the verb only says in which rows."""
    draft.counted = [counted(options, model) for options in draft.counted]
    if not draft.counted or draft.together:
        return
    for verb in [*draft.measures]:
        facts = {model.measure(one.name).fact for one in verb if _is_of_all_rows(one, model)}
        measures = (one for one in draft.counted[0] if one.kind is Kind.MEASURE)
        same = tuple(one for one in measures if model.measure(one.name).fact in facts)
        if same:
            draft.measures.remove(verb)
            draft.counted[0] = same


def _is_of_all_rows(meaning: Meaning, model: DataModel) -> bool:
    measure = model.measure(meaning.name)
    return meaning.hint or (measure.aggregation is Aggregation.COUNT and measure.only is None)
