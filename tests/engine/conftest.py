from __future__ import annotations

from collections.abc import Iterator

import pytest
from engine_world import World
from structlog.testing import capture_logs


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[object]]:
    """What was logged. Storms log a lot, and printing it takes longer than the storms."""
    with capture_logs() as captured:
        yield captured


@pytest.fixture
async def world() -> World:
    return await World.start()
