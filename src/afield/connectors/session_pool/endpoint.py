"""Where a pool takes requests: as the target says, or as the pool's own resource says."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import structlog

from afield.connectors.adapter.client import NoDoorError
from afield.connectors.azure.address import is_loopback
from afield.connectors.azure.api import AzureApi
from afield.connectors.azure.failure import AzureError
from afield.connectors.base import TargetContext
from afield.connectors.session_pool.address import PoolAddress
from afield.connectors.session_pool.evidence import PoolKind
from afield.connectors.session_pool.evidence_pool import PoolView, parse_pool
from afield.model.execution import Reason
from afield.model.jsontypes import JsonObject

log = structlog.get_logger(__name__)

POOLS_VERSION = "2025-07-01"
"""Of the resource provider's API for session pools."""

_KEPT = timedelta(hours=1)
_AGAIN = timedelta(seconds=30)  # it does not change more often than one can mend it


class PoolEndpoint:
    """The endpoint, read when it is needed and again when it leads nowhere."""

    def __init__(self, context: TargetContext, address: PoolAddress, kind: PoolKind) -> None:
        self._context = context
        self._address = address
        self._kind = kind
        self._api: AzureApi | None = None
        self._url = (address.endpoint or "").rstrip("/")
        self._read_at: datetime | None = None
        self._stale = False
        self._reading = asyncio.Lock()

    async def close(self) -> None:
        if self._api is not None:
            await self._api.close()

    async def url(self) -> str:
        """Raises NoDoorError, CredentialError."""
        if self._fresh:
            return self._url
        async with self._reading:
            if not self._fresh:
                await self._read()
            return self._url

    @property
    def _fresh(self) -> bool:
        if self._address.endpoint is not None:
            return True
        now = self._context.clock.now()
        return self._read_at is not None and now - self._read_at < (_AGAIN if self._stale else _KEPT)

    def forget(self) -> bool:
        """It led nowhere. True when it is worth reading again, at once."""
        self._stale = self._address.endpoint is None
        return not self._fresh

    async def _read(self) -> None:
        view = await self._resource()
        if view.kind is not None and view.kind is not self._kind:
            name = "session_pool" if view.kind is PoolKind.CUSTOM else "session_pool_interpreter"
            text = f"The pool {view.name} is of type {view.container_type}: use the connector {name}."
            raise NoDoorError(Reason("wrong_kind_of_pool", text))
        if not _is_safe(view.endpoint):
            text = f"The resource of the pool {view.name} tells no endpoint that can be used ({view.provisioning})."
            raise NoDoorError(Reason("no_endpoint", text))
        if view.endpoint != self._url:
            log.info("session_pool.endpoint", target=self._context.name, endpoint=view.endpoint)
        self._url, self._read_at, self._stale = view.endpoint, self._context.clock.now(), False

    async def _resource(self) -> PoolView:
        assert self._address.pool_id is not None, "validated"
        try:
            return parse_pool(await self.arm(self._address.pool_id, {"api-version": POOLS_VERSION}))
        except AzureError as error:
            raise NoDoorError(error.reason("The pool's resource cannot be read")) from error

    async def arm(self, path: str, query: dict[str, str] | None = None) -> JsonObject:
        """GET of a path of Azure Resource Manager. Raises AzureError, CredentialError."""
        if self._api is None:
            self._api = await AzureApi.open(self._context, self._address)
        return await self._api.get_json(path, query)


def _is_safe(url: str) -> bool:
    """The token goes there."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
