"""Requests to one service, every ending told as an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import aiohttp
import orjson
from yarl import URL

from afield.connectors.http.remembered import MOST_BODY, Answer, few_headers
from afield.connectors.http.spec import IDEMPOTENCY_KEY, HttpAddress, HttpSpec, Method
from afield.model.jsontypes import JsonObject

_CONNECT_S = 10
_IDLE_S = 10  # a connection idle for longer is not used again: a server that just closed it would cost an unknown
_MOST_PATIENCE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """There is none. The request may have arrived, unless it was certainly not `sent`."""

    text: str
    sent: bool = True
    too_late: bool = False  # it was waited for until its time was over


class HttpClient:
    """One session with one service. Must be made inside a running event loop."""

    def __init__(self, address: HttpAddress, secret: Mapping[str, str]) -> None:
        self._base = address.base_url
        self._secret = secret
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(keepalive_timeout=_IDLE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(sock_connect=_CONNECT_S),
        )
        # aiohttp would send GET, PUT and DELETE a second time when a connection breaks, and not say so.
        self._session._retry_connection = False

    async def close(self) -> None:
        await self._session.close()

    async def send(self, spec: HttpSpec, key: str) -> Answer | NoAnswer:
        """Send it once."""
        url = URL(self._base + spec.path, encoded=True)
        headers = {**spec.headers, **self._secret, IDEMPOTENCY_KEY: key}
        timeout = aiohttp.ClientTimeout(total=spec.timeout_s, sock_connect=min(_CONNECT_S, spec.timeout_s))
        try:
            async with self._session.request(
                spec.method.value,
                url,
                data=_body(spec, headers),
                headers=headers,
                allow_redirects=False,
                timeout=timeout,
            ) as response:
                body = await _read(response, MOST_BODY + 1)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            return NoAnswer(f"no connection to {url.host}:{url.port}", sent=False)
        except aiohttp.InvalidURL:
            return NoAnswer(f"{self._base} is not a URL that can be called", sent=False)
        except TimeoutError:
            return NoAnswer(f"no answer within {spec.timeout_s:g} s", too_late=True)
        except (aiohttp.ClientError, OSError) as error:
            return NoAnswer(f"the connection was lost ({type(error).__name__})")
        kept: JsonObject = dict(response.headers)
        return Answer(
            status=response.status, headers=few_headers(kept), body=body[:MOST_BODY], cut=len(body) > MOST_BODY
        )

    async def ask(self, path: str) -> Answer | NoAnswer:
        """A GET for a diagnosis."""
        return await self.send(HttpSpec(method=Method.GET, path=path, timeout_s=_CONNECT_S), "diagnosis")


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes:
    """The body, or its beginning: what is not wanted is not waited for."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) >= most:
            response.close()
            break
    return bytes(body[:most])


def _body(spec: HttpSpec, headers: dict[str, str]) -> bytes | None:
    if spec.json_body is not None:
        if not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "application/json"
        return orjson.dumps(spec.json_body)
    return None if spec.body is None else spec.body.encode()


def patience(text: str | None, now: datetime) -> timedelta | None:
    """A Retry-After header (RFC 9110, section 10.2.3), an hour at most; None when there is none that can be read."""
    if not text:
        return None
    if text.strip().isdecimal():
        return min(timedelta(seconds=int(text.strip()[:9])), _MOST_PATIENCE)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max(until - now, timedelta()), _MOST_PATIENCE)
