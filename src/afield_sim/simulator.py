"""The simulator as a whole: its options, its services, started and stopped."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from .admin.service import AdminService
from .amc.cloud import Account, Options
from .amc.service import AmcService
from .app import Server, Service, serve
from .arm.cloud import Cloud, CloudOptions
from .arm.service import ArmService
from .blobs.service import BlobsService
from .clock import Clock
from .entra.service import EntraService
from .entra.tokens import Tokens
from .journal import FileJournal, NoJournal
from .pulse import Pulse
from .sessions.container import COMMAND
from .sessions.pools import PoolOptions
from .sessions.service import SessionsService


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
        tokens = Tokens(used, options.seed)
        folder = options.data / "arm" if options.data else None
        cloud = Cloud(CloudOptions(options.vms, options.windows_vms, options.seed, folder), used)
        entra = EntraService(tokens, options.data / "entra" if options.data else None)
        arm, blobs = ArmService(cloud, tokens, entra), BlobsService(used, options.seed)
        pools = PoolOptions(options.pools, options.seed, options.container_command)
        sessions = SessionsService(pools, used, cloud, tokens, entra)
        services: list[Service] = [AdminService(account), AmcService(account), entra, blobs, sessions, arm]
        server = await serve(services, options.host, options.port)
        try:
            yield server
        finally:
            await server.stop()
    finally:
        journal.close()
