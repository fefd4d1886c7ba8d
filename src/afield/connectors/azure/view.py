"""What Azure shows of a VM and of its run commands, as records. Pure and total: nothing here raises, whatever the body.

Words that are not known are kept verbatim beside the state `unknown`.
Source: Microsoft Learn, virtual machine instance view, states and billing, run-command-managed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from afield.model.jsontypes import JsonObject, JsonValue

_V1_EXTENSIONS = frozenset({"runcommandlinux", "runcommandwindows"})


class OsType(StrEnum):
    """The system on the VM's disk. It is never guessed from a name."""

    LINUX = "Linux"
    WINDOWS = "Windows"
    UNKNOWN = "unknown"


class PowerState(StrEnum):
    """Whether the VM is on."""

    CREATING = "creating"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"  # and still billed
    DEALLOCATING = "deallocating"
    DEALLOCATED = "deallocated"
    HIBERNATED = "hibernated"
    MISSING = "missing"  # not told, as happens for a moment: ask again, it does not mean stopped
    UNKNOWN = "unknown"  # a word we do not know; `power_word` has it


class ExtensionState(StrEnum):
    """How far an extension is with what it was last told to do."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TRANSITIONING = "transitioning"
    UNKNOWN = "unknown"

    @property
    def terminal(self) -> bool:
        return self in {ExtensionState.SUCCEEDED, ExtensionState.FAILED}


class ScriptState(StrEnum):
    """The state of a managed run command's script."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    TIMED_OUT = "TimedOut"
    CANCELED = "Canceled"
    UNKNOWN = "Unknown"  # Azure's own word, and ours for words we do not know and for a state that is not told


