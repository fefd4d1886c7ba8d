"""Both ledgers, for tests of the promises they share."""

from __future__ import annotations

import pytest
from ledger_world import World, make_world

from afield.ledger.base import Ledger


@pytest.fixture(params=["memory", "postgres"])
def any_ledger(request: pytest.FixtureRequest) -> Ledger:
    name = {"memory": "memory_ledger", "postgres": "ledger"}[request.param]
    found: Ledger = request.getfixturevalue(name)
    return found


@pytest.fixture
async def world(any_ledger: Ledger) -> World:
    return await make_world(any_ledger)


@pytest.fixture
async def postgres_world(ledger: Ledger) -> World:
    return await make_world(ledger)
