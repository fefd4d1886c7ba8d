"""Managed run commands on the wire: the request built, the reply read. Pure.

Sources: Microsoft Learn, run-command-managed; the public run-command-handler-linux for what its codes mean.
"""

from __future__ import annotations

import base64
import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from pydantic import model_validator

from afield.connectors.azure.redaction import clean
from afield.connectors.azure.view import OsType, RunCommandView, ScriptState, VmView
from afield.connectors.base import Entry, RemoteState
from afield.connectors.command import MOST_SCRIPT_BYTES, TAIL_BYTES, CommandResult, CommandSpec, exit_reason, tail
from afield.model.execution import Reason
from afield.model.jsontypes import JsonObject, JsonValue

TAG = "afield"
MOST_RUN_COMMANDS = 25  # that a VM can have, finished ones included


class VmCommandSpec(CommandSpec):
    """A script for an Azure VM: bash on Linux, PowerShell on Windows."""

    @model_validator(mode="after")
    def _can_be_passed(self) -> Self:
        if len(self.script.encode()) > MOST_SCRIPT_BYTES:
            raise ValueError(f"the script is longer than {MOST_SCRIPT_BYTES} bytes")
        if any("\0" in text for text in (self.script, *self.env.values(), *self.arguments)):
            raise ValueError("scripts, environment variables and arguments cannot contain NUL")
        return self


@dataclass(frozen=True, slots=True)
class OutputBlobs:
    """Where the whole output goes, as signed URLs: never logged."""

    stdout: str
    stderr: str


# --------------------------------------------------------------------------------------- the request


def build_run_command(
    spec: VmCommandSpec, vm: VmView, key: str, blobs: OutputBlobs | None = None, *, protect: bool = False
) -> JsonObject:
    """The body of the PUT that starts the attempt `key`. `protect` hides the values of the environment from readers of
    the resource; that the handler makes variables of them, as of the others, is inferred from its source."""
    windows = vm.os_type is OsType.WINDOWS
    properties: JsonObject = {
        "source": {"script": powershell(spec) if windows else spec.script},
        "asyncExecution": True,  # else the operation lasts as long as the script, 90 minutes at most
        "timeoutInSeconds": math.ceil(spec.timeout_s),
    }
    if not windows:
        properties |= linux_parameters(spec, protect=protect)
    if spec.run_as is not None:
        properties["runAsUser"] = spec.run_as
    if blobs is not None:
        properties |= {"outputBlobUri": blobs.stdout, "errorBlobUri": blobs.stderr}
    return {"location": vm.location, "tags": {TAG: key}, "properties": properties}


def linux_parameters(spec: CommandSpec, *, protect: bool) -> JsonObject:
    """Environment variables by name; arguments without one, quoted because the handler appends them unquoted."""
    named: list[JsonValue] = [{"name": name, "value": value} for name, value in spec.env.items()]
    positional: list[JsonValue] = [{"name": "", "value": shlex.quote(value)} for value in spec.arguments]
    lists: JsonObject = {"parameters": named + positional}
    if protect:
        lists = {"parameters": positional, "protectedParameters": named}
    return {name: given for name, given in lists.items() if given}


def powershell(spec: CommandSpec) -> str:
    """The script with its environment and arguments. Parameters would reach a Windows script as `-name value`, and
    how they are quoted is not documented: so values are carried as base64, and the script becomes a block."""
    if not spec.env and not spec.arguments:
        return spec.script
    lines = [f"${{env:{name}}} = {_decoded(value)}" for name, value in spec.env.items()]
    arguments = " ".join(_decoded(value) for value in spec.arguments)
    return "\n".join([*lines, "& {", spec.script, "} " + arguments]).rstrip()


def _decoded(value: str) -> str:
    text = base64.b64encode(value.encode()).decode()
    return f"$([Text.Encoding]::UTF8.GetString([Convert]::FromBase64String('{text}')))"


# --------------------------------------------------------------------------------------- the reply

_LIVE = {
    ScriptState.PENDING: RemoteState.WAITING,
    ScriptState.RUNNING: RemoteState.RUNNING,
}

_BY_SIGNAL = 128  # bash adds the signal's number to this

_HANDLER_CODES = {
    -100: "the script could not be downloaded",
    -101: "the output blob could not be created",
    -102: "the user to run as was not found",
}


