"""Access tokens of a credential, shared by all processes: one refresh at a time, whoever asks."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from uuid import UUID, uuid4

from afield.clock import Clock, SystemClock
from afield.connectors.tokens import Refresh, Token, TokenGrant
from afield.errors import CredentialError, LookError, NotFoundError
from afield.ledger.credentials import Credentials
from afield.ledger.database import Connection, Database
from afield.security.secrets import Keyring

AHEAD = timedelta(seconds=60)
"""A token that ends within this time counts as ended."""

REFUSAL_KEPT = timedelta(seconds=60)
"""For how long a refused credential is not tried again."""

_REFRESH_S = 25.0
_LEASE_S = 40.0  # outlives the refresh it covers


class MemoryTokens:
    """A TokenSource for one process, without a database."""

    def __init__(self, secret: Mapping[str, str], clock: Clock | None = None) -> None:
        self.secret = dict(secret)
        self._clock = clock or SystemClock()
        self._token: Token | None = None
        self._rejected: set[str] = set()
        self._refusal: tuple[datetime, str] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def token(self, refresh: Refresh, *, rejected: str | None = None) -> str:
        """As TokenSource says. Raises CredentialError, and whatever else `refresh` raises."""
        if rejected is not None:
            self._rejected.add(rejected)
        async with self._one_at_a_time:
            now = self._clock.now()
            if self._token and self._token.expires_at > now + AHEAD and self._token.value not in self._rejected:
                return self._token.value
            if self._refusal and self._refusal[0] > now:
                raise CredentialError(self._refusal[1])
            return await self._refreshed(refresh)

    async def _refreshed(self, refresh: Refresh) -> str:
        try:
            grant = await _refresh_in_time(refresh, self.secret)
        except CredentialError as error:
            self._refusal = (self._clock.now() + REFUSAL_KEPT, str(error))
            raise
        if grant.token.value in self._rejected:
            raise _same_again()
        self._token = grant.token
        self.secret = _with_grant(self.secret, grant)
        return grant.token.value


@dataclass(frozen=True)
class _Kept:
    """A row of the token table, with the database's opinion of its times."""

    token: Token | None
    refused: str | None  # why, if that is still remembered
    leased: bool  # somebody is refreshing it
    rejected: frozenset[bytes]

    @cached_property
    def good_until(self) -> datetime | None:
        """Until when the token may be used; None: not at all."""
        if self.token is None or _digest(self.token.value) in self.rejected:
            return None
        return self.token.expires_at - AHEAD

    def good(self, now: datetime) -> bool:
        return self.good_until is not None and now < self.good_until


