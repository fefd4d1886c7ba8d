"""Operations of the action run command (v1): how far one is, and what the script came to. Pure.

Source: Microsoft Learn, run-command and track asynchronous Azure operations.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from afield.connectors.azure.failure import error_words
from afield.connectors.azure.redaction import clean
from afield.connectors.azure.view import ExtensionState, ExtensionView, as_object, as_objects, as_text, parse_time
from afield.connectors.azure.wrapper import find_mark
from afield.connectors.base import RemoteState
from afield.connectors.command import CommandResult, exit_reason, tail
from afield.model.execution import Reason
from afield.model.jsontypes import JsonObject, JsonValue

_STDOUT = "[stdout]\n"
_STDERR = "[stderr]\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationView:
    """An operation as Azure shows it."""

    status: str  # verbatim: InProgress, Succeeded, Failed, Canceled
    text: str = ""  # what came of the script, as one text
    start: datetime | None = None
    end: datetime | None = None
    error_code: str = ""
    error_message: str = ""

    @property
    def ended(self) -> bool:
        return self.status.lower() in {"succeeded", "failed", "canceled"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a script, as far as it can be known."""

    status: str
    state: RemoteState
    reason: Reason | None = None
    result: CommandResult | None = None
    start: datetime | None = None
    end: datetime | None = None


def parse_operation(body: JsonObject) -> OperationView:
    """The body of `Azure-AsyncOperation`; of `Location`, which has the items alone."""
    output = as_object(body.get("properties")).get("output")
    items = output if isinstance(output, list) else as_object(output).get("value") or body.get("value")
    code, message = error_words(body)
    return OperationView(
        status=as_text(body.get("status")) or ("Succeeded" if "value" in body else ""),
        text=items_text(items),
        start=parse_time(body.get("startTime")),
        end=parse_time(body.get("endTime")),
        error_code=code,
        error_message=message,
    )


def items_text(items: JsonValue) -> str:
    """The result's items as one text in the shape of Linux: Windows sends the two streams apart."""
    texts = {as_text(one.get("code")).lower(): as_text(one.get("message")) for one in as_objects(items)}
    out = next((text for code, text in texts.items() if "/stdout/" in code), None)
    err = next((text for code, text in texts.items() if "/stderr/" in code), None)
    if out is None and err is None:
        return "\n".join(texts.values())
    return f"{_STDOUT}{out or ''}\n{_STDERR}{err or ''}"


def of_operation(operation: OperationView, key: str) -> Verdict:
    """What an operation says of the attempt it was made for."""
    status = operation.status or "unknown"
    if not operation.ended:
        known = operation.status.lower() in {"inprogress", "running", "accepted", "creating", "updating"}
        state = RemoteState.RUNNING if known else RemoteState.UNKNOWN
        return Verdict(status=status, state=state, start=operation.start)
    state, reason, result = _told(operation.text or operation.error_message, key) or _untold(operation)
    return Verdict(status=status, state=state, reason=reason, result=result, start=operation.start, end=operation.end)


def of_extension(extension: ExtensionView, key: str) -> Verdict | None:
    """What the extension's last message says of the attempt; None when it is not about this one."""
    told = _told(extension.message, key) if extension.state is not ExtensionState.TRANSITIONING else None
    if told is None:
        return None
    state, reason, result = told
    return Verdict(status=extension.display or extension.code, state=state, reason=reason, result=result)


_Told = tuple[RemoteState, Reason | None, CommandResult | None]


def _told(text: str, key: str) -> _Told | None:
    """By the wrapper's mark: exact, or nothing."""
    text = text.replace("\r\n", "\n")
    mark = find_mark(text, key)
    if mark is None:
        return None
    stdout = text[: mark.start].partition(_STDOUT)[2] or text[: mark.start]
    stderr = text[mark.end :].partition(_STDERR)[2]
    out, err = stdout.removesuffix("\n").encode(), stderr.encode()
    result = CommandResult(
        exit_code=None if mark.timed_out else mark.exit_code,
        stdout=tail(out)[0],
        stderr=tail(err)[0],
        stdout_cut=mark.stdout_bytes > len(out),
        stderr_cut=mark.stderr_bytes > len(err),
    )
    if mark.timed_out:
        return RemoteState.TIMED_OUT, Reason("time_over", "The script was stopped at its time limit."), result
    if mark.exit_code:
        return RemoteState.FAILED, exit_reason(mark.exit_code), result
    return RemoteState.SUCCEEDED, None, result


_FAILURES = {
    "vmagentstatuscommunicationerror": ("agent_lost", "The VM's agent stopped reporting; the script may have run."),
    "vmextensionprovisioningtimeout": ("time_over", "Azure gave up after 90 minutes; the script may still run."),
    "vmextensionhandlernontransienterror": ("handler_failed", "The run command extension could not be enabled."),
    "vmextensionprovisioningerror": ("extension_failed", "The VM reports a failure of the run command extension."),
}


def _untold(operation: OperationView) -> _Told:
    """Without the mark: whatever Azure says is about its extension, not about the script."""
    said = clean(operation.error_message)
    shown = CommandResult(exit_code=None, stdout=tail(operation.text.encode())[0]) if operation.text else None
    if operation.status.lower() == "canceled":
        return RemoteState.CANCELLED, Reason("cancelled_remotely", said or "The operation was cancelled."), shown
    if operation.status.lower() == "failed":
        code, text = _FAILURES.get(operation.error_code.lower(), ("operation_failed", "The operation failed."))
        if "has not reported latest status" in said:
            code, text = _FAILURES["vmagentstatuscommunicationerror"]
        state = RemoteState.TIMED_OUT if code == "time_over" else RemoteState.FAILED
        return state, Reason(code, f"{text} Azure says {operation.error_code}: {said}"), shown
    text = "Azure reports success, but its output does not bear this attempt's mark: it is stale or was cut, so nobody "
    return RemoteState.FAILED, Reason("outcome_unknown", text + "knows how the script ended, or whether it ran."), shown
