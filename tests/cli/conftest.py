"""Fixtures of the command line's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from cli_warm import WarmCommands, warm_commands
from cli_world import Shell, introduce, shell_for

from afield_sim.testing import Simulator, running_simulator


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmCommands]:
    with warm_commands(tmp_path_factory.mktemp("warm")) as warm:
        yield warm


@pytest.fixture
def shell(tmp_path: Path, database_url: str, commands: WarmCommands) -> Shell:
    return shell_for(tmp_path, database_url, commands)


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with running_simulator(instances=1) as running:
        yield running


@pytest.fixture
async def north(shell: Shell, sim: Simulator) -> str:
    """The name of a target on the simulator."""
    await introduce(shell, sim)
    return "north"
