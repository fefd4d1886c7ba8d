"""Calls to one AMC instance: signed in, once repeated on 401, every ending told as an answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import quote

import aiohttp
import orjson
import structlog
from yarl import URL

from afield.clock import Clock
from afield.connectors.amc.answer import Answer, Failed, Reply, Trouble, parse_retry_after
from afield.connectors.amc.remote_clock import RemoteClock
from afield.connectors.amc.spec import AmcAddress
from afield.connectors.amc.tokens import LoginWithAmazon, TokenUnavailableError
from afield.connectors.amc.wire import EXECUTIONS_TYPE
from afield.connectors.base import Limits, TargetContext
from afield.faultpoints import FaultPoint, reach
from afield.model.jsontypes import JsonObject

_IDLE_S = 10  # a connection idle for longer is not used again: a server that just closed it would cost an unknown
_CONNECT_S = 10


class AmcClient:
    """One session with AMC, shared by concurrent calls. Must be made inside a running event loop."""

    def __init__(self, context: TargetContext, address: AmcAddress, limits: Limits) -> None:
        self.session = _session(limits.request_timeout)
        self.clock: Clock = context.clock
        self.remote_clock = RemoteClock()
        self.calls = 0
        self.throttled = 0  # how many of them were answered 429
        self.patience: timedelta | None = None  # the last Retry-After among those
        self._log = structlog.get_logger(__name__).bind(target=context.name)
        self._login = LoginWithAmazon(self.session, address.token_url, context.name, context.clock)
        self._tokens = context.tokens
        self._root = address.base_url
        self._instance = quote(address.instance_id, safe="")
        self._executions = f"{self._root}/amc/reporting/{self._instance}/workflowExecutions"
        self._workflows = f"{self._root}/amc/reporting/{self._instance}/workflows"
        self._client_id = context.secret.get("client_id", "")
        self._account = {
            "Amazon-Advertising-API-AdvertiserId": address.entity_id,
            "Amazon-Advertising-API-MarketplaceId": address.marketplace_id,
        }
        self._headers: dict[str, dict[str, str]] = {}  # by media type, for the token below
        self._headers_token = ""

    async def close(self) -> None:
        await self.session.close()

    # ------------------------------------------------------------------ addresses

    def executions_url(self, handle: str = "", part: str = "") -> URL:
        return _below(self._executions, handle, part)

    def workflows_url(self, workflow_id: str = "") -> URL:
        return _below(self._workflows, workflow_id)

    def accounts_url(self) -> URL:
        return URL(f"{self._root}/amc/accounts")

    def instance_url(self) -> URL:
        return URL(f"{self._root}/amc/instances/{self._instance}", encoded=True)

    # ------------------------------------------------------------------ calls

    async def token(self) -> str:
        """An access token. Raises CredentialError, TokenUnavailableError."""
        return await self._tokens.token(self._login.refresh)

    async def call(
        self,
        method: str,
        url: URL,
        *,
        query: Mapping[str, str] | None = None,
        body: JsonObject | None = None,
        media: str = EXECUTIONS_TYPE,
        starts_work: bool = False,
    ) -> Answer:
        """One call, once more with a new token if AMC answers 401. Raises CredentialError, and nothing for what the
        network or AMC may do. `starts_work` marks the request whose outcome must not get lost."""
        data = None if body is None else orjson.dumps(body)
        try:
            token = await self.token()
            headers = self._signed(token, media)
            answer = await self._send(method, url, query, data, headers=headers, starts_work=starts_work)
            if isinstance(answer, Reply) and answer.status == 401:
                self._log.info("amc.token_rejected", request_id=answer.request_id)
                token = await self._tokens.token(self._login.refresh, rejected=token)
                headers = self._signed(token, media)
                answer = await self._send(method, url, query, data, headers=headers, starts_work=starts_work)
        except TokenUnavailableError as error:
            return Failed(Trouble.NO_TOKEN, error.message, error.retry_after)
        return answer

    def _signed(self, token: str, media: str) -> dict[str, str]:
        if token != self._headers_token:
            self._headers.clear()
            self._headers_token = token
        headers = self._headers.get(media)
        if headers is None:
            headers = self._headers[media] = {
                "Authorization": f"Bearer {token}",
                "Amazon-Advertising-API-ClientId": self._client_id,
                **self._account,
                "Accept": media,
                "Content-Type": media,
            }
        return headers

    async def _send(
        self,
        method: str,
        url: URL,
        query: Mapping[str, str] | None,
        data: bytes | None,
        *,
        headers: Mapping[str, str],
        starts_work: bool,
    ) -> Answer:
        self.calls += 1
        try:
            async with self.session.request(
                method, url, params=query, data=data, headers=headers, allow_redirects=False
            ) as response:
                if starts_work:
                    reach(FaultPoint.AFTER_SEND)
                body = await response.read()
        except aiohttp.ClientConnectorError as error:
            return Failed(Trouble.NOT_CONNECTED, f"no connection to {error.host}:{error.port}")
        except aiohttp.ConnectionTimeoutError:
            return Failed(Trouble.NOT_CONNECTED, f"no connection to {url.host}:{url.port} in time")
        except TimeoutError:
            return Failed(Trouble.NO_REPLY, "no reply in time")
        except (aiohttp.ClientError, OSError) as error:
            return Failed(Trouble.NO_REPLY, f"the connection was lost ({type(error).__name__})")
        if starts_work:
            reach(FaultPoint.AFTER_REPLY)
        return self._read(method, url, response, body)

    def _read(self, method: str, url: URL, response: aiohttp.ClientResponse, body: bytes) -> Reply:
        headers = response.headers
        now = self.clock.now()
        self.remote_clock.learn(headers.get("Date"), now)
        request_id = headers.get("x-amz-rid") or headers.get("x-amz-request-id") or ""
        patience = parse_retry_after(headers.get("Retry-After"), self.remote_clock.there(now))
        reply = Reply(response.status, body, request_id[:64], patience)
        if reply.status == 429:
            self.throttled += 1
            self.patience = patience
        tell = self._log.debug if reply.ok else self._log.info
        tell("amc.call", call=method, path=url.raw_path, status=reply.status, request_id=request_id)
        return reply


def _below(url: str, *path: str) -> URL:
    """The address of something below `url`, whose names may come from anywhere."""
    for one in path:
        if one:
            url = f"{url}/{quote(one, safe='')}"
    return URL(url, encoded=True)


def _session(timeout: timedelta) -> aiohttp.ClientSession:
    """No cookies, no proxies from the environment, no queue for connections: the engine limits the calls, and a
    call that waited here would look like one that got no reply."""
    seconds = timeout.total_seconds()
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_S, ttl_dns_cache=300),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=min(_CONNECT_S, seconds / 2)),
    )
