"""Asks a session pool for a diagnosis: every ending of a call told as a reply."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import aiohttp
import orjson
from yarl import URL

from afield.clock import Clock
from afield.connectors.adapter.client import NoDoorError
from afield.connectors.azure.failure import AzureError, Trouble
from afield.connectors.session_pool.evidence import Answer, NoAnswer, PoolPlace, Reply, Silence
from afield.errors import LookError
from afield.model.jsontypes import JsonObject

AskToken = Callable[[], Awaitable[str]]
AskArm = Callable[[str, Mapping[str, str]], Awaitable[JsonObject]]
"""GET of a path of Azure Resource Manager. Raises AzureError, CredentialError."""

_CONNECT_S = 10.0
_MOST_BODY = 256 * 1024  # what a diagnosis reads of an answer

_SILENT = {
    Trouble.NO_TOKEN: Silence.REFUSED,
    Trouble.NOT_CONNECTED: Silence.REFUSED,
    Trouble.NO_REPLY: Silence.TOO_LATE,
    Trouble.UNREADABLE: Silence.LOST,
    Trouble.AWAY_FROM_HOME: Silence.REFUSED,
    Trouble.OVER_BUDGET: Silence.REFUSED,
}


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """A PoolProbe over one session of connections, which it does not close. `ask_arm` is None where the target tells
    nothing that Azure Resource Manager could be asked about; `tls` are certificates other than the system's."""

    place: PoolPlace
    session: aiohttp.ClientSession
    ask_token: AskToken
    ask_arm: AskArm | None
    clock: Clock
    tls: ssl.SSLContext | None = None

    def now(self) -> datetime:
        return self.clock.now()

    async def token(self) -> str:
        """Raises CredentialError, LookError."""
        try:
            return await self.ask_token()
        except NoDoorError as error:
            raise LookError(str(error), hint="Check authority_url and the way there, then ask again.") from error

    async def connect(self, endpoint: str) -> NoAnswer | None:
        parts = urlsplit(endpoint)
        secure = parts.scheme == "https"
        host, port = parts.hostname or "", parts.port or (443 if secure else 80)
        context = (self.tls or await asyncio.to_thread(ssl.create_default_context)) if secure else None
        try:
            async with asyncio.timeout(_CONNECT_S):
                _, writer = await asyncio.open_connection(host, port, ssl=context)
        except (OSError, TimeoutError) as error:
            return _not_connected(error, f"{host}:{port}")
        writer.close()
        return None

    async def arm(self, path: str, query: Mapping[str, str]) -> Reply:
        if self.ask_arm is None:
            return NoAnswer(silence=Silence.REFUSED, text="the target does not say how to sign in there")
        try:
            found = await self.ask_arm(path, query)
        except AzureError as error:
            if error.trouble is not Trouble.ANSWERED:
                return NoAnswer(silence=_SILENT[error.trouble], text=error.message)
            body = {"error": {"code": error.code, "message": error.message}}
            return Answer(status=error.status, body=orjson.dumps(body))
        return Answer(status=200, body=orjson.dumps(found))

    async def ask(
        self, method: str, url: str, query: Mapping[str, str], body: JsonObject | None = None, *, patience_s: float = 20
    ) -> Reply:
        headers = {"Authorization": f"Bearer {await self.token()}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        began = time.monotonic()
        try:
            async with self.session.request(
                method,
                URL(url, encoded=True).update_query(query),
                data=None if body is None else orjson.dumps(body),
                headers=headers,
                allow_redirects=False,
                ssl=self.tls or True,
                timeout=aiohttp.ClientTimeout(total=patience_s, sock_connect=min(_CONNECT_S, patience_s)),
            ) as response:
                content = await _beginning(response)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return _no_answer(error, URL(url).authority, time.monotonic() - began, patience_s)
        return Answer(
            status=response.status,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=content,
            seconds=time.monotonic() - began,
        )


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) >= _MOST_BODY:
            response.close()
            break
    return bytes(body[:_MOST_BODY])


def _no_answer(error: Exception, host: str, seconds: float, patience_s: float) -> NoAnswer:
    """What it means that a call ended without an answer; a time-out of the connection is no late answer."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return NoAnswer(silence=Silence.NO_NAME, text=f"DNS knows no host {host}", seconds=seconds)
    if isinstance(error, aiohttp.ClientSSLError):
        return NoAnswer(silence=Silence.TLS, text=f"{host} shows no certificate that is trusted here", seconds=seconds)
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return NoAnswer(silence=Silence.REFUSED, text=f"no connection to {host}", seconds=seconds)
    if isinstance(error, TimeoutError):
        return NoAnswer(silence=Silence.TOO_LATE, text=f"no answer within {patience_s:g} s", seconds=seconds)
    text = f"the connection to {host} broke before the answer was there ({type(error).__name__})"
    return NoAnswer(silence=Silence.LOST, text=text, seconds=seconds)


def _not_connected(error: OSError | TimeoutError, there: str) -> NoAnswer:
    if isinstance(error, socket.gaierror):
        return NoAnswer(silence=Silence.NO_NAME, text=f"DNS knows no host {there.rpartition(':')[0]}")
    if isinstance(error, ssl.SSLError):
        why = getattr(error, "verify_message", "") or error.reason or "the handshake failed"
        return NoAnswer(silence=Silence.TLS, text=f"{there} shows no certificate that is trusted here: {why}")
    if isinstance(error, TimeoutError):
        return NoAnswer(silence=Silence.REFUSED, text=f"no connection to {there} within {_CONNECT_S:g} s")
    return NoAnswer(silence=Silence.REFUSED, text=f"no connection to {there} ({error.strerror or error})")
