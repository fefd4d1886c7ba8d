"""Whatever happens, an intent leads to one execution, and to an end."""

from __future__ import annotations

import pytest
from engine_storm import Storm

BATCHES = 8
SEEDS_PER_BATCH = 25


@pytest.mark.parametrize("batch", range(BATCHES))
async def test_one_intent_one_execution_whatever_happens(batch: int) -> None:
    for seed in range(batch * SEEDS_PER_BATCH, (batch + 1) * SEEDS_PER_BATCH):
        storm = await Storm.brew(seed)
        try:
            await storm.rage()
            await storm.check()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
