"""Why a session's commands do not execute, told over real HTTP: against the simulated cloud, and without it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from web_runbooks_world import CLEAN, WAIT, a_machine, a_runbook, approved, started, until
from web_world import Json, Web, working

from afield.config import Settings
from afield.connectors.azure.pacing import process_paces
from afield.connectors.azure.power import AzureVmPowerConnector
from afield.connectors.registry import names, register
from afield.kernel import Kernel
from afield_sim.testing import Simulator, VmAccess, running_simulator

if AzureVmPowerConnector.name not in names():
    register(AzureVmPowerConnector)

DEBUG = "/api/v1/agent/debug"
FAST = {
    "pace": 0,
    "min_interval": 0.05,
    "max_interval": 0.2,
    "visibility_delay": 0.02,
    "max_visibility_delay": 0.3,
    "request_timeout": 5,
    "max_live": 3,
}


@dataclass(frozen=True, slots=True)
class Cloud:
    """A served API whose session runs on a simulated VM."""

    web: Web
    sim: Simulator
    vm: VmAccess
    session_id: int

    async def test(self, *more: str) -> Json:
        told = await self.web.post(
            f"{DEBUG}/test-azure-connection?{'&'.join([f'session_id={self.session_id}', *more])}"
        )
        assert told.status == 200, told.content
        test: Json = told.json
        return test

    async def status(self) -> Json:
        shown = await self.web.get(f"{DEBUG}/check-azure-vm-status?session_id={self.session_id}")
        assert shown.status == 200, shown.content
        status: Json = shown.json
        return status

    async def state_with_next_look(self) -> Json:
        """The session's state of execution, once the worker has said when it looks for the running step again."""
        while True:
            state: Json = (await self.web.get(f"{DEBUG}/execution-state?session_id={self.session_id}")).json
            if state["next"]["at"] is not None:
                return state
            await asyncio.sleep(0.02)

    async def restart(self, **more: Any) -> Json:
        body = {"reason": "cannot end", "confirm_name": self.vm.name.upper()}
        told = await self.web.post(f"{DEBUG}/restart-azure-vm?session_id={self.session_id}", body, **more)
        assert told.status == 202, told.content
        recorded: Json = told.json
        return recorded

    async def fault(self, **faults: dict[str, object]) -> None:
        await self.sim.arm_admin.add_faults({self.vm.name: faults})

    async def calls(self, *kinds: str) -> int:
        counts = (await self.sim.arm_admin.counters())["calls"].get(self.vm.name, {})
        return sum(counts.get(kind, 0) for kind in kinds)

    async def ran(self) -> int:
        return len(await self.sim.arm_admin.journal(self.vm.name))


async def _target(kernel: Kernel, sim: Simulator, name: str, **more: Any) -> None:
    address: Any = {
        "resource_id": sim.arm.vms[0].id,
        "management_url": sim.arm.base_url,
        "authority_url": sim.arm.authority,
        "ca_file": sim.arm.ca_file,
    }
    settings: Any = FAST
    await kernel.add_target(connector="azure_vm", name=name, address=address, settings=settings, **more)


@pytest.fixture
async def cloud(web: Web, kernel: Kernel) -> AsyncIterator[Cloud]:
    async with running_simulator(instances=1, vms=1) as sim:
        await sim.arm_admin.put_settings(enforce_limits=False, status_grain_s=0.05, operation_seconds=0.02)
        secret = {name: getattr(sim.arm, name) for name in ("tenant_id", "client_id", "client_secret")}
        await web.post("/api/v1/credentials", {"name": "azure", "connector": "azure_vm", "secret": secret})
        await _target(kernel, sim, "here", credential="azure")
        await _target(kernel, sim, "bare")
        await approved(web, a_runbook(WAIT))
        try:
            yield Cloud(web, sim, sim.arm.vms[0], await started(web))
        finally:
            process_paces.clear()


