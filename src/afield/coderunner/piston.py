"""Piston's API, version 2: what a request asks for, and how a result is told. Pure.

Errors come in Piston's order and words, so that its clients find what they know. Where Piston fails without saying why
(a file name that leaves the folder, an encoding it does not know), the words are ours. Two habits of its clients are
answered kindly: a limit of -1 means the default, as 0 does, and JSON is read under the name of text too.
"""

from __future__ import annotations

import binascii
import signal
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, cast

import orjson
from pydantic import ValidationError

from afield.coderunner.runtimes import Runtime, UnknownRuntimeError, choose
from afield.connectors.coding import KEPT_BYTES, CodeFile, CodeLimits, CodeResult, CodeSpec, Encoding, Verdict
from afield.model.jsontypes import JsonObject, JsonValue

LEAST_MEMORY: Final = 16 * 1024 * 1024
"""Bytes below which no program starts."""

_MOST_MEMORY: Final = 2**40
_MOST_DEPTH: Final = 16
_LONGEST_NAME: Final = 255


class PistonError(Exception):
    """A request that is refused before anything runs. The message is for the caller; `status` is HTTP's."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """What a request may ask for at most, and gets when it does not say: milliseconds, Piston's own by default.

    `output_bytes` is for each stream. It is so small that a result is never cut: a program that prints more ends.
    """

    run_timeout: int = 3000
    run_cpu_time: int = 3000
    compile_timeout: int = 10_000
    compile_cpu_time: int = 10_000
    output_bytes: int = KEPT_BYTES // 2


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for: the code, and the runtime that was found for it."""

    spec: CodeSpec
    runtime: Runtime


# --------------------------------------------------------------------------------------- requests


def read_body(content_type: str, body: bytes) -> JsonObject:
    """The fields of a request's body. Raises PistonError."""
    is_json, is_text = content_type.startswith("application/json"), content_type.startswith("text/plain")
    try:
        fields = orjson.loads(body) if body or not is_json else {}
    except orjson.JSONDecodeError as error:
        if is_json:
            raise PistonError(f"the body is not valid JSON: {error.msg}") from None
        is_text = False
    if not is_json and not is_text:
        raise PistonError("requests must be of type application/json", 415)
    return fields if isinstance(fields, dict) else {}


def read_request(fields: JsonObject, runtimes: Sequence[Runtime], ceilings: Ceilings) -> Asked:
    """What a request asks for, checked in Piston's order. Raises PistonError."""
    language = _text(fields, "language")
    wanted = _text(fields, "version")
    given = _files(fields)
    runtime = _runtime(runtimes, language, wanted)
    if not any(_is_utf8(one) for one in given):
        raise PistonError("files must include at least one utf8 encoded file")
    try:
        return Asked(_spec(fields, given, runtime, ceilings), runtime)
    except ValidationError as error:
        raise PistonError(_first_of(error)) from None


def _spec(fields: JsonObject, given: Sequence[JsonObject], runtime: Runtime, ceilings: Ceilings) -> CodeSpec:
    compile_limits, run_limits = _limits(fields, ceilings)
    return CodeSpec(
        language=runtime.language,
        version=runtime.version,
        files=_main_first(given),
        stdin=_stdin(fields),
        args=_args(fields),
        limits=run_limits,
        compile_limits=compile_limits,
    )


def _runtime(runtimes: Sequence[Runtime], language: str, wanted: str) -> Runtime:
    try:
        return choose(runtimes, language, wanted)
    except UnknownRuntimeError:
        raise PistonError(f"{language}-{wanted} runtime is unknown") from None


def _text(fields: JsonObject, name: str) -> str:
    value = fields.get(name)
    if not value or not isinstance(value, str):
        raise PistonError(f"{name} is required as a string")
    return value


