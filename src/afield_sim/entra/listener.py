"""The https port of the login host: on the loopback address, with its own certificate."""

import asyncio
import shutil
import ssl
import tempfile
from pathlib import Path

from aiohttp import web

from .certificates import CertificateFiles, provide

HOST = "127.0.0.1"
_SHUTDOWN_SECONDS = 0.5


class Listener:
    """Serves `app` over https. With a folder, certificate and port stay the same from one start to the next."""

    def __init__(self, app: web.Application, folder: Path | None) -> None:
        self._folder = folder
        self._temporary: Path | None = None
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
        self.ca_file = Path()
        self.port = 0

    async def start(self) -> None:
        """Listen on the port of the last time, or on any free one when there was none or it is taken."""
        folder = await asyncio.to_thread(self._make_folder) if self._folder is None else self._folder
        files, context, wanted = await asyncio.to_thread(_prepare, folder)
        self.ca_file = files.authority
        await self._runner.setup()
        try:
            await self._listen(wanted, context)
        except OSError:
            await self._listen(0, context)
        self.port = self._runner.addresses[0][1]
        await asyncio.to_thread(_port_file(folder).write_text, str(self.port))

    async def stop(self) -> None:
        """Close the port; temporary files go."""
        await self._runner.cleanup()
        if self._temporary is not None:
            await asyncio.to_thread(shutil.rmtree, self._temporary, ignore_errors=True)

    async def _listen(self, port: int, context: ssl.SSLContext) -> None:
        await web.TCPSite(self._runner, HOST, port, ssl_context=context, reuse_address=True).start()

    def _make_folder(self) -> Path:
        self._temporary = Path(tempfile.mkdtemp(prefix="afield-sim-entra-"))
        return self._temporary


def _prepare(folder: Path) -> tuple[CertificateFiles, ssl.SSLContext, int]:
    files = provide(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.server)
    try:
        return files, context, int(_port_file(folder).read_text())
    except (OSError, ValueError):
        return files, context, 0


def _port_file(folder: Path) -> Path:
    return folder / "entra-port"
