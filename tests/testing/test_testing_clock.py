from __future__ import annotations

import asyncio
from datetime import timedelta

from afield.testing.clock import FakeClock

MINUTE = timedelta(minutes=1)


async def test_time_jumps_to_the_next_moment_somebody_waits_for() -> None:
    clock, order = FakeClock(), []
    start = clock.now()

    async def sleeper(minutes: int) -> None:
        await clock.sleep(minutes * MINUTE)
        order.append((minutes, clock.now() - start))

    await asyncio.gather(sleeper(3), sleeper(1), sleeper(2))
    assert order == [(n, n * MINUTE) for n in (1, 2, 3)]


async def test_a_set_event_wakes_before_time_moves() -> None:
    clock, wake = FakeClock(), asyncio.Event()
    start = clock.now()

    async def waker() -> None:
        for _ in range(50):
            await asyncio.sleep(0)
        wake.set()

    waking = asyncio.create_task(waker())
    assert await clock.wait(wake, start + MINUTE)
    assert clock.now() == start
    await waking


async def test_an_event_nobody_sets_lets_the_time_come() -> None:
    clock = FakeClock()
    start = clock.now()
    assert not await clock.wait(asyncio.Event(), start + MINUTE)
    assert clock.now() == start + MINUTE


async def test_time_never_goes_back() -> None:
    clock = FakeClock()
    start = clock.now()
    assert not await clock.wait(asyncio.Event(), start - MINUTE)
    assert clock.now() == start


async def test_who_gives_up_waiting_does_not_move_the_time() -> None:
    clock = FakeClock()
    start = clock.now()
    waiting = asyncio.create_task(clock.sleep(MINUTE))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await clock.sleep(2 * MINUTE)
    assert clock.now() == start + 2 * MINUTE


async def test_while_anything_can_run_time_stands_still() -> None:
    clock, done = FakeClock(), asyncio.Event()
    start = clock.now()

    async def busy() -> None:
        for _ in range(5_000):
            await asyncio.sleep(0)
        assert clock.now() == start
        done.set()

    working = asyncio.create_task(busy())
    assert await clock.wait(done, start + MINUTE)
    await working
