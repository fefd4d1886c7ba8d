"""What can be made to go wrong at a machine, and the box that says when it does.

Faults are set by the machine's name; `*` is for machines without faults of their own, and for calls that
are about no machine. A fault that carries `next`, `probability` or `skip` strikes by count or by chance.
"""

from typing import ClassVar, Literal

from pydantic import Field, TypeAdapter

from ..counters import Counters
from ..striking import EVERYWHERE, Chance, Fault, Striking
from .calls import Call

STARTING = [Call.RUN_COMMAND, Call.COMMAND_PUT]
WRITING = [
    "Microsoft.Compute/virtualMachines/runCommand/action",
    "Microsoft.Compute/virtualMachines/runCommands/write",
    "Microsoft.Compute/virtualMachines/runCommands/delete",
]


class Calls(Striking):
    """A striking fault limited to some kinds of calls; None: all kinds."""

    calls: list[Call] | None = None


class Lost(Calls):
    """The connection is cut."""

    calls: list[Call] | None = STARTING


class Once(Calls):
    """Strikes once, unless told otherwise."""

    next: int | None = Field(default=1, ge=0)


class Throttled(Calls):
    """429; `seconds` is its Retry-After."""

    seconds: int = Field(default=1, ge=0)


class Slow(Calls):
    """An answer that takes its time, before the work is done or (`accepted`) after."""

    seconds: float = Field(default=1, ge=0)
    accepted: bool = False


class Stuck(Fault):
    """An action command that never ends, `age_minutes` old; whether a restart of the machine cures it."""

    age_minutes: float = Field(default=10, ge=0)
    message: str = "Enable in progress"
    survives_restart: bool = False


class FalseConflict(Fault):
    """409 although the extension ended long ago."""

    status: Literal["succeeded", "failed"] = "succeeded"
    survives_restart: bool = False


class Foreign(Fault):
    """Somebody else's command runs: an action, and with `managed` a managed one that is planted too."""

    age_minutes: float = Field(default=1, ge=0)
    managed: bool = False


class AgentNotReady(Fault):
    """The agent says nothing; commands are accepted and fail after `fails_after` seconds (None: never)."""

    message: str = "VM status blob is found but not yet populated."
    fails_after: float | None = Field(default=0.2, ge=0)


class Fails(Striking):
    """The operation fails; `runs` says whether the script ran all the same. No message: the usual one."""

    code: str = "VMExtensionProvisioningError"
    message: str | None = None
    runs: bool = False


class Truncated(Striking):
    """Only the last `bytes` of the output are there."""

    bytes: int = Field(default=16, ge=0)


class Stale(Striking):
    """The output is that of an earlier command; `runs` says whether the script ran all the same."""

    output: str | None = None
    runs: bool = False


class Forbidden(Fault):
    """403 for these actions (`*` matches anything)."""

    actions: list[str] = WRITING


class ListingCut(Striking):
    """A listing lacks its last `drop` entries, or its page number `page` (from 1) answers 500."""

    listings: list[Call] = Field(default_factory=lambda: [Call.COMMAND_LIST, Call.VM_LIST])
    drop: int = Field(default=1, ge=0)
    page: int | None = Field(default=None, ge=1)


class SlowToShow(Fault):
    """A new run command is missing in lists, and with `get` in single reads, for some seconds."""

    seconds: float = Field(default=5, ge=0)
    get: bool = False


class Leftovers(Fault):
    """So many finished run commands of somebody are there when the fault is set."""

    count: int = Field(default=25, ge=0, le=25)
    prefix: str = "leftover-"


class VmFaults(Fault):
    """All faults a machine can have at once."""

    NONE: ClassVar["VmFaults"]

    stuck_v1: Stuck | None = None
    false_conflict: FalseConflict | None = None
    foreign_command: Foreign | None = None
    agent_not_ready: AgentNotReady | None = None
    deallocated: Fault | None = None
    power_state_missing: Striking | None = None
    throttled: Throttled | None = None
    unavailable_once: Once | None = None
    reply_lost: Lost | None = None
    reply_lost_before: Lost | None = None
    slow_reply: Slow | None = None
    operation_never_ends: Striking | None = None
    operation_fails: Fails | None = None
    output_truncated: Truncated | None = None
    stale_output: Stale | None = None
    forbidden: Forbidden | None = None
    token_expired: Once | None = None
    listing_cut: ListingCut | None = None
    slow_to_show: SlowToShow | None = None
    extension_operations_off: Fault | None = None
    vm_missing: Fault | None = None
    limit_25: Leftovers | None = None


VmFaults.NONE = VmFaults()

_plan = TypeAdapter(dict[str, VmFaults])


class FaultBox:
    """The faults that are set now, and the seeded chance that decides."""

    def __init__(self, seed: int, counters: Counters) -> None:
        self._seed = seed
        self._counters = counters
        self.clear()

    def clear(self) -> None:
        """Nothing goes wrong any more; the chance starts over."""
        self._chance = Chance(self._seed, self._counters)
        self._vms: dict[str, VmFaults] = {}

    def of(self, vm: str | None) -> VmFaults:
        """The faults of a machine, in any case of its name: its own, else those set for `*`."""
        own = self._vms.get(vm.lower()) if vm else None
        return own or self._vms.get(EVERYWHERE, VmFaults.NONE)

    def put(self, plan: dict[str, object]) -> None:
        """Set the faults of every machine named in `plan`; raises pydantic.ValidationError."""
        checked = {key.lower(): faults for key, faults in _plan.validate_python(plan).items()}
        for key, faults in checked.items():
            for name, fault in faults:
                if isinstance(fault, Fault):
                    fault.put_at(key, name)
        self._vms.update(checked)

    def add(self, plan: dict[str, object]) -> None:
        """Like put, but faults not named in `plan` stay as they are."""
        now = self.as_json()
        self.put(
            {
                key: {**now.get(key.lower(), {}), **faults} if isinstance(faults, dict) else faults
                for key, faults in plan.items()
            }
        )

    def remove(self, vm: str, fault: str | None = None) -> None:
        """Take back one fault of a machine, or all of them."""
        left = self.as_json().get(vm.lower(), {})
        left.pop(fault or "", None)
        if fault is None or not left:
            self._vms.pop(vm.lower(), None)
        else:
            self.put({vm: left})

    def as_json(self) -> dict[str, dict[str, object]]:
        """What is set, with the counts that are left."""
        return {key: faults.model_dump(exclude_none=True) for key, faults in self._vms.items()}

    def strikes(self, fault: Striking | None, call: Call | None = None) -> bool:
        """Whether `fault` strikes this call; counts it."""
        if fault is None or (isinstance(fault, Calls) and fault.calls is not None and call not in fault.calls):
            return False
        return self._chance.strikes(fault)
