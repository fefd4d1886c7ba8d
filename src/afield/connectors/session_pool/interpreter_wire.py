"""Azure's own interpreter: what it is told, and what it answers, by its old and its new contract. Pure.

Sources: the public REST specification of the data plane (2024-02-02-preview to 2025-10-02-preview), and recorded
answers. The old contract wraps everything in `properties`; the new one is flat, and names each execution.
"""

from __future__ import annotations

import math
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self
from uuid import uuid4

from pydantic import model_validator

from afield.connectors.adapter.client import Content
from afield.connectors.adapter.wire import UnreadableError
from afield.connectors.azure.view import as_object, as_text
from afield.connectors.base import Entry, RemoteState
from afield.connectors.coding import CodeFile, CodeResult, CodeSpec, Encoding, Verdict, verdict_reason
from afield.model.execution import Reason
from afield.model.jsontypes import JsonObject, JsonValue

LONGEST_S = 220
"""How long an execution may take there, whatever is asked for."""

_LANGUAGES = frozenset({"python", "py", "py3", "python3", "javascript", "js", "node", "bash", "sh", "shell"})
_SHELLS = frozenset({"bash", "sh", "shell"})
_TIMED_OUT = "Request timed out waiting for code execution to complete"
_ABORTED = "Execution aborted"  # what is left of one that took too much memory


class Contract(StrEnum):
    """Which of the two a pool is spoken to in."""

    OLD = "old"
    NEW = "new"


API_VERSIONS: Mapping[Contract, str] = {Contract.OLD: "2024-02-02-preview", Contract.NEW: "2025-10-02-preview"}
SESSION_VERSION = "2025-10-02-preview"
"""Of the calls about sessions, which are of the new contract alone."""


