"""Jails for the tests: one of each level this host allows, shared by a module's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from blockbuster import BlockBuster, blockbuster_ctx

from afield_sandbox import JailSettings, Level, LocalJail

QUICK = ("python", "bash", "c")


@pytest.fixture(autouse=True)
def jail_never_blocks() -> Iterator[BlockBuster]:
    """Every test fails when the jail blocks the event loop."""
    with blockbuster_ctx("afield_sandbox") as watching:
        yield watching


@pytest_asyncio.fixture(
    loop_scope="module", scope="module", params=[Level.FULL, Level.NAMESPACES], ids=lambda e: e.name
)
async def jail(request: pytest.FixtureRequest) -> AsyncIterator[LocalJail]:
    """With control groups where the host has them, and without."""
    async with LocalJail(JailSettings(level=request.param, languages=QUICK, lanes=4)) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def strong_jail() -> AsyncIterator[LocalJail]:
    """The strongest this host allows, with all languages that are found."""
    async with LocalJail() as opened:
        yield opened
