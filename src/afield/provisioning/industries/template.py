"""The format of an industry's template. docs/provisioning-industries.md explains it to those who write one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from afield.provisioning.brief import Complexity, Frozen
from afield.provisioning.company import About
from afield.provisioning.datamodel import Format, Name
from afield.provisioning.recipe import Path

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
Pair = tuple[float, float]
FEWEST_TABLES, MOST_TABLES = 5, 15
LEVELS = tuple(Complexity)
_Rhythm = tuple[tuple[float, ...], tuple[float, ...]]
RHYTHMS: dict[str, _Rhythm] = {
    "even": ((1.0,) * 7, (1.0,) * 12),
    "offices": (
        (1.15, 1.2, 1.2, 1.15, 1.0, 0.35, 0.25),
        (1.0, 1.0, 1.08, 1.03, 1.0, 1.02, 0.88, 0.82, 1.05, 1.1, 1.08, 0.9),
    ),
    "shops": (
        (0.85, 0.85, 0.9, 1.0, 1.2, 1.35, 0.95),
        (0.85, 0.82, 0.95, 0.97, 1.0, 1.0, 0.95, 0.95, 1.0, 1.05, 1.35, 1.5),
    ),
    "evenings": (
        (0.85, 0.85, 0.9, 0.95, 1.15, 1.35, 1.25),
        (1.1, 1.05, 1.0, 0.98, 0.92, 0.88, 0.9, 0.92, 1.0, 1.05, 1.1, 1.2),
    ),
    "summer": (
        (0.9, 0.85, 0.9, 1.0, 1.2, 1.25, 1.05),
        (0.7, 0.75, 0.9, 1.0, 1.1, 1.25, 1.45, 1.4, 1.1, 0.95, 0.75, 0.9),
    ),
    "winter": (
        (1.05, 1.0, 1.0, 1.0, 1.0, 0.95, 0.95),
        (1.35, 1.25, 1.1, 0.95, 0.85, 0.8, 0.8, 0.8, 0.88, 1.0, 1.15, 1.3),
    ),
}
"""Named rhythms: weekdays from Monday, months from January."""
KINDS = (
    "named", "code", "choice", "amount", "level", "count", "whole", "chance", "times", "difference", "past", "joined",
    "clock",
)  # fmt: skip


class PoolSpec(Frozen):
    """Words to fill in: what the site says about something, and generic ones, grouped or not."""

    about: About
    one: Text  # what one of them is called
    generic: tuple[Text, ...] | dict[Text, tuple[Text, ...]]
    groups: Name | None = None  # the pool whose words are the groups

    def words(self) -> tuple[str, ...]:
        """The generic words."""
        if isinstance(self.generic, dict):
            return tuple(word for group in self.generic.values() for word in group)
        return self.generic

    def kin(self) -> tuple[tuple[str, str], ...]:
        """Each generic word with its group."""
        if not isinstance(self.generic, dict):
            return ()
        return tuple((word, group) for group, words in self.generic.items() for word in words)


class ColumnSpec(Frozen):
    """One column: exactly one of the kinds, and with `ask` also a dimension of that label."""

    named: tuple[Text, ...] | str | None = None  # names, or $pool, people, firms
    code: str | None = None
    choice: tuple[Text, ...] | str | None = None  # values, or $pool
    amount: Pair | None = None  # money: median, spread
    level: Pair | None = None  # a number with decimals: median, spread
    count: Pair | None = None  # a whole number: median, spread
    whole: tuple[int, int] | None = None  # lowest, highest
    chance: float | None = None
    times: tuple[str, ...] | None = None
    difference: tuple[Name, Name] | None = None
    past: int | None = None
    joined: int | None = None
    clock: tuple[int, int] | None = None
    weights: tuple[float, ...] = ()
    range: Pair | None = None
    even: bool = False
    noise: float = 0.0
    variants: tuple[Text, ...] = ()
    by: Path | None = None
    after: Name | None = None
    about: Text | None = None
    label: Text | None = None
    ask: Text | None = None  # the dimension's label
    also: tuple[Text, ...] = ()  # its synonyms

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"a column is exactly one of {', '.join(KINDS)}; given are: {', '.join(given) or 'none'}")
        if self.also and not self.ask:
            raise ValueError("`also` are synonyms of a dimension; it needs `ask`")
        return self

    @property
    def kind(self) -> str:
        """Which of the kinds it is."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def pool(self) -> str | None:
        """The pool its values come from."""
        source = self.named or self.choice
        return source[1:] if isinstance(source, str) and source.startswith("$") else None


