"""Each fault of the simulated cloud is named by the right cause, and finding that out runs no command."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from afield.clock import SystemClock
from afield.connectors.accounts import AccountContext, Trail
from afield.connectors.azure.account import AzureAccount
from afield.connectors.azure.address import VmAddress
from afield.connectors.azure.api import AzureApi
from afield.connectors.azure.ladder import azure_ladder
from afield.connectors.azure.our_side import OurSide
from afield.connectors.azure.permissions import ACTION_NEEDS
from afield.connectors.base import CheckVerdict, TargetContext
from afield.connectors.tokens import Refresh
from afield.diagnose.diagnosis import Diagnosis
from afield.diagnose.ladder import Climb, climb
from afield.model.ids import uuid7
from afield.testing.artifacts import MemoryArtifacts
from afield.testing.notes import MemoryNotes
from afield_sim.testing import Simulator, running_simulator

FAIL, WARN, COULD_NOT = CheckVerdict.FAIL, CheckVerdict.WARN, CheckVerdict.COULD_NOT_LOOK
RUNS_SCRIPTS = ("run_command", "command_put", "command_delete", "command_patch")


class Issued:
    """Tokens straight from the simulated cloud."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim

    async def token(self, refresh: Refresh, *, rejected: str | None = None) -> str:
        return self._sim.tokens.issue("https://management.azure.com")


@dataclass
class Diagnoser:
    """The simulated cloud, and diagnoses of its first machine."""

    sim: Simulator

    @property
    def vm(self) -> str:
        return self.sim.arm.vms[0].name

    async def fault(self, **faults: Any) -> None:
        await self.sim.arm_admin.put_faults({self.vm: faults})

    async def diagnose(
        self, *, action: bool = False, ours: OurSide | None = None, echo: bool = False, patience: float = 5
    ) -> Diagnosis:
        async def asked() -> OurSide:
            return ours or OurSide()

        address = VmAddress(resource_id=self.sim.arm.vms[0].id, management_url=self.sim.arm.base_url)
        context = TargetContext(
            target_id=uuid7(),
            name="first",
            address={},
            settings={},
            secret={"client_secret": self.sim.arm.client_secret},
            tokens=Issued(self.sim),
            artifacts=MemoryArtifacts(),
            notes=MemoryNotes(),
            clock=SystemClock(),
        )
        api = await AzureApi.open(context, address, timedelta(seconds=patience))
        wanted: dict[str, Any] = {"wanted": ACTION_NEEDS, "action": True} if action else {}
        try:
            checks = azure_ladder(api, address, SystemClock(), ours=asked, pause_s=0.05, **wanted)
            return await climb("target first", checks, Climb(intrusive=("echo",) if echo else ()))
        finally:
            await api.close()

    async def scripts(self) -> tuple[list[str], int]:
        """What ran on the machine, and how many calls were made that could have run something."""
        admin = self.sim.arm_admin
        calls = [await admin.wait("calls", vm=self.vm, call=call, at_least=0) for call in RUNS_SCRIPTS]
        return [line["first_line"] for line in await admin.journal(self.vm)], sum(calls)


@pytest.fixture
async def diagnoser() -> AsyncIterator[Diagnoser]:
    async with running_simulator(instances=1, vms=3) as sim:
        yield Diagnoser(sim)


REFUSED = OurSide(refused_at=SystemClock().now())


