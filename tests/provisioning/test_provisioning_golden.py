"""Golden questions: of every kind, about what is there, with plans that the model can answer."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from company_samples import NAMES, SITE, TODAY, advanced, brief, company, made, modelled, tea_shop

from afield.provisioning import asking
from afield.provisioning.brief import Brief, Complexity
from afield.provisioning.datamodel import DataModel, TableKind
from afield.provisioning.dataset import Anomaly, AnomalyKind, Dataset, TableFile
from afield.provisioning.golden import golden_questions
from afield.provisioning.query import Change, GoldenQuestion, Grain, Operator, Period
from afield.provisioning.reach import facts
from afield.provisioning.semantic.check import check

KINDS = {"total", "top-n", "series", "comparison", "ratio", "filter", "share", "growth", "two facts", "anomaly"}


def manifest(model: DataModel, today: date = TODAY) -> Dataset:
    """A manifest as making would write it, without making."""
    rows = {TableKind.FACT: 40_000, TableKind.DIMENSION: 60}
    files = [TableFile(table=t.name, file="x", rows=t.size or rows[t.kind], digest="x") for t in model.tables]
    start = today - timedelta(days=90)
    anomaly = Anomaly(kind=AnomalyKind.DROP, fact=facts(model)[0], start=start, end=start + timedelta(7), factor=0.3)
    return Dataset(seed=1, today=today, files=tuple(files), anomalies=(anomaly,))


def asked(name: str, complexity: Complexity) -> tuple[DataModel, tuple[GoldenQuestion, ...]]:
    model = modelled(brief(complexity), company(name))
    return model, golden_questions(model, manifest(model), brief(complexity))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("complexity", Complexity)
def test_every_model_has_enough_questions_of_every_kind_that_it_can_answer(name: str, complexity: Complexity):
    model, questions = asked(name, complexity)
    assert 12 <= len(questions) <= 25
    assert {one.about for one in questions} >= KINDS
    assert sum(one.matters for one in questions) >= 8
    for one in questions:
        check(one.query, model)
        assert len(one.text) < 200


@pytest.mark.parametrize("name", NAMES)
def test_no_two_are_the_same_and_twice_gives_the_same(name: str):
    _, questions = asked(name, Complexity.MEDIUM)
    assert len({one.id for one in questions}) == len(questions)
    assert len({one.text.lower() for one in questions}) == len(questions)
    assert len({one.query.model_dump_json() for one in questions}) == len(questions)
    assert asked(name, Complexity.MEDIUM)[1] == questions


def test_texts_and_plans_say_the_same():
    model = modelled(brief(), tea_shop())
    found = {one.text: one for one in golden_questions(model, manifest(model), brief())}
    total = found["What was the total revenue in 2025?"].query
    assert total.measures == ("revenue",) and total.period == Period(start=date(2025, 1, 1), end=date(2026, 1, 1))
    top = found["Top 5 products by revenue"].query
    assert top.limit == 5 and top.order and top.order.descending and top.breakdowns[0].dimension == "product_name"
    compared = found["Compare revenue in February 2026 with January 2026"].query
    assert compared.period and compared.compare and compared.compare.end == compared.period.start == date(2026, 2, 1)
    kept = next(one for one in found.values() if one.about == "filter")
    (condition,) = kept.query.filters
    assert f"for {asking.low(model.dimension(condition.field).label)} {condition.values[0]}" in kept.text
    weeks = next(one for one in found.values() if one.about == "anomaly")
    assert weeks.query.breakdowns[0].grain is Grain.WEEK and weeks.text.startswith("Orders by week between ")
    growth = next(one for one in found.values() if one.about == "growth")
    assert growth.query.change is Change.GROWTH and "growth" in growth.text
    bar = next(one for one in found.values() if one.about == "threshold").query.filters[0]
    assert bar.operator is Operator.ABOVE


def test_the_focus_is_asked_first_and_in_the_brief_s_words():
    model = modelled(advanced(), tea_shop())
    texts = [one.text for one in golden_questions(model, manifest(model), advanced())]
    assert texts[0].startswith("Show late delivery share by ") and texts[1].startswith("Show basket size by ")
    assert not any("return" in text.lower() or "discount" in text.lower() for text in texts)


def test_a_dimension_in_focus_is_asked_for_too():
    one = Brief(customer_url=SITE, special_focus=("loyalty level",))
    model = modelled(one, tea_shop())
    first = golden_questions(model, manifest(model), one)[0]
    assert first.text == "Revenue by loyalty level" and first.query.breakdowns[0].dimension == "loyalty_tier"


def test_planted_anomalies_are_asked_for_with_quiet_weeks_around(tmp_path: Path):
    model = modelled(brief(), tea_shop())
    dataset = made(model, tmp_path)
    questions = [one for one in golden_questions(model, dataset, brief()) if one.about == "anomaly"]
    assert len(questions) == len(dataset.anomalies)
    for anomaly, question in zip(dataset.anomalies, questions, strict=True):
        period = question.query.period
        assert period and period.start == anomaly.start - timedelta(weeks=4)
        if anomaly.value:
            assert anomaly.value in question.text and question.query.filters[0].values == (anomaly.value,)


def test_periods_are_said_as_people_say_them():
    month = asking.month(date(2026, 1, 31))
    assert asking.named_month(month) == "January 2026"
    assert asking.named_month(asking.month_before(month)) == "December 2025"
    quarter = asking.quarter(date(2026, 5, 31))
    assert asking.named_quarter(quarter) == "Q2 2026" and quarter.end == date(2026, 7, 1)
    assert asking.quarter(date(2026, 12, 31)).end == date(2027, 1, 1)
    assert asking.between(month) == "between 1 January 2026 and 31 January 2026"


@pytest.mark.parametrize(
    ("label", "plural"),
    [("Category", "categories"), ("Branch", "branches"), ("Line of business", "lines of business"), ("Key", "keys"),
     ("Sales", "sales"), ("Class", "classes"), ("Person", "people"), ("Tax", "taxes")],
)  # fmt: skip
def test_plurals(label: str, plural: str):
    assert asking.plural(label) == plural


def test_abbreviations_stay_as_they_are():
    assert asking.low("Average API Time") == "average API time"
