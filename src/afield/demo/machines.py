"""The demo's second act: a disk-full runbook on simulated machines, approved, interrupted, undone, explained."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from importlib import resources

from afield.client import ApiError, Client
from afield.demo.cloud import Cloud
from afield.demo.crew import Crew
from afield.demo.patience import insist
from afield.demo.report import MachinesReport, run_twice
from afield.demo.scene import Scene
from afield.errors import UnavailableError
from afield.model.jsontypes import JsonObject
from afield.model.session import SESSION_FINAL

GOOD = ("vm-01", "vm-02", "vm-03")
LOCKED = "vm-04"  # packing fails there
STUCK = "vm-05"  # says that a command is running, and none is
STARTER, APPROVER = "ada", "grace"
_RUNBOOK, _VERSION = "demo-disk-full", "1.0.0"
_GIVE_UP_AFTER = 60.0
_LOGS = ("shop-old-1.log", "shop-old-2.log", "shop.log")


def machine_settings() -> JsonObject:
    """Limits of a simulated machine: real life in fast motion, without Azure's budgets."""
    return {
        "min_interval": 0.3,
        "max_interval": 1,
        "visibility_delay": 0.2,
        "max_visibility_delay": 4,
        "request_timeout": 3,
        "pace": 0,
    }


class MachinesAct:
    """Runs the act against a started cloud and crew, and keeps the scene."""

    def __init__(self, cloud: Cloud, crew: Crew, scene: Scene) -> None:
        self.cloud = cloud
        self.crew = crew
        self.scene = scene
        self._open_at_kill: set[int] = set()
        self._explained = 0

    async def run(self, client: Client) -> MachinesReport:
        """All of it. What does not end in time is reported as it is."""
        await self._prepare(client)
        numbers = [await self._start(client, vm) for vm in (*GOOD, LOCKED)]
        stuck = await self._start(client, f"{STUCK} (action)")
        self.scene.say(f"A disk is full on {len(numbers) + 1} machines: the runbook is started on each, by {STARTER}.")
        deadline = time.monotonic() + _GIVE_UP_AFTER
        await self._until(client, deadline, lambda: self._packing(numbers))
        self._open_at_kill = {number for number in [*numbers, stuck] if not self._ended(number)}
        await self.crew.kill_worker()
        self.scene.say("The worker is killed with SIGKILL in the middle of a step.")
        await self._explain(client, stuck, deadline)
        await self._until(client, deadline, lambda: all(map(self._ended, [*numbers, stuck])))
        return await self._report([*numbers, stuck])

    # ------------------------------------------------------------------ preparing

    async def _prepare(self, client: Client) -> None:
        await self.cloud.set_machines({"enforce_limits": False, "status_grain_s": 0.2, "operation_seconds": 0.1})
        for vm in (*GOOD, LOCKED, STUCK):
            for name in _LOGS:
                await self.cloud.put_file(vm, f"home/azureuser/logs/{name}", b"a line of a log\n" * 200)
        await self.cloud.put_file(LOCKED, "home/azureuser/locked", b"")
        await self.cloud.break_machines({STUCK: {"false_conflict": {}}})
        secret = {name: str(self.cloud.arm[name]) for name in ("tenant_id", "client_id", "client_secret")}
        await insist(client.add_credential, "azure", "azure_vm", secret)
        for vm in (*GOOD, LOCKED, STUCK):
            await self._add_target(client, vm, "azure_vm", vm)
        await self._add_target(client, f"{STUCK} (action)", "azure_vm_action", STUCK)
        text = resources.files("afield.demo").joinpath("disk_full.md").read_text(encoding="utf-8")
        await insist(client.call, "POST", "/api/v1/runbooks", {"text": text}, headers=_as(STARTER))
        await insist(
            client.call, "POST", f"/api/v1/runbooks/{_RUNBOOK}/{_VERSION}/approve", {}, headers=_as(APPROVER)
        )  # fmt: skip

    async def _add_target(self, client: Client, name: str, connector: str, vm: str) -> None:
        body: JsonObject = {
            "name": name,
            "connector": connector,
            "credential": "azure",
            "settings": machine_settings(),
            "address": {
                "resource_id": self.cloud.machine_id(vm),
                "management_url": self.cloud.arm["base_url"],
                "authority_url": self.cloud.arm["authority"],
                "ca_file": self.cloud.arm["ca_file"],
            },
        }
        await insist(client.call, "POST", "/api/v1/targets", body)

    async def _start(self, client: Client, target: str) -> int:
        body: JsonObject = {"runbook_id": _RUNBOOK, "targets": [target]}
        headers = _as(STARTER) | {"Idempotency-Key": f"demo {target}"}
        made = await insist(client.call, "POST", "/api/v1/agent/execute", body, headers=headers)
        assert isinstance(made, dict)
        return int(str(made["id"]))

    # ------------------------------------------------------------------ a false conflict

    async def _explain(self, client: Client, number: int, deadline: float) -> None:
        """The machine refuses: find out why without running anything, then run the step the other way."""
        await self._until(client, deadline, lambda: self._refused(number))
        query = {"session_id": str(number)}
        status = await insist(client.call, "GET", "/api/v1/agent/debug/check-azure-vm-status", query=query)
        kind = str(status.get("conflict")) if isinstance(status, dict) else ""
        self._explained += kind == "false_conflict"
        self.scene.say(f"{STUCK} says that a command is running. The diagnosis, which only reads, says: {kind}.")
        await insist(client.call, "POST", f"/api/v1/agent/{number}/cancel", {}, headers=_as(APPROVER))
        await self._until(client, deadline, lambda: self._ended(number))
        again: JsonObject = {"action": "retry", "step": 1, "target": STUCK, "onwards": True}
        await insist(client.call, "POST", f"/api/v1/agent/{number}/control", again, headers=_as(APPROVER))
        self.scene.say("The step is run as a managed command instead, which no action command blocks.")

    # ------------------------------------------------------------------ following

    async def _until(self, client: Client, deadline: float, met: Callable[[], bool]) -> None:
        """Watch, and approve what waits for a person, until the condition is met or it is late."""
        while time.monotonic() < deadline:
            await self._refresh(client)
            if met():
                return
            await self._approve_all(client)
            await asyncio.sleep(0.2)

    async def _refresh(self, client: Client) -> None:
        try:
            found = await client.call("GET", "/api/v1/agent/sessions")
            items = found.get("items") if isinstance(found, dict) else []
            sessions = [one for one in items if isinstance(one, dict)] if isinstance(items, list) else []
            for session in sessions:
                steps = await client.call("GET", f"/api/v1/agent/{session['id']}/steps")
                session["steps"] = steps.get("items") if isinstance(steps, dict) else []
            self.scene.sessions = sorted(sessions, key=lambda one: int(str(one["id"])))
        except (UnavailableError, ApiError):
            return

    async def _approve_all(self, client: Client) -> None:
        try:
            found = await client.call("GET", "/api/v1/agent/pending-approvals")
            for one in _dicts(found.get("items") if isinstance(found, dict) else None):
                step = one["step"]
                assert isinstance(step, dict)
                body: JsonObject = {"step": step["number"], "approved": True, "digest": one["digest"]}
                path = f"/api/v1/agent/{one['session_id']}/approve-step"
                await client.call("POST", path, body, headers=_as(APPROVER))
        except (UnavailableError, ApiError):
            return  # it has changed meanwhile, or the worker's death was felt: the next round shows more

    def _session(self, number: int) -> JsonObject:
        return next((one for one in self.scene.sessions if one["id"] == number), {})

    def _ended(self, number: int) -> bool:
        return self._session(number).get("state") in {state.value for state in SESSION_FINAL}

    def _packing(self, numbers: Iterable[int]) -> bool:
        """Whether any of them has come to its main step."""
        steps = (step for number in numbers for step in _dicts(self._session(number).get("steps")))
        return any(step.get("name") == "Pack them" and step.get("state") == "running" for step in steps)

    def _refused(self, number: int) -> bool:
        steps = _dicts(self._session(number).get("steps"))
        reasons = (step.get("reason") for step in steps if step.get("state") == "running")
        return any(isinstance(reason, dict) and reason.get("code") == "conflict" for reason in reasons)

    async def _report(self, numbers: list[int]) -> MachinesReport:
        journal = await self.cloud.journal()
        states = {number: str(self._session(number).get("state")) for number in numbers}
        ended_well = {number for number, state in states.items() if state in {"completed", "rolled_back"}}
        return MachinesReport(
            sessions=len(numbers),
            sessions_completed=sum(state == "completed" for state in states.values()),
            sessions_resumed=len(self._open_at_kill & ended_well),
            steps_run_twice=run_twice(journal),
            rollbacks=sum(state == "rolled_back" for state in states.values()),
            conflicts_explained=self._explained,
        )


def _as(name: str) -> dict[str, str]:
    """Who is calling: nobody has a token in a demo."""
    return {"X-Afield-User": name}


def _dicts(value: object) -> list[JsonObject]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
