from __future__ import annotations

import pytest
from engine_world import World


@pytest.fixture
async def world() -> World:
    return await World.start()
