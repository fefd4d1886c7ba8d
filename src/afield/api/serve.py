"""The web process: bind, serve, and end within seconds when told to stop."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
import uvicorn
from fastapi import FastAPI

from afield.api.app import create_app
from afield.config import Settings
from afield.errors import InvalidInputError, UnavailableError
from afield.kernel import open_kernel

log = structlog.get_logger(__name__)

_GRACE = 8  # seconds for requests that are under way when the server is stopped


async def serve(settings: Settings, *, stop: asyncio.Event, ready: Callable[[str], None] | None = None) -> None:
    """Serve the API until `stop` is set; then requests under way are finished, streams end, and it returns within
    ten seconds. `ready` is called once with the base URL.

    Raises InvalidInputError when the address is reachable from elsewhere and no token is asked for,
    UnavailableError when the port is taken or the database cannot be had.
    """
    check_exposure(settings)
    with await bind(settings.host, settings.port) as listening:
        url = _url(settings.host, listening.getsockname()[1])
        async with open_kernel(settings) as kernel:
            await serve_app(create_app(kernel), listening, stop=stop, started=lambda: _announce(url, ready))
    log.info("web.stopped", url=url)


async def serve_app(
    app: FastAPI, listening: socket.socket, *, stop: asyncio.Event, started: Callable[[], None]
) -> None:
    """Serve an application of `create_app` on a bound socket until `stop` is set."""
    config = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=_GRACE, server_header=False
    )
    server = Server(config, started)
    stopping = asyncio.create_task(_stop_server(server, app.state.closing, stop))
    try:
        await server.serve(sockets=[listening])
    finally:
        stopping.cancel()
        await asyncio.gather(stopping, return_exceptions=True)


class Server(uvicorn.Server):
    """Leaves the signals to whoever runs the process, and says when it serves."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell = started

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._tell()


async def _stop_server(server: uvicorn.Server, closing: asyncio.Event, stop: asyncio.Event) -> None:
    await stop.wait()
    closing.set()
    server.should_exit = True


def _announce(url: str, ready: Callable[[str], None] | None) -> None:
    log.info("web.ready", url=url)
    if ready is not None:
        ready(url)


def check_exposure(settings: Settings) -> None:
    """Raises InvalidInputError when strangers could reach the API without a token."""
    if settings.api_token is None and not _is_loopback(settings.host):
        raise InvalidInputError(
            f"Listening on {settings.host} without a token would let everybody on the network in.",
            hint="Set AFIELD_API_TOKEN, or AFIELD_HOST=127.0.0.1.",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises UnavailableError when the address cannot be had."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        listening = socket.create_server(address[:2], family=family, backlog=2048)
        # What is accepted inherits it; asyncio sets it only on sockets that it has bound itself. Without it an answer
        # in two pieces waits for the other side's delayed acknowledgement, 40 ms.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except OSError as error:
        raise UnavailableError(
            f"Cannot listen on {host}:{port}: {error.strerror or error}.", hint="Choose another AFIELD_PORT."
        ) from error


def _url(host: str, port: int) -> str:
    named = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - where callers on this machine find it
    return f"http://[{named}]:{port}" if ":" in named else f"http://{named}:{port}"
