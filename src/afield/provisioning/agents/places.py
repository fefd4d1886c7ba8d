"""Where datasets and data agents of this installation are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from afield.provisioning.agents.data_agents import DataAgents, LocalDataAgents
from afield.provisioning.settings import provisioning_home
from afield.provisioning.warehouse.base import Warehouse


def open_warehouse(home: Path) -> Warehouse:
    """The warehouse; close it. Blocks while its libraries are loaded."""
    from afield.provisioning.warehouse.duckdb import DuckDBWarehouse  # noqa: PLC0415 - only there with an extra

    return DuckDBWarehouse(provisioning_home(home) / "warehouse")


@asynccontextmanager
async def warehouse_at(home: Path) -> AsyncIterator[Warehouse]:
    """The warehouse, for as long as one is inside."""
    warehouse = await asyncio.to_thread(open_warehouse, home)
    try:
        yield warehouse
    finally:
        await warehouse.close()


def data_agents_at(home: Path) -> DataAgents:
    """Where data agents are kept."""
    return LocalDataAgents(provisioning_home(home) / "data-agents")
