"""The ladder against pools that really answer so: every fault is named by the last sentence, and nothing is run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import aiohttp
import pytest

from afield.clock import SystemClock
from afield.connectors.base import CheckVerdict, TargetContext
from afield.connectors.session_pool.address import InterpreterPoolAddress
from afield.connectors.session_pool.connector import SessionPoolConnector
from afield.connectors.session_pool.doors import PoolDoors
from afield.connectors.session_pool.evidence import PoolKind
from afield.connectors.session_pool.ladder import rungs
from afield.connectors.session_pool.place import probe_of, tls_of
from afield.connectors.tokens import Refresh
from afield.diagnose.diagnosis import Diagnosis, to_text
from afield.diagnose.ladder import Climb, climb
from afield.model.ids import uuid7
from afield.model.jsontypes import JsonObject
from afield.testing.artifacts import MemoryArtifacts
from afield.testing.notes import MemoryNotes
from afield_sim.testing import Simulator, running_simulator
from afield_sim.testing.sessions import LIGHT_CONTAINER

pytestmark = pytest.mark.timeout(120)

OK, WARN, FAIL, SKIPPED, COULD_NOT = CheckVerdict
NAMED = "--name custom-1 --resource-group rg-data"


class ArmTokens:
    """Tokens for Azure Resource Manager, straight from the simulator."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim

    async def token(self, refresh: Refresh, *, rejected: str | None = None) -> str:
        return self._sim.tokens.issue("https://management.azure.com")


