"""Whatever happens, an intent leads to one execution, and to an end."""

from __future__ import annotations

import pytest
from engine_storm import Storm

from afield.connectors.base import Intent
from afield.testing.connector import MemoryConnector, NamelessConnector

pytestmark = pytest.mark.slow

BATCHES = 8
SEEDS_PER_BATCH = 25


async def weather(seed: int, connector: type[MemoryConnector] = MemoryConnector, *, wire: bool = True) -> None:
    storm = await Storm.brew(seed, connector)
    storm.wire = wire
    try:
        await storm.rage()
        await storm.check()
    except AssertionError as error:
        raise AssertionError(f"seed {seed}: {error}") from error


@pytest.mark.parametrize("batch", range(BATCHES))
async def test_one_intent_one_execution_whatever_happens(batch: int) -> None:
    for seed in range(batch * SEEDS_PER_BATCH, (batch + 1) * SEEDS_PER_BATCH):
        await weather(seed)


class CannotRetire(MemoryConnector):
    async def retire(self, intent: Intent) -> bool:
        return False


async def test_without_retirement_time_is_enough_unless_a_process_stops_at_the_wire() -> None:
    for seed in range(60):
        await weather(seed, CannotRetire, wire=False)


async def test_the_storm_is_strong_enough_to_show_a_missing_retirement() -> None:
    with pytest.raises(AssertionError, match="seed"):
        for seed in range(300):
            await weather(seed, CannotRetire)


async def test_without_names_nothing_is_started_twice_either() -> None:
    for seed in range(60):
        storm = await Storm.brew(seed, NamelessConnector)
        storm.wire = False
        await storm.rage(to_the_end=False)
        counts = [storm.world.remote.count(i) for i in storm.ids]
        assert max(counts) <= 1, f"seed {seed}: {counts}"
