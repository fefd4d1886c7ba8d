from __future__ import annotations

import pytest
from recorded_world import Bench, make_bench


@pytest.fixture
async def bench() -> Bench:
    return await make_bench()
