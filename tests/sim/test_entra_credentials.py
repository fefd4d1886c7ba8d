"""The identity service held to azure-identity's own credentials."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential, CredentialUnavailableError, ManagedIdentityCredential
from azure.identity.aio import ClientSecretCredential as AsyncClientSecretCredential
from azure.identity.aio import ManagedIdentityCredential as AsyncManagedIdentityCredential

from afield_sim.app import serve
from afield_sim.entra.service import EntraService
from afield_sim.entra.tokens import MANAGEMENT, TokenProblem, Tokens
from afield_sim.testing import ManualClock

SCOPE = f"{MANAGEMENT}/.default"


class Entra:
    """A running identity service and what a test asks of it."""

    def __init__(self, tokens: Tokens, described: dict[str, Any], http: aiohttp.ClientSession) -> None:
        self.tokens = tokens
        self.http = http
        self.__dict__.update(described)

    async def admin(self, method: str, path: str, body: object = None) -> Any:
        async with self.http.request(method, f"{self.imds_endpoint}/admin/entra{path}", json=body) as reply:
            assert reply.status == 200, await reply.text()
            return await reply.json()

    def options(self, **changes: Any) -> dict[str, Any]:
        return {
            "tenant_id": self.tenant_id,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "authority": self.authority,
            "disable_instance_discovery": True,
            "connection_verify": self.ca_file,
            "retry_backoff_factor": 0.01,
            **changes,
        }

    async def ask(self, scope: str = SCOPE, **changes: Any) -> str:
        """The Authorization header a fresh credential leads to."""
        async with AsyncClientSecretCredential(**self.options(**changes)) as credential:
            return f"Bearer {(await credential.get_token(scope)).token}"

    def check(self, authorization: str, audience: str = MANAGEMENT) -> TokenProblem | None:
        return self.tokens.check(authorization, audience)


@pytest.fixture
def manual() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def entra(manual: ManualClock, tmp_path: Path) -> AsyncIterator[Entra]:
    service = EntraService(Tokens(manual), tmp_path)
    server = await serve([service], "127.0.0.1", 0)
    async with aiohttp.ClientSession() as http:
        yield Entra(service.tokens, dict(server.describe()["entra"]), http)
    await server.stop()


async def test_a_client_secret_gets_a_token(entra: Entra):
    def ask() -> tuple[str, str]:
        with ClientSecretCredential(**entra.options()) as credential:
            return credential.get_token(SCOPE).token, credential.get_token(SCOPE).token

    first, second = await asyncio.to_thread(ask)
    assert entra.check(f"Bearer {first}") is None
    assert second == first
    claims = entra.tokens.claims_of(f"Bearer {first}")
    assert claims is not None
    assert (claims.tid, claims.appid, claims.oid) == (entra.tenant_id, entra.client_id, entra.object_id)
    assert await entra.admin("GET", "/counters") == {"token": 1, "issued": 1}


async def test_the_audience_is_the_one_asked_for(entra: Entra):
    pool = await entra.ask("https://dynamicsessions.io/.default")
    assert entra.check(pool, "https://dynamicsessions.io") is None
    assert entra.check(pool) is TokenProblem.WRONG_AUDIENCE
    assert entra.check(await entra.ask("https://management.core.windows.net//.default")) is None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"client_secret": "an-id-in-its-place"}, "AADSTS7000215"),
        ({"client_id": "00000000-0000-0000-0000-000000000000"}, "AADSTS700016"),
        ({"scope": "https://management.azure.com/user_impersonation"}, "AADSTS1002012"),
        ({"scope": "https://nobody.example/.default"}, "AADSTS500011"),
    ],
)
async def test_a_refusal_says_why(entra: Entra, changes: dict[str, str], code: str):
    with pytest.raises(ClientAuthenticationError, match=code):
        await entra.ask(**changes)


async def test_a_bad_secret_over_the_synchronous_client(entra: Entra):
    def ask() -> None:
        with ClientSecretCredential(**entra.options(client_secret="wrong")) as credential:
            credential.get_token(SCOPE)

    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        await asyncio.to_thread(ask)


async def test_an_unknown_tenant(entra: Entra):
    with pytest.raises(Exception, match="AADSTS90002"):
        await entra.ask(tenant_id="11111111-1111-1111-1111-111111111111")


async def test_the_certificate_is_really_checked(entra: Entra):
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await entra.http.post(entra.token_endpoint)


async def test_the_authority_stays_over_a_restart(tmp_path: Path, manual: ManualClock):
    seen = []
    for _ in range(2):
        server = await serve([EntraService(Tokens(manual), tmp_path / "kept")], "127.0.0.1", 0)
        described = server.describe()["entra"]
        seen.append((described["authority"], Path(str(described["ca_file"])).read_bytes(), described["client_secret"]))
        await server.stop()
    assert seen[0] == seen[1]


async def test_without_a_folder_nothing_is_left(manual: ManualClock):
    server = await serve([EntraService(Tokens(manual))], "127.0.0.1", 0)
    ca_file = Path(str(server.describe()["entra"]["ca_file"]))
    assert ca_file.exists()
    await server.stop()
    assert not ca_file.parent.exists()


async def test_managed_identity(entra: Entra, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", entra.imds_endpoint)

    def ask() -> str:
        with ManagedIdentityCredential() as credential:
            return credential.get_token(SCOPE).token

    authorization = f"Bearer {await asyncio.to_thread(ask)}"
    claims = entra.tokens.claims_of(authorization)
    assert entra.check(authorization) is None
    assert claims is not None
    assert (claims.appid, claims.oid) == (entra.identity_client_id, entra.identity_object_id)
    async with AsyncManagedIdentityCredential(client_id=entra.identity_client_id) as credential:
        assert entra.check(f"Bearer {(await credential.get_token(SCOPE)).token}") is None
    async with AsyncManagedIdentityCredential(client_id=entra.client_id, retry_total=0) as credential:
        with pytest.raises((CredentialUnavailableError, ClientAuthenticationError)):
            await credential.get_token(SCOPE)


@pytest.mark.parametrize(
    ("headers", "query", "text"),
    [
        ({}, {"api-version": "2018-02-01", "resource": MANAGEMENT}, "Required metadata header not specified"),
        ({"Metadata": "true"}, {"resource": MANAGEMENT}, "'api-version' is missing"),
        ({"Metadata": "true"}, {"api-version": "2018-02-01"}, "'resource' is missing"),
    ],
)
async def test_the_identity_endpoint_wants_to_be_asked_properly(entra: Entra, headers, query, text):
    url = f"{entra.imds_endpoint}/metadata/identity/oauth2/token"
    async with entra.http.get(url, headers=headers, params=query) as reply:
        assert reply.status == 400
        assert text in (await reply.json())["error_description"]


async def test_the_identity_endpoint_writes_numbers_as_text(entra: Entra, manual: ManualClock):
    query = {"api-version": "2018-02-01", "resource": MANAGEMENT}
    url = f"{entra.imds_endpoint}/metadata/identity/oauth2/token"
    async with entra.http.get(url, headers={"Metadata": "true"}, params=query) as reply:
        body = await reply.json()
    assert (body["expires_in"], body["expires_on"]) == ("3599", str(int(manual.now()) + 3599))


async def test_tokens_end(entra: Entra, manual: ManualClock):
    await entra.admin("PUT", "/settings", {"lifetime_seconds": 60})
    authorization = await entra.ask()
    assert entra.check(authorization) is None
    manual.advance(60)
    assert entra.check(authorization) is TokenProblem.EXPIRED
    fresh = await entra.ask()
    await entra.admin("POST", "/tokens/revoke")
    assert entra.check(fresh) is TokenProblem.INVALID


async def test_faults_strike_as_often_as_told(entra: Entra):
    await entra.admin("PUT", "/faults", {"expired": {"next": 1}, "wrong_audience": {"next": 2}})
    assert [entra.check(await entra.ask()) for _ in range(3)] == [
        TokenProblem.EXPIRED,
        TokenProblem.WRONG_AUDIENCE,
        None,
    ]
    await entra.admin("PUT", "/faults", {"unavailable": {"next": 2}, "slow": {"next": 1, "seconds": 0.01}})
    assert entra.check(await entra.ask()) is None
    assert await entra.admin("GET", "/faults") == {"slow": {"next": 0, "seconds": 0.01}, "unavailable": {"next": 0}}
    assert await entra.admin("GET", "/counters") == {"token": 6, "token_refused": 2, "issued": 4}


async def test_a_rotated_secret(entra: Entra):
    rotated = (await entra.admin("POST", "/secret/rotate"))["client_secret"]
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        await entra.ask()
    assert entra.check(await entra.ask(client_secret=rotated)) is None


@pytest.mark.parametrize(
    ("authorization", "problem"),
    [
        (None, TokenProblem.MISSING),
        ("Basic abc", TokenProblem.MALFORMED),
        ("Bearer abc", TokenProblem.MALFORMED),
        ("Bearer a.b.c", TokenProblem.INVALID),
    ],
)
def test_tokens_nobody_issued(manual: ManualClock, authorization, problem):
    assert Tokens(manual).check(authorization, MANAGEMENT) is problem


def test_another_process_signs_differently(manual: ManualClock):
    authorization = f"Bearer {Tokens(manual).issue(MANAGEMENT)}"
    assert Tokens(manual).check(authorization, MANAGEMENT) is TokenProblem.INVALID
