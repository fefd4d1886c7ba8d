from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from afield.engine.budget import CallBudget

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def test_a_minutes_calls_at_once_and_then_one_by_one() -> None:
    budget = CallBudget(60, NOW)
    assert budget.left(NOW) == 60
    budget.spend(60)
    assert budget.left(NOW) == 0
    assert budget.left(NOW + timedelta(seconds=2)) == 2
    assert budget.left(NOW + timedelta(hours=1)) == 60, "no more than a minute's calls are saved up"


def test_a_debt_is_paid_before_another_call() -> None:
    budget = CallBudget(60, NOW)
    budget.spend(90)
    assert budget.left(NOW + timedelta(seconds=30)) == 0
    assert budget.left(NOW + timedelta(seconds=31)) == 1


def test_a_clock_that_goes_back_gives_nothing() -> None:
    budget = CallBudget(60, NOW)
    budget.spend(60)
    assert budget.left(NOW - timedelta(hours=1)) == 0
    assert budget.left(NOW + timedelta(seconds=1)) == 1


@given(st.integers(1, 600), st.lists(st.tuples(st.floats(0, 120), st.integers(0, 50)), max_size=50))
def test_never_more_than_the_rate_allows(rate: int, steps: list[tuple[float, int]]) -> None:
    budget, now, spent = CallBudget(rate, NOW), NOW, 0
    for pause, wanted in steps:
        now += timedelta(seconds=pause)
        calls = min(wanted, max(0, budget.left(now)))
        budget.spend(calls)
        spent += calls
    assert spent <= rate + rate * (now - NOW) / timedelta(minutes=1) + 1e-6
