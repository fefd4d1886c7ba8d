"""Everything that can go wrong between two sides, planted in a simulated AMC: all of it is found, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import pytest

from afield.clock import SystemClock
from afield.connectors.amc.connector import AmcConnector
from afield.connectors.amc.spec import AmcSpec
from afield.connectors.base import Accepted, Submission, TargetContext, Unknown
from afield.connectors.tokens import Refresh
from afield.ledger.base import NewTarget
from afield.ledger.memory import MemoryLedger
from afield.model.execution import Execution, Move, NewExecution
from afield.model.finding import Finding, FindingKind, RepairKind
from afield.model.ids import uuid7
from afield.model.jsontypes import JsonObject
from afield.model.states import ExecutionState
from afield.model.target import DEFAULT_TENANT, Target
from afield.reconcile.repair import Policy, Repaired, Repairer, plan_repairs
from afield.reconcile.scan import Scan, scan
from afield.reconcile.sides import Why
from afield.testing.artifacts import MemoryArtifacts
from afield.testing.notes import MemoryNotes
from afield_sim.testing import Simulator, running_simulator

K, S, H = FindingKind, ExecutionState, RepairKind
SPEC: JsonObject = AmcSpec(sql_query="SELECT campaign FROM dsp_impressions GROUP BY campaign").model_dump(mode="json")
SETTINGS: JsonObject = {"visibility_delay": 0, "max_visibility_delay": 0, "request_timeout": 10}
STRANGERS = 230  # so that what is ours comes on the third page


class OneToken:
    """A token source that asks once."""

    def __init__(self, secret: Mapping[str, str]) -> None:
        self._secret = secret
        self._token: str | None = None
        self._asking = asyncio.Lock()

    async def token(self, refresh: Refresh, *, rejected: str | None = None) -> str:
        async with self._asking:
            if self._token is None or self._token == rejected:
                self._token = (await refresh(self._secret)).token.value
            return self._token


@dataclass
class Bench:
    """A ledger and a simulated instance between which things went wrong."""

    sim: Simulator
    ledger: MemoryLedger
    connector: AmcConnector
    target: Target
    names: dict[str, UUID] = field(default_factory=dict)  # what was planted, by name

    @property
    def instance(self) -> str:
        return self.sim.instances[0]

    async def faults(self, **faults: Mapping[str, object]) -> None:
        """Their clock is always five minutes off."""
        await self.sim.admin.put_faults({self.instance: {"clock_skew": {"seconds": 300}, **faults}})

    async def move(self, row_id: UUID, to: ExecutionState, handle: str | None = None) -> Execution:
        row = await self.ledger.execution(row_id)
        attempt = row.attempt + (to is S.SUBMITTING)
        now = SystemClock().now()
        move = Move(execution_id=row_id, expect=row.state, to=to, attempt=attempt, at=now, handle=handle)
        assert (await self.ledger.apply(move)).ok
        return await self.ledger.execution(row_id)

    async def submit(self, name: str) -> Submission:
        """Send one, as the engine would, and note what came back."""
        new = NewExecution(id=uuid7(), tenant_id=DEFAULT_TENANT, target_id=self.target.id, spec=SPEC)
        self.names[name] = (await self.ledger.create(new)).execution.id
        return await self.send(name)

    async def send(self, name: str) -> Submission:
        row = await self.move(self.names[name], S.SUBMITTING)
        submission = await self.connector.submit((await self.ledger.intents([row.id]))[row.id])
        if isinstance(submission, Accepted):
            await self.move(row.id, S.SUBMITTED, submission.handle)
            await self.move(row.id, S.RUNNING)
        else:
            assert isinstance(submission, Unknown), submission
            await self.move(row.id, S.UNCONFIRMED)
        return submission

    async def handle(self, name: str) -> str:
        handle = (await self.ledger.execution(self.names[name])).handle
        assert handle is not None
        return handle

    async def submit_and_force(self, name: str, status: str, reason: str | None = None) -> None:
        await self.submit(name)
        await self.sim.admin.force(await self.handle(name), status, reason)

    async def scan(self) -> Scan:
        now = SystemClock().now()
        return await scan(self.ledger, self.connector, self.target, now - timedelta(hours=1), now)

    async def repair(self, scanned: Scan, policy: Policy | None = None) -> list[Repaired]:
        repairer = Repairer(self.ledger, self.connector, actor="ann", clock=SystemClock())
        return await repairer.apply(plan_repairs(scanned.findings, policy))

    def told(self, scanned: Scan) -> set[tuple[str, FindingKind, str]]:
        """Every finding but agreement and strangers, by the name of what was planted."""
        by_id = {row_id: name for name, row_id in self.names.items()}
        return {
            (self._name(finding, by_id), finding.kind, finding.why)
            for finding in scanned.findings
            if finding.why not in {Why.AGREED, Why.FOREIGN}
        }

    def _name(self, finding: Finding, by_id: Mapping[UUID, str]) -> str:
        if finding.execution_id is not None:
            return by_id[finding.execution_id]
        candidates = finding.local.get("candidates")
        owner = candidates[0] if isinstance(candidates, list) else finding.local.get("execution_id")
        return f"entry of {by_id[UUID(str(owner))]}" if owner else "an entry"


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with running_simulator(instances=1) as sim:
        amc = sim.amc
        await sim.admin.put_settings({amc.instances[0]: {"pending_seconds": 0, "running_seconds": 3600}})
        address: JsonObject = {
            "instance_id": amc.instances[0],
            "entity_id": amc.entity_id,
            "marketplace_id": amc.marketplace_id,
            "base_url": amc.base_url,
            "token_url": amc.lwa_token_url,
        }
        ledger = MemoryLedger()
        new = NewTarget(
            id=uuid7(),
            tenant_id=DEFAULT_TENANT,
            connector="amc",
            name="shop",
            address=address,
            settings=SETTINGS,
        )
        target = await ledger.add_target(new)
        secret = {name: getattr(amc, name) for name in ("client_id", "client_secret", "refresh_token")}
        context = TargetContext(
            target_id=target.id,
            name=target.name,
            address=address,
            settings=SETTINGS,
            secret=secret,
            tokens=OneToken(secret),
            artifacts=MemoryArtifacts(),
            notes=MemoryNotes(),
            clock=SystemClock(),
        )
        connector = await AmcConnector.open(context)
        try:
            yield Bench(sim, ledger, connector, target)
        finally:
            await connector.close()


async def plant(bench: Bench) -> None:
    """All of it."""
    await bench.sim.admin.plant(bench.instance, count=STRANGERS, age_seconds=1800, status="SUCCEEDED")
    await bench.faults()
    for name in ("fine 1", "fine 2"):
        await bench.submit(name)
    await bench.submit_and_force("cancelled there", "CANCELLED")
    await bench.submit_and_force("rejected there", "REJECTED", "too many workflows")
    await bench.submit_and_force("stale", "SUCCEEDED")
    await bench.submit_and_force("unknown word", "HATCHING")
    await bench.submit_and_force("publishing", "PUBLISHING")
    await bench.faults(reply_lost={"next": 1, "calls": ["create"]})
    await bench.submit("lost id")
    await bench.faults(request_lost={"next": 1, "calls": ["create"]})
    await bench.submit("never arrived")
    await bench.faults(duplicated={"next": 1}, reply_lost={"next": 1, "calls": ["create"]})
    await bench.submit("twice in doubt")
    await bench.faults(duplicated={"next": 1})
    await bench.submit("twice, one known")
    await bench.faults()


LEFT_TO_PEOPLE = {
    ("unknown word", K.MATCHED, Why.UNKNOWN_WORD),
    ("never arrived", K.MISSING_REMOTE_ID, Why.ABSENT),
    ("twice in doubt", K.AMBIGUOUS, Why.SEVERAL),
    ("entry of twice in doubt", K.AMBIGUOUS, Why.SEVERAL),
    ("entry of twice, one known", K.REMOTE_ONLY, Why.SURPLUS),
}

PLANTED = LEFT_TO_PEOPLE | {
    ("cancelled there", K.STATUS_MISMATCH, Why.CANCELLED_REMOTELY),
    ("rejected there", K.STATUS_MISMATCH, Why.REJECTED_REMOTELY),
    ("stale", K.STATUS_MISMATCH, Why.STALE_STATUS),
    ("lost id", K.MISSING_REMOTE_ID, Why.UNCONFIRMED),
}


async def test_all_that_is_planted_is_found_and_nothing_else(bench: Bench) -> None:
    await plant(bench)
    scanned = await bench.scan()
    assert scanned.looked.complete, scanned.looked
    assert bench.told(scanned) == PLANTED
    assert sum(finding.why == Why.FOREIGN for finding in scanned.findings) == STRANGERS
    agreed = {f.execution_id for f in scanned.findings if f.why == Why.AGREED}
    assert agreed == {bench.names[name] for name in ("fine 1", "fine 2", "publishing", "twice, one known")}


async def test_a_listing_that_fails_midway_proves_nothing(bench: Bench) -> None:
    await plant(bench)
    await bench.faults(list_fails={"page": 2, "status": 500})
    scanned = await bench.scan()
    assert not scanned.looked.complete
    assert scanned.looked.error
    claims = {K.LOCAL_ONLY, K.REMOTE_ONLY, K.AMBIGUOUS}
    assert not claims & {finding.kind for finding in scanned.findings}
    assert all(f.why != Why.ABSENT for f in scanned.findings)
    offered = {repair.kind for finding in scanned.findings for repair in finding.repairs}
    assert not offered & {H.RESUBMIT, H.ADOPT, H.CANCEL_REMOTE}


async def test_automatic_repairs_settle_what_they_may_and_nothing_twice(bench: Bench) -> None:
    await plant(bench)
    before = len(await bench.sim.admin.executions(bench.instance))
    repaired = await bench.repair(await bench.scan())
    assert [one.done for one in repaired] == [True] * 4
    states = {name: (await bench.ledger.execution(bench.names[name])).state for name in bench.names}
    assert states["cancelled there"] is S.CANCELLED
    assert states["rejected there"] is S.REJECTED
    assert states["stale"] is S.SUCCEEDED
    assert states["lost id"] is S.RUNNING
    again = await bench.scan()
    assert bench.told(again) == LEFT_TO_PEOPLE
    assert await bench.repair(again) == []
    assert len(await bench.sim.admin.executions(bench.instance)) == before


async def test_on_request_the_surplus_is_stopped_and_what_never_arrived_is_sent_again(bench: Bench) -> None:
    await plant(bench)
    policy = Policy(kinds=frozenset({H.CANCEL_REMOTE, H.RESUBMIT}))
    assert all(one.done for one in await bench.repair(await bench.scan(), policy))
    assert isinstance(await bench.send("never arrived"), Accepted)
    left = bench.told(await bench.scan())
    assert {name for name, _, _ in left} == {
        "unknown word",
        "twice in doubt",
        "entry of twice in doubt",
        "entry of twice, one known",
    }
    attention = {finding.why for finding in (await bench.scan()).needs_attention}
    assert attention == {Why.UNKNOWN_WORD, Why.SEVERAL}
