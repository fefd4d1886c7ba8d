"""A pool that answers what a test tells it, and its resource, tokens and answers as they were recorded."""

from __future__ import annotations

import copy
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from afield.connectors.base import CheckVerdict
from afield.connectors.session_pool.evidence import Answer, NoAnswer, PoolPlace, PoolProbe, Reply
from afield.connectors.session_pool.ladder import rungs
from afield.diagnose.diagnosis import Diagnosis
from afield.diagnose.ladder import Climb, climb
from afield.errors import CredentialError
from afield.model.jsontypes import JsonObject

OK, WARN, FAIL, SKIPPED, COULD_NOT = CheckVerdict
NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
POOL_ID = "/subscriptions/sub-1/resourceGroups/ops/providers/Microsoft.App/sessionPools/p1"
CUSTOM = "https://p1.salmonocean-7d6f4aee.eastasia.azurecontainerapps.io"
REGIONAL = "https://eastasia.dynamicsessions.io/subscriptions/sub-1/resourceGroups/ops/sessionPools/p1"
NAMED = "--name p1 --resource-group ops"
EXECUTE = "Microsoft.App/sessionPools/interpreters/execute/action"
ROLE_ID = "/subscriptions/sub-1/providers/Microsoft.Authorization/roleDefinitions/0fb8eba5-a2bb-4abe-b1c1-49dfad359bb0"
ADAPTER = {"x-afield-adapter": "0.4.0", "server": "Kestrel"}
KESTREL = {"server": "Kestrel"}
NAMES = [
    "pool", "reachable", "endpoint_kind", "endpoint", "token", "role", "target_port", "template", "capacity",
    "platform", "answer", "adapter", "languages", "snippet",
]  # fmt: skip

RESOURCE: dict[str, Any] = {
    "id": POOL_ID,
    "name": "p1",
    "properties": {
        "containerType": "CustomContainer",
        "provisioningState": "Succeeded",
        "poolManagementEndpoint": CUSTOM,
        "scaleConfiguration": {"readySessionInstances": 2, "maxConcurrentSessions": 10},
        "dynamicPoolConfiguration": {
            "lifecycleConfiguration": {"lifecycleType": "Timed", "cooldownPeriodInSeconds": 300}
        },
        "customContainerTemplate": {
            "containers": [{"image": "registry.example.org:443/runner:7", "name": "p1"}],
            "ingress": {"targetPort": 2000},
        },
        "templateUpdateStatus": {
            "activeTemplate": {
                "details": "Running",
                "status": {
                    "expectedCount": 2, "readyCount": 2, "pendingCount": 0, "imagePullFailCount": 0, "crashCount": 0,
                    "allocatedCount": 0,
                },
                "containers": [{"image": "registry.example.org:443/runner:7", "env": []}],
                "ingress": {"targetPort": 2000},
            }
        },
    },
}  # fmt: skip
READY = {
    "ready": True,
    "version": "0.4.0",
    "protections": {"level": "full"},
    "languages": {"python": {"version": "3.12.1", "ok": True}, "bash": {"version": "5.2", "ok": True}},
}


def token(**claims: Any) -> str:
    told = {"aud": "https://dynamicsessions.io", "oid": "oid-1", "iat": stamp(-600), "exp": stamp(3000)} | claims
    body = urlsafe_b64encode(orjson.dumps(told)).rstrip(b"=").decode()
    return f"eyJhbGciOiJIUzI1NiJ9.{body}.hush-hush"


def stamp(seconds: float) -> int:
    return int((NOW + timedelta(seconds=seconds)).timestamp())


def answer(status: int = 200, body: Any = None, headers: Mapping[str, str] = KESTREL, seconds: float = 0.01) -> Answer:
    content = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
    return Answer(status=status, headers=headers, body=content, seconds=seconds)


def coded(code: str, status: int = 400) -> Answer:
    return answer(status, {"error": {"code": code, "message": "no"}})


def resource(path: str = "", value: Any = None) -> dict[str, Any]:
    """The resource, with one thing changed."""
    changed = copy.deepcopy(RESOURCE)
    *above, last = path.split(".")
    part = changed["properties"]
    for name in above:
        part = part[name]
    if path:
        part[last] = value
    return changed