async def test_the_connection_is_tested_without_running_anything_unless_asked_to(cloud: Cloud) -> None:
    told = await cloud.test()
    assert [(one["name"], one["verdict"]) for one in told["steps"]] == [
        ("first_step", "ok"),
        ("connection_config", "ok"),
        ("connector", "ok"),
        ("reach", "ok"),
    ]
    assert (told["success"], told["executed"], told["refused"]) == (True, False, None)
    connection = told["connection"]
    assert (connection["type"], connection["has_resource_id"], connection["has_credentials"]) == (
        "azure_vm",
        True,
        True,
    )
    assert "resource_id" in connection["keys"]
    assert cloud.sim.arm.client_secret not in str(told)
    assert await cloud.ran() == 0
    ran = await cloud.test("execute=true")
    assert (ran["success"], ran["executed"], ran["refused"]) == (True, True, None)
    (line,) = await cloud.sim.arm_admin.journal(cloud.vm.name)
    assert line["name"].startswith("afield-echo-")
    await cloud.fault(forbidden={"actions": ["Microsoft.Compute/virtualMachines/read"]})
    denied = await cloud.test("execute=true")
    assert (denied["success"], denied["executed"]) == (False, False)
    assert "Permission denied" in denied["sentence"]
    refused = await cloud.web.problem("GET", f"{DEBUG}/check-azure-vm-status?session_id={cloud.session_id}")
    assert (refused["status"], "Permission denied" in refused["detail"]) == (502, True)


async def test_the_test_command_is_refused_while_something_holds_the_vm(cloud: Cloud, settings: Settings) -> None:
    await cloud.fault(stuck_v1={"age_minutes": 5})
    suspected = await cloud.test("execute=true")
    assert (suspected["success"], suspected["executed"]) == (False, False)
    assert suspected["refused"].startswith("Refused: An action run command that is not ours")
    status = await cloud.status()
    assert (status["conflict"], status["running_command_detected"]) == ("foreign", True)
    assert status["ways_out"][0]["what"].startswith("Wait")
    assert await cloud.ran() == 0
    await cloud.sim.arm_admin.clear_faults(cloud.vm.name)
    async with working(settings):
        await until(cloud.web, cloud.session_id, "in_progress")
        await cloud.sim.arm_admin.wait("running", vm=cloud.vm.name)
        busy = await cloud.test("execute=true")
        assert (busy["executed"], busy["refused"]) == (False, "Refused: something is running on the target.")
        state = await cloud.state_with_next_look()
        assert state["next"]["what"] == "Step 1 (Wait) runs; the next one begins when it has ended."
        (step,) = state["steps"]
        assert (step["state"], step["target"], step["execution_state"] is not None) == ("running", "here", True)
        shown = await cloud.status()
        assert [one["state"] for one in shown["managed_run_commands"]] == ["Running"]
        assert (shown["running_command_detected"], shown["conflict"]) == (True, "none")
        live = (await cloud.web.get(f"/api/v1/agent/{cloud.session_id}/steps/1/live")).json
        assert (live["running"], live["taken_at"] is not None, live["stderr"]) == (True, True, "")
        assert (await cloud.web.problem("GET", f"/api/v1/agent/{cloud.session_id}/steps/9/live"))["status"] == 404
        await cloud.web.post(f"/api/v1/agent/{cloud.session_id}/cancel")
        await until(cloud.web, cloud.session_id)


async def test_the_status_of_a_vm_holds_what_operators_look_for(cloud: Cloud) -> None:
    status = await cloud.status()
    assert (status["vm_name"], status["resource_group"]) == (cloud.vm.name, cloud.vm.resource_group)
    assert (status["vm_power_state"], status["vm_provisioning_state"]) == ("running", "Succeeded")
    assert (status["agent"]["ready"], status["running_command_detected"]) == (True, False)
    assert (status["conflict"], status["ways_out"]) == ("none", [])
    assert await cloud.ran() == 0


async def test_a_restart_is_confirmed_recorded_and_done_once(cloud: Cloud, settings: Settings) -> None:
    path = f"{DEBUG}/restart-azure-vm?session_id={cloud.session_id}"
    for wrong in ({"confirm_name": "vm-01"}, {"reason": "why"}, {"reason": "why", "confirm_name": "vm-02"},
                  {"reason": "  ", "confirm_name": "vm-01"}):  # fmt: skip
        assert (await cloud.web.problem("POST", path, wrong))["status"] == 422, wrong
    assert [one["name"] for one in (await cloud.web.get("/api/v1/targets")).json["items"]] == ["bare", "here"]
    key = {"headers": {"idempotency-key": "once"}}
    first = await cloud.restart(**key)
    assert (await cloud.restart(**key))["execution_id"] == first["execution_id"]
    body = {"reason": "me too", "confirm_name": cloud.vm.name}
    assert (await cloud.web.problem("POST", path, body))["status"] == 409
    await cloud.web.post(f"/api/v1/agent/{cloud.session_id}/abandon")
    async with working(settings):
        done = await _ended(cloud.web, first["execution_id"])
    assert (done["state"], done["resubmit"], done["labels"]["asked_by"]) == ("succeeded", "never", "local")
    assert await cloud.calls("restart") == 1
    target = (await cloud.web.get(f"/api/v1/targets/{first['target_id']}")).json
    assert (target["name"], target["connector"], "max_live" in target["settings"]) == (
        "here-power",
        "azure_vm_power",
        False,
    )
    await cloud.fault(stuck_v1={"age_minutes": 5, "survives_restart": True})
    conflict = (await cloud.status())["conflict"]
    assert conflict == "orphaned", "what was there before our restart cannot end any more"


