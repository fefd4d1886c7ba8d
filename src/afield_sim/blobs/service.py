"""The blob service of the simulator: one account, in memory."""

import hashlib
from base64 import b64encode
from collections.abc import Mapping

from aiohttp import web

from ..clock import Clock
from .gate import BlobGate, StorageAccount
from .routes import PREFIX, BlobRoutes
from .sas import Place, make_sas
from .store import BlobStore

CONTAINER = "output"
_ACCOUNT = "afieldsim"
_SAS_SECONDS = 30 * 86_400
_OUTPUT_PERMISSIONS = "racw"


class BlobsService:
    """Blobs under `/blobs/{account}/{container}/{blob}`; the account's key follows from `seed`."""

    name = "blobs"

    def __init__(self, clock: Clock, seed: int = 7) -> None:
        key = hashlib.sha512(f"blobs {seed}".encode()).digest()
        self.account = StorageAccount(_ACCOUNT, b64encode(key).decode())
        self.store = BlobStore(CONTAINER)
        self._clock = clock

    def mount(self, app: web.Application) -> None:
        """Add the routes."""
        BlobRoutes(self.store, BlobGate(self.account, self._clock.now), self._clock).mount(app.router)

    def describe(self, base_url: str) -> Mapping[str, object]:
        """Where it is and how to get in; `container_sas` is a query string that is good for 30 days."""
        place = Place(self.account.name, CONTAINER, "")
        return {
            "endpoint": f"{base_url}{PREFIX}/{self.account.name}",
            "account": self.account.name,
            "key": self.account.key,
            "container": CONTAINER,
            "container_sas": make_sas(self.account.key, place, _OUTPUT_PERMISSIONS, self._clock.now() + _SAS_SECONDS),
        }

    async def start(self) -> None:
        """Nothing to do."""

    async def stop(self) -> None:
        """Nothing to do."""
