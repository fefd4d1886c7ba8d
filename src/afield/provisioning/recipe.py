"""How the values of a column come about: data, no code. `afield.provisioning.making` draws from it.

A path names a column of the same row, or one reached through references: `channel`, `customer_id.segment`,
`product_id.category_id.category_name`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints

from afield.provisioning.brief import Frozen

Path = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){0,3}$")]
Factor = Annotated[str, StringConstraints(pattern=r"^(1-)?[a-z][a-z0-9_.]*$|^\d+(\.\d+)?$")]
"""A path, what a path's value lacks to 1 (`1-discount`), or a number."""


class Choice(Frozen):
    """One of the column's values. Without weights the first ones are more frequent."""

    kind: Literal["choice"] = "choice"
    weights: tuple[float, ...] = ()
    by: Path | None = None  # preferences differ by this


class Pool(StrEnum):
    """Where names come from."""

    VALUES = "values"  # the column's values
    PEOPLE = "people"
    FIRMS = "firms"


class Named(Frozen):
    """A name that no other row has. When the values run out, variants of them follow."""

    kind: Literal["named"] = "named"
    pool: Pool = Pool.VALUES
    variants: tuple[str, ...] = ()


class Code(Frozen):
    """A prefix and the row's number: `ORD-0000042`."""

    kind: Literal["code"] = "code"
    prefix: str = Field(pattern=r"^[A-Z]{1,8}$")


class Amount(Frozen):
    """Log-normal around a median, kept within bounds. `spread` is the standard deviation of the logarithm."""

    kind: Literal["amount"] = "amount"
    median: float = Field(gt=0)
    spread: float = Field(default=0.5, ge=0, le=3)
    minimum: float = 0.0
    maximum: float | None = None
    by: Path | None = None  # the median differs by this


class Whole(Frozen):
    """A whole number from `low` to `high`, both included; small ones are more frequent, unless `even`."""

    kind: Literal["whole"] = "whole"
    low: int
    high: int
    even: bool = False


class Chance(Frozen):
    """Yes, with this probability. A step of a funnel can only be reached by rows that reached the one before."""

    kind: Literal["chance"] = "chance"
    rate: float = Field(gt=0, lt=1)
    after: str | None = None  # the funnel's step before: a boolean column
    by: Path | None = None  # the rate differs by this


class Times(Frozen):
    """The product of factors, blurred by `noise` (standard deviation of the logarithm)."""

    kind: Literal["times"] = "times"
    factors: tuple[Factor, ...] = Field(min_length=1, max_length=5)
    noise: float = Field(default=0.0, ge=0, le=1)


class Difference(Frozen):
    """One column less another; what is left of money."""

    kind: Literal["difference"] = "difference"
    of: str
    less: str


class Past(Frozen):
    """A day within the last so many days."""

    kind: Literal["past"] = "past"
    days: int = Field(gt=0)


class Joined(Frozen):
    """The day on which a row of a dimension came to be. Facts refer to it from then on, and less and less."""

    kind: Literal["joined"] = "joined"
    half_life: int = Field(default=300, gt=0, description="Days until it is half as active.")
    early: float = Field(default=0.4, ge=0, le=1, description="Share that was there before the data begins.")


class Popular(Frozen):
    """Of a reference: few rows get most, by a power law. `kin` ties names to names of the other table: pairs of how a
    name begins here and what it is called there."""

    kind: Literal["popular"] = "popular"
    power: float = Field(default=0.8, ge=0, le=3)
    kin: tuple[tuple[str, str], ...] = ()


class Rhythm(Frozen):
    """Of a fact's date: how busy each weekday (from Monday) and month (from January) is, and the growth in a year."""

    kind: Literal["rhythm"] = "rhythm"
    week: tuple[float, ...] = Field(default=(1.0,) * 7, min_length=7, max_length=7)
    year: tuple[float, ...] = Field(default=(1.0,) * 12, min_length=12, max_length=12)
    growth: float = Field(default=0.1, gt=-0.9, le=5)


class Clock(Frozen):
    """Of a time stamp: the fact's day (or a past one), at an hour from `first` up to, not including, `last`."""

    kind: Literal["clock"] = "clock"
    first: int = Field(default=8, ge=0, le=23)
    last: int = Field(default=20, ge=1, le=24)


Recipe: TypeAlias = Annotated[
    Choice | Named | Code | Amount | Whole | Chance | Times | Difference | Past | Joined | Popular | Rhythm | Clock,
    Field(discriminator="kind"),
]


def paths_of(recipe: Recipe) -> tuple[str, ...]:
    """The paths a recipe reads."""
    match recipe:
        case Choice() | Amount():
            return (recipe.by,) if recipe.by else ()
        case Chance():
            return tuple(path for path in (recipe.after, recipe.by) if path)
        case Times():
            return tuple(
                factor.removeprefix("1-") for factor in recipe.factors if not factor[0].isdigit() or "-" in factor
            )
        case Difference():
            return (recipe.of, recipe.less)
    return ()