def _files(fields: JsonObject) -> list[JsonObject]:
    files = fields.get("files")
    if not isinstance(files, list):
        raise PistonError("files is required as an array")
    for at, one in enumerate(files):
        if not isinstance(one, dict) or not isinstance(one.get("content"), str):
            raise PistonError(f"files[{at}].content is required as a string")
    return cast("list[JsonObject]", files)


def _is_utf8(given: JsonObject) -> bool:
    return not given.get("encoding") or given.get("encoding") == Encoding.UTF8


# --------------------------------------------------------------------------------------- files, input


def _main_first(given: Sequence[JsonObject]) -> tuple[CodeFile, ...]:
    """The files, the first that is text before all others: it is the one that is run."""
    main = next(at for at, one in enumerate(given) if _is_utf8(one))
    order = [main, *(at for at in range(len(given)) if at != main)]
    files = tuple(_file(at, given[at], "" if at == main else f"file{at}.code") for at in order)
    names = [str(PurePosixPath(one.name)) for one in files]
    if len(set(names)) < len(names):
        raise PistonError("files must have different names")
    return files


def _file(at: int, given: JsonObject, usual: str) -> CodeFile:
    encoding = given.get("encoding") or Encoding.UTF8
    if encoding not in tuple(Encoding):
        raise PistonError(f"files[{at}].encoding must be utf8, base64 or hex")
    content = str(given["content"])
    _check_content(at, content, Encoding(str(encoding)))
    return CodeFile(name=_name(at, given.get("name") or usual), content=content, encoding=Encoding(str(encoding)))


def _check_content(at: int, content: str, encoding: Encoding) -> None:
    try:
        if encoding is Encoding.BASE64:
            b64decode(content, validate=True)
        elif encoding is Encoding.HEX:
            bytes.fromhex(content)
    except (binascii.Error, ValueError):
        raise PistonError(f"files[{at}].content is not {encoding}") from None
    if "\0" in content:
        raise PistonError(f"files[{at}].content holds a NUL character; send it with the encoding base64")


def _name(at: int, name: JsonValue) -> str:
    if not isinstance(name, str):
        raise PistonError(f"files[{at}].name must be a string")
    parts = PurePosixPath(name).parts
    if name and (not parts or name[0] == "/" or name[-1] == "/" or ".." in parts or "\0" in name):
        raise PistonError(f"files[{at}].name must be a relative path that stays in the folder")
    if len(parts) > _MOST_DEPTH or any(len(part.encode()) > _LONGEST_NAME for part in parts):
        raise PistonError(f"files[{at}].name is too long")
    return name


def _stdin(fields: JsonObject) -> str:
    """With a newline at its end, which Piston adds where there is none, also to no input at all."""
    stdin = fields.get("stdin") or ""
    if not isinstance(stdin, str) or "\0" in stdin:
        raise PistonError("stdin must be a string without NUL characters")
    return stdin if stdin.endswith("\n") else f"{stdin}\n"


def _args(fields: JsonObject) -> tuple[str, ...]:
    args = fields.get("args") or []
    if not isinstance(args, list) or not all(isinstance(one, str) and "\0" not in one for one in args):
        raise PistonError("args must be an array of strings without NUL characters")
    return tuple(cast("list[str]", args))


def _first_of(error: ValidationError) -> str:
    """What is wrong first, without repeating what was sent."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


# --------------------------------------------------------------------------------------- limits


def _limits(fields: JsonObject, ceilings: Ceilings) -> tuple[CodeLimits, CodeLimits]:
    """Of the compilation and of the run. They are checked in Piston's order: kind by kind, the compilation's first."""
    memory = [_memory(fields, f"{stage}_memory_limit") for stage in _STAGES]
    wall = [_seconds(fields, f"{stage}_timeout", ceilings) for stage in _STAGES]
    cpu = [_seconds(fields, f"{stage}_cpu_time", ceilings) for stage in _STAGES]
    compiling, running = (
        CodeLimits(memory_bytes=memory_bytes, wall_s=wall_s, cpu_s=cpu_s, output_bytes=ceilings.output_bytes)
        for memory_bytes, wall_s, cpu_s in zip(memory, wall, cpu, strict=True)
    )
    return compiling, running


_STAGES: Final = ("compile", "run")


def _memory(fields: JsonObject, name: str) -> int | None:
    """Bytes; None: the pool's default."""
    asked = _limit(fields, name, _MOST_MEMORY)
    if asked is not None and asked < LEAST_MEMORY:
        raise PistonError(f"{name} must be at least {LEAST_MEMORY}")
    return None if asked is None else int(asked)


