"""The adapter as a whole: the jail, the routes, the port; started, served and ended."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import orjson
from aiohttp import web

from afield_sandbox.adapter.activity import Activity
from afield_sandbox.adapter.clock import Clock, rfc3339
from afield_sandbox.adapter.desk import Desk
from afield_sandbox.adapter.door import Door, Handler, make_server
from afield_sandbox.adapter.identity import Identity
from afield_sandbox.adapter.interpreter.execution_routes import ExecutionRoutes
from afield_sandbox.adapter.interpreter.file_routes import FileRoutes
from afield_sandbox.adapter.interpreter.folder import MOST_BYTES
from afield_sandbox.adapter.interpreter.workspaces import Keeping, Workspaces
from afield_sandbox.adapter.options import Kind, Options, memory_cap
from afield_sandbox.adapter.piston_routes import PistonRoutes
from afield_sandbox.adapter.readiness import Readiness, protections_of
from afield_sandbox.adapter.records import Bounds
from afield_sandbox.adapter.routes import Handlers, route
from afield_sandbox.adapter.routing import Router
from afield_sandbox.adapter.run_routes import RunRoutes
from afield_sandbox.adapter.socket_routes import SocketRoutes
from afield_sandbox.adapter.submissions import Caps
from afield_sandbox.errors import SandboxError
from afield_sandbox.jail import JailSettings, LocalJail
from afield_sandbox.model import MIB

_SHUTDOWN_SECONDS = 1.0
_BACKLOG = 1024
_BESIDE = 4
_PATIENCE_SECONDS = 300.0


class Service:
    """One process of the adapter."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._clock = Clock()
        self._identity = Identity(self._clock.now())
        lanes = options.lanes or 4 * (os.cpu_count() or 1)
        settings = JailSettings(
            lanes=lanes + options.sessions,
            minimum=options.minimum,
            level=options.level,
            languages=options.languages,
            max_waiting=lanes + options.max_waiting + _BESIDE * options.sessions,  # the desk counts; this is behind it
            patience_s=_PATIENCE_SECONDS,
        )
        self._jail = LocalJail(settings)
        bounds = Bounds(options.remember_runs, options.remember_bytes, timedelta(seconds=options.remember_seconds))
        self._activity = Activity()
        self._desk = Desk(self._jail, self._clock, self._activity, most_runs=lanes + options.max_waiting, bounds=bounds)
        keeping = Keeping(options.sessions, options.session_hold, options.session_idle, options.session_memory)
        self._workspaces = Workspaces(self._jail, self._clock, keeping)
        self._executions = ExecutionRoutes(self._workspaces, self._activity, longest_s=options.execution_timeout)
        self._ending = asyncio.Event()
        self._runner: web.ServerRunner | None = None

    async def start(self) -> None:
        """Take the port, build the jail, listen, say so. Raises OSError and SandboxError."""
        options = self._options
        place = _bind(options.host, options.port)
        try:
            token = await asyncio.to_thread(_read_token, options.token_file) if options.token_file else ""
            await self._jail.start()
            door = Door(self._identity, self._routes(), self._activity, token=token)
            most = max(options.max_body, MOST_BYTES + MIB)
            server = make_server(door, max_body=options.max_body, max_upload=most)
            self._runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_SECONDS)
            await self._runner.setup()
            await web.SockSite(self._runner, place, backlog=_BACKLOG).start()
        except BaseException:
            place.close()
            raise
        if options.ready_file:
            await asyncio.to_thread(_write, options.ready_file, self._describe(place.getsockname()[1]))

    def _routes(self) -> Router[Handler]:
        options = self._options
        caps = Caps(wall_s=options.max_wall, memory_bytes=memory_cap(options))
        ready = Readiness(self._jail, self._clock, self._identity, interval_s=options.ready_interval)
        if options.kind is Kind.INTERPRETER:
            ready.also = self._workspaces.try_out
        most = options.max_body
        return route(
            Handlers(
                ready=ready,
                runs=RunRoutes(self._jail, self._desk, caps, self._executions),
                piston=PistonRoutes(self._jail, self._desk, caps),
                sockets=SocketRoutes(self._jail, self._desk, caps, self._identity, max_message=most),
                executions=self._executions,
                files=FileRoutes(self._workspaces),
            )
        )

    def _describe(self, port: int) -> dict[str, object]:
        host = self._options.host if self._options.host != "0.0.0.0" else "127.0.0.1"  # noqa: S104  not to bind
        return {
            "url": f"http://{f'[{host}]' if ':' in host else host}:{port}",
            "port": port,
            "pid": os.getpid(),
            "version": self._identity.version,
            "boot_id": self._identity.boot_id,
            "started_at": rfc3339(self._identity.started_at),
            "protections": protections_of(self._jail),
        }

    def end(self) -> None:
        """Have `serve` return."""
        self._ending.set()

    async def serve(self) -> None:
        """Until it is told to end, or nothing went on for as long as it is to linger."""
        self._activity.restart()  # nobody could come before
        linger = self._options.linger or None
        while not self._ending.is_set() and (linger is None or self._activity.quiet_for() < linger):
            left = None if linger is None else linger - self._activity.quiet_for()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._ending.wait()

    async def close(self) -> None:
        """Stop listening, answer those who are here, end everything."""
        if self._options.ready_file:
            await asyncio.to_thread(_take_away, self._options.ready_file)
        if self._runner is not None:
            await self._runner.cleanup()
        await self._executions.close()
        await self._workspaces.close()
        await self._desk.close()
        await self._jail.close()


def _bind(host: str, port: int) -> socket.socket:
    """The port, taken. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    place = socket.socket(family, socket.SOCK_STREAM)
    try:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind((host, port))
    except OSError:
        place.close()
        raise
    return place


def _read_token(path: Path) -> str:
    token = path.read_text("utf-8").strip()
    if not token:
        raise SandboxError(f"The file {path} holds no token.", hint="Write one into it, or leave out --token-file.")
    return token


def _write(path: Path, content: dict[str, object]) -> None:
    """In one step: a reader sees all of it or no file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    temporary.replace(path)


def _take_away(path: Path) -> None:
    """The ready file, if it is still this process's own."""
    try:
        if orjson.loads(path.read_bytes()).get("pid") == os.getpid():
            path.unlink()
    except (OSError, orjson.JSONDecodeError):
        pass
