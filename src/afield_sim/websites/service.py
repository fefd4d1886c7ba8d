"""The service `websites` of the simulator."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from aiohttp import web

from .admin import WebsitesAdmin
from .listeners import HOST, Listeners
from .serving import Serving
from .sites import Site


class WebsitesService:
    """Company websites, each with ports of its own for http and https; the common port has only their admin routes.

    `folder` keeps the ports over a restart; without one they are new each time. Without `sites` it opens none: dozens
    of ports that nobody needs could be those that somebody else expects to be closed.
    """

    name = "websites"

    def __init__(self, seed: int, sites: Sequence[Site], folder: Path | None = None) -> None:
        self._sites = sites
        self._serving = Serving(seed)
        self._listeners = Listeners(self._serving.app(), folder)

    def mount(self, app: web.Application) -> None:
        """Add the admin routes."""
        WebsitesAdmin(self._serving).mount(app.router)

    def describe(self, base_url: str) -> Mapping[str, object]:
        """All addresses, and the authority behind the certificates."""
        return {"sites": [self._described(site) for site in self._sites], "ca_file": str(self._listeners.ca_file)}

    async def start(self) -> None:
        """Open the ports."""
        if self._sites:
            await self._listeners.start(self._sites)
        self._serving.sites = {
            port: (site, f"{scheme}://{HOST}:{port}")
            for site in self._sites
            for scheme in ("http", "https")
            for port in [self._listeners.ports[f"{scheme}:{site.name}"]]
        }

    async def stop(self) -> None:
        """Close them."""
        await self._listeners.stop()

    def _described(self, site: Site) -> dict[str, str]:
        ports = self._listeners.ports
        return {
            "name": site.name,
            "trick": str(site.trick),
            "http": f"http://{HOST}:{ports[f'http:{site.name}']}/",
            "https": f"https://{HOST}:{ports[f'https:{site.name}']}/",
        }