@pytest.mark.parametrize(
    ("faults", "more", "verdict", "said"),
    [
        ({}, {}, CheckVerdict.OK, "Nothing is wrong"),
        ({"deallocated": {}}, {}, FAIL, "is deallocated, so no command can run there"),
        ({"power_state_missing": {"next": 1}}, {}, CheckVerdict.OK, "Nothing is wrong"),
        ({"power_state_missing": {}}, {}, WARN, "does not mean that it is stopped"),
        ({"agent_not_ready": {}}, {}, FAIL, "The guest agent of vm-01 is not ready"),
        ({"extension_operations_off": {}}, {}, FAIL, "does not allow extensions"),
        ({"vm_missing": {}}, {}, FAIL, "the VM was deleted, moved, or its id is misspelt"),
        ({"forbidden": {}}, {}, FAIL, "may not Microsoft.Compute/virtualMachines/runCommands/write on vm-01"),
        ({"forbidden": {}}, {"action": True}, FAIL, "may not Microsoft.Compute/virtualMachines/runCommand/action"),
        ({"forbidden": {"actions": ["*"]}}, {}, FAIL, "may not Microsoft.Compute/virtualMachines/read"),
        ({"throttled": {"calls": ["vm_get"], "seconds": 9}}, {}, COULD_NOT, "Azure throttles this caller"),
        ({"unavailable_once": {"calls": ["vm_get"]}}, {}, COULD_NOT, "Azure has trouble of its own: it answered 503"),
        ({"reply_lost": {"calls": ["vm_get"]}}, {}, COULD_NOT, "Timeout: Azure took the question"),
        ({"slow_reply": {"calls": ["vm_get"], "seconds": 30}}, {"patience": 0.2}, COULD_NOT, "Timeout: Azure took"),
        ({"token_expired": {"next": 1}}, {}, CheckVerdict.OK, "Nothing is wrong"),
        ({"token_expired": {"next": None}}, {}, FAIL, "token has expired"),
        ({"listing_cut": {"page": 1}}, {}, COULD_NOT, "Azure has trouble of its own"),
        ({"limit_25": {}}, {}, FAIL, "holds 25 managed run commands, as many as Azure allows"),
        ({"stuck_v1": {"age_minutes": 100}}, {"action": True}, FAIL, "longer ago than the 90 minutes"),
        ({"stuck_v1": {"age_minutes": 100}, "agent_not_ready": {}}, {}, FAIL, "guest agent of vm-01 is not ready"),
        ({"foreign_command": {}}, {}, WARN, "An action run command that is not ours runs on the VM"),
        ({"false_conflict": {}}, {"action": True, "ours": REFUSED}, FAIL, "although none runs"),
        ({"false_conflict": {"status": "failed"}}, {"action": True, "ours": REFUSED}, FAIL, "shows failed"),
        ({"false_conflict": {}}, {"ours": REFUSED}, WARN, "although none runs"),
    ],
)
async def test_a_fault_is_named(
    diagnoser: Diagnoser, faults: dict[str, Any], more: dict[str, Any], verdict: CheckVerdict, said: str
) -> None:
    await diagnoser.fault(**faults)
    diagnosis = await diagnoser.diagnose(**more)
    assert (diagnosis.verdict, said in diagnosis.sentence) == (verdict, True), diagnosis.sentence
    assert diagnoser.sim.arm.client_secret not in repr(diagnosis)
    assert await diagnoser.scripts() == ([], 0)


async def test_echo_really_runs_once_and_leaves_nothing(diagnoser: Diagnoser) -> None:
    await diagnoser.sim.arm_admin.put_settings(operation_seconds=0)
    diagnosis = await diagnoser.diagnose(echo=True)
    assert diagnosis.rungs[-1].verdict is CheckVerdict.OK, diagnosis
    assert len((await diagnoser.scripts())[0]) == 1
    assert not (await diagnoser.sim.arm_admin.vms())[diagnoser.vm]["run_commands"]


async def test_echo_runs_nothing_while_somebody_elses_command_runs(diagnoser: Diagnoser) -> None:
    await diagnoser.fault(foreign_command={})
    diagnosis = await diagnoser.diagnose(echo=True)
    assert "Refused: An action run command that is not ours" in diagnosis.rungs[-1].result.answered
    assert await diagnoser.scripts() == ([], 0)


@pytest.mark.parametrize(
    ("faults", "way", "complete"),
    [
        ({}, "resource graph", True),
        ({"unavailable_once": {"calls": ["graph"]}}, "lists of virtual machines", True),
        ({"throttled": {"calls": ["graph", "vm_list"]}}, "lists of virtual machines", False),
    ],
)
async def test_the_simulated_cloud_is_discovered(
    diagnoser: Diagnoser, faults: dict[str, Any], way: str, complete: bool
) -> None:
    sim = diagnoser.sim
    await sim.arm_admin.put_faults({"*": faults})
    context = AccountContext(
        account_id=uuid7(),
        name="sim",
        address={"management_url": sim.arm.base_url},
        secret={name: getattr(sim.arm, name) for name in ("tenant_id", "client_id", "client_secret")},
        tokens=Issued(sim),
        clock=SystemClock(),
    )
    account, trail = await AzureAccount.open(context), Trail()
    try:
        found = [machine async for machine in account.discover(trail)]
        checked = await climb("account sim", account.check())
    finally:
        await account.close()
    assert (trail.way, trail.complete) == (way, complete)
    assert sorted(machine.remote_id.lower() for machine in found) == (
        sorted(vm.id.lower() for vm in sim.arm.vms) if complete else []
    )
    assert checked.verdict is (CheckVerdict.OK if complete else COULD_NOT), checked.sentence