class PostgresTokens:
    """A TokenSource on the token table. Whoever refreshes holds a lease, a row with an end, and no transaction."""

    def __init__(self, database: Database, keyring: Keyring, credential_id: UUID, clock: Clock | None = None) -> None:
        self._db = database
        self._keyring = keyring
        self._credentials = Credentials(database, keyring)
        self._id = credential_id
        self._clock = clock or SystemClock()
        self._cached = _Kept(None, None, False, frozenset())
        self._one_at_a_time = asyncio.Lock()

    async def token(self, refresh: Refresh, *, rejected: str | None = None) -> str:
        """As TokenSource says. Raises CredentialError, and whatever else `refresh` raises."""
        if rejected is None and not self._one_at_a_time.locked() and (value := self._at_hand()) is not None:
            return value
        async with self._one_at_a_time:
            if rejected is None and (value := self._at_hand()) is not None:
                return value
            await self._remember(rejected)
            return await self._shared(refresh)

    def _at_hand(self) -> str | None:
        kept = self._cached
        return kept.token.value if kept.token and kept.good(self._clock.now()) else None

    async def _shared(self, refresh: Refresh) -> str:
        """The token from the table; refreshed by us, or by who holds the lease."""
        pause = 0.02
        while True:
            self._cached = kept = await self._load()
            if kept.token and kept.good(self._clock.now()):
                return kept.token.value
            if kept.refused is not None:
                raise CredentialError(kept.refused)
            lease = None if kept.leased else await self._lease(kept)
            if lease is not None:
                return await self._refresh(refresh, lease, kept.rejected)
            await asyncio.sleep(pause)
            pause = min(0.5, pause * 1.5)

    async def _remember(self, rejected: str | None) -> None:
        """Make sure that there is a row, and that it names the token that was rejected (the last few are kept)."""
        digests = [] if rejected is None else [_digest(rejected)]
        row = await self._db.one(
            """
            insert into afield.token as t (credential_id, tenant_id, rejected)
            select c.id, c.tenant_id, %(new)s::bytea[] from afield.credential c where c.id = %(id)s
            on conflict (credential_id) do update
            set rejected = case when t.rejected @> %(new)s::bytea[] then t.rejected
                                else (%(new)s::bytea[] || t.rejected)[:8] end
            returning credential_id
            """,
            {"id": self._id, "new": digests},
        )
        if row is None:
            raise NotFoundError(f"There is no credential {self._id}.")

    async def _load(self) -> _Kept:
        row = await self._db.one(
            """
            select sealed, expires_at, case when refused_until > now() then refused end,
                   lease is not null and leased_until > now(), rejected
            from afield.token where credential_id = %s
            """,
            (self._id,),
        )
        if row is None:
            raise NotFoundError(f"There is no credential {self._id}.", hint="It was removed or changed just now.")
        sealed, expires_at, refused, leased, rejected = row
        token = None if sealed is None else Token(self._keyring.open(sealed, self._id.bytes).decode(), expires_at)
        return _Kept(token, refused, leased, frozenset(rejected))

    async def _lease(self, kept: _Kept) -> UUID | None:
        """Take the lease, unless somebody else did meanwhile or has just refreshed."""
        lease = uuid4()
        row = await self._db.one(
            """
            update afield.token set lease = %s, leased_until = now() + make_interval(secs => %s)
            where credential_id = %s and (lease is null or leased_until <= now())
              and expires_at is not distinct from %s
            returning lease
            """,
            (lease, _LEASE_S, self._id, kept.token.expires_at if kept.token else None),
        )
        return lease if row else None

    async def _refresh(self, refresh: Refresh, lease: UUID, rejected: frozenset[bytes]) -> str:
        try:
            sealed = await self._credentials.sealed(self._id)
            secret = self._credentials.unseal(self._id, sealed)
            grant = await _refresh_in_time(refresh, secret)
            if _digest(grant.token.value) in rejected:
                raise _same_again()
            await self._store(grant, sealed, lease)
        except CredentialError as error:
            await self._end(lease, refused=str(error))
            raise
        except BaseException:
            await asyncio.shield(self._end(lease))
            raise
        self._cached = _Kept(grant.token, None, False, rejected)
        return grant.token.value

    async def _store(self, grant: TokenGrant, old: bytes, lease: UUID) -> None:
        """Keep the token, and a new refresh token in place of the old one, in one transaction.

        Secrets that somebody changed meanwhile stay as they are.
        """
        secret = self._credentials.unseal(self._id, old)
        sealed = self._keyring.seal(grant.token.value.encode(), self._id.bytes)
        renewed = _with_grant(secret, grant)

        async def work(connection: Connection, _again: bool) -> None:
            async with connection.transaction():
                await connection.execute(
                    """
                    update afield.token set sealed = %s, expires_at = %s, refused = null, refused_until = null,
                        lease = nullif(lease, %s) where credential_id = %s
                    """,
                    (sealed, grant.token.expires_at, lease, self._id),
                )
                if renewed != secret:
                    await connection.execute(
                        "update afield.credential set sealed = %s, updated_at = now() where id = %s and sealed = %s",
                        (self._credentials.seal(self._id, renewed), self._id, old),
                    )

        await self._db.patiently(work)

    async def _end(self, lease: UUID, refused: str | None = None) -> None:
        await self._db.one(
            """
            update afield.token set lease = null, leased_until = null, refused = coalesce(%s, refused),
                refused_until = case when %s then now() + %s else refused_until end
            where credential_id = %s and lease = %s returning 1
            """,
            (refused, refused is not None, REFUSAL_KEPT, self._id, lease),
        )


async def _refresh_in_time(refresh: Refresh, secret: Mapping[str, str]) -> TokenGrant:
    try:
        async with asyncio.timeout(_REFRESH_S):
            return await refresh(secret)
    except TimeoutError as error:
        raise LookError("The token endpoint does not answer.", hint="Try again later.") from error


def _with_grant(secret: Mapping[str, str], grant: TokenGrant) -> dict[str, str]:
    return {**secret, "refresh_token": grant.refresh_token} if grant.refresh_token else dict(secret)


def _same_again() -> LookError:
    return LookError("The token endpoint gave a token again that was refused before.", hint="Try again later.")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()[:16]