async def _ended(web: Web, execution_id: str) -> Json:
    path = f"/api/v1/executions/{execution_id}"
    async with asyncio.timeout(20), web.session.get(f"{web.url}/api/v1/events/stream?after=0") as stream:
        async for line in stream.content:
            if line.startswith(b"data:"):
                shown: Json = (await web.get(path)).json
                if shown["complete"]:
                    return shown
    raise AssertionError("the stream ended")


async def test_what_a_connection_lacks_is_told_in_the_words_operators_search_for(cloud: Cloud) -> None:
    web = cloud.web
    bare = await started(web, targets=["bare"])
    told = (await web.post(f"{DEBUG}/test-azure-connection?session_id={bare}")).json
    assert (told["success"], len(told["steps"])) == (False, 2)
    assert "Azure credentials required" in told["sentence"]
    for method, path, body in (
        ("GET", f"check-azure-vm-status?session_id={bare}", None),
        ("POST", f"restart-azure-vm?session_id={bare}", {"reason": "stuck", "confirm_name": cloud.vm.name}),
    ):
        refused = await web.problem(method, f"{DEBUG}/{path}", body)
        assert (refused["status"], "Azure credentials required" in refused["detail"]) == (424, True)
    state = (await web.get(f"{DEBUG}/execution-state?session_id={bare}")).json
    assert "Azure credentials required" in str(state["issues"])
    assert state["connections"][0]["has_credentials"] is False
    active = (await web.get(f"{DEBUG}/execution-state")).json["active_sessions"]
    assert [one["id"] for one in active] == [bare, cloud.session_id]
    secret = {"tenant_id": "t", "client_id": "c"}
    await web.post("/api/v1/credentials", {"name": "half", "connector": "azure_vm", "secret": secret})
    await web.call("PATCH", "/api/v1/targets/bare", {"credential": "half"})
    half = (await web.post(f"{DEBUG}/test-azure-connection?session_id={bare}")).json
    assert (len(half["steps"]), "Azure credentials required" in half["sentence"]) == (3, True)


async def test_a_session_without_an_azure_vm_says_so(web: Web, kernel: Kernel, tmp_path: Path) -> None:
    await a_machine(kernel, tmp_path)
    await approved(web, a_runbook(CLEAN + "  - name: Look\n    type: manual\n    description: Look at it.\n"))
    session_id = await started(web)
    told = (await web.post(f"{DEBUG}/test-azure-connection?session_id={session_id}")).json
    assert "Azure connector requires resource_id" in told["sentence"]
    assert (told["connection"]["type"], told["connection"]["has_resource_id"]) == ("local", False)
    for step in ("", "&step=2"):
        refused = await web.problem("GET", f"{DEBUG}/check-azure-vm-status?session_id={session_id}{step}")
        assert (refused["status"], "Azure connector requires resource_id" in refused["detail"]) == (422, True)
    assert (await web.problem("GET", f"{DEBUG}/check-azure-vm-status?session_id={session_id}&step=9"))["status"] == 404
    for path in ("execution-state?session_id=77", "check-azure-vm-status?session_id=77"):
        assert (await web.problem("GET", f"{DEBUG}/{path}"))["status"] == 404
    assert (await web.problem("GET", f"{DEBUG}/check-azure-vm-status"))["status"] == 422
    bad = {"connector": "azure_vm", "name": "x", "address": {}}
    assert "Azure connector requires resource_id" in (await web.problem("POST", "/api/v1/targets", bad))["detail"]
    diagnosis = (await web.post(f"/api/v1/agent/{session_id}/diagnose")).json
    assert diagnosis["subject"] == f"session {session_id}"
