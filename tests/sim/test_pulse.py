"""Waiting for a change."""

import asyncio
import time

from afield_sim.pulse import Pulse


async def test_a_change_during_a_pause_is_not_missed():
    pulse, state = Pulse(), {"done": False}

    def slow() -> bool:
        done = state["done"]
        time.sleep(0.002)
        return done

    async def change() -> None:
        await asyncio.sleep(0.001)
        state["done"] = True
        pulse.beat()

    changing = asyncio.create_task(change())
    assert await pulse.until(slow, 5)
    await changing


async def test_time_runs_out():
    assert not await Pulse().until(lambda: False, 0.01)


async def test_what_holds_is_told_at_once():
    assert await Pulse().until(lambda: True, 0)


async def test_all_who_wait_are_woken():
    pulse, seen = Pulse(), []
    waiting = [asyncio.create_task(pulse.until(lambda: bool(seen), 5)) for _ in range(3)]
    await asyncio.sleep(0)
    seen.append(1)
    pulse.beat()
    assert await asyncio.gather(*waiting) == [True, True, True]
