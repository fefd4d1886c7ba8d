"""The admin routes of the simulated cloud: look inside it, and make it misbehave. They need no credentials."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict

from aiohttp import web

from ..admin.answering import BadAdminCallError, Handler, answering, read_object
from ..striking import EVERYWHERE
from .admin_bodies import ArmWait, ForcedState, NewVm, PlantedCommand
from .cloud import SUBSCRIPTION_ID, Cloud
from .faults import VmFaults
from .machine import Machine
from .model import JournalLine, JsonObject, State, Vm
from .settings import ArmSettings
from .wire_commands import show_view

_LIVE = {State.PENDING, State.RUNNING, State.UNKNOWN}


class ArmAdminRoutes:
    """Everything under `/admin/arm`."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        routes: list[tuple[str, str, Handler]] = [
            ("GET", "/faults", self.faults),
            ("PUT", "/faults", self.put_faults),
            ("PATCH", "/faults", self.add_faults),
            ("DELETE", "/faults", self.delete_faults),
            ("GET", "/settings", self.settings),
            ("PUT", "/settings", self.put_settings),
            ("GET", "/counters", self.counters),
            ("GET", "/journal", self.journal),
            ("GET", "/vms", self.vms),
            ("POST", "/vms", self.add_vm),
            ("PUT", "/vms/{vm}/files/{path:.+}", self.put_file),
            ("GET", "/vms/{vm}/files/{path:.+}", self.get_file),
            ("POST", "/run-commands", self.plant),
            ("PATCH", "/run-commands/{vm}/{name}", self.force),
            ("GET", "/wait", self.wait),
            ("POST", "/reset", self.reset),
        ]
        for method, path, handler in routes:
            router.add_route(method, "/admin/arm" + path, answering(handler))

    async def faults(self, _: web.Request) -> object:
        """All faults that are set, with the counts left."""
        return self._cloud.faults.as_json()

    async def put_faults(self, http: web.Request) -> object:
        """Replace the faults of the machines named."""
        return self._plant_for(await self._plan(http), self._cloud.faults.put)

    async def add_faults(self, http: web.Request) -> object:
        """Add faults to those the machines named have."""
        return self._plant_for(await self._plan(http), self._cloud.faults.add)

    async def delete_faults(self, http: web.Request) -> object:
        """Take back all faults, those of a machine, or one of them."""
        vm = http.query.get("vm")
        if vm is None:
            self._cloud.faults.clear()
        else:
            self._cloud.faults.remove(self._known(vm), http.query.get("fault"))
        self._cloud.pulse.beat()
        return self._cloud.faults.as_json()

    async def settings(self, _: web.Request) -> object:
        """All settings."""
        return self._cloud.settings.model_dump()

    async def put_settings(self, http: web.Request) -> object:
        """Change the settings that are named."""
        change = await read_object(http)
        settings = ArmSettings.model_validate({**self._cloud.settings.model_dump(), **change})
        self._cloud.change_settings(settings)
        return settings.model_dump()

    async def counters(self, _: web.Request) -> object:
        """Calls and faults by machine, and calls beyond a budget by machine and budget."""
        violations: dict[str, dict[str, int]] = {}
        for (scope, group), count in self._cloud.throttle.violations.items():
            violations.setdefault(scope, {})[str(group)] = count
        counters = self._cloud.counters
        return {"calls": dict(counters.calls), "faults": dict(counters.faults), "violations": violations}

    async def journal(self, http: web.Request) -> object:
        """What really ran, in the order of its start."""
        return {"journal": [asdict(line) for line in self._lines(http.query.get("vm"))]}

    async def vms(self, _: web.Request) -> object:
        """All machines, with their run commands as they are."""
        return {
            "confinement": str(self._cloud.confinement),
            "vms": [_show_machine(one, str(self._cloud.power_of(one))) for one in self._cloud.machines],
        }

    async def add_vm(self, http: web.Request) -> object:
        """Add a machine."""
        new = NewVm.model_validate(await read_object(http))
        vm = Vm(new.name, new.resource_group, SUBSCRIPTION_ID, new.location, new.os_type, tags=new.tags)
        machine = self._cloud.add(vm)
        return _show_machine(machine, str(vm.power))

    async def put_file(self, http: web.Request) -> object:
        """Plant a file on a machine; its folders are made, and it may be executed."""
        file = self._machine(http).file(http.match_info["path"])
        if file is None:
            raise BadAdminCallError(422, "only files below the folders that persist can be planted")
        content = await http.read()

        def write() -> None:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            file.chmod(0o755)

        await asyncio.to_thread(write)
        return {"bytes": len(content)}

    async def get_file(self, http: web.Request) -> object:
        """A file of a machine."""
        file = self._machine(http).file(http.match_info["path"])
        if file is None or not await asyncio.to_thread(file.is_file):
            raise BadAdminCallError(404, "no such file")
        return await asyncio.to_thread(file.read_bytes)

    async def plant(self, http: web.Request) -> object:
        """Add managed run commands nobody created over the API."""
        planted = PlantedCommand.model_validate(await read_object(http))
        machine = self._named(planted.vm)
        numbers = [""] if planted.count == 1 else [f"-{number + 1:02}" for number in range(planted.count)]
        names = [planted.name + number for number in numbers]
        for name in names:
            self._cloud.plant(
                machine, name, state=planted.state, age_seconds=planted.age_seconds, script=planted.script
            )
        return {"run_commands": names}

    async def force(self, http: web.Request) -> object:
        """Give a managed run command a state from outside."""
        forced = ForcedState.model_validate(await read_object(http))
        command = self._machine(http).commands.get(http.match_info["name"].lower())
        if command is None:
            raise BadAdminCallError(404, "no such run command")
        view, now = command.view, self._cloud.clock.now()
        ended = forced.state not in _LIVE if forced.ended is None else forced.ended
        view.state, view.exit_code = forced.state, forced.exit_code
        view.message = view.message if forced.message is None else forced.message
        view.output = view.output if forced.output is None else forced.output
        view.error = view.error if forced.error is None else forced.error
        view.started_at = view.started_at or now
        view.ended_at = (view.ended_at or now) if ended else None
        self._cloud.pulse.beat()
        return show_view(view)

    async def wait(self, http: web.Request) -> object:
        """Answer as soon as what is asked for holds, or when the time is over."""
        query = ArmWait.model_validate(dict(http.query))
        met = await self._cloud.pulse.until(lambda: self._count(query) >= query.at_least, query.timeout)
        return {"met": met, "count": self._count(query)}

    async def reset(self, _: web.Request) -> object:
        """Back to the beginning."""
        await self._cloud.reset()
        return {}

    def _count(self, query: ArmWait) -> int:
        if query.what == "calls":
            return self._cloud.counters.total(query.call or "", query.vm)
        lines = [line for line in self._lines(query.vm) if query.name in {None, line.name}]
        ended = sum(line.ended_at is not None for line in lines)
        counts = {"started": len(lines), "ended": ended, "running": len(lines) - ended, "idle": len(lines) == ended}
        return int(counts[query.what])

    def _lines(self, vm: str | None) -> list[JournalLine]:
        wanted = [one for one in self._cloud.machines if vm is None or one.vm.name.lower() == vm.lower()]
        return sorted((line for machine in wanted for line in machine.journal), key=lambda line: line.at)

    async def _plan(self, http: web.Request) -> dict[str, object]:
        plan = await read_object(http)
        for vm in plan:
            self._known(vm)
        return plan

    def _plant_for(self, plan: dict[str, object], change: Callable[[dict[str, object]], None]) -> object:
        change(plan)
        for vm, named in plan.items():
            faults = self._cloud.faults.of(vm)
            chosen = {name: fault for name, fault in faults if isinstance(named, dict) and name in named}
            self._cloud.plant_for(vm.lower(), VmFaults.model_construct(**chosen))
        self._cloud.pulse.beat()
        return self._cloud.faults.as_json()

    def _known(self, vm: str) -> str:
        if vm != EVERYWHERE:
            self._named(vm)
        return vm

    def _machine(self, http: web.Request) -> Machine:
        return self._named(http.match_info["vm"])

    def _named(self, vm: str) -> Machine:
        machine = self._cloud.named(vm)
        if machine is None:
            known = ", ".join(one.vm.name for one in self._cloud.machines)
            raise BadAdminCallError(422, f"unknown machine {vm!r}; there are {known}")
        return machine


def _show_machine(machine: Machine, power: str) -> JsonObject:
    return {
        "name": machine.vm.name,
        "resource_group": machine.vm.resource_group,
        "id": machine.vm.id,
        "os_type": str(machine.vm.os),
        "power": power,
        "scripts_running": machine.running,
        "action_running": machine.action is not None,
        "run_commands": {
            one.name: {"provisioningState": str(one.provisioning), "planted": one.planted, **show_view(one.view)}
            for one in machine.commands.values()
        },
    }
