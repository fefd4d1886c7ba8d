"""The checks that find out why commands do not run on an Azure VM, from the ground up.

All of them only read, but for `echo`, which is marked as intrusive: it runs a command of its own, a managed one, when
it is asked for by name and nothing speaks against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from afield.clock import Clock
from afield.connectors.azure.address import VmAddress
from afield.connectors.azure.api import AzureApi
from afield.connectors.azure.checks import answer_of, failed, ok, warned
from afield.connectors.azure.conflict import Conflict, ConflictKind
from afield.connectors.azure.echo import Echo
from afield.connectors.azure.grants import may_do, read_token
from afield.connectors.azure.our_side import AskOurSide, nothing_of_ours
from afield.connectors.azure.permissions import MANAGED_NEEDS
from afield.connectors.azure.status import VmStatus, judged, read_commands, read_vm
from afield.connectors.azure.view import OsType, PowerState, RunCommandView, VmView
from afield.connectors.base import Check, CheckResult, Probe

MOST_COMMANDS = 25
"""Managed run commands that a VM may hold, those that have ended included."""
_LITTLE_ROOM = 5
_OWN_PREFIX = "afield-"


def azure_ladder(
    api: AzureApi,
    address: VmAddress,
    clock: Clock,
    *,
    ours: AskOurSide = nothing_of_ours,
    wanted: Sequence[str] = MANAGED_NEEDS,
    action: bool = False,
    pause_s: float = 2.0,
) -> Sequence[Check]:
    """The ladder of one VM.

    `ours` tells what only we know of a conflict; `wanted` are the permissions that the connector needs.
    `action`: the target runs action run commands (v1), so a conflict that cannot end is a failure. `pause_s` seconds
    lie between two questions for the same thing.
    """
    rungs = _Rungs(api, address, clock, ours, action=action, pause_s=pause_s)
    echo = Echo(api, address, rungs.status, pause_s)
    vm, agent = ("vm",), ("power", "agent", "extension_operations")

    def check(name: str, probe: Probe, needs: tuple[str, ...] = (), *, intrusive: bool = False) -> Check:
        return Check(name=name, probe=partial(answer_of, _ASKED[name], probe), needs=needs, intrusive=intrusive)

    return (
        check("token", partial(read_token, api)),
        check("vm", rungs.vm, ("token",)),
        check("power", rungs.power, vm),
        check("agent", rungs.agent, (*vm, "power")),
        check("extension_operations", rungs.extension_operations, vm),
        check("permission", partial(may_do, api, address.resource_id, wanted), ("token",)),
        check("room", rungs.room, vm),
        check("conflict", rungs.conflict, vm),
        check("echo", echo.run, (*agent, "permission", "room"), intrusive=True),
    )


_VM_QUESTION = "GET the VM with its instance view"
_COMMANDS_QUESTION = "GET the VM's managed run commands"
_ASKED = {
    "token": "GET the subscriptions, with an access token",
    "permission": "GET what the credential may do on the VM",
    "room": _COMMANDS_QUESTION,
    "conflict": f"{_VM_QUESTION}, and its managed run commands",
    "echo": "run `echo` as a managed run command",
} | dict.fromkeys(("vm", "power", "agent", "extension_operations"), _VM_QUESTION)


class _Rungs:
    """The probes. Each can be run by itself; what one has read, the others use."""

    def __init__(
        self, api: AzureApi, address: VmAddress, clock: Clock, ours: AskOurSide, *, action: bool, pause_s: float
    ) -> None:
        self._api = api
        self._address = address
        self._clock = clock
        self._ours = ours
        self._action = action
        self._pause_s = pause_s
        self._view: VmView | None = None
        self._commands: tuple[RunCommandView, ...] | None = None

    async def vm(self) -> CheckResult:
        view = await self._vm()
        if view.os_type is OsType.UNKNOWN:
            return failed(
                _VM_QUESTION,
                "the VM is there; its disk does not tell the operating system",
                f"Azure does not say whether {self._address.vm_name} runs Linux or Windows, so no shell can be chosen.",
                "Look at storageProfile.osDisk.osType of the VM.",
            )
        return ok(
            _VM_QUESTION, f"{view.name}, {view.os_type}, {view.location}, {view.provisioning_state or 'no state'}"
        )

    async def power(self) -> CheckResult:
        view = await self._vm()
        name, state, asked = self._address.vm_name, view.power_state, "the VM's power state"
        if state is PowerState.RUNNING:
            return ok(asked, "running")
        if state is PowerState.MISSING:
            cause = f"Azure does not tell the power state of {name}; that does not mean that it is stopped."
            return warned(asked, "no power state, asked several times", cause, "Ask again in a minute.")
        if state is PowerState.UNKNOWN:
            cause = f"The power state of {name} is {view.power_word!r}, a word that is not known here."
            return warned(asked, view.power_word, cause, "Compare it with the VM's page in the portal.")
        cause = f"The VM {name} is {state}, so no command can run there."
        step = "Wait until the VM has started." if state in _COMING_UP else "Start the VM."
        return failed(asked, view.power_word, cause, step)

    async def agent(self) -> CheckResult:
        agent = (await self._vm()).agent
        asked, name = "the state of the VM's guest agent", self._address.vm_name
        answered = f"{agent.status or 'no status'}, version {agent.version or 'not told'}: {agent.message}"
        if agent.ready:
            return ok(asked, answered)
        step = "Look at the agent's log in the VM and at its way out to Azure on port 443; then restart the agent."
        if agent.ready is None:
            return warned(asked, answered, f"Azure does not tell whether the guest agent of {name} is ready.", step)
        return failed(asked, answered, f"The guest agent of {name} is not ready, and run commands go through it.", step)

    async def extension_operations(self) -> CheckResult:
        allowed = (await self._vm()).allow_extension_operations
        asked = "osProfile.allowExtensionOperations of the VM"
        if allowed is False:
            cause = f"The VM {self._address.vm_name} does not allow extensions, which run commands are."
            return failed(asked, "false", cause, "Set osProfile.allowExtensionOperations of the VM to true.")
        return ok(asked, "true" if allowed else "not told")

    async def room(self) -> CheckResult:
        commands = await self._listed()
        left = sum(1 for command in commands if command.ended and command.name.lower().startswith(_OWN_PREFIX))
        answered = f"{len(commands)} of {MOST_COMMANDS}, of these {left} of ours that have ended"
        if len(commands) <= MOST_COMMANDS - _LITTLE_ROOM:
            return ok(_COMMANDS_QUESTION, answered)
        step = "Delete run commands that have ended; those of ours go when their results are stored."
        if len(commands) < MOST_COMMANDS:
            cause = f"{self._address.vm_name} has room for {MOST_COMMANDS - len(commands)} more managed run commands."
            return warned(_COMMANDS_QUESTION, answered, cause, step)
        cause = f"{self._address.vm_name} holds {MOST_COMMANDS} managed run commands, as many as Azure allows."
        return failed(_COMMANDS_QUESTION, answered, cause, step)

    async def conflict(self) -> CheckResult:
        conflict = (await self.status()).conflict
        asked, answered = _ASKED["conflict"], f"{conflict.kind}. {' '.join(conflict.evidence)}"
        if conflict.kind is ConflictKind.NONE:
            return ok(asked, answered)
        stuck = conflict.kind in {ConflictKind.FALSE, ConflictKind.ORPHANED}
        tell = failed if stuck and self._action else warned
        return tell(asked, answered, conflict.sentence, _next_step(conflict, stuck=stuck))

    async def status(self) -> VmStatus:
        """What the conflict is judged by."""
        return judged(await self._vm(), await self._listed(), await self._ours(), self._clock.now())

    async def _vm(self) -> VmView:
        if self._view is None:
            self._view = await read_vm(self._api, self._address, self._pause_s)
        return self._view

    async def _listed(self) -> tuple[RunCommandView, ...]:
        if self._commands is None:
            self._commands = await read_commands(self._api, self._address)
        return self._commands


_COMING_UP = frozenset({PowerState.CREATING, PowerState.STARTING})


def _next_step(conflict: Conflict, *, stuck: bool) -> str:
    """The mildest way out that helps by itself; of a conflict that cannot end, waiting is not one."""
    ways = conflict.ways_out[1:] if stuck else conflict.ways_out
    return f"{ways[0].what}. {len(conflict.ways_out)} ways out are known, mildest first."
