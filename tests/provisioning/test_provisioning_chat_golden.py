"""Golden questions of every industry: the chat understands each text as exactly the plan that is its meaning."""

from __future__ import annotations

import pytest
from benchmarks.chat_questions import model_of
from company_samples import NAMES, TODAY, advanced, brief, modelled, tea_shop
from test_provisioning_golden import asked, manifest

from afield.provisioning.brief import Complexity
from afield.provisioning.chat.agent import known_of
from afield.provisioning.chat.outcomes import Understood
from afield.provisioning.chat.understand import State, understand
from afield.provisioning.datamodel import DataModel
from afield.provisioning.golden import golden_questions
from afield.provisioning.query import GoldenQuestion, Query


@pytest.mark.parametrize("name", NAMES)
def test_golden_questions_are_understood_as_their_plans(name: str) -> None:
    model, golden = asked(name, Complexity.COMPLEX)
    assert len(golden) >= 12
    assert not misread(model, golden)


def test_so_are_those_of_a_brief_with_a_focus_and_of_models_that_stay_as_they_are() -> None:
    model = modelled(advanced(), tea_shop())
    assert not misread(model, golden_questions(model, manifest(model), advanced()))
    frozen = model_of("retail")
    assert not misread(frozen, golden_questions(frozen, manifest(frozen), brief()))


def misread(model: DataModel, golden: tuple[GoldenQuestion, ...]) -> list[tuple[str, object]]:
    """The texts that mean something else to the chat, and what."""
    known = known_of(model, {}, TODAY)
    read = [(one, understand(one.text, State(), known)) for one in golden]
    return [
        (one.text, reading) for one, reading in read if not (isinstance(reading, Understood) and _same(reading, one))
    ]


def _same(reading: Understood, golden: GoldenQuestion) -> bool:
    """The same plan. The largest first is the usual order; without a number in the text any limit is as good."""
    counted = any(letter.isdigit() for letter in golden.text)
    return _plain(reading.query, limited=counted) == _plain(golden.query, limited=counted)


def _plain(query: Query, *, limited: bool) -> Query:
    usual = query.order and query.order.field == query.measures[0] and query.order.descending
    timed = any(one.grain for one in query.breakdowns)
    order = None if usual and not timed else query.order
    return query.model_copy(update={"order": order, "limit": query.limit if limited else None})
