"""Words that are easily passed over or taken for something else: what they mean, or that they are not understood."""

from __future__ import annotations

from functools import cache

import pytest
from benchmarks.chat_questions import TODAY, model_of

from afield.provisioning.chat.agent import known_of
from afield.provisioning.chat.outcomes import Ask, Outside, Reading, Understood
from afield.provisioning.chat.understand import Known, State, understand


@cache
def known(industry: str) -> Known:
    return known_of(model_of(industry), {}, TODAY)


def ask(industry: str, question: str) -> Reading:
    return understand(question, State(), known(industry))


@pytest.mark.parametrize(
    ("industry", "question", "wording"),
    [
        ("retail", "Did London or Leeds get more orders?", "Orders by store for store London and Leeds"),
        ("retail", "split of visits between phones and computers", "Visits by device for device Phone and Computer"),
        ("retail", "Are orders on Web higher than on App?", "Orders by sales channel for sales channel Web and App"),
        ("retail", "How did orders change between 2024 and 2025?", "Orders in 2025 compared with 2024"),
        ("retail", "growth of orders from Q1 to Q3 2026", "Orders in Q3 2026 compared with Q1 2026"),
        ("retail", "returns, orders by store", "Returns and orders by store"),
        ("retail", "returned orders by store", "Orders by store for order status Returned"),
        ("retail", "Which items get returned the most?", "Top 10 products by returns"),
        ("retail", "What was our best day for revenue?", "Top 10 days by revenue"),
        ("retail", "How many customers purchased in 2025?", "Active customers in 2025"),
        ("retail", "How many customers and orders in 2025?", "Active customers and orders in 2025"),
        ("retail", "How many customers bought something in 2025?", "Active customers in 2025"),
        ("logistics", "trips in each of the last 2 days", "Trips by day between 20 November 2026 and 21 November 2026"),
        ("logistics", "Which service has the slowest transit time?", "Average transit days by service, highest first"),
        ("logistics", "fastest transit time by depot", "Average transit days by depot, lowest first"),
        ("logistics", "Which customers complain the most?", "Top 10 customers by complaints"),
        ("logistics", "profit by depot without hubs", "Profit by depot excluding depot kind Hub"),
        ("software", "revenue from new business by plan", "Revenue by plan for billing kind New"),
        ("software", "revenue for business by country", "Revenue by country for plan Business"),
        ("software", "seats billed to customers in Germany", "Seats billed for country Germany"),
        ("software", "How many trials did we win in Q3?", "Won trials in Q3 2026"),
        ("software", "How much revenue did we lose in 2025?", "Revenue lost in 2025"),
        ("software", "Which features cause the most tickets?", "Tickets by feature, highest first"),
        ("software", "How many trials became customers by month?", "Trials and won trials by month"),
    ],
)  # fmt: skip
def test_is_understood(industry: str, question: str, wording: str) -> None:
    reading = ask(industry, question)
    assert isinstance(reading, Understood), reading
    assert reading.wording == wording


@pytest.mark.parametrize(
    ("industry", "question", "measures"),
    [
        ("software", "Which campaign converts trials best?", {"won_trials", "trial_conversion"}),
        ("software", "How many customers do we have in Germany?", {"active_customers", "paying_customers"}),
    ],
)
def test_is_asked_about(industry: str, question: str, measures: set[str]) -> None:
    reading = ask(industry, question)
    assert isinstance(reading, Ask), reading
    assert {name for option in reading.options for name in option.query.measures} == measures


@pytest.mark.parametrize(
    ("industry", "question", "why"),
    [
        ("software", "tickets by type", "broken down by “type”"),
        ("retail", "revenue by value", "broken down by “value”"),
        ("retail", "revenue by", "broken down by “by”"),
        ("retail", "do we have more orders?", "“more”"),
        ("retail", "smaller stores by revenue", "“smaller”"),
        ("retail", "fastest stores by revenue", "fast or slow"),
        ("logistics", "How many customers complained last year?", "cannot be counted together"),
        ("software", "How many customers cancelled in 2025?", "cannot be counted together"),
    ],
)
def test_is_refused(industry: str, question: str, why: str) -> None:
    reading = ask(industry, question)
    assert isinstance(reading, Outside), reading
    assert why in reading.reason
    assert reading.suggestions
