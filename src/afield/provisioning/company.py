"""What the Research Agent found out: statements of the company itself, each with its source."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from afield.provisioning.brief import Frozen


class About(StrEnum):
    """What a statement is about."""

    NAME = "name"
    SUMMARY = "summary"
    PRODUCT = "product"
    CATEGORY = "category"
    AUDIENCE = "audience"
    PLACE = "place"
    PRICE = "price"
    LOGO = "logo"
    COLOUR = "colour"


class Statement(Frozen):
    """Something a page says, in its own words."""

    about: About
    text: str = Field(min_length=1, max_length=2000)
    source: str = Field(description="Address of the page.")
    found_in: str = Field(description="Where on it: json-ld, opengraph, title, navigation, text, ...")


class IndustryGuess(Frozen):
    """Which industry it looks like. Scores are cosines, -1 to 1."""

    industry: str
    score: float
    runner_up: str = ""
    runner_up_score: float = 0.0
    hinted: bool = False  # the person said so
    by_model: bool = False  # a language model chose it; the scores are of the words


class Company(Frozen):
    """The company as far as its site tells. What is not known is named in `unknown`, never invented."""

    url: str
    name: str
    industry: IndustryGuess
    statements: tuple[Statement, ...] = ()
    unknown: tuple[About, ...] = ()
    pages: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # what could not be read, and why
    reasons: tuple[str, ...] = ()  # why this name and this industry

    def said(self, about: About) -> tuple[str, ...]:
        """The texts about one thing, in the order found."""
        return tuple(one.text for one in self.statements if one.about is about)
