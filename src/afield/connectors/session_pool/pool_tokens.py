"""Tokens for a pool, kept in this process.

A credential's own token source holds one token, and that is for Azure Resource Manager: all targets that use the
credential share it. A pool wants tokens of another audience, so they are kept apart from those.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

from afield.clock import Clock
from afield.connectors.adapter.client import NoDoorError
from afield.connectors.azure.failure import AzureError
from afield.connectors.tokens import Refresh, Token
from afield.errors import CredentialError
from afield.model.execution import Reason

_AHEAD = timedelta(minutes=1)  # a token that ends within this time counts as ended
_PAUSE = timedelta(seconds=10)  # a token as young as this is not replaced, and a refusal not tried again
_REFRESH_S = 25.0


class PoolTokens:
    """One token, refreshed by one caller at a time. A refused credential is not tried again at once."""

    def __init__(self, refresh: Refresh, secret: Mapping[str, str], clock: Clock) -> None:
        self._refresh = refresh
        self._secret = secret
        self._clock = clock
        self._token: Token | None = None
        self._since: datetime | None = None
        self._refused: tuple[datetime, CredentialError] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def token(self, *, rejected: str | None = None) -> str:
        """A token good for another minute at least; not the rejected one, unless it is only seconds old. Raises
        NoDoorError, CredentialError."""
        if (value := self._at_hand(rejected)) is not None:
            return value
        async with self._one_at_a_time:
            if (value := self._at_hand(rejected)) is not None:
                return value
            if self._refused is not None and self._clock.now() - self._refused[0] < _PAUSE:
                raise self._refused[1]
            return await self._renew()

    def _at_hand(self, rejected: str | None) -> str | None:
        token, now = self._token, self._clock.now()
        if token is None or self._since is None or token.expires_at <= now + _AHEAD:
            return None
        return None if token.value == rejected and now - self._since >= _PAUSE else token.value

    async def _renew(self) -> str:
        try:
            async with asyncio.timeout(_REFRESH_S):
                grant = await self._refresh(self._secret)
        except CredentialError as error:
            self._refused = self._clock.now(), error
            raise
        except AzureError as error:
            raise NoDoorError(error.reason("No token for the pool")) from error
        except TimeoutError:
            raise NoDoorError(Reason("no_token", "Microsoft Entra ID gave no token in time.")) from None
        self._token, self._since, self._refused = grant.token, self._clock.now(), None
        return grant.token.value
