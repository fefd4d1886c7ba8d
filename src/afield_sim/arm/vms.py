"""Machines: read, list, restart and the like."""

import asyncio
from collections.abc import Iterable

from aiohttp import web

from .calls import Call
from .cloud import LOCATION, Cloud
from .errors import group_not_found, not_allowed
from .gate import Gate, Reply, Request
from .machine import Machine
from .model import JsonObject, Operation, Power
from .paging import show_page
from .polling import accepted
from .wire import in_list, show_instance_view, show_vm

SUBSCRIPTION = "/subscriptions/{subscription}"
GROUP = SUBSCRIPTION + "/resourceGroups/{group}"
COMPUTE = "/providers/Microsoft.Compute"
VM = GROUP + COMPUTE + "/virtualMachines/{vm}"

_POWER: dict[Call, tuple[str, Power, Power]] = {
    Call.RESTART: ("restart", Power.RUNNING, Power.RUNNING),
    Call.START: ("start", Power.STARTING, Power.RUNNING),
    Call.POWER_OFF: ("powerOff", Power.STOPPING, Power.STOPPED),
    Call.DEALLOCATE: ("deallocate", Power.DEALLOCATING, Power.DEALLOCATED),
    Call.REDEPLOY: ("redeploy", Power.RUNNING, Power.RUNNING),
    Call.REAPPLY: ("reapply", Power.RUNNING, Power.RUNNING),
}


class VmRoutes:
    """Reading machines."""

    def __init__(self, cloud: Cloud, gate: Gate) -> None:
        self._cloud = cloud
        self._gate = gate

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        add = self._gate.add
        add(router, "GET", VM, Call.VM_GET, self.get)
        add(router, "GET", VM + "/instanceView", Call.INSTANCE_VIEW, self.instance_view)
        for scope in (SUBSCRIPTION, GROUP):
            add(router, "GET", scope + COMPUTE + "/virtualMachines", Call.VM_LIST, self.list_all)
        add(
            router, "GET", SUBSCRIPTION + COMPUTE + "/locations/{location}/virtualMachines", Call.VM_LIST, self.list_all
        )

    async def get(self, request: Request) -> Reply:
        """One machine."""
        view = self._view(request.machine) if request.expand else None
        return Reply(show_vm(request.machine.vm, request.faults, view))

    async def instance_view(self, request: Request) -> Reply:
        """The instance view alone."""
        return Reply(self._view(request.machine))

    async def list_all(self, request: Request) -> Reply:
        """The machines of a subscription, a resource group or a location."""
        found = [self._entry(machine, request) for machine in self._wanted(request)]
        return show_page(request, self._cloud.faults, found, self._cloud.settings.vm_page_size)

    def _wanted(self, request: Request) -> Iterable[Machine]:
        group = request.http.match_info.get("group")
        location = request.http.match_info.get("location", LOCATION)
        if group is not None and group.lower() not in {one.lower() for one in self._cloud.groups}:
            raise group_not_found(group)
        return (
            one
            for one in self._cloud.visible()
            if group is None or one.vm.resource_group.lower() == group.lower()
            if one.vm.location == location.lower()
        )

    def _entry(self, machine: Machine, request: Request) -> JsonObject:
        status = request.expand or request.http.query.get("statusOnly", "").lower() == "true"
        view = self._view(machine) if status else None
        return in_list(show_vm(machine.vm, self._cloud.faults.of(machine.vm.name), view), machine.vm)

    def _view(self, machine: Machine) -> JsonObject:
        cloud = self._cloud
        faults = cloud.faults.of(machine.vm.name)
        missing = cloud.faults.strikes(faults.power_state_missing)
        return show_instance_view(machine, faults, cloud.clock.now(), cloud.power_of(machine), power_missing=missing)


class PowerRoutes:
    """Restart, start, powerOff, deallocate, redeploy, reapply."""

    def __init__(self, cloud: Cloud, gate: Gate) -> None:
        self._cloud = cloud
        self._gate = gate

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        for call, (word, _, _) in _POWER.items():
            self._gate.add(router, "POST", f"{VM}/{word}", call, self.change)

    async def change(self, request: Request) -> Reply:
        """Accept a change of the power state; all but reapply kill what runs."""
        machine, call = request.machine, request.call
        power = self._cloud.power_of(machine)
        if call is Call.RESTART and power is not Power.RUNNING:
            raise not_allowed("The operation requires the VM to be running (or set to run).")
        word, meanwhile, _ = _POWER[call]
        if call is Call.REDEPLOY and power is Power.DEALLOCATED:
            state = "is either deallocated or marked to be deallocated"
            raise not_allowed(f"Operation '{word}' is not allowed on VM '{machine.vm.name}' since the VM {state}.")
        machine.vm.power = meanwhile
        operation = self._cloud.begin(machine, call)
        self._cloud.later(self._carry_out(machine, call, operation))
        return accepted(request, self._cloud.settings, operation)

    async def _carry_out(self, machine: Machine, call: Call, operation: Operation) -> None:
        if call not in {Call.REAPPLY, Call.START}:
            await machine.kill_all()
        await asyncio.sleep(self._cloud.settings.operation_seconds)
        machine.vm.power = _POWER[call][2]
        self._heal(machine, call)
        self._cloud.operations.succeed(operation)

    def _heal(self, machine: Machine, call: Call) -> None:
        """A restart cures a stuck extension unless it is told not to; redeploy and reapply always do."""
        name, faults = machine.vm.name, self._cloud.faults.of(machine.vm.name)
        always = call in {Call.REDEPLOY, Call.REAPPLY}
        for key, fault in (("stuck_v1", faults.stuck_v1), ("false_conflict", faults.false_conflict)):
            if fault is not None and (always or (call is Call.RESTART and not fault.survives_restart)):
                self._cloud.faults.remove(name, key)
        if call is Call.START:
            self._cloud.faults.remove(name, "deallocated")