def entry_of(view: RunCommandView) -> Entry:
    """One run command as the contract's entry; its name is its handle."""
    state, reason = judged(view)
    return Entry(
        handle=view.name,
        status=status_of(view),
        state=state,
        created_at=view.start,
        started_at=view.start,
        finished_at=view.end,
        name=view.name,
        reason=reason,
        echo={"provisioning_state": view.provisioning_state, "exit_code": view.exit_code},
    )


def status_of(view: RunCommandView) -> str:
    """Azure's word: for the script, else for the resource."""
    if view.provisioning_state.lower() == "deleting":
        return view.provisioning_state
    return view.execution_word or view.provisioning_state or "unknown"


def undelivered(view: RunCommandView) -> bool:
    """Whether Azure could not bring the script to the VM. Why, only the operation that tried says."""
    failed = view.provisioning_state.lower() == "failed"
    return failed and not view.ended and view.execution_state is not ScriptState.RUNNING


def judged(view: RunCommandView) -> tuple[RemoteState, Reason | None]:
    """The state of the script, and why. An exit code says something only once the script has ended."""
    deleting = view.provisioning_state.lower() == "deleting"
    if view.ended and not (deleting and _stopped(view)):
        return _ended(view)
    if deleting:
        return RemoteState.RUNNING, None  # until it is gone
    if undelivered(view):
        text = clean(view.message) or "The platform could not deliver the script."
        return RemoteState.FAILED, Reason("provisioning_failed", text)
    if view.execution_state in _LIVE:
        return _LIVE[view.execution_state], None
    if not view.execution_word or view.execution_word.lower() == "unknown":
        return RemoteState.WAITING, None  # accepted; the VM has not reported yet
    return RemoteState.UNKNOWN, None


def over(view: RunCommandView) -> bool:
    """Whether there is nothing more to come: the script has ended, or was never delivered."""
    return judged(view)[0] not in {RemoteState.WAITING, RemoteState.RUNNING, RemoteState.UNKNOWN}


def _stopped(view: RunCommandView) -> bool:
    """Whether the script did not end by itself: a deletion kills it, and that is no result of its own."""
    return not 0 <= (-1 if view.exit_code is None else view.exit_code) < _BY_SIGNAL


def _ended(view: RunCommandView) -> tuple[RemoteState, Reason | None]:
    if view.execution_state is ScriptState.CANCELED:
        return RemoteState.CANCELLED, None
    if view.execution_state is ScriptState.TIMED_OUT or timed_out(view):
        limit = f" of {view.timeout_s} s" if view.timeout_s else ""
        return RemoteState.TIMED_OUT, Reason("time_over", f"The VM stopped the script at its time limit{limit}.")
    if view.exit_code or _says_failed(view):
        return RemoteState.FAILED, _why_failed(view)
    return RemoteState.SUCCEEDED, None


def _says_failed(view: RunCommandView) -> bool:
    return view.execution_state is ScriptState.FAILED or view.message.lower().startswith("execution failed")


def _why_failed(view: RunCommandView) -> Reason:
    code = view.exit_code or 0
    if code > 0:
        return exit_reason(code)
    what = _HANDLER_CODES.get(code, "the VM's run command handler reports a failure")
    said = clean(view.message)
    return Reason("handler_failed", f"Exit code {code}: {what}. {said}".strip())


def timed_out(view: RunCommandView) -> bool:
    """Whether the script was stopped at its limit. The Linux handler reports that as failed with exit code -1."""
    if view.exit_code != -1:
        return False
    text = view.message.lower()
    if any(words in text for words in ("timed out", "timeout", "time out")):
        return True
    if view.timeout_s is None or view.start is None or view.end is None:
        return False
    return view.end - view.start >= timedelta(seconds=view.timeout_s)


def result_of(view: RunCommandView) -> CommandResult:
    """How the script ended. A stream as long as Azure ever shows was cut."""
    stdout, stderr = view.output.encode(), view.error.encode()
    code = None if timed_out(view) else view.exit_code
    return CommandResult(
        exit_code=code,
        stdout=tail(stdout)[0],
        stderr=tail(stderr)[0],
        stdout_cut=len(stdout) >= TAIL_BYTES,
        stderr_cut=len(stderr) >= TAIL_BYTES,
    )


def same_name(one: str, other: str) -> bool:
    """Azure Resource Manager compares names without case."""
    return one.lower() == other.lower()


def room_left(names: Sequence[str]) -> int:
    """How many more run commands the VM takes."""
    return MOST_RUN_COMMANDS - len(names)
