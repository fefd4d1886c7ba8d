"""Puts services together behind one port."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

_SHUTDOWN_SECONDS = 0.5


class Service(Protocol):
    """One emulated system: its routes, what a client needs to know of it, its life."""

    @property
    def name(self) -> str:
        """Its key in the ready file."""

    def mount(self, app: web.Application) -> None:
        """Add its routes; services share one port, so paths must not clash."""

    def describe(self, base_url: str) -> Mapping[str, object]:
        """Its entry in the ready file; `base_url` has no trailing slash."""

    async def start(self) -> None:
        """Called before the port opens."""

    async def stop(self) -> None:
        """Called after the port closed."""


@dataclass(slots=True)
class Server:
    """Services that listen."""

    services: Sequence[Service]
    runner: web.AppRunner
    base_url: str

    def describe(self) -> dict[str, Mapping[str, object]]:
        """The content of the ready file."""
        return {service.name: service.describe(self.base_url) for service in self.services}

    async def stop(self) -> None:
        """Close the port, then the services."""
        await self.runner.cleanup()
        for service in self.services:
            await service.stop()


async def serve(services: Sequence[Service], host: str, port: int) -> Server:
    """Start the services and listen; port 0 takes any free one. OSError when it is taken."""
    app = web.Application(client_max_size=16 * 1024 * 1024)
    for service in services:
        service.mount(app)
        await service.start()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    site = web.TCPSite(runner, host, port, reuse_address=True, backlog=1024)
    try:
        await site.start()
    except OSError:
        await Server(services, runner, "").stop()
        raise
    bound = runner.addresses[0][1]
    return Server(services, runner, f"http://{host}:{bound}")