def counted(**counts: int) -> dict[str, Any]:
    changed = resource()
    changed["properties"]["templateUpdateStatus"]["activeTemplate"]["status"].update(counts)
    return changed


def ported(wanted: int | None, active: int | None, **properties: Any) -> dict[str, Any]:
    changed = resource()
    changed["properties"]["customContainerTemplate"]["ingress"] = {"targetPort": wanted} if wanted else None
    changed["properties"]["templateUpdateStatus"]["activeTemplate"]["ingress"] = (
        {"targetPort": active} if active else None
    )
    changed["properties"].update(properties)
    return changed


NO_SESSION = coded("SessionWithIdentifierNotFound")
GRANTS = {"value": [{"actions": ["*/read"], "dataActions": [EXECUTE], "notDataActions": []}]}


@dataclass
class FakePool:
    """A pool that answers what a test tells it; every call is kept."""

    place: PoolPlace = field(default_factory=lambda: PoolPlace(pool_id=POOL_ID, probe_identifier="probe-1"))
    resource: Reply = field(default_factory=lambda: answer(body=RESOURCE))
    permissions: Reply = field(default_factory=lambda: answer(body=GRANTS))
    assignments: Reply = field(default_factory=lambda: answer(body={"value": []}))
    no_way: NoAnswer | None = None
    access: str = field(default_factory=token)
    session: Reply = NO_SESSION
    health: tuple[Reply, ...] = (answer(headers=ADAPTER),)
    ready: Reply = field(default_factory=lambda: answer(body=READY, headers=ADAPTER))
    known: Reply = field(default_factory=lambda: answer(404, {"error": {"code": "no_such_run"}}, ADAPTER))
    more: Mapping[str, Reply] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    bodies: list[JsonObject | None] = field(default_factory=list)

    def now(self) -> datetime:
        return NOW

    async def connect(self, endpoint: str) -> NoAnswer | None:
        return self.no_way

    async def token(self) -> str:
        if not self.access:
            raise CredentialError("The secret has expired.", hint="Store a new one.")
        return self.access

    async def arm(self, path: str, query: Mapping[str, str]) -> Reply:
        assert query["api-version"]
        if path == POOL_ID:
            return self.resource
        if path.endswith("/permissions"):
            return self.permissions
        assert query["$filter"] == "assignedTo('oid-1')"
        return self.assignments

    async def ask(
        self, method: str, url: str, query: Mapping[str, str], body: JsonObject | None = None, *, patience_s: float = 20
    ) -> Reply:
        endpoint = next(one for one in (CUSTOM, REGIONAL) if url.startswith(one))
        path = url.removeprefix(endpoint)
        self.calls.append(f"{method} {path}")
        self.bodies.append(body)
        assert query["identifier"] == "probe-1"
        if path in self.more:
            return self.more[path]
        if path.startswith("/runs/"):
            return self.known
        if path in {"/.management/getSession", "/session"} and method != "DELETE":
            return self.session
        if path in {"/.management/stopSession", "/session"}:
            return answer(body=b"Session probe-1 in session pool p1 stopped.")
        if path == "/health":
            asked = self.calls.count("GET /health")
            return self.health[min(asked, len(self.health)) - 1]
        return self.ready


def fake(**changes: Any) -> FakePool:
    if isinstance(changes.get("resource"), dict):
        changes["resource"] = answer(body=changes["resource"])
    return FakePool(**changes)


async def diagnosed(pool: FakePool, *intrusive: str) -> Diagnosis:
    probe: PoolProbe = pool
    diagnosis = await climb("target p1", rungs(probe, pause_s=0), Climb(intrusive=intrusive))
    for rung in diagnosis.rungs:
        told = rung.result
        assert rung.verdict is SKIPPED or (told.asked and told.answered), rung
        assert rung.verdict not in {WARN, FAIL, COULD_NOT} or (told.cause and told.next_step), rung
    assert "hush-hush" not in repr(diagnosis)
    assert [rung.name for rung in diagnosis.rungs] == NAMES
    return diagnosis


def verdicts(diagnosis: Diagnosis) -> dict[str, CheckVerdict]:
    return {rung.name: rung.verdict for rung in diagnosis.rungs}


def said_by(diagnosis: Diagnosis, name: str) -> str:
    return next(rung.result.answered for rung in diagnosis.rungs if rung.name == name)