class DateSpec(Frozen):
    """The day of a fact."""

    name: Name
    label: Text | None = None
    also: tuple[Text, ...] = ()


class TableSpec(Frozen):
    """One table. With `date` it is a fact, else a dimension."""

    name: Name
    key: Name
    level: Complexity = Complexity.SIMPLE  # the smallest model that has it
    about: Text
    refs: tuple[Name, ...] = ()
    columns: dict[Name, ColumnSpec] = Field(min_length=1)
    size: int | None = Field(default=None, ge=2)
    date: DateSpec | None = None
    weight: float = Field(default=1.0, gt=0)
    rhythm: str = "even"
    growth: float = 0.1

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.rhythm not in RHYTHMS:
            raise ValueError(f"rhythm {self.rhythm!r} is none of {', '.join(RHYTHMS)}")
        if self.date and self.size:
            raise ValueError("a fact has no size: its rows are its share, by `weight`, of those asked for")
        if not self.date and self.size is None and not any(spec.named for spec in self.columns.values()):
            raise ValueError("a dimension needs a `size`, or a `named` column with one row for each name")
        return self


class MeasureSpec(Frozen):
    """One measure: an aggregation of `table` or `table.column`, or the ratio of two measures."""

    sum: str | None = None
    average: str | None = None
    count: str | None = None
    count_distinct: str | None = None
    minimum: str | None = None
    maximum: str | None = None
    ratio: tuple[Name, Name] | None = None
    only: dict[Name, tuple[str | bool, ...]] = Field(default={}, max_length=1)
    format: Format = Format.NUMBER
    label: Text | None = None
    about: Text | None = None
    also: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = [way for way in (*_WAYS, "ratio") if getattr(self, way) is not None]
        if len(given) != 1:
            raise ValueError(f"a measure is exactly one of {', '.join(_WAYS)}, ratio; given are: {given or 'none'}")
        if self.only and self.ratio:
            raise ValueError("a ratio has no condition of its own; give its parts one")
        return self

    @property
    def aggregation(self) -> str | None:
        """How it sums up; None for a ratio."""
        return next((way for way in _WAYS if getattr(self, way) is not None), None)

    @property
    def place(self) -> tuple[str, str | None]:
        """Table and column of an aggregation."""
        text: str = getattr(self, self.aggregation or "")
        table, _, column = text.partition(".")
        return table, column or None


_WAYS = ("sum", "average", "count", "count_distinct", "minimum", "maximum")


class SceneSpec(Frozen):
    """A scene of the story; told only where the model has all it uses."""

    title: Text
    worry: Text
    shows: Text
    uses: tuple[Name, ...] = Field(min_length=1)


class QuestionSpec(Frozen):
    """A question as people of this industry ask it: `best` by a measure, or `lowest`, or `each`."""

    text: Text
    measure: Name
    by: Name
    kind: str = Field(pattern="^(best|lowest|each)$")
    top: int | None = Field(default=None, ge=1, le=20)


class Template(Frozen):
    """One industry."""

    name: Name
    label: Text
    persona: Text
    opening: Text
    prototypes: tuple[Text, ...] = Field(min_length=4)
    words: dict[Name, PoolSpec]
    tables: tuple[TableSpec, ...]
    measures: dict[Name, MeasureSpec]
    scenes: tuple[SceneSpec, ...] = Field(min_length=3)
    questions: tuple[QuestionSpec, ...] = Field(min_length=3)

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        flaws = tuple(_flaws(self))
        if flaws:
            raise ValueError("; ".join(flaws))
        return self

    def dimensions(self) -> dict[str, tuple[str, str]]:
        """Names of all dimensions, each with its table and label: columns with `ask`, and the facts' dates."""
        asked = {name: (t.name, spec.ask) for t in self.tables for name, spec in t.columns.items() if spec.ask}
        return asked | {t.date.name: (t.name, t.date.label or spoken(t.date.name)) for t in self.tables if t.date}


