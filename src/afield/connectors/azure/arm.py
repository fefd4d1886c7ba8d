"""Azure Resource Manager through the SDKs' pipelines: one transport, our token, no silent retries.

Importing this module imports the SDK, which takes a second and 130 MB: it is done when a VM's target is first opened.
Sources: azure-core and azure-mgmt-compute as observed on the wire.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from azure.core.exceptions import AzureError as SdkError
from azure.core.exceptions import HttpResponseError, ServiceRequestTimeoutError
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import (
    AsyncHTTPPolicy,
    AsyncRetryPolicy,
    HeadersPolicy,
    RequestIdPolicy,
    UserAgentPolicy,
)
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.mgmt.compute.aio import ComputeManagementClient
from azure.mgmt.core import AsyncARMPipelineClient

from afield.clock import Clock
from afield.connectors.azure.address import AzureAccountAddress
from afield.connectors.azure.failure import AzureError, Trouble, error_of
from afield.connectors.azure.identity import EntraLogin
from afield.connectors.tokens import TokenSource
from afield.errors import CredentialError
from afield.model.jsontypes import JsonValue

_CONNECT_S = 10
_IDLE_S = 10  # a connection idle for longer is not used again: one the server just closed would cost an unknown


_NO_TOKEN_YET = "waiting for a token"  # noqa: S105 - a note, no secret


class TokenPolicy(AsyncHTTPPolicy[Any, Any]):
    """Signs requests to the account's own host, once more with a new token after a 401; others are not sent at all."""

    def __init__(self, host: str, tokens: TokenSource, login: EntraLogin) -> None:
        super().__init__()
        self._host = host
        self._tokens = tokens
        self._login = login

    async def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        there = urlsplit(request.http_request.url).netloc.lower()
        if there != self._host:
            text = f"the address leads to {there}, which is not {self._host}; the token stays here"
            raise AzureError(text, trouble=Trouble.AWAY_FROM_HOME)
        token = await self._token()
        response = await self._signed(request, token)
        if response.http_response.status_code == 401:
            await _finish(response.http_response)
            response = await self._signed(request, await self._token(rejected=token))
        return response

    async def _token(self, *, rejected: str | None = None) -> str:
        """A token. Whoever is cut off while waiting for it leaves a note: nothing was sent then."""
        try:
            return await self._tokens.token(self._login.refresh, rejected=rejected)
        except asyncio.CancelledError as cut_off:
            cut_off.add_note(_NO_TOKEN_YET)
            raise

    async def _signed(self, request: PipelineRequest[Any], token: str) -> PipelineResponse[Any, Any]:
        request.http_request.headers["Authorization"] = f"Bearer {token}"
        return await self.next.send(request)


async def _finish(response: Any) -> None:
    """Read a reply that nobody wants to its end, so that its connection is free again."""
    if isinstance(response, AsyncHttpResponse):
        await response.read()


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply with a status below 300, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: JsonValue


class _NoCredential:
    """The SDK wants a credential to exist; the policy above does the work."""

    async def get_token(self, *_: str, **__: Any) -> Any:
        raise AzureError("no token is asked for here", trouble=Trouble.NO_TOKEN)

    async def close(self) -> None:
        return

    async def __aenter__(self) -> _NoCredential:
        return self

    async def __aexit__(self, *_: object) -> None:
        return


