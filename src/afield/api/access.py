"""Who is calling, and whether they may: tokens, roles, and what each route asks for."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from fastapi.requests import HTTPConnection

from afield.errors import AfieldError
from afield.ledger.people import People
from afield.security.people import Action, Principal, Role, may, token_digest

REMEMBERED_S = 5.0
"""For how many seconds a token's owner is remembered; so long a revoked token may still be let in."""

USER_HEADER = "x-afield-user"
"""Who is calling, where nobody has a token. Trusted there alone."""

_MOST_REMEMBERED = 10_000
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_ASKS = "__afield_action__"

Endpoint = TypeVar("Endpoint", bound=Callable[..., object])


class ForbiddenError(AfieldError):
    """The caller is known, and may not do this."""

    code = "forbidden"
    status = 403


@dataclass(slots=True)
class Doorkeeper:
    """Knows who may enter. With neither a token set nor people added, everybody may, as an administrator: such a
    process listens on loopback only."""

    people: People
    tenant_id: UUID
    token: bytes | None
    _known: dict[bytes, tuple[float, Principal | None]] = field(default_factory=dict)
    _open: tuple[float, bool] = (float("-inf"), False)

    async def admit(self, given: str | None, user: str | None) -> Principal | None:
        """The caller, by the bearer token they gave; None: they may not enter."""
        if given is None:
            return Principal(user or "local", Role.ADMIN) if await self._is_open() else None
        if self.token is not None and hmac.compare_digest(given.encode(), self.token):
            return Principal("api", Role.ADMIN)
        owner = await self._owner(token_digest(given))
        if owner is None and await self._is_open():
            return Principal(user or "local", Role.ADMIN)
        return owner

    def forget(self) -> None:
        """Ask the ledger again: somebody was added or removed here."""
        self._known.clear()
        self._open = (float("-inf"), False)

    async def _is_open(self) -> bool:
        if self.token is not None:
            return False
        until, is_open = self._open
        if time.monotonic() >= until:
            is_open = not await self.people.anybody(self.tenant_id)
            self._open = (time.monotonic() + REMEMBERED_S, is_open)
        return is_open

    async def _owner(self, digest: bytes) -> Principal | None:
        until, owner = self._known.get(digest, (float("-inf"), None))
        if time.monotonic() >= until:
            owner = await self.people.of_token(self.tenant_id, digest)
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known[digest] = (time.monotonic() + REMEMBERED_S, owner)
        return owner


def asks(action: Action) -> Callable[[Endpoint], Endpoint]:
    """What a route asks of its caller, where it is not what its method says: reading for GET, running for the rest."""

    def marked(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _ASKS, action)
        return endpoint

    return marked


def action_of(connection: HTTPConnection) -> Action:
    """What the route behind a request asks for."""
    safe = connection.scope.get("method", "GET") in _SAFE_METHODS
    action: Action = getattr(connection.scope.get("endpoint"), _ASKS, Action.READ if safe else Action.RUN)
    return action


def principal_of(connection: HTTPConnection) -> Principal:
    """Who is calling."""
    principal: Principal = connection.state.principal
    return principal


def check_access(connection: HTTPConnection) -> None:
    """Refuse a caller whose role does not allow what the route does. Raises ForbiddenError."""
    check(principal_of(connection), action_of(connection))


def check(principal: Principal, action: Action) -> None:
    """Raises ForbiddenError when the principal may not do this."""
    if not may(principal.role, action):
        raise ForbiddenError(
            f"{principal.name} may not do this: it needs the permission {action.value!r}, "
            f"which the role {principal.role.value!r} does not have.",
            hint="Ask an administrator for another role (`afield people add NAME --role ...`).",
        )
