"""Piston's form of a run, read and written. Pure.

Forms, order of checks and messages: the public source of Piston API v2, package 3.1.1. Kinder than that in four ways:
a limit of -1, 0 or null is the default; no path of this host is ever in a message; a body is read whatever its type
is called; a name that leads out of the folder is a 400 with a reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import orjson

from afield_sandbox.adapter.errors import BadRequestError, MediaTypeError
from afield_sandbox.adapter.submissions import Caps, Encoding, Order, choose, decode
from afield_sandbox.errors import BadSubmissionError, UnknownLanguageError
from afield_sandbox.languages import Language
from afield_sandbox.model import COMPILE_LIMITS, MIB, File, Limits, Submission

MEMBERS: Final = frozenset(
    f"{stage}_{what}" for stage in ("run", "compile") for what in ("timeout", "cpu_time", "memory_limit")
)
_LEAST_MEMORY: Final = 16 * MIB
_STATUS: Final = {
    "ok": None,
    "runtime_error": "RE",
    "compile_error": "RE",
    "signal": "SG",
    "memory_limit": "SG",
    "time_limit": "TO",
    "internal_error": "XX",
}

Json = Mapping[str, object]


class PistonError(BadRequestError):
    """A request that Piston would refuse, in its words; the body has them as `message`, too."""

    def __init__(self, message: str, *, hint: str = "", code: str = "") -> None:
        super().__init__(message, hint=hint, code=code, more={"message": message})


def read_request(data: bytes, content_type: str) -> Json:
    """The body, whatever its type is called, as long as it is a JSON object. Raises MediaTypeError, PistonError."""
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError:
        if content_type.startswith("application/json"):
            raise PistonError("The body is not valid JSON.") from None
        text = "requests must be of type application/json"
        raise MediaTypeError(text, more={"message": text}) from None
    if not isinstance(body, dict):
        raise PistonError("language is required as a string")
    return body


def order_of(body: Json, languages: Sequence[Language], caps: Caps) -> Order:
    """What a request asks for. Raises PistonError; nothing has run then."""
    try:
        return _order_of(body, languages, caps)
    except PistonError:
        raise
    except (BadSubmissionError, BadRequestError) as problem:
        raise PistonError(problem.message, hint=problem.hint, code=problem.code) from None


def _order_of(body: Json, languages: Sequence[Language], caps: Caps) -> Order:
    name, version = _text(body, "language"), _text(body, "version")
    given = body.get("files")
    if not isinstance(given, list):
        raise PistonError("files is required as an array")
    for number, file in enumerate(given):
        if not isinstance(file, dict) or not isinstance(file.get("content"), str):
            raise PistonError(f"files[{number}].content is required as a string")
    try:
        language = choose(languages, name, version)
    except UnknownLanguageError as problem:
        raise PistonError(problem.message, hint=problem.hint, code=problem.code) from None
    files = _main_first([_file(number, file) for number, file in enumerate(given)])
    compile_limits, limits = _limits(body, caps)
    submission = Submission(language.name, files, _stdin(body), _args(body), limits, compile_limits)
    return Order.of(_run_id(body), submission, language)


def _text(body: Json, member: str) -> str:
    value = body.get(member)
    if not isinstance(value, str) or not value:
        raise PistonError(f"{member} is required as a string")
    return value


def _file(number: int, given: Json) -> tuple[File, Encoding]:
    name, encoding = given.get("name") or f"file{number}.code", given.get("encoding") or "utf8"
    if not isinstance(name, str) or encoding not in list(Encoding):
        raise PistonError(f"files[{number}] has no proper name or encoding", hint="Encodings: utf8, base64, hex.")
    kind = Encoding(str(encoding))
    return File(name, decode(str(given["content"]), kind, number)), kind


def _main_first(files: list[tuple[File, Encoding]]) -> tuple[File, ...]:
    """The first that is plain text is the program."""
    main = next((file for file, encoding in files if encoding is Encoding.UTF8), None)
    if main is None:
        raise PistonError("files must include at least one utf8 encoded file")
    return (main, *(file for file, _ in files if file is not main))


def _limits(body: Json, caps: Caps) -> tuple[Limits, Limits]:
    """Of compiling and of running. Checked in Piston's order: memory, wall time, CPU time; each compile before run."""
    limits = {"compile": COMPILE_LIMITS, "run": Limits()}
    for stage, name, value in _limits_given(body, caps):
        limits[stage] = replace(limits[stage], **{name: value})  # type: ignore[arg-type]
    return limits["compile"], limits["run"]


