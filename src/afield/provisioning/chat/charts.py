"""Charts of answers as Vega-Lite 5: lines over time, bars in the order of the rows, grouped bars. Pure.

Colours are those of Okabe and Ito, which people with any colour vision can tell apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from pydantic import JsonValue

from afield.provisioning.chat import periods
from afield.provisioning.chat.messages import Json
from afield.provisioning.chat.numbers import shown
from afield.provisioning.chat.saying import titled
from afield.provisioning.datamodel import DataModel, Format
from afield.provisioning.query import Change, Grain, Query
from afield.provisioning.semantic.answer import Answer, AnswerColumn, Kind, Role
from afield.provisioning.warehouse.base import Value

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#F0E442", "#000000")
_MOST_BARS = 30
_BESIDE = 240  # pixels
_MOST_LINES = 8
_SERIES = "series"
_AMOUNT = "amount"
_DATES = {
    Grain.DAY: "%d %b %Y",
    Grain.WEEK: "%d %b %Y",
    Grain.MONTH: "%b %Y",
    Grain.QUARTER: "Q%q %Y",
    Grain.YEAR: "%Y",
}
_RATIOS = frozenset({Role.SHARE, Role.GROWTH})


@dataclass(frozen=True, slots=True)
class Plot:
    """What is drawn: the keys, and the columns whose values are."""

    query: Query
    model: DataModel
    answer: Answer
    today: date

    @property
    def keys(self) -> list[AnswerColumn]:
        """The breakdowns' columns."""
        return [one for one in self.answer.columns if one.kind is not Kind.MEASURE]

    @property
    def drawn(self) -> list[AnswerColumn]:
        """Of shares and growth these alone, of sums so far too; of comparisons now and before."""
        columns = [one for one in self.answer.columns if one.kind is Kind.MEASURE]
        wanted = {Change.SHARE: {Role.SHARE}, Change.GROWTH: {Role.GROWTH}, Change.CUMULATIVE: {Role.CUMULATIVE}}
        roles = wanted.get(self.query.change, {Role.VALUE, Role.BEFORE})
        found = [one for one in columns if one.role in roles]
        return [one for one in found if one.format is found[0].format]

    @property
    def time(self) -> AnswerColumn | None:
        """The key that is a time to draw lines over. The ten best days are no line: others lie between them."""
        if self.query.limit:
            return None
        return next((one for one in self.keys if one.kind is Kind.TIME), None)


def chart_of(query: Query, model: DataModel, answer: Answer, today: date) -> Json | None:
    """The chart of an answer; None where words say it better: one value, no rows, more than two keys."""
    plot = Plot(query, model, answer, today)
    if not 1 <= len(plot.keys) <= 2 or len(answer.rows) < 2 or not plot.drawn:
        return None
    rows, left_out = _rows(plot)
    spec: Json = {
        "$schema": SCHEMA,
        "title": {"text": _title(plot), "subtitle": _subtitle(query, left_out), "anchor": "start"},
        "width": "container",
        "data": {"values": rows},
        "config": {"range": {"category": list(COLOURS)}, "mark": {"color": COLOURS[0]}, "view": {"stroke": None}},
    }
    return spec | (_line(plot) if plot.time else _bars(plot))


def instructions(query: Query) -> str:
    """What kind of chart it is to be."""
    return (
        "A line over time."
        if any(one.grain for one in query.breakdowns) and not query.limit
        else "Bars in the order of the rows."
    )


def _title(plot: Plot) -> str:
    """Of what is drawn, which may be less than what was asked for."""
    drawn = tuple(dict.fromkeys(one.source for one in plot.drawn))
    return titled(plot.query.model_copy(update={"measures": drawn}), plot.model)


def _subtitle(query: Query, left_out: int) -> str:
    parts = [periods.named(query.period) if query.period else "All the time there is data for"]
    parts += [f"compared with {periods.named(query.compare)}"] if query.compare else []
    parts += [f"{left_out} more are not shown"] if left_out else []
    return "; ".join(parts)


def _rows(plot: Plot) -> tuple[list[JsonValue], int]:
    """One row for each value that is drawn, and how many rows of the answer are left out."""
    names = [one.name for one in plot.answer.columns]
    rows = [dict(zip(names, row, strict=True)) for row in plot.answer.rows]
    kept = _kept(plot, rows)
    found: list[JsonValue] = []
    for row in kept:
        keys: Json = {one.name: _key(row[one.name], one, plot) for one in plot.keys}
        for column in _columns_of(plot, row):
            found.append(keys | {_SERIES: column.label, _AMOUNT: _plain(row[column.name])})
    return found, len(rows) - len(kept)


def _columns_of(plot: Plot, row: dict[str, Value]) -> list[AnswerColumn]:
    """What has not begun has no value yet; beside it there may be one of the year before."""
    begins = row[plot.time.name] if plot.time else None
    if isinstance(begins, date) and begins > plot.today:
        return [one for one in plot.drawn if one.role is Role.BEFORE]
    return plot.drawn


