from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from kernel_world import World, kernel_world


@pytest.fixture
async def world(tmp_path: Path, database_url: str) -> AsyncIterator[World]:
    async with kernel_world(tmp_path / "home", database_url) as made:
        yield made
