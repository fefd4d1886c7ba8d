"""Signing in, by the published azure-identity against token endpoints of our own."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from azure_world import SECRET, World, new_intent, running_world
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from afield.connectors.azure.managed import AzureVmConnector
from afield.connectors.base import Accepted, NotSent
from afield.connectors.tokens import Refresh
from afield.errors import CredentialError

Asked = list[tuple[str, Mapping[str, str]]]


class RealTokens:
    """Asks whenever it is asked."""

    async def token(self, refresh: Refresh, *, rejected: str | None = None) -> str:
        return (await refresh(SECRET)).token.value


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "login")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    cert_file, key_file = folder / "ca.pem", folder / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(encoding))
    key_file.write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
    return cert_file, key_file


@asynccontextmanager
async def _endpoint(status: int, body: Any, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[str, Asked]]:
    asked: Asked = []

    async def answer(request: web.Request) -> web.StreamResponse:
        form = await request.post() if request.method == "POST" else request.query
        asked.append((request.path, {name: str(value) for name, value in form.items()}))
        return web.json_response(body, status=status)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with running_world() as running:
        running.tokens = RealTokens()  # type: ignore[assignment]
        yield running


GRANT = {"token_type": "Bearer", "access_token": "token-1", "expires_in": 3599, "ext_expires_in": 3599}


async def _tls(folder: Path) -> tuple[str, ssl.SSLContext]:
    cert, key = await asyncio.to_thread(_certificate, folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    await asyncio.to_thread(context.load_cert_chain, cert, key)
    return str(cert), context


async def test_a_client_secret_signs_in_at_an_authority_with_its_own_certificate(world: World, tmp_path: Path) -> None:
    ca_file, tls = await _tls(tmp_path)
    endpoint = _endpoint(200, GRANT, tls)
    async with endpoint as (url, asked), world.connector(AzureVmConnector, authority_url=url, ca_file=ca_file) as one:
        assert isinstance(await one.submit(new_intent()), Accepted)
    assert asked[0][0] == "/tenant/oauth2/v2.0/token"
    assert asked[0][1]["scope"] == "https://management.azure.com/.default"


@pytest.mark.parametrize(
    ("code", "hint"),
    [("AADSTS7000215", "not the secret's id"), ("AADSTS7000222", "expired"), ("AADSTS90002", "tenant")],
)
async def test_a_refused_secret_says_what_to_do(world: World, tmp_path: Path, code: str, hint: str) -> None:
    ca_file, tls = await _tls(tmp_path)
    body = {"error": "invalid_client", "error_description": f"{code}: it is not good."}
    endpoint = _endpoint(401, body, tls)
    async with endpoint as (url, _), world.connector(AzureVmConnector, authority_url=url, ca_file=ca_file) as one:
        with pytest.raises(CredentialError) as caught:
            await one.submit(new_intent())
    assert hint in caught.value.hint
    assert "hush-hush" not in str(caught.value)


async def test_an_authority_that_is_down_is_nobodys_fault(world: World) -> None:
    async with world.connector(AzureVmConnector, authority_url="https://127.0.0.1:9") as connector:
        answer = await connector.submit(new_intent())
    assert isinstance(answer, NotSent)
    assert answer.reason.code == "no_token"


async def test_a_managed_identity_asks_the_metadata_service(world: World) -> None:
    grant = {"access_token": "token-1", "expires_in": "86399", "expires_on": "4102444800", "resource": "r"}
    async with _endpoint(200, grant | {"token_type": "Bearer"}) as (url, asked):
        changes = {"identity": "managed_identity", "imds_url": url}
        async with world.connector(AzureVmConnector, **changes) as connector:
            assert isinstance(await connector.submit(new_intent()), Accepted)
    assert asked[0][0] == "/metadata/identity/oauth2/token"
    assert asked[0][1]["resource"] == "https://management.azure.com"


async def test_a_machine_without_an_identity_is_a_matter_for_a_person(world: World) -> None:
    async with _endpoint(400, {"error": "invalid_request", "error_description": "Identity not found"}) as (url, _):
        changes = {"identity": "managed_identity", "imds_url": url}
        async with world.connector(AzureVmConnector, **changes) as connector:
            with pytest.raises(CredentialError):
                await connector.submit(new_intent())
