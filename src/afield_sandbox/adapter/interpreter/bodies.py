"""What callers of the code interpreter send, in both contracts. Pure.

Forms: the REST specification of ContainerApps.DynamicSessions, 2024-02-02-preview to 2025-10-02-preview, and what its
public clients send. Members that are not known are let pass: clients send more than the specification has.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import dataclass

import orjson

from afield_sandbox.adapter.errors import BadRequestError
from afield_sandbox.adapter.interpreter.frames import Kind
from afield_sandbox.adapter.interpreter.workspace import Work
from afield_sandbox.model import MIB

_MOST_OUTPUT = MIB


@dataclass(frozen=True, slots=True)
class Asked:
    """An execution, and whether its caller waits for the end."""

    work: Work
    asynchronous: bool = False


def invalid(message: str, *, code: str = "SessionRequestValidationFailed") -> BadRequestError:
    """A refusal in the platform's words."""
    return BadRequestError(message, code=code, headers={"x-ms-error-code": code})


def is_old(data: bytes) -> bool:
    """Whether a body is of the old contract rather than a snippet in `properties`."""
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError:
        return False
    properties = body.get("properties") if isinstance(body, dict) else None
    return isinstance(properties, dict) and "codeInputType" in properties


def read_old(data: bytes, longest_s: float) -> Asked:
    """The body of POST /code/execute. Raises BadRequestError."""
    properties = _object(data).get("properties")
    if not isinstance(properties, dict):
        raise invalid("The request body must have 'properties'.")
    return Asked(_python(properties, longest_s))


def read_new(data: bytes, longest_s: float) -> Asked:
    """The body of POST /executions: code or a shell command. Raises BadRequestError."""
    body = _object(data)
    command = body.get("shellCommand")
    if isinstance(command, str):
        work = Work(Kind.SHELL, command, _seconds(body, longest_s), _most_output(body))
    elif "code" in body:
        work = _python(body, longest_s)
    else:
        text = "The request must have 'code' or 'shellCommand' at its top level."
        raise invalid(text, code="SessionPropertiesMissing")
    return Asked(work, asynchronous=str(body.get("executionType", "")).lower() == "asynchronous")


def _object(data: bytes) -> dict[str, object]:
    try:
        body = orjson.loads(data or b"{}")
    except orjson.JSONDecodeError:
        raise invalid("The body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise invalid("The body is no JSON object.")
    return body


def _python(body: dict[str, object], longest_s: float) -> Work:
    code = body.get("code")
    if not isinstance(code, str):
        raise invalid("'code' must be a string.")
    if str(body.get("codeInputType", "")).lower() == "inlinebase64":
        try:
            code = b64decode(code, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise invalid("'code' is no base64 of a text.") from None
    return Work(Kind.PYTHON, code, _seconds(body, longest_s), _most_output(body))


def _seconds(body: dict[str, object], longest_s: float) -> float:
    """What is longer than allowed, or makes no sense, is as long as allowed."""
    given = body.get("timeoutInSeconds")
    wanted = given if isinstance(given, int | float) and given > 0 else longest_s
    return min(wanted, longest_s)


def _most_output(body: dict[str, object]) -> int:
    given = body.get("outputStreamsMaxLength")
    return min(given, _MOST_OUTPUT) if isinstance(given, int) and given > 0 else _MOST_OUTPUT
