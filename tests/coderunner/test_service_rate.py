"""How long to stay away from a full queue."""

from __future__ import annotations

import pytest

from afield.coderunner.rate import ServiceRate


def rate_of(*times: float) -> ServiceRate:
    rate = ServiceRate()
    for at in times:
        rate.served(at)
    return rate


def test_nothing_is_said_before_something_was_served() -> None:
    assert rate_of(5.0).per_second(6.0) is None
    assert rate_of().retry_after(100, 1, 0.0) == 5


def test_the_rate_is_that_of_the_last_ones_and_falls_while_nothing_ends() -> None:
    rate = rate_of(*(n / 10 for n in range(11)))
    assert rate.per_second(1.0) == pytest.approx(10)
    assert rate.per_second(10.0) == pytest.approx(1)


@pytest.mark.parametrize(
    ("waiting", "sharers", "seconds"),
    [(100, 1, 1), (1000, 1, 10), (1000, 20, 200), (100_000, 1, 300), (1, 1, 1)],
)
def test_the_pause_is_the_time_a_tenth_of_the_queue_takes(waiting: int, sharers: int, seconds: int) -> None:
    rate = rate_of(*(n / 10 for n in range(11)))
    assert rate.retry_after(waiting, sharers, 1.0) == seconds
