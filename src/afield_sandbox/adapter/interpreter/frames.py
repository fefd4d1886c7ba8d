"""What is said to the driver, and what it says: one JSON object a line, in ASCII. Pure.

Nothing that comes back is believed: it is read strictly, and what does not fit is an error.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from afield_sandbox.errors import BadSubmissionError
from afield_sandbox.model import File


class Kind(StrEnum):
    """What an execution is."""

    PYTHON = "python"
    SHELL = "shell"


class FrameError(ValueError):
    """What the driver said makes no sense."""


@dataclass(frozen=True, slots=True)
class Room:
    """How much may come back: bytes of each stream, bytes and number of files."""

    output: int
    bytes: int
    files: int


class Problem(BaseModel):
    """What an execution raised."""

    model_config = ConfigDict(frozen=True, strict=True)

    name: str
    message: str


class Answer(BaseModel):
    """How an execution ended. `status` is that of a shell command. Contents of files are in base64."""

    model_config = ConfigDict(frozen=True, strict=True)

    id: str
    stdout: str = ""
    stderr: str = ""
    result: object = None
    error: Problem | None = None
    status: int | None = None
    changed: dict[str, str] = {}
    gone: list[str] = []
    left_out: list[str] = []

    def files(self) -> dict[str, bytes]:
        """New and changed files. Raises FrameError for a name or content that is none."""
        try:
            return {File(name, b"").name: b64decode(text, validate=True) for name, text in self.changed.items()}
        except (BadSubmissionError, binascii.Error) as problem:
            raise FrameError(str(problem)) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An execution for the driver: code, and what to write into the folder and remove from it before."""

    id: str
    kind: Kind
    code: str
    put: Mapping[str, bytes]
    remove: Sequence[str]
    room: Room

    @property
    def size(self) -> int:
        """About how many bytes it has."""
        return len(self.code) + sum(len(content) for content in self.put.values())

    def pack(self) -> bytes:
        """As a line."""
        message = {
            "id": self.id,
            "kind": self.kind,
            "code": self.code,
            "put": {name: b64encode(content).decode() for name, content in self.put.items()},
            "remove": self.remove,
            "most_output": self.room.output,
            "most_bytes": self.room.bytes,
            "most_files": self.room.files,
        }
        return orjson.dumps(message) + b"\n"


def read_answer(line: bytes, request_id: str) -> Answer:
    """The answer to a request. Raises FrameError."""
    try:
        answer = Answer.model_validate(orjson.loads(line))
        orjson.dumps(answer.result)  # nested so deeply that it could be read and not be written?
    except (ValidationError, orjson.JSONDecodeError, TypeError):
        raise FrameError("The session's answer cannot be read.") from None
    if answer.id != request_id:
        raise FrameError("The session answered something else.")
    return answer
