"""A stand-in for Azure Resource Manager that answers what a test tells it, and connectors bound to it."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar, cast

from aiohttp import web

from afield.clock import SystemClock
from afield.connectors.azure.pacing import process_paces
from afield.connectors.base import Connector, Intent, TargetContext
from afield.connectors.tokens import Refresh
from afield.model.ids import attempt_key, uuid7
from afield.model.jsontypes import JsonObject
from afield.testing.artifacts import MemoryArtifacts
from afield.testing.notes import MemoryNotes

VM_ID = "/subscriptions/sub-1/resourceGroups/ops/providers/Microsoft.Compute/virtualMachines/web1"
SECRET = {"tenant_id": "tenant", "client_id": "client", "client_secret": "hush-hush"}
SETTINGS: JsonObject = {"pace": 0, "request_timeout": 5, "min_interval": 0.05, "visibility_delay": 0}

W = TypeVar("W", bound="World")
C = TypeVar("C", bound=Connector[Any, Any])
Answer = Callable[[web.Request], web.StreamResponse]


def vm_body(
    os_type: str = "Linux",
    power: str | None = "running",
    agent: str = "Ready",
    extension: Mapping[str, Any] | None = None,
    **os_profile: Any,
) -> JsonObject:
    """A VM with its instance view, as Azure writes it."""
    statuses = [{"code": "ProvisioningState/succeeded", "level": "Info"}]
    if power is not None:
        statuses.append({"code": f"PowerState/{power}", "level": "Info", "displayStatus": f"VM {power}"})
    view: JsonObject = {
        "vmAgent": {"vmAgentVersion": "2.9", "statuses": [{"displayStatus": agent, "message": "as it is"}]},
        "statuses": cast(Any, statuses),
    }
    if extension is not None:
        view["extensions"] = [
            {"name": "RunCommandLinux", "type": "Microsoft.CPlat.Core.RunCommandLinux", "statuses": [dict(extension)]}
        ]
    return {
        "id": VM_ID,
        "name": "web1",
        "location": "westeurope",
        "properties": {
            "storageProfile": {"osDisk": {"osType": os_type}},
            "osProfile": os_profile,
            "provisioningState": "Succeeded",
            "instanceView": view,
        },
    }


def run_command(name: str, state: str = "Succeeded", **view: Any) -> JsonObject:
    """A managed run command with its instance view."""
    ended = {} if state in {"Running", "Pending"} else {"endTime": "2022-05-12T10:00:05.0000000+00:00"}
    return {
        "id": f"{VM_ID}/runCommands/{name}",
        "name": name,
        "location": "westeurope",
        "properties": {
            "provisioningState": view.pop("provisioningState", "Succeeded"),
            "timeoutInSeconds": view.pop("timeoutInSeconds", 0),
            "instanceView": {
                "executionState": state,
                "exitCode": 0,
                "output": "",
                "error": "",
                "startTime": "2022-05-12T10:00:00.0000000+00:00",
                **ended,
                **view,
            },
        },
    }


def refusal(status: int, code: str, message: str, **headers: str) -> Answer:
    """An error as Azure Resource Manager writes it."""

    def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"code": code, "message": message}}, status=status, headers=headers)

    return answer


def reply(body: Any = None, status: int = 200, **headers: str) -> Answer:
    def answer(_: web.Request) -> web.StreamResponse:
        if body is None:
            return web.Response(status=status, headers=headers)
        return web.json_response(body, status=status, headers=headers)

    return answer


def hang_up(request: web.Request) -> web.StreamResponse:
    """The request has arrived, and its reply gets lost."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


class SomeTokens:
    """A token source in memory; `good` is what the stand-in takes."""

    def __init__(self) -> None:
        self.number = 1
        self.rejected: list[str] = []

    async def token(self, refresh: Refresh, *, rejected: str | None = None) -> str:
        if rejected is not None:
            self.rejected.append(rejected)
            self.number += 1
        return f"token-{self.number}"


@dataclass
class World:
    """The stand-in: what it is to answer, by method and the last parts of the path, and what it was asked."""

    url: str = ""
    vm: JsonObject = field(default_factory=vm_body)
    answers: dict[tuple[str, str], deque[Answer]] = field(default_factory=lambda: defaultdict(deque))
    asked: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    tokens: SomeTokens = field(default_factory=SomeTokens)
    artifacts: MemoryArtifacts = field(default_factory=MemoryArtifacts)
    notes: MemoryNotes = field(default_factory=MemoryNotes)
    good_token: str = "token-1"

    def tell(self, method: str, tail: str, *answers: Answer) -> None:
        """The next answers to such requests; the last one stays."""
        self.answers[method, tail].extend(answers)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        tail = "/".join(request.path.split("/")[9:]) or "vm"
        self.asked.append((request.method, tail))
        if request.can_read_body:
            self.bodies.append(await request.json())
        if request.path.startswith("/blobs"):
            return self._next(request, request.path)
        if request.headers.get("Authorization") != f"Bearer {self.good_token}":
            return refusal(401, "InvalidAuthenticationToken", "The access token is invalid.")(request)
        return self._next(request, tail)

    def _next(self, request: web.Request, tail: str) -> web.StreamResponse:
        waiting = self.answers[request.method, tail]
        if waiting:
            answer = waiting.popleft() if len(waiting) > 1 else waiting[0]
            return answer(request)
        if (request.method, tail) == ("GET", "vm"):
            return web.json_response(self.vm)
        if request.method == "PUT":
            name = tail.rpartition("/")[2]
            return web.json_response({"name": name, "properties": {"provisioningState": "Creating"}}, status=201)
        if request.method == "DELETE":
            return web.Response(status=202)
        return refusal(404, "ResourceNotFound", f"The Resource '{tail}' was not found.")(request)

    def counted(self, method: str) -> int:
        return sum(one == method for one, _ in self.asked)

    def context(self, settings: JsonObject | None = None, **changes: Any) -> TargetContext:
        secret = changes.pop("secret", SECRET)
        return TargetContext(
            target_id=uuid7(),
            name="web one",
            address={"resource_id": VM_ID, "management_url": self.url} | changes,
            settings=SETTINGS | (settings or {}),
            secret=secret,
            tokens=self.tokens,
            artifacts=self.artifacts,
            notes=self.notes,
            clock=SystemClock(),
        )

    @asynccontextmanager
    async def connector(self, kind: type[C], settings: JsonObject | None = None, **changes: Any) -> AsyncIterator[C]:
        connector = await kind.open(self.context(settings, **changes))
        try:
            yield connector
        finally:
            await connector.close()


@asynccontextmanager
async def running_world() -> AsyncIterator[World]:
    async with running(World()) as world:
        yield world


@asynccontextmanager
async def running(world: W) -> AsyncIterator[W]:
    """The stand-in, listening."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", world.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    world.url = f"http://{host}:{port}"
    try:
        yield world
    finally:
        await runner.cleanup()
        process_paces.clear()


def new_intent(spec: JsonObject | None = None, age: timedelta = timedelta()) -> Intent:
    execution_id = uuid7()
    return Intent(
        execution_id=execution_id,
        attempt=1,
        key=attempt_key(execution_id, 1),
        spec=spec or {"script": "echo hi"},
        sent_after=SystemClock().now() - age,
    )
