"""A served API on a database of the test's own. The same helpers as the API's tests use."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "api"))

from web_world import Web, a_remote, a_target, serving, settings_for

from afield.api.app import create_app
from afield.client import Client
from afield.kernel import open_kernel


@pytest.fixture
async def web(tmp_path: Path, database_url: str) -> AsyncIterator[Web]:
    """With one target, `north`, on a remote nobody drives."""
    remote = a_remote()
    async with open_kernel(settings_for(tmp_path / "home", database_url)) as kernel:
        await a_target(kernel, remote)
        async with serving(create_app(kernel)) as served:
            yield served


@pytest.fixture
async def client(web: Web) -> AsyncIterator[Client]:
    async with Client(web.url + "/") as opened:
        yield opened
