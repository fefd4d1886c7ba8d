"""The identity service of the simulator."""

from collections.abc import Mapping
from pathlib import Path

from aiohttp import web

from .admin import EntraAdminRoutes
from .desk import Desk
from .imds import ImdsRoutes
from .listener import HOST, Listener
from .login import LoginRoutes
from .tokens import Tokens


class EntraService:
    """A login host on an https port of its own; the machine's identity under `/metadata` of the common port.

    `folder` keeps certificate and port over a restart; without one they are new each time.
    """

    name = "entra"

    def __init__(self, tokens: Tokens, folder: Path | None = None) -> None:
        self.tokens = tokens
        self._desk = Desk(tokens)
        login = web.Application()
        LoginRoutes(self._desk).mount(login.router)
        self._listener = Listener(login, folder)

    def mount(self, app: web.Application) -> None:
        """Add the routes of the common port."""
        ImdsRoutes(self._desk, self.tokens.now).mount(app.router)
        EntraAdminRoutes(self._desk).mount(app.router)

    def describe(self, base_url: str) -> Mapping[str, object]:
        """How to get tokens; `imds_endpoint` is the value for AZURE_POD_IDENTITY_AUTHORITY_HOST."""
        authority = f"https://{HOST}:{self._listener.port}"
        return {
            "authority": authority,
            "token_endpoint": f"{authority}/{self.tokens.tenant_id}/oauth2/v2.0/token",
            "ca_file": str(self._listener.ca_file),
            "imds_endpoint": base_url,
            "tenant_id": self.tokens.tenant_id,
            "client_id": self.tokens.client_id,
            "client_secret": self.tokens.client_secret,
            "object_id": self.tokens.object_id,
            "identity_client_id": self.tokens.identity_client_id,
            "identity_object_id": self.tokens.identity_object_id,
        }

    async def start(self) -> None:
        """Open the https port."""
        await self._listener.start()

    async def stop(self) -> None:
        """Close it."""
        await self._listener.stop()
