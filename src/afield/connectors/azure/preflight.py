"""Whether a VM can take a command now, judged from its instance view. Pure.

Source: Microsoft Learn, run-command (restrictions) and states-billing.
"""

from __future__ import annotations

from afield.connectors.azure.view import OsType, PowerState, VmView
from afield.connectors.base import NotSent, Refused
from afield.model.execution import Reason


def judge(vm: VmView) -> NotSent | Refused | None:
    """None when nothing speaks against it; a doubt is left to Azure, which answers the request itself."""
    if vm.allow_extension_operations is False:
        text = "The VM's osProfile.allowExtensionOperations is false, so it takes no run commands."
        return Refused(Reason("extensions_not_allowed", text))
    if vm.os_type is OsType.UNKNOWN:
        return Refused(Reason("os_unknown", "Azure does not say whether the VM runs Linux or Windows."))
    return _power(vm) or _agent(vm)


def _power(vm: VmView) -> NotSent | None:
    if vm.power_state is PowerState.MISSING:
        return NotSent(Reason("power_state_missing", "Azure does not tell the VM's power state at this moment."))
    if vm.power_state in {PowerState.RUNNING, PowerState.UNKNOWN}:
        return None
    text = f"The VM is {vm.power_state}; a run command needs it running."
    return NotSent(Reason("vm_not_running", text))


def _agent(vm: VmView) -> NotSent | None:
    if vm.agent.ready is not False:
        return None
    text = f"The VM's guest agent is {vm.agent.status or 'not ready'}: {vm.agent.message}"
    return NotSent(Reason("agent_not_ready", text))
