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
    loop_scope="module", scope="module", params=[Level.FULL, Level.NAMESPACES, Level.LANDLOCK], ids=lambda e: e.name
)
async def jail(request: pytest.FixtureRequest) -> AsyncIterator[LocalJail]:
    """One of each level that this host allows."""
    settings = JailSettings(level=request.param, minimum=Level.LANDLOCK, languages=QUICK, lanes=4)
    async with LocalJail(settings) as opened:
        if opened.probe().level is not request.param:
            pytest.skip(f"this host does not allow the level {request.param.name}")
        yield opened


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def strong_jail() -> AsyncIterator[LocalJail]:
    """The strongest this host allows, with all languages that are found."""
    async with LocalJail() as opened:
        yield opened