def _kept(plot: Plot, rows: list[dict[str, Value]]) -> list[dict[str, Value]]:
    """The first lines or bars, where there are more than one can look at."""
    others = [one for one in plot.keys if one is not plot.time]
    if not others:
        return rows
    most = _MOST_LINES if plot.time or len(others) == 2 else _MOST_BARS
    for column in others:
        order = list(dict.fromkeys(row[column.name] for row in _by_size(plot, rows)))
        allowed = {*order[: _MOST_BARS if column is others[0] and not plot.time else most]}
        rows = [row for row in rows if row[column.name] in allowed]
    return rows


def _by_size(plot: Plot, rows: list[dict[str, Value]]) -> list[dict[str, Value]]:
    """Largest first for lines; bars keep the answer's order."""
    if not plot.time:
        return rows
    name = plot.drawn[0].name
    return sorted(rows, key=lambda row: -_size(row[name]))


def _size(value: Value) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _key(value: Value, column: AnswerColumn, plot: Plot) -> JsonValue:
    """Days of an axis of time as such; all else as people read it."""
    return _plain(value) if column is plot.time else shown(value, column, plot.model.currency)


def _plain(value: Value) -> JsonValue:
    return value.isoformat() if isinstance(value, date) else value


# --------------------------------------------------------------------------------------------------------- encodings


def _line(plot: Plot) -> Json:
    assert plot.time and plot.time.grain
    moment: Json = {"field": plot.time.name, "type": "temporal", "title": plot.time.label, "scale": {"type": "utc"}}
    moment["axis"] = {"format": _DATES[plot.time.grain], "labelOverlap": True}
    other = next((one for one in plot.keys if one.kind is not Kind.TIME), None)
    encoding: Json = {"x": moment, "y": _quantity(plot)}
    if other:
        encoding["color"] = {"field": other.name, "type": "nominal", "title": other.label}
        if len(plot.drawn) > 1:
            encoding["strokeDash"] = {"field": _SERIES, "type": "nominal", "title": None}
    elif len(plot.drawn) > 1:
        encoding["color"] = {"field": _SERIES, "type": "nominal", "title": None}
    tips = [{**moment, "axis": None, "format": _DATES[plot.time.grain], "formatType": "utc"}]
    encoding["tooltip"] = _tooltip(plot, [_only(tip, "field", "type", "title", "format") for tip in tips], other)
    return {"mark": {"type": "line", "point": len(plot.answer.rows) <= 60, "tooltip": True}, "encoding": encoding}


def _bars(plot: Plot) -> Json:
    first, *rest = plot.keys
    place: Json = {"field": first.name, "type": "nominal", "title": first.label, "sort": None}
    encoding: Json = {
        "y": place,
        "x": _quantity(plot),
        "tooltip": _tooltip(plot, [_only(place, "field", "type", "title")], *rest),
    }
    if rest:
        encoding["color"] = {"field": rest[0].name, "type": "nominal", "title": rest[0].label}
        encoding["yOffset"] = {"field": rest[0].name, "type": "nominal"}
        if len(plot.drawn) > 1:
            encoding["column"] = {"field": _SERIES, "type": "nominal", "title": None}
    elif len(plot.drawn) > 1:
        labels: list[JsonValue] = [one.label for one in plot.drawn]
        encoding["color"] = {"field": _SERIES, "type": "nominal", "title": None, "sort": labels}
        encoding["yOffset"] = {"field": _SERIES, "type": "nominal", "sort": labels}
    width: Json = {"width": _BESIDE} if "column" in encoding else {}  # side by side, charts cannot fill their container
    return width | {
        "mark": {"type": "bar", "tooltip": True},
        "encoding": encoding,
        "height": {"step": 14 if len(encoding) > 3 else 20},
    }


def _quantity(plot: Plot) -> Json:
    column = plot.drawn[0]
    title = column.label if len(plot.drawn) == 1 else None
    if column.format is Format.MONEY:
        title = f"{title} ({plot.model.currency})" if title else plot.model.currency
    found: Json = {"field": _AMOUNT, "type": "quantitative", "title": title, "axis": {"format": _format(column)}}
    if plot.time and column.role not in _RATIOS and column.format is Format.PERCENT:
        found["scale"] = {"zero": False}
    return found


def _format(column: AnswerColumn) -> str:
    if column.format is Format.PERCENT:
        return "+.1%" if column.role is Role.GROWTH else ".1%"
    return ",.2~f" if column.format is Format.NUMBER else ",.0f"


def _tooltip(plot: Plot, keys: Sequence[Json], *others: AnswerColumn | None) -> list[JsonValue]:
    found: list[JsonValue] = [*keys]
    found += [{"field": one.name, "type": "nominal", "title": one.label} for one in others if one]
    found += [{"field": _SERIES, "type": "nominal", "title": "Figure"}] if len(plot.drawn) > 1 else []
    amount: Json = {
        "field": _AMOUNT,
        "type": "quantitative",
        "title": plot.drawn[0].label,
        "format": _format(plot.drawn[0]),
    }
    return [*found, amount if len(plot.drawn) == 1 else amount | {"title": "Value"}]


def _only(spec: Json, *names: str) -> Json:
    return {name: spec[name] for name in names if name in spec}
