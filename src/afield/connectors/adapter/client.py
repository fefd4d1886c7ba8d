"""Calls to an adapter, each sent once, every ending told as an answer."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias, TypeVar

import aiohttp
import orjson
from yarl import URL

from afield.connectors.adapter.reply import NoReply, Reply
from afield.errors import CredentialError
from afield.model.execution import Reason
from afield.model.jsontypes import JsonObject

CONNECT_S = 10.0
_IDLE_S = 4.0  # a connection idle for longer is not used again: a server that just closed it would cost an unknown
_MOST_REPLY = 512 * 1024 * 1024  # bytes; three streams of the longest output, written as JSON


Socket: TypeAlias = aiohttp.ClientWebSocketResponse
T = TypeVar("T")


class NoDoorError(Exception):
    """There is nowhere to send anything, for now."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.text or reason.code)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Door:
    """Where an adapter is reached, and the token that is wanted there."""

    url: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Content:
    """A body, and what it is."""

    data: bytes
    media_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class _Call:
    """One call; `seconds` is how long it may take."""

    method: str
    path: str
    query: Mapping[str, str]
    content: Content | None
    seconds: float


class Doors(Protocol):
    """Finds the door, and another one when it does not open."""

    async def door(self, *, rejected: Door | None = None) -> Door:
        """The door; `rejected` is one whose token was just refused. Raises NoDoorError, CredentialError."""
        ...

    def lost(self, door: Door) -> bool:
        """No connection could be made. True when it is worth to ask for the door again, at once."""
        ...

    def denied(self, reply: Reply) -> CredentialError:
        """What it means that a new token is refused, too."""
        ...


class AdapterClient:
    """One pool's adapters, told apart by session identifiers. Must be made inside a running event loop."""

    def __init__(self, doors: Doors, request_s: float, tls: ssl.SSLContext | None = None) -> None:
        self._doors = doors
        self._request_s = request_s
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_S, ssl=tls or True),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=min(CONNECT_S, request_s)),
        )
        # aiohttp would send GET, PUT and DELETE a second time when a connection breaks, and not say so.
        self.session._retry_connection = False

    async def close(self) -> None:
        await self.session.close()

    async def call(
        self,
        method: str,
        path: str,
        identifier: str,
        body: JsonObject | Content | None = None,
        *,
        query: Mapping[str, str] | None = None,
        wait_s: float = 0.0,
    ) -> Reply | NoReply:
        """One call; an answer may take `wait_s` longer than usual. Sent again only where it certainly was not taken:
        when there was no connection, or the token was refused. Raises CredentialError."""
        named = {"identifier": identifier} | dict(query or {})
        content = Content(orjson.dumps(body)) if isinstance(body, dict) else body
        seconds = self._request_s + wait_s
        asked = _Call(method, path, named, content, seconds)
        return await self._through(lambda door: self._send(door, asked))

    async def connect(self, path: str, identifier: str, *, heartbeat_s: float, most: int) -> Socket | Reply | NoReply:
        """Open a conversation; a reply is a refusal of it. Raises CredentialError."""

        async def opened(door: Door) -> Socket | Reply | NoReply:
            place = address(door, path, {"identifier": identifier})
            try:
                async with asyncio.timeout(self._request_s):
                    return await self.session.ws_connect(
                        place, headers=headers(door), heartbeat=heartbeat_s, max_msg_size=most
                    )
            except aiohttp.WSServerHandshakeError as error:
                return Reply(error.status, _lower(error.headers or {}))
            except aiohttp.ClientError as error:
                return replace(no_connection(door, error), sent=False)  # the first message says what to run
            except (OSError, TimeoutError) as error:
                return NoReply(f"no conversation began ({type(error).__name__})", sent=False)

        return await self._through(opened)

    async def _through(self, knock: Callable[[Door], Awaitable[T | Reply | NoReply]]) -> T | Reply | NoReply:
        """Through the door; through another one when no connection could be made or the token was refused."""
        try:
            door = await self._doors.door()
            answer = await knock(door)
            if isinstance(answer, NoReply) and answer.unconnected and self._doors.lost(door):
                door = await self._doors.door()
                answer = await knock(door)
            if isinstance(answer, Reply) and refuses_token(answer):
                answer = await knock(await self._doors.door(rejected=door))
        except NoDoorError as error:
            return NoReply(str(error), sent=False)
        if isinstance(answer, Reply) and refuses_token(answer):
            raise self._doors.denied(answer)
        return answer

    async def _send(self, door: Door, asked: _Call) -> Reply | NoReply:
        content = asked.content
        timeout = aiohttp.ClientTimeout(total=asked.seconds, sock_connect=min(CONNECT_S, self._request_s))
        try:
            async with self.session.request(
                asked.method,
                address(door, asked.path, asked.query),
                data=content.data if content else None,
                headers=headers(door, content.media_type if content else ""),
                allow_redirects=False,
                timeout=timeout,
            ) as response:
                body = await _read(response)
        except aiohttp.ClientError as error:
            return no_connection(door, error)
        except TimeoutError:
            return NoReply(f"no answer within {asked.seconds:g} s")
        except OSError as error:
            return NoReply(f"the connection was lost ({type(error).__name__})")
        if body is None:
            return NoReply("the answer is too long")
        return Reply(response.status, _lower(response.headers), body)


def refuses_token(reply: Reply) -> bool:
    """A 403 of a program in the container is no word on the token; nor is one about the kind of the pool."""
    return reply.status == 401 or (reply.status == 403 and not reply.ours and b"DynamicApis" not in reply.body)


def _lower(found: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in found.items()}


def address(door: Door, path: str, query: Mapping[str, str]) -> URL:
    return URL(door.url + path, encoded=True).update_query(query)


def headers(door: Door, media_type: str = "") -> dict[str, str]:
    signed = {"Authorization": f"Bearer {door.token}"}
    return signed | {"Content-Type": media_type} if media_type else signed


def no_connection(door: Door, error: aiohttp.ClientError) -> NoReply:
    """What a call that broke off says: only before a connection is made it is certain that nothing was sent."""
    host = URL(door.url).authority
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return NoReply(f"there is no host {host}", sent=False, unconnected=True)
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return NoReply(f"no connection to {host} ({type(error).__name__})", sent=False, unconnected=True)
    if isinstance(error, aiohttp.InvalidURL):
        return NoReply(f"{host} cannot be called", sent=False)
    return NoReply(f"the connection to {host} was lost ({type(error).__name__})")


async def _read(response: aiohttp.ClientResponse) -> bytes | None:
    """The body; None when it is too long."""
    if (response.content_length or 0) > _MOST_REPLY:
        response.close()
        return None
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > _MOST_REPLY:
            response.close()
            return None
    return bytes(body)