def _seconds(fields: JsonObject, name: str, ceilings: Ceilings) -> float:
    most: int = getattr(ceilings, name)
    asked = _limit(fields, name, most)
    return (most if asked is None else asked) / 1000


def _limit(fields: JsonObject, name: str, most: int) -> float | None:
    """None: the default."""
    value = fields.get(name)
    if value in _DEFAULTS:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PistonError(f"If specified, {name} must be a number")
    if value > most:
        raise PistonError(f"{name} cannot exceed the configured limit of {most}")
    if value < 0:
        raise PistonError(f"{name} must be non-negative")
    return value


_DEFAULTS: Final[tuple[JsonValue, ...]] = (None, 0, -1, "")  # 0 is False too


# --------------------------------------------------------------------------------------- answers


def answer(asked: Asked, result: CodeResult) -> JsonObject:
    """The body of Piston's answer to a request whose code has run, or could not be compiled."""
    told: JsonObject = {}
    if result.compile is not None:
        told["compile"] = _stage(result.compile, asked.spec.compile_limits)
    if result.verdict is Verdict.COMPILE_ERROR and result.compile is not None:
        told["run"] = told["compile"]
    else:
        told["run"] = _stage(result, asked.spec.limits)
    told["language"] = asked.runtime.language
    told["version"] = result.version or asked.runtime.version
    return told


def _stage(result: CodeResult, limits: CodeLimits) -> JsonObject:
    status = status_of(result)
    return {
        "stdout": result.stdout,
        "stderr": result.stderr,
        "output": result.output,
        "code": result.exit_code,
        "signal": "SIGKILL" if status in _KILLED else result.signal,
        "message": _message(status, result, limits),
        "status": status,
        "cpu_time": _whole(result.cpu_ms),
        "wall_time": _whole(result.wall_ms),
        "memory": result.memory_bytes,
        "verdict": result.verdict.value,
    }


_KILLED: Final = frozenset({"TO", "OL", "EL"})
_STATUSES: Final[Mapping[Verdict, str]] = {Verdict.TIME_LIMIT: "TO", Verdict.INTERNAL_ERROR: "XX"}


def status_of(result: CodeResult) -> str | None:
    """Piston's word for how one stage ended; None when it ended well. It has none of its own for memory: such a
    program was killed, or ended with an error."""
    if result.verdict is Verdict.OK:
        return None
    if result.verdict is Verdict.OUTPUT_LIMIT:
        return "EL" if len(result.stderr) > len(result.stdout) else "OL"
    return _STATUSES.get(result.verdict) or ("SG" if result.signal else "RE")


def _message(status: str | None, result: CodeResult, limits: CodeLimits) -> str | None:
    match status:
        case "RE":
            return f"Exited with error status {result.exit_code}"
        case "SG":
            return f"Caught fatal signal {_signal_number(result.signal or '')}"
        case "TO":
            used_up = result.cpu_ms is not None and limits.cpu_s is not None and result.cpu_ms >= limits.cpu_s * 1000
            return "Time limit exceeded" if used_up else "Time limit exceeded (wall clock)"
        case "OL" | "EL":
            return f"{'stdout' if status == 'OL' else 'stderr'} length exceeded"
    return result.message or None


def _signal_number(name: str) -> str:
    return str(int(signal.Signals[name])) if name in signal.Signals.__members__ else name.removeprefix("SIG")


def _whole(milliseconds: float | None) -> int | None:
    return None if milliseconds is None else round(milliseconds)
