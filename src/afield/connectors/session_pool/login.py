"""Signing in to session pools: tokens of an audience of their own. Importing this imports the SDK, which takes long."""

from __future__ import annotations

import ssl

import aiohttp
from azure.core.pipeline.transport import AioHttpTransport

from afield.connectors.azure.identity import EntraLogin
from afield.connectors.session_pool.address import PoolAddress


class PoolLogin(EntraLogin):
    """As any sign-in to Azure, for the pool's audience. Must be made inside a running event loop."""

    def __init__(self, address: PoolAddress, target: str, tls: ssl.SSLContext) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls), cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        )
        transport = AioHttpTransport(session=self._session, session_owner=False)
        super().__init__(address, transport, target, f"{address.audience.rstrip('/')}/.default")

    async def close(self) -> None:
        await self._session.close()
