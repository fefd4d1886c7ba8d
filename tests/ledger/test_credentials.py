"""Credentials at rest, and tokens shared by all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from afield.connectors.tokens import Token, TokenGrant, TokenSource
from afield.errors import ConflictError, CredentialError, LookError, NotFoundError
from afield.ledger.credentials import Credentials
from afield.ledger.database import Database
from afield.ledger.postgres import PostgresLedger
from afield.ledger.tokens import MemoryTokens, PostgresTokens
from afield.model.ids import uuid7
from afield.security.secrets import Keyring, SealError

KEY = os.urandom(32)
SECRET = {"client_secret": "hush-hush", "refresh_token": "Atzr|first"}


class Endpoint:
    """A token endpoint: counts, can be held up, can refuse."""

    def __init__(self) -> None:
        self.calls: list[dict[str, str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.lives = timedelta(hours=1)
        self.new_refresh_token: str | None = None

    async def __call__(self, secret: Mapping[str, str]) -> TokenGrant:
        self.calls.append(dict(secret))
        number = len(self.calls)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return TokenGrant(Token(f"Atza|{number}", datetime.now(UTC) + self.lives), self.new_refresh_token)


@pytest.fixture
def database(ledger: PostgresLedger) -> Database:
    return ledger.database


@pytest.fixture
def credentials(database: Database) -> Credentials:
    return Credentials(database, Keyring([KEY]))


@pytest.fixture
async def credential_id(credentials: Credentials, tenant_id: UUID) -> UUID:
    return (await credentials.add(tenant_id, "amc", "amc", SECRET, {"client_id": "public"})).id


@pytest.fixture(params=["memory", "postgres"])
def source(request: pytest.FixtureRequest) -> TokenSource:
    if request.param == "memory":
        return MemoryTokens(SECRET)
    database = request.getfixturevalue("database")
    return PostgresTokens(database, Keyring([KEY]), request.getfixturevalue("credential_id"))


async def test_secrets_are_sealed_at_rest(
    credentials: Credentials, credential_id: UUID, tenant_id: UUID, database_url: str
) -> None:
    shown = await credentials.get(credential_id, tenant_id)
    assert (shown.name, shown.connector, shown.public) == ("amc", "amc", {"client_id": "public"})
    assert await credentials.find(tenant_id, "amc") == shown
    assert await credentials.list(tenant_id) == [shown]
    assert await credentials.secret(credential_id) == SECRET
    with psycopg.connect(database_url) as connection:
        (stored,) = connection.execute("select sealed from afield.credential").fetchone() or (b"",)
    assert b"hush" not in stored
    assert b"hush" not in repr(shown).encode()


async def test_wrong_names_and_keys(
    credentials: Credentials, credential_id: UUID, database: Database, tenant_id: UUID
) -> None:
    with pytest.raises(ConflictError, match="'amc'"):
        await credentials.add(tenant_id, "amc", "amc", {})
    for call in (credentials.get(uuid7()), credentials.secret(uuid7()), credentials.get(credential_id, uuid7())):
        with pytest.raises(NotFoundError):
            await call
    with pytest.raises(NotFoundError):
        await credentials.find(tenant_id, "other")
    with pytest.raises(SealError, match="key"):
        await Credentials(database, Keyring([os.urandom(32)])).secret(credential_id)


async def test_a_new_key_takes_over(credentials: Credentials, credential_id: UUID, database: Database) -> None:
    fresh = os.urandom(32)
    both = Credentials(database, Keyring([fresh, KEY]))
    assert await both.secret(credential_id) == SECRET
    assert await both.reseal() == 1
    assert await both.reseal() == 0
    assert await Credentials(database, Keyring([fresh])).secret(credential_id) == SECRET


async def test_many_callers_make_one_refresh(source: TokenSource) -> None:
    endpoint = Endpoint()
    assert set(await asyncio.gather(*[source.token(endpoint) for _ in range(20)])) == {"Atza|1"}
    assert len(endpoint.calls) == 1
    assert endpoint.calls[0] == SECRET


async def test_a_rejected_token_is_replaced_once_and_never_given_again(source: TokenSource) -> None:
    endpoint = Endpoint()
    first = await source.token(endpoint)
    answers = await asyncio.gather(*[source.token(endpoint, rejected=first) for _ in range(10)])
    assert set(answers) == {"Atza|2"}
    assert len(endpoint.calls) == 2
    assert await source.token(endpoint) == "Atza|2"


async def test_an_endpoint_that_repeats_a_rejected_token(source: TokenSource) -> None:
    endpoint = Endpoint()
    first = await source.token(endpoint)
    endpoint.calls.clear()
    with pytest.raises(LookError, match="refused before"):
        await source.token(endpoint, rejected=first)


async def test_a_token_that_ends_soon_is_refreshed_ahead(source: TokenSource) -> None:
    endpoint = Endpoint()
    endpoint.lives = timedelta(seconds=59)
    await source.token(endpoint)
    endpoint.lives = timedelta(hours=1)
    assert await source.token(endpoint) == "Atza|2"
    assert await source.token(endpoint) == "Atza|2"


async def test_the_refresh_token_is_kept_unless_a_new_one_comes(source: TokenSource) -> None:
    endpoint = Endpoint()
    token = await source.token(endpoint)
    endpoint.new_refresh_token = "Atzr|second"
    token = await source.token(endpoint, rejected=token)
    endpoint.new_refresh_token = None
    token = await source.token(endpoint, rejected=token)
    token = await source.token(endpoint, rejected=token)
    assert [c["refresh_token"] for c in endpoint.calls] == ["Atzr|first", "Atzr|first", "Atzr|second", "Atzr|second"]
    assert all(c["client_secret"] == "hush-hush" for c in endpoint.calls)


async def test_a_refused_credential_is_not_hammered(source: TokenSource) -> None:
    endpoint = Endpoint()
    endpoint.error = CredentialError("The grant was revoked.", hint="Sign in again.")
    for _ in range(5):
        with pytest.raises(CredentialError, match="revoked"):
            await source.token(endpoint)
    assert len(endpoint.calls) == 1


async def test_a_passing_trouble_is_tried_again(source: TokenSource) -> None:
    endpoint = Endpoint()
    endpoint.error = LookError("Gone fishing.")
    with pytest.raises(LookError):
        await source.token(endpoint)
    endpoint.error = None
    assert await source.token(endpoint) == "Atza|2"


async def test_processes_share_one_refresh_and_no_transaction_waits_for_it(
    database: Database, credential_id: UUID, database_url: str
) -> None:
    endpoint = Endpoint()
    endpoint.gate.clear()
    sources = [PostgresTokens(database, Keyring([KEY]), credential_id) for _ in range(5)]  # as in five processes
    asked = [asyncio.create_task(s.token(endpoint)) for s in sources]
    while not endpoint.calls:
        await asyncio.sleep(0.01)
    with psycopg.connect(database_url) as connection:
        sql = "select count(*) from pg_stat_activity where datname = current_database() and xact_start is not null"
        assert connection.execute(sql + " and pid <> pg_backend_pid()").fetchone() == (0,)
    endpoint.gate.set()
    assert set(await asyncio.gather(*asked)) == {"Atza|1"}
    assert len(endpoint.calls) == 1
    rejecting = [s.token(endpoint, rejected="Atza|1") for s in sources]
    assert set(await asyncio.gather(*rejecting)) == {"Atza|2"}
    assert len(endpoint.calls) == 2


async def test_a_refresher_that_was_cancelled_leaves_no_lease(database: Database, credential_id: UUID) -> None:
    endpoint = Endpoint()
    endpoint.gate.clear()
    gone = asyncio.create_task(PostgresTokens(database, Keyring([KEY]), credential_id).token(endpoint))
    while not endpoint.calls:
        await asyncio.sleep(0.01)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    endpoint.gate.set()
    assert await PostgresTokens(database, Keyring([KEY]), credential_id).token(endpoint) == "Atza|2"


async def test_new_secrets_end_a_refusal(database: Database, credentials: Credentials, credential_id: UUID) -> None:
    endpoint, source = Endpoint(), PostgresTokens(database, Keyring([KEY]), credential_id)
    endpoint.error = CredentialError("The grant was revoked.")
    with pytest.raises(CredentialError):
        await source.token(endpoint)
    endpoint.error = None
    await credentials.replace_secret(credential_id, {"refresh_token": "Atzr|new"})
    assert await source.token(endpoint) == "Atza|2"
    assert endpoint.calls[-1] == {"refresh_token": "Atzr|new"}
    with pytest.raises(NotFoundError):
        await PostgresTokens(database, Keyring([KEY]), uuid7()).token(endpoint)
