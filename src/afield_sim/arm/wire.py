"""Machines and operations, as Compute words them. Pure."""

from .faults import VmFaults
from .machine import Machine
from .model import COMPUTE, Extension, JsonObject, Operation, Os, Power, Progress, Vm
from .times import show_time

AGENT_VERSION = "2.9.1.1"
_ACTION_VERSION = {Os.LINUX: "1.0.5", Os.WINDOWS: "1.1.18"}
_MANAGED_VERSION = {Os.LINUX: "1.3.28", Os.WINDOWS: "2.0.12"}
_AGENT_MESSAGE = {
    Os.LINUX: "Guest Agent is running",
    Os.WINDOWS: "GuestAgent is running and processing the extensions.",
}
_LEVELS = {"failed": "Error"}


def show_vm(vm: Vm, faults: VmFaults, view: JsonObject | None = None) -> JsonObject:
    """A machine, with its instance view when one is given."""
    configuration = "linuxConfiguration" if vm.os is Os.LINUX else "windowsConfiguration"
    properties: JsonObject = {
        "vmId": vm.vm_id,
        "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
        "storageProfile": {
            "imageReference": _image(vm.os),
            "osDisk": {"osType": str(vm.os), "name": f"{vm.name}-os", "createOption": "FromImage", "diskSizeGB": 30},
            "dataDisks": [],
        },
        "osProfile": {
            "computerName": vm.name,
            "adminUsername": "azureuser",
            "allowExtensionOperations": faults.extension_operations_off is None,
            configuration: {"provisionVMAgent": True},
        },
        "networkProfile": {"networkInterfaces": [{"id": _network_interface(vm)}]},
        "provisioningState": "Succeeded",
        "timeCreated": show_time(vm.created_at),
    }
    if view is not None:
        properties["instanceView"] = view
    return {
        "id": vm.id,
        "name": vm.name,
        "type": f"{COMPUTE}/virtualMachines",
        "location": vm.location,
        "tags": dict(vm.tags),
        "properties": properties,
    }


def in_list(resource: JsonObject, vm: Vm) -> JsonObject:
    """The same as a list shows it: the resource group in upper case in the id."""
    return {**resource, "id": vm.id.replace(vm.resource_group, vm.resource_group.upper(), 1)}


def graph_row(vm: Vm, power: Power, tenant_id: str) -> JsonObject:
    """A machine as Resource Graph knows it."""
    shown = show_vm(vm, VmFaults.NONE)
    properties = shown["properties"]
    assert isinstance(properties, dict)
    extended = {"instanceView": {"powerState": _status(f"PowerState/{power}", f"VM {power}")}}
    return {
        **shown,
        "type": f"{COMPUTE}/virtualMachines".lower(),
        "tenantId": tenant_id,
        "kind": "",
        "resourceGroup": vm.resource_group.lower(),
        "subscriptionId": vm.subscription_id,
        "properties": {**properties, "extended": extended},
    }


def show_instance_view(
    machine: Machine, faults: VmFaults, now: float, power: Power, *, power_missing: bool = False
) -> JsonObject:
    """The instance view; `power_missing` leaves the power state out."""
    vm = machine.vm
    statuses = [_status("ProvisioningState/succeeded", "Provisioning succeeded", time=vm.created_at)]
    if not power_missing:
        statuses.append(_status(f"PowerState/{power}", f"VM {power}"))
    view: JsonObject = {
        "computerName": vm.name,
        "osName": "ubuntu" if vm.os is Os.LINUX else "Windows Server 2022 Datacenter",
        "osVersion": "22.04" if vm.os is Os.LINUX else "10.0.20348.2340",
        "hyperVGeneration": "V2",
        "disks": [
            {
                "name": f"{vm.name}-os",
                "statuses": [_status("ProvisioningState/succeeded", "Provisioning succeeded", time=vm.created_at)],
            }
        ],
        "statuses": statuses,
    }
    extension = action_extension(machine, faults, now)
    if power is Power.RUNNING:
        view["vmAgent"] = _agent(machine, faults, extension, now)
    if extension is not None:
        view["extensions"] = [_extension_view(vm, extension)]
    return view


