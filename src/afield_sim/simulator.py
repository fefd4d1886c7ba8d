"""The simulator as a whole: its options, its services, started and stopped."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from .admin.service import AdminService
from .amc.cloud import Account, Options
from .amc.service import AmcService
from .app import Server, serve
from .clock import Clock
from .journal import FileJournal, NoJournal
from .pulse import Pulse


@dataclass(frozen=True, slots=True)
class SimulatorOptions:
    """Where to listen (port 0: any free one), where to keep state (none: in memory), what to hold."""

    host: str = "127.0.0.1"
    port: int = 0
    data: Path | None = None
    seed: int = 7
    instances: int = 3
    last_day: date | None = None


@asynccontextmanager
async def simulator(options: SimulatorOptions, clock: Clock | None = None) -> AsyncIterator[Server]:
    """A simulator that listens while the context is open."""
    journal = FileJournal(options.data) if options.data else NoJournal()
    try:
        account = Account(
            Options(options.instances, options.seed, options.last_day, options.data),
            clock or Clock(),
            journal,
            Pulse(),
        )
        server = await serve([AdminService(account), AmcService(account)], options.host, options.port)
        try:
            yield server
        finally:
            await server.stop()
    finally:
        journal.close()
