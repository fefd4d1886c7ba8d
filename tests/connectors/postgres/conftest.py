"""Fixtures of the postgres connector's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from postgres_world import Target, made_target

from afield.connectors.postgres.connector import PostgresConnector


@pytest.fixture
def target(empty_database_url: str) -> Iterator[Target]:
    with made_target(empty_database_url) as target:
        yield target


@pytest.fixture
async def connector(target: Target) -> AsyncIterator[PostgresConnector]:
    opened = await PostgresConnector.open(target.context())
    yield opened
    await opened.close()
