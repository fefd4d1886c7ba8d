"""The door of a session pool: its endpoint, and a token for it."""

from __future__ import annotations

import asyncio
import importlib
import ssl
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from afield.connectors.adapter.client import Door
from afield.connectors.adapter.reply import Reply
from afield.connectors.base import TargetContext
from afield.connectors.session_pool.address import PoolAddress
from afield.connectors.session_pool.blame import platform_code
from afield.connectors.session_pool.endpoint import PoolEndpoint
from afield.connectors.session_pool.evidence import Answer, PoolKind
from afield.connectors.session_pool.pool_tokens import PoolTokens
from afield.connectors.tokens import TokenGrant
from afield.errors import CredentialError, UnavailableError

ROLE = "Azure ContainerApps Session Executor"


class PoolDoors:
    """One pool's."""

    def __init__(self, context: TargetContext, address: PoolAddress, kind: PoolKind, tls: ssl.SSLContext) -> None:
        self.endpoint = PoolEndpoint(context, address, kind)
        self.tokens = PoolTokens(self._refresh, context.secret, context.clock)
        self._address = address
        self._target = context.name
        self._tls = tls
        self._login: Any = None  # a PoolLogin; its module is imported when it is needed

    async def close(self) -> None:
        await self.endpoint.close()
        if self._login is not None:
            await self._login.close()

    async def door(self, *, rejected: Door | None = None) -> Door:
        url = await self.endpoint.url()
        return Door(url, await self.tokens.token(rejected=rejected.token if rejected is not None else None))

    def lost(self, door: Door) -> bool:
        return self.endpoint.forget()

    def denied(self, reply: Reply) -> CredentialError:
        code = platform_code(Answer(status=reply.status, headers=reply.headers, body=reply.body))
        said = f"{reply.status} {code}".strip()
        return CredentialError(
            f"The session pool of target {self._target!r} does not let the credential in ({said}).",
            hint=f"Assign the role {ROLE} on the pool to it; a new assignment takes some minutes to count.",
        )

    async def _refresh(self, secret: Mapping[str, str]) -> TokenGrant:
        if self._login is None:
            module = await asyncio.to_thread(_import_login)
            self._login = self._login or module.PoolLogin(self._address, self._target, self._tls)
        grant: TokenGrant = await self._login.refresh(secret)
        return grant


def _import_login() -> ModuleType:
    try:
        return importlib.import_module("afield.connectors.session_pool.login")
    except ImportError as error:
        if not (error.name or "").startswith(("azure", "msal")):
            raise
        text = f"Session pools need packages that are not installed here ({error.name})."
        raise UnavailableError(text, hint="Install afield with its extra `azure`.") from None
