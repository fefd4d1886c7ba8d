"""Fixtures of the AMC connector's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from amc_world import World, running_world

from afield.connectors.amc import tokens
from afield.connectors.amc.connector import AmcConnector


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with running_world() as world:
        await world.settings(instant=True)
        yield world


@pytest.fixture
async def connector(world: World) -> AsyncIterator[AmcConnector]:
    async with world.connector() as connector:
        yield connector


@pytest.fixture(autouse=True)
def no_pause_between_token_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_PAUSE_S", 0)