_ENDED = frozenset({ScriptState.SUCCEEDED, ScriptState.FAILED, ScriptState.TIMED_OUT, ScriptState.CANCELED})


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentView:
    """The guest agent, which every run command needs."""

    ready: bool | None = None  # None: not told, or in words we do not know
    version: str = ""
    status: str = ""  # verbatim: `Ready`, `Not Ready`
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionView:
    """One extension of the VM."""

    name: str
    type: str = ""
    version: str = ""
    state: ExtensionState = ExtensionState.UNKNOWN
    code: str = ""  # verbatim: `ProvisioningState/succeeded`
    display: str = ""
    message: str = ""
    time: datetime | None = None  # of that status

    @property
    def runs_actions(self) -> bool:
        """Whether this is the one behind the action run command (v1)."""
        return _last_part(self.type or self.name) in _V1_EXTENSIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class VmView:
    """A VM, and its instance view if that was asked for."""

    name: str = ""
    vm_id: str = ""
    resource_id: str = ""
    location: str = ""
    os_type: OsType = OsType.UNKNOWN
    power_state: PowerState = PowerState.MISSING
    power_word: str = ""  # verbatim
    power_since: datetime | None = None  # rarely told
    provisioning_state: str = ""  # verbatim
    agent: AgentView = field(default_factory=AgentView)
    extensions: tuple[ExtensionView, ...] = ()
    allow_extension_operations: bool | None = None
    created_at: datetime | None = None
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def action_extension(self) -> ExtensionView | None:
        """The extension behind the action run command (v1), if the VM has it. A busy one is taken before others."""
        found = [extension for extension in self.extensions if extension.runs_actions]
        busy = (extension for extension in found if not extension.state.terminal)
        return next(busy, found[0] if found else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCommandView:
    """A managed run command: the resource, and how its script fares if the instance view was asked for."""

    name: str
    resource_id: str = ""
    provisioning_state: str = ""  # verbatim; `Succeeded` says that it was delivered, not how the script ended
    execution_state: ScriptState = ScriptState.UNKNOWN
    execution_word: str = ""  # verbatim
    exit_code: int | None = None  # None until the script has ended: Azure shows 0 before
    start: datetime | None = None
    end: datetime | None = None
    output: str = ""  # the last 4 KB
    error: str = ""
    message: str = ""
    timeout_s: int | None = None  # None: not set
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """By its state, or by an end time: some states stay `Running` after the end."""
        return self.end is not None or self.execution_state in _ENDED

    @property
    def live(self) -> bool:
        """Known to be waiting or running."""
        return not self.ended and self.execution_state in {ScriptState.PENDING, ScriptState.RUNNING}


def parse_vm(body: JsonValue) -> VmView:
    """The VM of a GET, with or without `$expand=instanceView`, or of a listing."""
    vm = as_object(body)
    properties = as_object(vm.get("properties"))
    instance = as_object(properties.get("instanceView"))
    power = _status(instance, "powerstate/")
    word = _after_slash(as_text(power.get("code")))
    return VmView(
        name=as_text(vm.get("name")),
        vm_id=as_text(properties.get("vmId")),
        resource_id=as_text(vm.get("id")),
        location=as_text(vm.get("location")),
        os_type=parse_os(as_object(as_object(properties.get("storageProfile")).get("osDisk")).get("osType")),
        power_state=parse_power(word),
        power_word=word,
        power_since=parse_time(power.get("time")),
        provisioning_state=as_text(properties.get("provisioningState")),
        agent=_agent(as_object(instance.get("vmAgent"))),
        extensions=tuple(_extension(item) for item in as_objects(instance.get("extensions"))),
        allow_extension_operations=as_bool(as_object(properties.get("osProfile")).get("allowExtensionOperations")),
        created_at=parse_time(properties.get("timeCreated")),
        tags=parse_tags(vm.get("tags")),
    )


def parse_run_command(body: JsonValue) -> RunCommandView:
    """One managed run command, with or without `$expand=instanceView`."""
    command = as_object(body)
    properties = as_object(command.get("properties"))
    instance = as_object(properties.get("instanceView"))
    word = as_text(instance.get("executionState"))
    state = next((known for known in ScriptState if known.value.lower() == word.lower()), ScriptState.UNKNOWN)
    end = parse_time(instance.get("endTime"))
    return RunCommandView(
        name=as_text(command.get("name")),
        resource_id=as_text(command.get("id")),
        provisioning_state=as_text(properties.get("provisioningState")),
        execution_state=state,
        execution_word=word,
        exit_code=as_int(instance.get("exitCode")) if end is not None or state in _ENDED else None,
        start=parse_time(instance.get("startTime")),
        end=end,
        output=as_text(instance.get("output")),
        error=as_text(instance.get("error")),
        message=as_text(instance.get("executionMessage")),
        timeout_s=as_int(properties.get("timeoutInSeconds")) or None,
        tags=parse_tags(command.get("tags")),
    )


def parse_run_commands(body: JsonValue) -> tuple[RunCommandView, ...]:
    """One page of the list of managed run commands."""
    return tuple(parse_run_command(item) for item in as_objects(as_object(body).get("value")))


def parse_os(value: JsonValue) -> OsType:
    """`Linux` or `Windows`, however they are written."""
    return next((known for known in OsType if known.value.lower() == as_text(value).lower()), OsType.UNKNOWN)


def parse_power(word: str) -> PowerState:
    """The state of the part after `PowerState/`; `missing` for an empty word."""
    if not word:
        return PowerState.MISSING
    found = next((known for known in PowerState if known.value == word.lower()), PowerState.UNKNOWN)
    return PowerState.UNKNOWN if found is PowerState.MISSING else found


def parse_tags(value: JsonValue) -> dict[str, str]:
    """A resource's tags."""
    return {key: as_text(text) for key, text in as_object(value).items()}


def parse_time(value: JsonValue) -> datetime | None:
    """A time in UTC; None when it is not one. A time without zone is taken as UTC."""
    try:
        time = datetime.fromisoformat(as_text(value))
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _agent(agent: JsonObject) -> AgentView:
    status = next(iter(as_objects(agent.get("statuses"))), {})
    return AgentView(
        ready=_ready(as_text(status.get("code")), as_text(status.get("displayStatus"))),
        version=as_text(agent.get("vmAgentVersion")),
        status=as_text(status.get("displayStatus")) or as_text(status.get("code")),
        message=as_text(status.get("message")),
    )


def _ready(code: str, display: str) -> bool | None:
    """What is displayed counts first: it is what the portal shows, too."""
    shown = {"ready": True, "not ready": False, "notready": False}.get(display.lower())
    coded = {"succeeded": True, "unavailable": False, "failed": False}.get(_after_slash(code).lower())
    return coded if shown is None else shown


def _extension(item: JsonObject) -> ExtensionView:
    statuses = as_objects(item.get("statuses"))
    status = max(statuses, key=lambda each: _GRAVITY[_extension_state(each)], default={})
    return ExtensionView(
        name=as_text(item.get("name")),
        type=as_text(item.get("type")),
        version=as_text(item.get("typeHandlerVersion")),
        state=_extension_state(status),
        code=as_text(status.get("code")),
        display=as_text(status.get("displayStatus")),
        message=as_text(status.get("message")),
        time=parse_time(status.get("time")),
    )


_GRAVITY = {
    ExtensionState.SUCCEEDED: 0,
    ExtensionState.UNKNOWN: 1,
    ExtensionState.FAILED: 2,
    ExtensionState.TRANSITIONING: 3,
}
"""Of several statuses of one extension, which one counts: it works on if one of them says so."""


def _extension_state(status: JsonObject) -> ExtensionState:
    """`ProvisioningState/succeeded`, `ProvisioningState/failed/-5`, `ComponentStatus/StdOut/succeeded`."""
    words = set(as_text(status.get("code")).lower().split("/")[1:])
    return next((state for state in ExtensionState if state.value in words), ExtensionState.UNKNOWN)


def _status(instance: JsonObject, prefix: str) -> JsonObject:
    """The first status whose code begins so."""
    statuses = as_objects(instance.get("statuses"))
    return next((each for each in statuses if as_text(each.get("code")).lower().startswith(prefix)), {})


def _after_slash(code: str) -> str:
    return code.partition("/")[2]


def _last_part(dotted: str) -> str:
    return dotted.rpartition(".")[2].lower()


def as_object(value: JsonValue) -> JsonObject:
    """The object, or an empty one."""
    return value if isinstance(value, dict) else {}


def as_objects(value: JsonValue) -> list[JsonObject]:
    """The objects of a list; what is not an object is left out."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def as_text(value: JsonValue) -> str:
    """The text, or an empty one."""
    return value if isinstance(value, str) else ""


def as_int(value: JsonValue) -> int | None:
    """The whole number, if it is one."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def as_bool(value: JsonValue) -> bool | None:
    """True or false, if it is one of them."""
    return value if isinstance(value, bool) else None
