from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from coderunner_world import CodeWorld, code_world, ensure_slots, fake_pool


@pytest.fixture
def slots_url(database_url: str) -> str:
    """A migrated database that has the tables of places."""
    ensure_slots(database_url)
    return database_url


@pytest.fixture
async def world(tmp_path: Path, slots_url: str) -> AsyncIterator[CodeWorld]:
    pool = await asyncio.sleep(0, fake_pool())
    async with code_world(tmp_path / "home", slots_url, pool) as made:
        yield made
