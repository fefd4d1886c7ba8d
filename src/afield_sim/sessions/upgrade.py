"""WebSocket connections to a container."""

import asyncio

import aiohttp
from aiohttp import WSMsgType, web
from yarl import URL

from . import errors
from .forwarding import passed_on
from .pool import Pool
from .session import Session

Socket = aiohttp.ClientWebSocketResponse | web.WebSocketResponse


def wants_upgrade(http: web.Request) -> bool:
    """Whether a request asks for a WebSocket."""
    return http.headers.get("Upgrade", "").lower() == "websocket"


async def forward_upgrade(http: web.Request, pool: Pool, session: Session, target: str) -> web.StreamResponse:
    """Connect the caller with the container until one of them closes; a refusal is handed on without its body."""
    container, world = session.container, pool.world
    assert container is not None
    if not world.settings.websockets:
        raise errors.not_supported("A WebSocket connection", str(pool.resource.properties.container_type))
    pool.tally.forwarded += 1
    world.pulse.beat()
    headers = passed_on(http.headers)
    wanted = [word.strip() for word in headers.popall("Sec-WebSocket-Protocol", []) if word.strip()]
    for name in [name for name in headers if name.lower().startswith("sec-websocket-")]:
        headers.popall(name, None)
    url = URL(container.url + target, encoded=True)
    try:
        inner = await world.http.ws_connect(
            url, headers=headers, protocols=wanted, autoclose=False, autoping=False, max_msg_size=0
        )
    except aiohttp.WSServerHandshakeError as refused:
        return web.Response(status=refused.status, headers=_without_length(refused))
    except aiohttp.ClientError:
        await container.notice_end()
        raise errors.bad_gateway() from None
    outer = web.WebSocketResponse(
        protocols=[inner.protocol] if inner.protocol else (), autoclose=False, autoping=False, max_msg_size=0
    )
    await outer.prepare(http)
    await _connect(outer, inner)
    return outer


def _without_length(refused: aiohttp.WSServerHandshakeError) -> dict[str, str]:
    kept = passed_on(refused.headers or {})
    return {name: value for name, value in kept.items() if not name.lower().startswith("content-")}


async def _connect(outer: web.WebSocketResponse, inner: aiohttp.ClientWebSocketResponse) -> None:
    pumps = [asyncio.ensure_future(_pump(outer, inner)), asyncio.ensure_future(_pump(inner, outer))]
    try:
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        await asyncio.gather(inner.close(), outer.close(), return_exceptions=True)


async def _pump(source: Socket, sink: Socket) -> None:
    """Hand messages on until the source closes, then close the sink with the same code."""
    while True:
        message = await source.receive()
        if message.type is WSMsgType.TEXT:
            await sink.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await sink.send_bytes(message.data)
        elif message.type is WSMsgType.PING:
            await sink.ping(message.data)
        elif message.type is WSMsgType.PONG:
            await sink.pong(message.data)
        else:
            if message.type is WSMsgType.CLOSE:
                await sink.close(code=message.data, message=(message.extra or "").encode())
            return
