"""The simulator as a whole: its options, its services, started and stopped."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from .admin.service import AdminService
from .amc.cloud import Account, Options
from .amc.service import AmcService
from .analytics.service import AnalyticsService
from .app import Server, Service, serve
from .arm.cloud import Cloud, CloudOptions
from .arm.service import ArmService
from .bigquery.service import BigQueryService
from .blobs.service import BlobsService
from .clock import Clock
from .entra.service import EntraService
from .entra.tokens import Tokens
from .journal import FileJournal, NoJournal
from .llm.service import LlmService
from .pulse import Pulse
from .sessions.container import COMMAND
from .sessions.pools import PoolOptions
from .sessions.service import SessionsService
from .websites.service import WebsitesService
from .websites.sites import SITES


@dataclass(frozen=True, slots=True)
class SimulatorOptions:
    """Where to listen (port 0: any free one), where to keep state (none: in memory), what to hold."""

    host: str = "127.0.0.1"
    port: int = 0
    data: Path | None = None
    seed: int = 7
    instances: int = 3
    last_day: date | None = None
    vms: int = 4
    windows_vms: int = 0
    pools: int = 0
    container_command: Sequence[str] = COMMAND
    websites: bool = False


@asynccontextmanager
async def simulator(options: SimulatorOptions, clock: Clock | None = None) -> AsyncIterator[Server]:
    """A simulator that listens while the context is open."""
    used = clock or Clock()
    journal = FileJournal(options.data) if options.data else NoJournal()
    try:
        account = Account(
            Options(options.instances, options.seed, options.last_day, options.data),
            used,
            journal,
            Pulse(),
        )
        services = _services(options, account, used)
        server = await serve(services, options.host, options.port)
        try:
            yield server
        finally:
            await server.stop()
    finally:
        journal.close()


def _services(options: SimulatorOptions, account: Account, clock: Clock) -> list[Service]:
    """Everything there is. The first that knows a request's host or path answers it."""
    seed = options.seed
    tokens = Tokens(clock, seed)
    cloud = Cloud(CloudOptions(options.vms, options.windows_vms, seed, _folder(options, "arm")), clock)
    entra = EntraService(tokens, _folder(options, "entra"))
    pools = PoolOptions(options.pools, seed, options.container_command)
    return [
        BigQueryService(clock, seed),
        AdminService(account),
        AmcService(account),
        entra,
        BlobsService(clock, seed),
        SessionsService(pools, clock, cloud, tokens, entra),
        WebsitesService(seed, SITES if options.websites else (), _folder(options, "websites")),
        ArmService(cloud, tokens, entra),
        LlmService(seed, clock),
        AnalyticsService(clock, seed),
    ]


def _folder(options: SimulatorOptions, name: str) -> Path | None:
    return options.data / name if options.data else None
