"""The ports of the sites: one for http and one for https each."""

import asyncio
import json
import shutil
import ssl
import tempfile
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from .certificates import certificates
from .sites import Site, Trick

HOST = "127.0.0.1"
_SHUTDOWN_SECONDS = 0.5
_BAD = (Trick.EXPIRED, Trick.WRONG_HOST, Trick.SELF_SIGNED)
Ports = dict[str, int]


class Listeners:
    """Opens two ports a site. With a folder they stay the same from one start to the next."""

    def __init__(self, app: web.Application, folder: Path | None) -> None:
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
        self._folder = folder
        self._temporary: Path | None = None
        self.ca_file = Path()
        self.ports: Ports = {}  # `http:NAME` and `https:NAME`

    async def start(self, sites: Sequence[Site]) -> None:
        """Listen on the ports of the last time, or on any free ones."""
        folder = await asyncio.to_thread(self._make_folder) if self._folder is None else self._folder
        contexts, wanted, self.ca_file = await asyncio.to_thread(_prepare, folder)
        await self._runner.setup()
        for site in sites:
            context = contexts.get(site.trick, contexts[Trick.NONE])
            self.ports[f"http:{site.name}"] = await self._listen(wanted.get(f"http:{site.name}", 0), None)
            self.ports[f"https:{site.name}"] = await self._listen(wanted.get(f"https:{site.name}", 0), context)
        await asyncio.to_thread(_ports_file(folder).write_text, json.dumps(self.ports))

    async def stop(self) -> None:
        """Close the ports; temporary files go."""
        await self._runner.cleanup()
        if self._temporary is not None:
            await asyncio.to_thread(shutil.rmtree, self._temporary, ignore_errors=True)

    async def _listen(self, port: int, context: ssl.SSLContext | None) -> int:
        try:
            await web.TCPSite(self._runner, HOST, port, ssl_context=context, reuse_address=True).start()
        except OSError:
            if not port:
                raise
            return await self._listen(0, context)
        bound: int = self._runner.addresses[-1][1]
        return bound

    def _make_folder(self) -> Path:
        self._temporary = Path(tempfile.mkdtemp(prefix="afield-sim-websites-"))
        return self._temporary


def _prepare(folder: Path) -> tuple[dict[Trick, ssl.SSLContext], Ports, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    made = certificates()
    ca_file = folder / "websites-ca.pem"
    ca_file.write_bytes(made.authority)
    contexts = {trick: _context(folder / "server.pem", made.of(trick)) for trick in (Trick.NONE, *_BAD)}
    try:
        return contexts, json.loads(_ports_file(folder).read_text()), ca_file
    except (OSError, ValueError):
        return contexts, {}, ca_file


def _context(file: Path, pem: bytes) -> ssl.SSLContext:
    """Python reads certificates from files only; the file is gone when this returns."""
    file.touch(mode=0o600)
    file.write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    file.unlink()
    return context


def _ports_file(folder: Path) -> Path:
    return folder / "websites-ports.json"