@dataclass
class Ground:
    """A simulator, and diagnoses of its pools."""

    sim: Simulator

    @property
    def name(self) -> str:
        return self.sim.sessions.custom.name

    def context(self, **address: Any) -> TargetContext:
        access = self.sim.sessions
        login = {"management_url": access.arm_base_url, "authority_url": access.authority, "ca_file": access.ca_file}
        return TargetContext(
            target_id=uuid7(),
            name="pool one",
            address=cast(JsonObject, login | (address or {"pool_id": access.custom.resource_id})),
            settings={},
            secret={name: getattr(access, name) for name in ("tenant_id", "client_id", "client_secret")},
            tokens=ArmTokens(self.sim),
            artifacts=MemoryArtifacts(),
            notes=MemoryNotes(),
            clock=SystemClock(),
        )

    async def diagnosed(self, *intrusive: str, **address: Any) -> Diagnosis:
        context = self.context(**address)
        connector = await SessionPoolConnector.open(context)
        try:
            how = Climb(intrusive=intrusive, secrets=context.secret.values(), timeout_s=60)
            return await climb("target pool one", connector.ladder(), how)
        finally:
            await connector.close()

    async def diagnosed_regional(self, *intrusive: str, pool: str) -> Diagnosis:
        """Of a target that says its pool is one of Azure's own interpreters."""
        access = self.sim.sessions.interpreter
        context = self.context(endpoint=access.endpoint.replace(access.name, pool))
        address = InterpreterPoolAddress.model_validate(context.address)
        tls = await asyncio.to_thread(tls_of, address)
        doors = PoolDoors(context, address, PoolKind.INTERPRETER, tls)
        try:
            async with aiohttp.ClientSession() as session:
                checks = rungs(probe_of(context, address, doors, session, tls))
                return await climb("target pool one", checks, Climb(intrusive=intrusive))
        finally:
            await doors.close()

    async def awake(self) -> None:
        """Wait until a container is ready, so that a session is had at once."""
        await self.sim.sessions_admin.wake(self.name)
        await self.sim.sessions_admin.wait("ready", pool=self.name, timeout=30)

    async def executions(self) -> int:
        """How many programs ran at the pool, whoever asked for them."""
        runs = (await self.counts())["runs"]
        return sum(times for by_run in runs.values() for times in by_run.values())

    async def counts(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = await self.sim.sessions_admin.counts(self.name)
        return found


@pytest.fixture
async def ground() -> AsyncIterator[Ground]:
    async with running_simulator(vms=0, instances=1, container_command=LIGHT_CONTAINER) as sim:
        yield Ground(sim)


def verdicts(diagnosis: Diagnosis) -> dict[str, CheckVerdict]:
    return {rung.name: rung.verdict for rung in diagnosis.rungs}


async def test_nothing_is_wrong_nothing_runs_and_no_place_is_left_taken(ground: Ground) -> None:
    await ground.awake()
    diagnosis = await ground.diagnosed()
    assert verdicts(diagnosis) == dict.fromkeys(verdicts(diagnosis), OK) | {"snippet": SKIPPED}, to_text(diagnosis)
    assert diagnosis.sentence == "Nothing is wrong with target pool one as far as was asked."
    counts = await ground.counts()
    assert (await ground.executions(), counts["sessions"], counts["stopped"]) == (0, 0, 1)
    assert len(counts["allocated"]) == 1


async def test_a_snippet_runs_once_when_it_is_asked_for(ground: Ground) -> None:
    await ground.awake()
    diagnosis = await ground.diagnosed("snippet")
    assert (verdicts(diagnosis)["snippet"], diagnosis.verdict) == (OK, OK), to_text(diagnosis)
    await ground.sim.sessions_admin.wait("idle", pool=ground.name)
    assert await ground.executions() == 1


# ---------------------------------------------------------------------------------------- every fault, named

FAULTS: dict[str, tuple[dict[str, object], str, CheckVerdict, str, str]] = {
    "target_port_null": (
        {"target_port_null": True},
        "target_port", FAIL, "The pool custom-1 has no target port", "az rest --method patch",
    ),
    "target_port_null, active alone": (
        {"target_port_null": {"wanted": False, "status": 502}},
        "target_port", FAIL, "wants port 2000, and its active template still sends requests to no port", "az rest",
    ),
    "wrong_port": (
        {"wrong_port": 8080},
        "answer", FAIL, "Nothing answers on target port 8080 of the container: the adapter listens on 2000",
        f"az containerapp sessionpool update {NAMED} --target-port 2000",
    ),
    "piston_on_port": (
        {"piston_on_port": True},
        "answer", FAIL, "Piston holds port 2000 inside the image; the adapter is not listening",
        f"az containerapp sessionpool update {NAMED} --image afield-sandbox:NEW_TAG",
    ),
    "adapter_dead": (
        {"adapter_dead": True},
        "answer", FAIL, "The container lives, but nothing answers on its port 2000: the adapter in it is dead",
        f"az containerapp sessionpool update {NAMED} --image afield-sandbox:NEW_TAG",
    ),
    "crashing": (
        {"crashing": 3},
        "template", FAIL, "The container of custom-1 crashes as it runs (3 crashed, 0 ready)",
        "AppEnvSessionConsoleLogs",
    ),
    "image_pull_failed": (
        {"image_pull_failed": True},
        "template", FAIL, "The image afield-sandbox:1 cannot be pulled", "--registry-identity system",
    ),
    "not_ready": (
        {"not_ready": True},
        "answer", FAIL, "No container of custom-1 is ready (1 pending)",
        f"az containerapp sessionpool show {NAMED} --query properties.templateUpdateStatus.activeTemplate",
    ),
    "role_missing": (
        {"role_missing": True},
        "role", FAIL, "The identity lacks the role Azure ContainerApps Session Executor at the pool custom-1",
        "az role assignment create --assignee-object-id",
    ),
    "role_pending": (
        {"role_pending": 600},
        "platform", FAIL, "The role Azure ContainerApps Session Executor is assigned, and the pool does not go by it "
        "yet", "wait ten minutes",
    ),
    "full_404": (
        {"full_404": True},
        "capacity", WARN, "All 10 sessions of custom-1 are taken",
        f"az containerapp sessionpool update {NAMED} --max-sessions 20",
    ),
    "full_429": (
        {"full_429": True},
        "capacity", WARN, "All 10 sessions of custom-1 are taken",
        f"az containerapp sessionpool update {NAMED} --max-sessions 20",
    ),
    "bad_gateway": (
        {"bad_gateway": True},
        "answer", FAIL, "nothing answers on its port 2000", f"az containerapp sessionpool update {NAMED} --image",
    ),
    "bad_gateway, once": (
        {"bad_gateway": 1},
        "answer", WARN, "The first answer was not the adapter's (502 with an empty body), the second was", "ask again",
    ),
    "slow_allocation_s": (
        {"slow_allocation_s": 5},
        "answer", WARN, "A new session of custom-1 answered only after", "--ready-sessions 2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
async def test_every_fault_is_named_by_the_last_sentence_and_nothing_is_run(ground: Ground, name: str) -> None:
    faults, rung, verdict, cause, step = FAULTS[name]
    await ground.sim.sessions_admin.fault(ground.name, **faults)
    diagnosis = await ground.diagnosed()
    assert (verdicts(diagnosis)[rung], diagnosis.verdict) == (verdict, verdict), to_text(diagnosis)
    assert cause in diagnosis.sentence
    assert step in diagnosis.sentence
    assert to_text(diagnosis).endswith(diagnosis.sentence)
    counts = await ground.counts()
    assert (await ground.executions(), counts["sessions"]) == (0, 0)


async def test_a_reply_that_is_lost_shows_only_when_something_is_run(ground: Ground) -> None:
    await ground.sim.sessions_admin.fault(ground.name, reply_lost=True)
    diagnosis = await ground.diagnosed("snippet")
    assert (verdicts(diagnosis)["snippet"], diagnosis.verdict) == (FAIL, FAIL), to_text(diagnosis)
    assert diagnosis.sentence.startswith("The snippet ran, and the answer to it was lost on the way: the connection")
    await ground.sim.sessions_admin.wait("idle", pool=ground.name)
    assert await ground.executions() == 1


# ---------------------------------------------------------------------------------------- other ways to go wrong


async def test_a_token_for_somebody_else(ground: Ground) -> None:
    await ground.sim.admin.call("PUT", "/admin/entra/faults", {"wrong_audience": {}})
    diagnosis = await ground.diagnosed()
    assert verdicts(diagnosis)["token"] is FAIL
    assert diagnosis.sentence == (
        "The access token is for https://graph.microsoft.com, and session pools want https://dynamicsessions.io; "
        "next step: ask for the scope https://dynamicsessions.io/.default, as `az account get-access-token --resource "
        "https://dynamicsessions.io` does."
    )


async def test_a_pool_that_is_gone(ground: Ground) -> None:
    gone = f"{ground.sim.sessions.custom.resource_id}x"
    assert (await ground.diagnosed(pool_id=gone)).sentence.startswith("Azure knows no session pool custom-1x")
    endpoint = f"{ground.sim.sessions.custom.endpoint}x"
    diagnosis = await ground.diagnosed(endpoint=endpoint)
    assert verdicts(diagnosis)["platform"] is FAIL
    assert diagnosis.sentence.startswith("No session pool answers at 127.0.0.1")
    with_both = await ground.diagnosed(endpoint=endpoint, pool_id=ground.sim.sessions.custom.resource_id)
    assert verdicts(with_both)["endpoint"] is FAIL
    assert with_both.sentence.startswith("The target's endpoint is not that of the pool custom-1")


async def test_an_endpoint_alone_still_finds_piston(ground: Ground) -> None:
    await ground.sim.sessions_admin.fault(ground.name, piston_on_port=True)
    diagnosis = await ground.diagnosed(endpoint=ground.sim.sessions.custom.endpoint)
    assert diagnosis.sentence.startswith("Piston holds port 2000 inside the image; the adapter is not listening")
    assert verdicts(diagnosis)["pool"] is SKIPPED


async def test_a_certificate_that_nobody_here_trusts(ground: Ground) -> None:
    diagnosis = await ground.diagnosed(endpoint=ground.sim.sessions.https["custom"], ca_file=None)
    assert verdicts(diagnosis)["reachable"] is FAIL
    assert "no certificate that is trusted here" in diagnosis.sentence
    await ground.awake()
    assert (await ground.diagnosed(endpoint=ground.sim.sessions.https["custom"])).verdict is OK


async def test_a_host_without_a_name(ground: Ground) -> None:
    diagnosis = await ground.diagnosed(endpoint="https://p1.nowhere.invalid")
    assert verdicts(diagnosis)["reachable"] is FAIL
    assert "DNS knows no host p1.nowhere.invalid" in diagnosis.sentence


async def test_a_custom_pool_at_the_regional_endpoint(ground: Ground) -> None:
    diagnosis = await ground.diagnosed_regional(pool=ground.name)
    assert verdicts(diagnosis)["endpoint_kind"] is FAIL
    assert "(DynamicApisNotAllowed)" in diagnosis.sentence
    assert "--query properties.poolManagementEndpoint" in diagnosis.sentence


async def test_azures_own_interpreter(ground: Ground) -> None:
    name = ground.sim.sessions.interpreter.name
    diagnosis = await ground.diagnosed_regional(pool=name)
    assert diagnosis.verdict is OK, to_text(diagnosis)
    assert verdicts(diagnosis)["platform"] is OK
    assert (await ground.sim.sessions_admin.counts(name))["allocated"] == {}
    by_name = await ground.diagnosed_regional("snippet", pool=name)
    assert (verdicts(by_name)["snippet"], by_name.verdict) == (OK, OK), to_text(by_name)
    await ground.sim.sessions_admin.wait("idle", pool=name)


async def test_a_role_that_is_missing_is_seen_without_reading_roles(ground: Ground) -> None:
    await ground.sim.sessions_admin.fault(ground.name, role_missing=True)
    diagnosis = await ground.diagnosed(endpoint=ground.sim.sessions.custom.endpoint)
    assert (verdicts(diagnosis)["role"], verdicts(diagnosis)["platform"]) == (SKIPPED, FAIL)
    assert "az role assignment create --assignee-object-id" in diagnosis.sentence