def action_extension(machine: Machine, faults: VmFaults, now: float) -> Extension | None:
    """The state of the extension that runs action commands, faults included; None: not installed."""
    stuck = faults.stuck_v1 or faults.foreign_command
    if stuck is not None:
        message = faults.stuck_v1.message if faults.stuck_v1 else "Enable in progress"
        return Extension("transitioning", message, now - stuck.age_minutes * 60)
    if faults.false_conflict is not None:
        since = machine.extension.since if machine.extension else machine.vm.created_at
        text = (
            "Enable succeeded: \n[stdout]\n\n[stderr]\n"
            if faults.false_conflict.status == "succeeded"
            else "Enable failed"
        )
        return Extension(faults.false_conflict.status, text, since)
    return machine.extension


def show_extension(vm: Vm, extension: Extension) -> JsonObject:
    """The extension of action commands, as a resource."""
    state = {"transitioning": "Updating", "failed": "Failed"}.get(extension.status, "Succeeded")
    return {
        "id": f"{vm.id}/extensions/{vm.action_extension}",
        "name": vm.action_extension,
        "type": f"{COMPUTE}/virtualMachines/extensions",
        "location": vm.location,
        "properties": {
            "publisher": "Microsoft.CPlat.Core",
            "type": vm.action_extension,
            "typeHandlerVersion": _ACTION_VERSION[vm.os].rpartition(".")[0],
            "autoUpgradeMinorVersion": True,
            "provisioningState": state,
        },
    }


def show_operation(operation: Operation) -> JsonObject:
    """An operation, as a poll shows it."""
    shown: JsonObject = {"startTime": show_time(operation.started_at)}
    if operation.ended_at is not None:
        shown["endTime"] = show_time(operation.ended_at)
    shown["status"] = str(operation.status)
    if operation.status is Progress.SUCCEEDED and operation.output is not None:
        shown["properties"] = {"output": operation.output}
    if operation.status is Progress.FAILED and operation.error is not None:
        shown["error"] = operation.error
    return {**shown, "name": operation.id}


def _agent(machine: Machine, faults: VmFaults, extension: Extension | None, now: float) -> JsonObject:
    vm, silent = machine.vm, faults.agent_not_ready
    if silent is not None:
        status = _status("ProvisioningState/Unavailable", "Not Ready", silent.message, now, level="Warning")
        return {"vmAgentVersion": "Unknown", "statuses": [status], "extensionHandlers": []}
    ready = _status("ProvisioningState/succeeded", "Ready")
    handlers: list[JsonObject] = []
    if extension is not None:
        kind = f"Microsoft.CPlat.Core.{vm.action_extension}"
        handlers.append({"type": kind, "typeHandlerVersion": _ACTION_VERSION[vm.os], "status": ready})
    if machine.managed_used:
        kind = f"Microsoft.CPlat.Core.RunCommandHandler{vm.os}"
        handlers.append({"type": kind, "typeHandlerVersion": _MANAGED_VERSION[vm.os], "status": ready})
    status = _status("ProvisioningState/succeeded", "Ready", _AGENT_MESSAGE[vm.os], now)
    return {"vmAgentVersion": AGENT_VERSION, "statuses": [status], "extensionHandlers": handlers}


def _extension_view(vm: Vm, extension: Extension) -> JsonObject:
    display = {"succeeded": "Provisioning succeeded", "failed": "Provisioning failed"}
    status = _status(
        f"ProvisioningState/{extension.status}",
        display.get(extension.status, "Transitioning"),
        extension.message,
        extension.since,
        level=_LEVELS.get(extension.status, "Info"),
    )
    return {
        "name": vm.action_extension,
        "type": f"Microsoft.CPlat.Core.{vm.action_extension}",
        "typeHandlerVersion": _ACTION_VERSION[vm.os],
        "statuses": [status],
    }


def _status(
    code: str, display: str, message: str | None = None, time: float | None = None, *, level: str = "Info"
) -> JsonObject:
    status: JsonObject = {"code": code, "level": level, "displayStatus": display}
    if message is not None:
        status["message"] = message
    if time is not None:
        status["time"] = show_time(time)
    return status


def _image(os: Os) -> JsonObject:
    if os is Os.LINUX:
        return {"publisher": "Canonical", "offer": "ubuntu-22_04-lts", "sku": "server", "version": "latest"}
    sku = "2022-datacenter"
    return {"publisher": "MicrosoftWindowsServer", "offer": "WindowsServer", "sku": sku, "version": "latest"}


def _network_interface(vm: Vm) -> str:
    group = vm.id.partition("/providers/")[0]
    return f"{group}/providers/Microsoft.Network/networkInterfaces/{vm.name}-nic"
