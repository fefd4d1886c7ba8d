"""The two contracts of code-interpreter pools: what a body has to say, how answers look. Pure.

The old one wraps everything in `properties` and numbers its objects (`$id`); the new one is flat.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from . import errors
from .model import Container, JsonObject

OLD_VERSIONS = frozenset({"2024-02-02-preview", "2024-08-02-preview"})
_ACCEPTED_VERSION = "2024-10-02-preview"
_TIMED_OUT = "Request timed out waiting for code execution to complete"


class Contract(StrEnum):
    """Which of the two."""

    OLD = "old"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class Execution:
    """What is to run: the body for the container, and what of it the answer repeats."""

    contract: Contract
    body: JsonObject
    asynchronous: bool = False


@dataclass(frozen=True, slots=True)
class Timing:
    """How long allocating and running took, in milliseconds, and whether the session is new."""

    allocation_ms: float
    run_ms: float
    new: bool
    guid: str


def contract_of(api_version: str) -> Contract:
    """By the api-version; an unknown one means the new contract."""
    return Contract.OLD if api_version in OLD_VERSIONS else Contract.NEW


def read_old(body: object, kind: Container, limit_s: float) -> Execution:
    """An execution of the old contract; PoolError 400."""
    if kind is not Container.PYTHON:
        raise errors.not_supported("Code execution", kind)
    wrapped = body.get("properties") if isinstance(body, dict) else None
    if not isinstance(wrapped, dict) or not isinstance(wrapped.get("code"), str):
        raise errors.invalid("The request body must have 'properties' with 'code'.")
    properties = {
        **wrapped,
        "codeInputType": wrapped.get("codeInputType", "inline"),
        "executionType": wrapped.get("executionType", "synchronous"),
        "timeoutInSeconds": _timeout(wrapped, limit_s),
    }
    return Execution(Contract.OLD, {"properties": properties})


def read_new(body: object, kind: Container, limit_s: float) -> Execution:
    """An execution of the new contract; PoolError 400."""
    wanted, other = ("shellCommand", "code") if kind is Container.SHELL else ("code", "shellCommand")
    if not isinstance(body, dict) or (wanted not in body and other not in body):
        raise errors.properties_missing()
    if wanted not in body:
        raise errors.not_supported(f"'{other}'", kind)
    if not isinstance(body[wanted], str):
        raise errors.invalid(f"'{wanted}' must be a string.")
    asynchronous = str(body.get("executionType", "")).lower() == "asynchronous"
    return Execution(Contract.NEW, {**body, "timeoutInSeconds": _timeout(body, limit_s)}, asynchronous)


def status_of(execution: Execution, api_version: str) -> int:
    """The HTTP status of a success: the first version of the new contract says 202, later ones only while it runs."""
    accepted = execution.contract is Contract.NEW and (execution.asynchronous or api_version == _ACCEPTED_VERSION)
    return 202 if accepted else 200


def timed_out(execution: Execution, identifier: str, limit_s: float) -> JsonObject:
    """The answer to what ran longer than the platform allows."""
    milliseconds = int(limit_s * 1000)
    if execution.contract is Contract.OLD:
        told: JsonObject = {"status": "Failure", "stdout": "", "stderr": _TIMED_OUT, "result": None}
        return {"properties": {**told, "executionResult": None, "executionTimeInMilliseconds": milliseconds}}
    result = {
        "stdout": "",
        "stderr": _TIMED_OUT,
        "executionResult": None,
        "executionTimeInMilliseconds": milliseconds,
    }
    return {
        "id": str(uuid.uuid4()),
        "identifier": identifier,
        "executionType": "Synchronous",
        "status": "Failed",
        "result": result,
    }


def numbered(body: JsonObject) -> JsonObject:
    """The same with `$id` in every object, in the order they open."""
    count = 0

    def number(value: object) -> object:
        nonlocal count
        if isinstance(value, list):
            return [number(one) for one in value]
        if not isinstance(value, dict):
            return value
        count += 1
        own = {"$id": str(count)}
        return {**own, **{key: number(one) for key, one in value.items() if key != "$id"}}

    numbers = number(body)
    assert isinstance(numbers, dict)
    return numbers


def old_files(files: Sequence[Mapping[str, object]]) -> JsonObject:
    """A list of files, as the old contract has it, from entries of the new one."""
    return numbered(
        {
            "value": [
                {
                    "properties": {
                        "filename": one["name"],
                        "size": one["sizeInBytes"],
                        "lastModifiedTime": one["lastModifiedAt"],
                    }
                }
                for one in files
            ]
        }
    )


def timing_headers(timing: Timing) -> dict[str, str]:
    """The headers that tell allocation from run time; milliseconds."""
    total = timing.allocation_ms + timing.run_ms
    return {
        "operation-id": str(uuid.uuid4()),
        "X-Ms-Session-Guid": timing.guid,
        "X-Ms-Allocation-Time": _number(timing.allocation_ms),
        "X-Ms-Allocation-Retries": "0",
        "X-Ms-New-Allocation": str(timing.new),
        "X-Ms-Preparation-Time": _number(timing.allocation_ms),
        "X-Ms-Execution-Request-Time": _number(timing.run_ms),
        "X-Ms-Execution-Read-Response-Time": "0",
        "X-Ms-Container-Execution-Duration": _number(timing.run_ms),
        "X-Ms-Total-Execution-Service-Time": _number(total),
        "X-Ms-Overall-Execution-Time": _number(total),
    }


def _timeout(body: Mapping[str, object], limit_s: float) -> float:
    given = body.get("timeoutInSeconds")
    wanted = given if isinstance(given, (int, float)) and given > 0 else limit_s
    return min(wanted, limit_s)


def _number(milliseconds: float) -> str:
    return f"{milliseconds:.3f}"