def _limits_given(body: Json, caps: Caps) -> Iterator[tuple[str, str, float]]:
    most_ms = caps.wall_s * 1000
    for what, name, most in (
        ("memory_limit", "memory_bytes", float(caps.memory_bytes)),
        ("timeout", "wall_s", most_ms),
        ("cpu_time", "cpu_s", most_ms),
    ):
        for stage in ("compile", "run"):
            value = _number(body, f"{stage}_{what}", most)
            if value is not None:
                yield stage, name, max(_LEAST_MEMORY, int(value)) if name == "memory_bytes" else value / 1000


def _number(body: Json, member: str, most: float) -> float | None:
    value = body.get(member)
    if value is None or value in (0, -1):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PistonError(f"If specified, {member} must be a number")
    if value > most:
        raise PistonError(f"{member} cannot exceed the configured limit of {most:.0f}")
    if value < 0:
        raise PistonError(f"{member} must be non-negative")
    return float(value)


def _stdin(body: Json) -> bytes:
    value = body.get("stdin") or ""
    if not isinstance(value, str):
        raise PistonError("If specified, stdin must be a string")
    return (value if not value or value.endswith("\n") else f"{value}\n").encode()


def _args(body: Json) -> tuple[str, ...]:
    value = body.get("args") or []
    if not isinstance(value, list) or not all(isinstance(arg, str | int | float) for arg in value):
        raise PistonError("If specified, args must be an array of strings")
    return tuple(str(arg) for arg in value)


def _run_id(body: Json) -> str | None:
    value = body.get("run_id")
    if value is None or (isinstance(value, str) and value.isascii() and 0 < len(value) <= 128 and "/" not in value):
        return value
    raise PistonError("run_id is no run id")


def response_of(result: Json) -> dict[str, object]:
    """A result in Piston's form."""
    compiled = result["compile"]
    response: dict[str, object] = {"run": _stage(result), "language": result["language"], "version": result["version"]}
    if isinstance(compiled, Mapping):
        response = {"compile": _stage(compiled), **response}
    return response


def _stage(result: Json) -> dict[str, object]:
    verdict, status = str(result["verdict"]), status_of(result)
    killed = status in {"TO", "OL", "EL"}
    wall, cpu = result["wall_ms"], result["cpu_ms"]
    return {
        "stdout": result["stdout"],
        "stderr": result["stderr"],
        "output": result["output"],
        "code": None if killed else result["exit_code"],
        "signal": "SIGKILL" if killed else result["signal"],
        "message": None if verdict == "ok" else result["message"],
        "status": status,
        "cpu_time": round(cpu) if isinstance(cpu, int | float) else None,
        "wall_time": round(wall) if isinstance(wall, int | float) else None,
        "memory": result["memory_bytes"],
    }


def status_of(result: Json) -> str | None:
    """Piston's word of two letters for how a stage ended."""
    verdict = str(result["verdict"])
    if verdict == "output_limit":
        return "EL" if str(result["message"]).endswith("stderr.") else "OL"
    if verdict == "compile_error" and result["signal"]:
        return "SG"
    return _STATUS.get(verdict, "XX")


def runtimes_of(languages: Sequence[Language]) -> list[dict[str, object]]:
    """What can be run, as Piston lists it."""
    return [
        {"language": language.name, "version": language.version, "aliases": list(language.aliases)}
        for language in languages
    ]