def spoken(name: str) -> str:
    """`order_count` as people write it: `Order count`."""
    return name.replace("_", " ").capitalize()


def _flaws(template: Template) -> Iterator[str]:
    yield from _table_flaws(template)
    yield from _column_flaws(template)
    yield from _measure_flaws(template)
    yield from _use_flaws(template)


def _table_flaws(template: Template) -> Iterator[str]:
    names = [table.name for table in template.tables]
    yield from (f"two tables are called {name}" for name in sorted(_twice(names)))
    for table in template.tables:
        yield from (f"{table.name} refers to {ref}, which is no table" for ref in table.refs if ref not in names)
        counted = [m for m in template.measures.values() if m.count == table.name and not m.only]
        if table.date and not counted:
            yield f"no measure counts the rows of the fact {table.name}"
    for level, fewest in zip(LEVELS, (FEWEST_TABLES, FEWEST_TABLES + 1, FEWEST_TABLES + 2), strict=True):
        count = sum(LEVELS.index(table.level) <= LEVELS.index(level) for table in template.tables)
        if not fewest <= count <= MOST_TABLES:
            yield f"a {level} model has {count} tables; {fewest} to {MOST_TABLES} are wanted"


def _column_flaws(template: Template) -> Iterator[str]:
    for table in template.tables:
        for name, spec in table.columns.items():
            if spec.pool and spec.pool not in template.words:
                yield f"{table.name}.{name} takes words from ${spec.pool}, which is not among `words`"
            if isinstance(spec.choice, tuple) and spec.weights and len(spec.weights) != len(spec.choice):
                yield f"{table.name}.{name} has {len(spec.choice)} values and {len(spec.weights)} weights"
    for name, pool in template.words.items():
        if isinstance(pool.generic, dict) and (pool.groups is None or pool.groups not in template.words):
            yield f"the words of {name} are grouped; `groups` has to name the pool of their groups"


def _measure_flaws(template: Template) -> Iterator[str]:
    tables = {table.name: table for table in template.tables}
    for name, measure in template.measures.items():
        if measure.ratio:
            parts = [template.measures.get(part) for part in measure.ratio]
            if any(part is None or part.ratio for part in parts):
                yield f"measure {name}: {' and '.join(measure.ratio)} are not both measures, and no ratios"
            continue
        place, column = measure.place
        table = tables.get(place)
        if table is None or table.date is None:
            yield f"measure {name}: {place} is no fact"
        elif column and column not in {
            *table.columns,
            *table.refs,
            *(tables[r].key for r in table.refs if r in tables),
        }:
            yield f"measure {name}: {place} has no column {column}"
        else:
            yield from (
                f"measure {name}: {place} has no column {only}" for only in measure.only if only not in table.columns
            )


def _use_flaws(template: Template) -> Iterator[str]:
    dimensions = template.dimensions()
    names = [*template.measures, *dimensions]
    yield from (f"two measures or dimensions are called {name}" for name in sorted(_twice(names)))
    labels = [m.label or spoken(n) for n, m in template.measures.items()] + [label for _, label in dimensions.values()]
    synonyms = [word for m in template.measures.values() for word in m.also]
    synonyms += [word for t in template.tables for spec in t.columns.values() for word in spec.also]
    said = [word.lower() for word in [*labels, *synonyms]]
    yield from (f"two measures or dimensions are known as {word!r}" for word in sorted(_twice(said)))
    for scene in template.scenes:
        yield from (f"scene {scene.title!r} uses {use}, which is not there" for use in scene.uses if use not in names)
    for question in template.questions:
        if question.measure not in template.measures or question.by not in dimensions:
            yield f"question {question.text!r} asks for {question.measure} by {question.by}, which are not both there"
    yield from _slot_flaws(template)


def _slot_flaws(template: Template) -> Iterator[str]:
    """Texts may name the company and pools, nothing else."""
    known = {"company", *template.words}
    texts = [template.opening, *(table.about for table in template.tables)]
    texts += [text for scene in template.scenes for text in (scene.title, scene.worry, scene.shows)]
    for text in texts:
        yield from (
            f"{text!r} has a slot {slot}, which is nothing"
            for slot in re.findall(r"\{(.*?)\}", text)
            if slot not in known
        )


def _twice(names: list[str]) -> set[str]:
    return {name for name in names if names.count(name) > 1}
