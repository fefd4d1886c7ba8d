"""The held set: questions over three industries, their answers beside results by SQL written by hand."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest
from benchmarks.chat_questions import INDUSTRIES, STRANGERS, Judged, Question, Shop, Verdict, questions, result_of, shop
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from afield.provisioning.chat.conversation import Conversation
from afield.provisioning.chat.engine import answer

FOUND = [Phase.explicit, Phase.generate]  # a failure is shown as it is: making it smaller takes long
LEAST, LEAST_OF_STRANGERS = 0.9, 0.8
KINDS = {"comparison", "top-n", "series", "filter", "share", "growth", "turns", "two facts", "outside", "unclear"}


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Shop]]:
    """All three, made once."""
    folder = tmp_path_factory.mktemp("shops")
    opened = {name: shop(name, folder) for name in INDUSTRIES}
    with asyncio.Runner() as runner:
        yield {name: runner.run(one.__aenter__()) for name, one in opened.items()}
        for one in opened.values():
            runner.run(one.__aexit__(None, None, None))


async def judged(shops: dict[str, Shop], suffix: str = "") -> list[Judged]:
    return [await shops[name].judge(question) for name in INDUSTRIES for question in questions(name + suffix)]


def test_the_set_is_large_and_broad() -> None:
    every = [one for name in INDUSTRIES for suffix in ("", STRANGERS) for one in questions(name + suffix)]
    assert len(every) >= 180
    assert len({question.id for question in every}) == len(every)
    assert {question.about for question in every} >= KINDS
    assert all(one.sql or one.asks or one.outside for one in every)


@pytest.mark.parametrize(("suffix", "least"), [("", LEAST), (STRANGERS, LEAST_OF_STRANGERS)])
async def test_nine_of_ten_are_right_and_none_is_silently_wrong(
    shops: dict[str, Shop], suffix: str, least: float
) -> None:
    found = await judged(shops, suffix)
    tally = Counter(one.verdict for one in found)
    other = (one for one in found if one.verdict is not Verdict.RIGHT)
    misses = [f"{one.question.id} {one.verdict}: {one.question.ask} -> {one.detail}" for one in other]
    assert tally[Verdict.RIGHT] / len(found) >= least, misses
    assert not tally[Verdict.WRONG], misses
    assert not tally[Verdict.FAILED], misses


async def test_the_judge_knows_wrong_figures_from_right_ones(shops: dict[str, Shop]) -> None:
    retail, ask = shops["retail"], ("Top 2 stores by revenue in 2025",)
    per_store = "SELECT store_name, sum(net_amount) AS revenue FROM orders JOIN stores USING (store_id)"
    right = f"{per_store} WHERE year(order_date) = 2025 GROUP BY 1 ORDER BY 2 DESC LIMIT 2"
    doubled = right.replace("sum(net_amount)", "1.001 * sum(net_amount)")
    turned = f"SELECT * FROM ({right}) ORDER BY revenue"
    more = right.replace("LIMIT 2", "LIMIT 3")
    for sql, verdict in ((right, "right"), (doubled, "wrong"), (turned, "wrong"), (more, "wrong"), ("", "wrong")):
        judgement = await retail.judge(Question(id="x", about="x", ask=ask, sql=sql, ordered=True))
        assert judgement.verdict == verdict, sql


# --------------------------------------------------------------------------- nothing counts twice, whatever is asked

_GOODS = (
    "LEFT JOIN products USING (product_id) LEFT JOIN categories USING (category_id) LEFT JOIN suppliers "
    "USING (supplier_id) LEFT JOIN stores USING (store_id)"
)
_MEASURES = {
    "revenue": ("revenue", "orders", "sum(net_amount)::DOUBLE"),
    "orders": ("order_count", "orders", "count(*)"),
    "active customers": ("active_customers", "orders", "count(DISTINCT customer_id)"),
    "average order value": ("average_order_value", "orders", "avg(net_amount)"),
    "profit margin": ("profit_margin", "orders", "sum(profit_amount)::DOUBLE / nullif(sum(net_amount)::DOUBLE, 0)"),
    "refunds": ("refunds", "returns", "sum(refund_amount)::DOUBLE"),
    "returns": ("return_count", "returns", "count(*)"),
    "deliveries": ("delivery_count", "deliveries", "count(*)"),
    "late delivery rate": ("late_delivery_rate", "deliveries", "count(*) FILTER (WHERE delivered_late) / count(*)"),
}
_DATES = {"orders": "order_date", "returns": "return_date", "deliveries": "delivery_date"}
_BY = {"store": "store_name", "category": "category_name", "brand": "brand", "supplier country": "supplier_country"}
_ONLY = {
    "": "true",
    "for store London": "store_name = 'London'",
    "excluding category Bags": "category_name <> 'Bags'",
    "for brand Alder and Marlow": "brand IN ('Alder', 'Marlow')",
}


def test_figures_of_several_facts_are_those_of_each_by_itself(shops: dict[str, Shop]) -> None:
    @given(
        measures=st.lists(st.sampled_from([*_MEASURES]), min_size=1, max_size=4, unique=True),
        by=st.lists(st.sampled_from([*_BY]), min_size=1, max_size=2, unique=True),
        only=st.sampled_from([*_ONLY]),
    )
    @settings(max_examples=25, deadline=None, derandomize=True, phases=FOUND)
    def compared(measures: list[str], by: list[str], only: str) -> None:
        compare(shops["retail"], measures, by, only)

    compared()


def compare(retail: Shop, measures: list[str], by: list[str], only: str) -> None:
    """Each figure by a statement of its own, which joins no fact with another, so that no row can count twice."""
    listed = f"{', '.join(measures[:-1])} and {measures[-1]}" if measures[1:] else measures[0]
    question = f"{listed} by {' and '.join(by)} {only} in 2025"
    keys = [_BY[one] for one in by]
    found = {tuple(row[key] for key in keys): row for row in asyncio.run(rows_of(retail, question))}
    seen = set()
    for name, fact, figure in (_MEASURES[one] for one in measures):
        where = f"WHERE year({_DATES[fact]}) = 2025 AND {_ONLY[only]} GROUP BY ALL"
        _, rows = retail.expected(f"SELECT {', '.join(keys)}, {figure} FROM {fact} {_GOODS} {where}")
        expected = {row[: len(keys)]: row[-1] for row in rows}
        seen |= expected.keys()
        for key, row in found.items():
            assert (row[name] or 0) == pytest.approx(expected.get(key) or 0), (question, name, key)
    assert found.keys() == seen, question


async def rows_of(opened: Shop, question: str) -> list[dict[str, object]]:
    messages = [message async for message in answer(question, Conversation(), opened.agent)]
    result = result_of(messages)
    assert result, question
    return result["data"]  # type: ignore[return-value] # JSON
