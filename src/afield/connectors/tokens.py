"""Access tokens, as a connector is given them."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and the time it ends."""

    value: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """What a token endpoint gave: the token, and a new refresh token if it sent one."""

    token: Token
    refresh_token: str | None = None


class Refresh(Protocol):
    """Asks the token endpoint, with the credential's current secrets. Raises CredentialError when it is final."""

    def __call__(self, secret: Mapping[str, str]) -> Awaitable[TokenGrant]: ...


class TokenSource(Protocol):
    """Tokens of one credential, shared by all processes: one refresh at a time, whoever asks."""

    async def token(self, refresh: Refresh, *, rejected: str | None = None) -> str:
        """A token good for another minute at least. `rejected` is one the remote just refused, never given again."""
        ...
