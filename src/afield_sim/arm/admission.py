"""Whether a machine takes a run command now. Pure; the answer to no is an ArmError."""

from .errors import ArmError, action_in_progress, not_allowed, too_many_commands
from .faults import VmFaults
from .machine import Machine
from .model import MAX_COMMANDS, Extension, Power

_EXTENSIONS_OFF = (
    "This operation cannot be performed when extension operations are disallowed. To allow, please ensure VM Agent "
    "is installed on the VM and the osProfile.allowExtensionOperations property is true."
)
AGENT_SILENT = (
    "VM '{vm}' has not reported status for VM agent or extensions. Verify that the OS is up and healthy, the VM has "
    "a running VM agent, and that it can establish outbound connections to Azure storage. Please refer to "
    "https://aka.ms/vmextensionlinuxtroubleshoot for additional VM agent troubleshooting information."
)
_FAILURES = {
    "VMAgentStatusCommunicationError": AGENT_SILENT,
    "VMExtensionProvisioningTimeout": (
        "Provisioning of VM extension '{extension}' has timed out. Extension installation may be taking too long, or "
        "extension status could not be obtained."
    ),
    "VMExtensionProvisioningError": (
        "VM has reported a failure when processing extension '{extension}'. Error message: \"Finished executing "
        'command".'
    ),
    "VMExtensionHandlerNonTransientError": (
        "The handler for VM extension type 'Microsoft.CPlat.Core.{extension}' has reported terminal failure for VM "
        "extension '{extension}'."
    ),
    "VMExtensionStatusNotReported": (
        "VM agent on VM '{vm}' has not reported latest status for extension '{extension}'."
    ),
}


def refuse_action(machine: Machine, faults: VmFaults, power: Power, now: float, tail: float) -> ArmError | None:
    """Why an action command is refused; `tail`: seconds for which conflicts go on after a success."""
    if power is not Power.RUNNING:
        return not_allowed("The operation requires the VM to be running (or set to run).")
    if faults.extension_operations_off:
        return not_allowed(_EXTENSIONS_OFF)
    blocked = faults.stuck_v1 or faults.foreign_command or faults.false_conflict or machine.action
    return action_in_progress() if blocked or _in_tail(machine.extension, now, tail) else None


def refuse_command(machine: Machine, name: str, faults: VmFaults, power: Power) -> ArmError | None:
    """Why a managed run command is refused."""
    if power is not Power.RUNNING:
        return not_allowed("Cannot modify extensions in the VM when the VM is not running.")
    if faults.extension_operations_off:
        return not_allowed(_EXTENSIONS_OFF)
    current = len(machine.commands)
    if name.lower() not in machine.commands and current >= MAX_COMMANDS:
        return too_many_commands(current, MAX_COMMANDS)
    return None


def failure_text(code: str, machine: Machine, message: str | None = None) -> str:
    """The message of an operation that failed with this code."""
    text = message or _FAILURES.get(code, "The operation failed.")
    return text.replace("{vm}", machine.vm.name).replace("{extension}", machine.vm.action_extension)


def _in_tail(extension: Extension | None, now: float, tail: float) -> bool:
    return extension is not None and extension.status == "succeeded" and now - extension.since < tail
