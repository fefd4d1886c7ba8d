"""The real client of BigQuery, at a simulator that listens in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from afield_sim.app import serve
from afield_sim.bigquery.service import BigQueryService
from afield_sim.testing import ManualClock
from afield_sim.testing.bigquery import BigQueryAdmin

T = TypeVar("T")
PROJECT = "some-project"


@dataclass(frozen=True)
class Cloud:
    """The client (which blocks, so it is called in threads), the admin, the clock."""

    client: bigquery.Client
    admin: BigQueryAdmin
    clock: ManualClock
    endpoint: str

    async def call(self, work: Callable[[bigquery.Client], T]) -> T:
        return await asyncio.to_thread(work, self.client)

    async def rows(self, sql: str, **options: Any) -> list[tuple[Any, ...]]:
        def ask(client: bigquery.Client) -> list[tuple[Any, ...]]:
            return [tuple(row.values()) for row in client.query(sql, **options).result(timeout=20)]

        return await self.call(ask)


@asynccontextmanager
async def running_bigquery() -> AsyncIterator[Cloud]:
    clock = ManualClock()
    server = await serve([BigQueryService(clock)], "127.0.0.1", 0)
    client = bigquery.Client(
        project=PROJECT, credentials=AnonymousCredentials(), client_options={"api_endpoint": server.base_url}
    )
    async with aiohttp.ClientSession() as session:
        try:
            yield Cloud(client, BigQueryAdmin(session, server.base_url), clock, server.base_url)
        finally:
            client.close()
            await server.stop()
