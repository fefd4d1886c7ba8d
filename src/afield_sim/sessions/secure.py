"""The endpoints over https, with the certificate of the login host: some clients refuse anything else."""

import asyncio
import ssl
from pathlib import Path

from aiohttp import web

from ..entra.certificates import provide
from ..entra.listener import HOST

_SHUTDOWN_SECONDS = 0.5


class SecureListener:
    """Serves `app` over https on the loopback address, on any free port."""

    def __init__(self, app: web.Application) -> None:
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
        self.base_url = ""

    async def start(self, ca_file: str) -> None:
        """Listen; the certificate is the one beside `ca_file`, the authority that signed it."""
        context = await asyncio.to_thread(_context, Path(ca_file).parent)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, 0, ssl_context=context).start()
        self.base_url = f"https://{HOST}:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Close the port."""
        await self._runner.cleanup()


def _context(folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(provide(folder).server)
    return context