class Arm:
    """The pipelines of one account: the compute clients (one a subscription) and a plain one, on one session."""

    def __init__(
        self, address: AzureAccountAddress, tokens: TokenSource, target: str, clock: Clock, tls: ssl.SSLContext
    ) -> None:
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_S, ssl=tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        # aiohttp sends a PUT or DELETE again when a kept connection turns out to be dead, and has no public switch
        self.session._retry_connection = False
        self._clock = clock
        self._root = address.management_url
        self._transport = AioHttpTransport(session=self.session, session_owner=False)
        login = EntraLogin(address, self._transport, target)
        self.policy = TokenPolicy(address.host, tokens, login)
        self._options: dict[str, Any] = {
            "base_url": self._root,
            "transport": self._transport,
            "retry_total": 0,
            "permit_redirects": False,
            "connection_timeout": _CONNECT_S,
        }
        self._compute: dict[str, ComputeManagementClient] = {}
        self._plain = _plain_client(self._options, self.policy)

    async def close(self) -> None:
        await self.session.close()

    def compute(self, subscription_id: str) -> ComputeManagementClient:
        """The SDK's client for one subscription."""
        client = self._compute.get(subscription_id.lower())
        if client is None:
            client = self._compute[subscription_id.lower()] = ComputeManagementClient(
                _NoCredential(),
                subscription_id,
                authentication_policy=self.policy,
                **self._options,
            )
        return client

    async def send(
        self,
        method: str,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        body: JsonValue = None,
        patience: timedelta,
    ) -> Reply:
        """One call to an address of the account's host. Raises AzureError, CredentialError."""
        absolute = url if "://" in url else f"{self._root}{url}"
        request = HttpRequest(method, absolute, params=dict(query) if query else None, json=body)
        async with self.told(patience):
            response = await self._plain.send_request(request)
            if response.status_code >= 300:
                raise HttpResponseError(response=response)
            return Reply(response.status_code, response.headers, body_of(response))

    @asynccontextmanager
    async def told(self, patience: timedelta) -> AsyncIterator[None]:
        """Whatever goes wrong inside, as AzureError; CredentialError passes."""
        try:
            async with asyncio.timeout(patience.total_seconds()):
                yield
        except TimeoutError as error:
            if _NO_TOKEN_YET in getattr(error.__cause__, "__notes__", ()):
                raise AzureError("no token came in time", trouble=Trouble.NO_TOKEN) from None
            raise AzureError("no reply in time", trouble=Trouble.NO_REPLY) from None
        except SdkError as error:
            raise self._translated(error) from None
        except (aiohttp.ClientError, OSError) as error:
            raise _lost(error) from None

    def _translated(self, error: SdkError) -> AzureError | CredentialError:
        if isinstance(error, HttpResponseError) and error.response is not None:
            response: Any = error.response
            if (response.status_code or 0) < 300:
                return AzureError("the reply is not readable", trouble=Trouble.UNREADABLE)
            told = error_of(response.status_code or 0, response.headers, body_of(response), self._clock.now())
            return _refused_token(told) if told.status == 401 else told
        cause = error.inner_exception if isinstance(error.inner_exception, Exception) else error
        not_there = aiohttp.ClientConnectorError | ServiceRequestTimeoutError
        if isinstance(cause, not_there) or isinstance(error, ServiceRequestTimeoutError):
            return AzureError(f"no connection to {urlsplit(self._root).netloc}", trouble=Trouble.NOT_CONNECTED)
        return _lost(cause)


def _refused_token(error: AzureError) -> CredentialError:
    return CredentialError(
        f"Azure Resource Manager does not accept the token ({error.code or 401}): {error.message}",
        hint="Check the credential's tenant, and the clock of this machine.",
    )


def _lost(error: Exception) -> AzureError:
    """A connection that broke after the request had left. The SDK counts some of these as never sent; they may be."""
    return AzureError(f"the connection was lost ({type(error).__name__})", trouble=Trouble.NO_REPLY)


def body_of(response: Any) -> JsonValue:
    """The JSON of a reply that was read; None when it is something else."""
    try:
        text = response.text()
        value: JsonValue = json.loads(text) if text else None
    except (ValueError, SdkError, RuntimeError):  # RuntimeError family: a body that was not read
        return None
    return value


def _plain_client(options: Mapping[str, Any], policy: TokenPolicy) -> AsyncARMPipelineClient[Any, Any]:
    policies = [
        RequestIdPolicy(),
        HeadersPolicy(),
        UserAgentPolicy(sdk_moniker="afield"),
        AsyncRetryPolicy.no_retries(),
        policy,
    ]
    return AsyncARMPipelineClient(policies=policies, **options)


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """The system's certificates and, if given, those in `ca_file`. Reads files: not for an event loop."""
    if ca_file is None:
        return _system_context()
    context = ssl.create_default_context()
    context.load_verify_locations(cafile=ca_file)
    return context


@cache
def _system_context() -> ssl.SSLContext:
    """One for all accounts: making it takes 30 ms."""
    return ssl.create_default_context()
