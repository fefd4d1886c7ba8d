"""Results of scripts, as both kinds of run commands word them. Pure."""

from urllib.parse import urlsplit, urlunsplit

from .bodies import CommandProperties, Parameter
from .machine import RunCommand
from .model import COMPUTE, TAIL_BYTES, JsonObject, Os, State, View, Vm
from .shell import Script
from .times import show_time

NO_SCRIPT = (
    "Execution failed: failed to get configuration: invalid configuration: Either 'source.script' or "
    "'source.scriptUri' has to be specified"
)


def show_command(vm: Vm, command: RunCommand, *, expand: bool) -> JsonObject:
    """A managed run command; secrets are left out, the instance view comes with `expand`."""
    properties = show_properties(command.properties)
    properties["provisioningState"] = str(command.provisioning)
    if expand:
        properties["instanceView"] = show_view(command.view)
    return {
        "id": f"{vm.id}/runCommands/{command.name}",
        "name": command.name,
        "type": f"{COMPUTE}/virtualMachines/runCommands",
        "location": command.location,
        "tags": dict(command.tags),
        "properties": properties,
    }


def show_properties(properties: CommandProperties) -> JsonObject:
    """Properties as they were given, without secrets, and without the signature of a blob's address."""
    shown = properties.model_dump(by_alias=True, exclude_none=True, exclude={"protected_parameters", "run_as_password"})
    for name in ("outputBlobUri", "errorBlobUri"):
        if name in shown:
            shown[name] = urlunsplit(urlsplit(shown[name])._replace(query=""))
    return shown


def show_view(view: View) -> JsonObject:
    """The instance view of a managed run command."""
    shown: JsonObject = {
        "executionState": str(view.state),
        "executionMessage": view.message,
        "exitCode": view.exit_code,
        "output": view.output,
        "error": view.error,
    }
    if view.started_at is not None:
        shown["startTime"] = show_time(view.started_at)
    if view.ended_at is not None:
        shown["endTime"] = show_time(view.ended_at)
    return {**shown, "statuses": None}


def finish(view: View, exit_code: int, now: float, message: str | None = None) -> None:
    """Put the end of a script into its view; a message of its own stands for a failure without exit status."""
    view.ended_at = now
    view.exit_code = exit_code
    view.state = State.SUCCEEDED if exit_code == 0 else State.FAILED
    failed = f"Execution failed: failed to execute command: command terminated with exit status={exit_code}"
    view.message = message or ("Execution completed" if exit_code == 0 else failed)


def show_tails(view: View, tails: tuple[bytes, bytes], size: int = TAIL_BYTES) -> None:
    """Put the last bytes of both streams into a view."""
    view.output, view.error = (tail[len(tail) - min(size, len(tail)) :].decode(errors="replace") for tail in tails)


def action_result(os: Os, tails: tuple[bytes, bytes], size: int = TAIL_BYTES) -> list[JsonObject]:
    """The items of an action command's result: one message on Linux, two on Windows; no exit code."""
    if os is Os.LINUX:
        return [_item("ProvisioningState/succeeded", action_message(tails, size))]
    out, err = (_last(tail, size) for tail in tails)
    return [_item("ComponentStatus/StdOut/succeeded", out), _item("ComponentStatus/StdErr/succeeded", err)]


def action_message(tails: tuple[bytes, bytes], size: int = TAIL_BYTES) -> str:
    """The message of a Linux action command, cut to its last bytes wherever the cut falls."""
    out, err = tails
    return _last(b"Enable succeeded: \n[stdout]\n" + out + b"\n[stderr]\n" + err, size)


def script_of(text: str, parameters: list[Parameter], *, also_positional: bool = False) -> Script:
    """A script with its parameters: named ones as variables, the others as arguments.

    An action command gets named ones both ways (`also_positional`).
    """
    variables = {one.name: one.value for one in parameters if one.name}
    arguments = [one.value for one in parameters if also_positional or not one.name]
    return Script(text, arguments, variables)


def _last(content: bytes, size: int) -> str:
    return content[max(0, len(content) - size) :].decode(errors="replace")


def _item(code: str, message: str) -> JsonObject:
    return {"code": code, "level": "Info", "displayStatus": "Provisioning succeeded", "message": message}
