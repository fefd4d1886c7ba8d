"""What the simulated cloud holds: machines, run commands, operations."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

JsonObject = dict[str, object]

COMPUTE = "Microsoft.Compute"
MAX_COMMANDS = 25
TAIL_BYTES = 4_096


class Os(StrEnum):
    """The operating system of a machine, as `osType` shows it."""

    LINUX = "Linux"
    WINDOWS = "Windows"


class Power(StrEnum):
    """A power state, as `PowerState/...` shows it."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    DEALLOCATING = "deallocating"
    DEALLOCATED = "deallocated"


class Provisioning(StrEnum):
    """The provisioning state of a resource."""

    CREATING = "Creating"
    UPDATING = "Updating"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    DELETING = "Deleting"


class State(StrEnum):
    """The execution state of a managed run command."""

    UNKNOWN = "Unknown"
    PENDING = "Pending"
    RUNNING = "Running"
    FAILED = "Failed"
    SUCCEEDED = "Succeeded"
    TIMED_OUT = "TimedOut"
    CANCELED = "Canceled"


class Progress(StrEnum):
    """The status of an operation."""

    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELED = "Canceled"


@dataclass(slots=True)
class Vm:
    """A virtual machine as Resource Manager knows it."""

    name: str
    resource_group: str
    subscription_id: str
    location: str = "westeurope"
    os: Os = Os.LINUX
    power: Power = Power.RUNNING
    tags: Mapping[str, str] = field(default_factory=dict)
    created_at: float = 0.0

    @property
    def id(self) -> str:
        """The resource id."""
        group = f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
        return f"{group}/providers/{COMPUTE}/virtualMachines/{self.name}"

    @property
    def vm_id(self) -> str:
        """The machine's own unique id."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, self.id.lower()))

    @property
    def action_extension(self) -> str:
        """The name of the extension that runs action commands."""
        return f"RunCommand{self.os}"


@dataclass(slots=True)
class Operation:
    """A long-running operation; `output` is what its result is when it succeeded."""

    vm: Vm
    started_at: float
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: Progress = Progress.IN_PROGRESS
    ended_at: float | None = None
    output: JsonObject | None = None
    error: JsonObject | None = None
    endless: bool = False


@dataclass(slots=True)
class Extension:
    """What the agent says of an extension: the last part of its status code, its message, since when."""

    status: str
    message: str
    since: float


@dataclass(slots=True)
class View:
    """The instance view of a managed run command."""

    state: State = State.PENDING
    message: str = ""
    exit_code: int = 0
    output: str = ""
    error: str = ""
    started_at: float | None = None
    ended_at: float | None = None


@dataclass(slots=True)
class JournalLine:
    """One script that really ran on a machine."""

    vm: str
    at: float
    api: str
    name: str
    sha256: str
    first_line: str
    exit_code: int | None = None
    ended_at: float | None = None
    killed: bool = False