class InterpreterSpec(CodeSpec):
    """Code for the one interpreter of a pool: the first file is run, the others are uploaded before.

    Of the limits only `wall_s` is held there, and never more than 220 s. What the interpreter cannot be given, it is
    not sent: an input, arguments, a compiler's limits.
    """

    @model_validator(mode="after")
    def _what_an_interpreter_takes(self) -> Self:
        if self.stdin or self.args:
            raise ValueError("stdin and args: Azure's interpreter takes none; put them into the code or a file")
        if self.language.lower() not in _LANGUAGES:
            raise ValueError(f"language: Azure's interpreters run Python, JavaScript or bash, not {self.language!r}")
        if self.files[0].encoding is not Encoding.UTF8:
            raise ValueError("files.0: the code has to be text")
        if any(not file.name for file in self.files[1:]):
            raise ValueError("files: those beside the code need a name")
        return self

    @property
    def seconds(self) -> int:
        """How long it may take."""
        return LONGEST_S if self.limits.wall_s is None else min(LONGEST_S, math.ceil(self.limits.wall_s))

    @property
    def shell(self) -> bool:
        return self.language.lower() in _SHELLS


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One execution as the interpreter shows it. `status` is verbatim; `result` is None while there is none."""

    id: str
    status: str
    state: RemoteState
    result: CodeResult | None = None

    @property
    def over(self) -> bool:
        return self.result is not None


# --------------------------------------------------------------------------------------- out


def execution_body(spec: InterpreterSpec, contract: Contract, *, asynchronous: bool) -> JsonObject:
    """The body that runs the first file."""
    code = spec.files[0].content
    if contract is Contract.OLD:
        old: JsonObject = {"codeInputType": "inline", "executionType": "synchronous", "code": code}
        return {"properties": old | {"timeoutInSeconds": spec.seconds}}
    kind = "Asynchronous" if asynchronous else "Synchronous"
    if spec.shell:
        return {"shellCommand": code, "executionType": kind, "timeoutInSeconds": spec.seconds}
    return {"codeInputType": "Inline", "executionType": kind, "code": code, "timeoutInSeconds": spec.seconds}


def upload_of(file: CodeFile) -> Content:
    """A file as a multipart form (RFC 7578) with the one field `file`."""
    boundary = f"afield-{uuid4().hex}"
    name = file.name.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "").replace("\n", "")
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
    head += "Content-Type: application/octet-stream\r\n\r\n"
    data = head.encode() + bytes_of(file) + f"\r\n--{boundary}--\r\n".encode()
    return Content(data, f"multipart/form-data; boundary={boundary}")


def bytes_of(file: CodeFile) -> bytes:
    """What is in it. Raises ValueError when it is not written as it says."""
    if file.encoding is Encoding.BASE64:
        return b64decode(file.content, validate=True)
    return bytes.fromhex(file.content) if file.encoding is Encoding.HEX else file.content.encode()


# --------------------------------------------------------------------------------------- in


_LIVE: Mapping[str, RemoteState] = {
    "notstarted": RemoteState.WAITING,
    "accepted": RemoteState.WAITING,
    "running": RemoteState.RUNNING,
}
_GOOD = frozenset({"success", "succeeded"})
_BAD = frozenset({"failure", "failed"})


def parse_execution(body: JsonValue, language: str) -> Execution:
    """An execution, by either contract. Raises UnreadableError."""
    whole = as_object(body)
    wrapped = whole.get("properties")
    told = wrapped if isinstance(wrapped, dict) else whole
    status = as_text(told.get("status"))
    if not status:
        raise UnreadableError("no status")
    live = _LIVE.get(status.lower())
    if live is not None:
        return Execution(id=as_text(whole.get("id")), status=status, state=live)
    result = as_object(told.get("result")) if told is whole else told
    return _ended(as_text(whole.get("id")), status, result, language)


def _ended(identity: str, status: str, told: JsonObject, language: str) -> Execution:
    if status.lower() in {"canceled", "cancelled"}:
        result = _result(Verdict.SIGNAL, told, language, "The execution was cancelled.")
        return Execution(id=identity, status=status, state=RemoteState.CANCELLED, result=result)
    exit_code = int(status) if status.lstrip("-").isdecimal() else None  # of a shell's command
    if exit_code is None and status.lower() not in _GOOD | _BAD:
        return Execution(id=identity, status=status, state=RemoteState.UNKNOWN)
    verdict, message = _verdict(told, good=status.lower() in _GOOD or exit_code == 0)
    states = {Verdict.OK: RemoteState.SUCCEEDED, Verdict.TIME_LIMIT: RemoteState.TIMED_OUT}
    return Execution(
        id=identity,
        status=status,
        state=states.get(verdict, RemoteState.FAILED),
        result=_result(verdict, told, language, message, exit_code),
    )


def _verdict(told: JsonObject, *, good: bool) -> tuple[Verdict, str]:
    """What went wrong is told in the error stream alone."""
    said = as_text(told.get("stderr")).strip()
    if good:
        return Verdict.OK, ""
    if said.startswith(_TIMED_OUT):
        return Verdict.TIME_LIMIT, said
    return (Verdict.MEMORY_LIMIT, said) if said == _ABORTED else (Verdict.RUNTIME_ERROR, "")


def _result(
    verdict: Verdict, told: JsonObject, language: str, message: str, exit_code: int | None = None
) -> CodeResult:
    stdout, stderr = as_text(told.get("stdout")), as_text(told.get("stderr"))
    wall = told.get("executionTimeInMilliseconds")
    return CodeResult(
        verdict=verdict,
        exit_code=exit_code,
        stdout=stdout,
        stderr=stderr,
        output=stdout + stderr,
        message=message,
        wall_ms=float(wall) if isinstance(wall, int | float) and not isinstance(wall, bool) else None,
        language=language,
    )


def entry_of(execution: Execution, handle: str, name: str | None) -> Entry:
    """The execution as the engine wants it."""
    reason: Reason | None = None
    if execution.result is not None and execution.state is not RemoteState.CANCELLED:
        reason = verdict_reason(execution.result.verdict)
    return Entry(handle=handle, status=execution.status, state=execution.state, name=name, reason=reason)
