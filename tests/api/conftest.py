"""Fixtures of the API's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from web_world import Web, a_remote, serving, settings_for

from afield.api.app import create_app
from afield.config import Settings
from afield.kernel import Kernel, open_kernel
from afield.testing.remote import MemoryRemote


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return settings_for(tmp_path / "home", database_url)


@pytest.fixture
async def kernel(settings: Settings) -> AsyncIterator[Kernel]:
    async with open_kernel(settings) as opened:
        yield opened


@pytest.fixture
async def web(kernel: Kernel) -> AsyncIterator[Web]:
    async with serving(create_app(kernel)) as served:
        yield served


@pytest.fixture
def remote() -> MemoryRemote:
    return a_remote()
