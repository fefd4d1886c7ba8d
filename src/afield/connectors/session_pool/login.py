"""Signing in to session pools: tokens of an audience of their own. Importing this imports the SDK, which takes long."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

import aiohttp
from azure.core.credentials import AccessToken
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity.aio import ClientSecretCredential, ManagedIdentityCredential

from afield.connectors.azure.address import PUBLIC_AUTHORITY_URL, Identity
from afield.connectors.azure.credential import SECRET_KEYS
from afield.connectors.azure.identity import EntraLogin, _elsewhere
from afield.connectors.session_pool.address import PoolAddress


class PoolLogin(EntraLogin):
    """As any sign-in to Azure, for the pool's audience. Must be made inside a running event loop."""

    def __init__(self, address: PoolAddress, target: str, tls: ssl.SSLContext) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls), cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        )
        super().__init__(address, AioHttpTransport(session=self._session, session_owner=False), target)
        self._scope = f"{address.audience.rstrip('/')}/.default"

    async def close(self) -> None:
        await self._session.close()

    async def _ask(self, secret: Mapping[str, str]) -> AccessToken:
        if self._address.identity is Identity.MANAGED_IDENTITY:
            return await self._ask_machine(secret)
        credential = ClientSecretCredential(
            *(secret[name] for name in SECRET_KEYS),
            authority=self._address.authority_url,
            disable_instance_discovery=self._address.authority_url != PUBLIC_AUTHORITY_URL,
            transport=self._transport,
            retry_total=1,
        )
        token: AccessToken = await credential.get_token(self._scope)
        return token

    async def _ask_machine(self, secret: Mapping[str, str]) -> AccessToken:
        more: dict[str, Any] = {"client_id": secret["client_id"]} if secret.get("client_id") else {}
        if self._address.imds_url:
            more["raw_request_hook"] = _elsewhere(self._address.imds_url)
        credential = ManagedIdentityCredential(transport=self._transport, retry_total=1, **more)
        token: AccessToken = await credential.get_token(self._scope)
        return token
