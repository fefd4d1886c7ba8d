"""Fixtures of the command line's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cli_world import Shell, introduce, shell_for

from afield_sim.testing import Simulator, running_simulator


@pytest.fixture
def shell(tmp_path: Path, database_url: str) -> Shell:
    return shell_for(tmp_path, database_url)


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with running_simulator(instances=1) as running:
        yield running


@pytest.fixture
async def north(shell: Shell, sim: Simulator) -> str:
    """The name of a target on the simulator."""
    await introduce(shell, sim)
    return "north"
