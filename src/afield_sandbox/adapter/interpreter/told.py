"""What the code interpreter answers, in both contracts. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from afield_sandbox.adapter.interpreter.folder import SHOWN, Stored
from afield_sandbox.adapter.interpreter.frames import Kind
from afield_sandbox.adapter.interpreter.workspace import Done

OLD_VERSIONS: Final = frozenset({"2024-02-02-preview", "2024-08-02-preview"})


def of_old(done: Done) -> dict[str, object]:
    """The answer of POST /code/execute. Clients look for `result` or for `executionResult`."""
    answer = done.answer
    return {
        "$id": "1",
        "properties": {
            "$id": "2",
            "status": "Success" if done.ok else "Failure",
            "stdout": answer.stdout,
            "stderr": answer.stderr,
            "result": answer.result,
            "executionResult": answer.result,
            "executionTimeInMilliseconds": round(done.seconds * 1000),
        },
    }


def of_new(execution_id: str, identifier: str, kind: Kind, done: Done | None, *, waited: bool) -> dict[str, object]:
    """The answer of POST /executions and GET /executions/{id}. `done` is None as long as it runs."""
    answer = done.answer if done else None
    body: dict[str, object] = {
        "id": execution_id,
        "identifier": identifier,
        "executionType": "Synchronous" if waited else "Asynchronous",
        "status": _status(kind, done),
    }
    if answer is not None and answer.error is not None:
        body["error"] = {"code": answer.error.name, "message": answer.error.message}
    body["result"] = {
        "stdout": answer.stdout if answer else "",
        "stderr": answer.stderr if answer else "",
        "executionResult": answer.result if answer else None,
        "executionTimeInMilliseconds": round(done.seconds * 1000) if done else 0,
    }
    return body


def _status(kind: Kind, done: Done | None) -> str:
    """Of a shell command that ended by itself: its exit status, as text."""
    if done is None:
        return "Running"
    if kind is Kind.SHELL and done.answer.status is not None:
        return str(done.answer.status)
    return "Succeeded" if done.ok else "Failed"


def files_old(files: Iterable[Stored]) -> dict[str, object]:
    """A list of files, with a number for each object."""
    numbers = iter(range(2, 1 << 30))
    entries = [
        {
            "$id": str(next(numbers)),
            "properties": {
                "$id": str(next(numbers)),
                "filename": file.name,
                "size": len(file.content),
                "lastModifiedTime": _ticks(file.modified_at),
            },
        }
        for file in files
    ]
    return {"$id": "1", "value": entries}


def file_new(file: Stored) -> dict[str, object]:
    """One file."""
    return {
        "name": file.name,
        "type": "file",
        "contentType": "application/octet-stream",
        "sizeInBytes": len(file.content),
        "lastModifiedAt": _ticks(file.modified_at),
        "directory": SHOWN,
    }


def _ticks(moment: datetime) -> str:
    """With seven digits behind the second, as .NET writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
