"""The adapter's bodies: a submission as it is sent, a run as it comes back. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from afield.connectors.base import Entry, RemoteState
from afield.connectors.coding import KEPT_BYTES, CodeLimits, CodeResult, CodeSpec, Verdict, verdict_reason
from afield.model.execution import Reason
from afield.model.jsontypes import JsonObject, JsonValue

ADAPTER_HEADER = "x-afield-adapter"
BOOT_HEADER = "x-afield-boot"

FINISHED = "finished"
_STOPPED = "stopped"
_STATES: Mapping[str, RemoteState] = {
    "waiting": RemoteState.WAITING,
    "queued": RemoteState.WAITING,
    "running": RemoteState.RUNNING,
    _STOPPED: RemoteState.CANCELLED,
}


class UnreadableError(ValueError):
    """A body that is not what the adapter sends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run as the adapter shows it. `verdict` is its word, empty while there is none; a listing has no result."""

    run_id: str
    status: str
    verdict: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    result: CodeResult | None = None

    @property
    def over(self) -> bool:
        return self.status in {FINISHED, _STOPPED}


@dataclass(frozen=True, slots=True)
class Listing:
    """All runs that an adapter knows. It knows each one that it accepted since `remembers_since`."""

    runs: tuple[Run, ...]
    remembers_since: datetime | None


@dataclass(frozen=True, slots=True)
class Runtime:
    """A language that a pool runs."""

    language: str
    version: str
    aliases: tuple[str, ...] = ()


# --------------------------------------------------------------------------------------- out


def run_body(spec: CodeSpec, run_id: str) -> JsonObject:
    """The body of POST /runs. What is not given is left out, so that the pool's defaults hold."""
    body: JsonObject = {
        "run_id": run_id,
        "language": spec.language,
        "version": spec.version,
        "files": [_filled(file.model_dump(mode="json")) for file in spec.files],
    }
    if spec.stdin:
        body["stdin"] = spec.stdin
    if spec.args:
        body["args"] = list(spec.args)
    for name, limits in (("limits", spec.limits), ("compile_limits", spec.compile_limits)):
        if limits != CodeLimits():
            body[name] = limits.model_dump(exclude_none=True)
    return body


def _filled(file: JsonObject) -> JsonObject:
    return {name: value for name, value in file.items() if value or name == "content"}


# --------------------------------------------------------------------------------------- in


def parse_run(body: JsonValue) -> Run:
    """A run, with its result if it has one. Raises UnreadableError."""
    if not isinstance(body, dict):
        raise UnreadableError("not an object")
    found = body.get("result")
    result = parse_result(found) if isinstance(found, dict) else None
    status = _text(body, "status")
    if status == FINISHED and found is not None and result is None:
        raise UnreadableError("a result that is no object")
    return Run(
        run_id=_text(body, "run_id"),
        status=status,
        verdict=_verdict_of(body, found),
        started_at=_time(body.get("started_at")),
        finished_at=_time(body.get("finished_at")),
        result=result,
    )


def _verdict_of(body: JsonObject, result: JsonValue) -> str:
    source = result if isinstance(result, dict) else body
    verdict = source.get("verdict")
    return verdict if isinstance(verdict, str) else ""


def parse_listing(body: JsonValue) -> Listing:
    """The answer to GET /runs. Raises UnreadableError."""
    runs = body.get("runs") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(runs, list):
        raise UnreadableError("no list of runs")
    return Listing(tuple(parse_run(run) for run in runs), parse_memory(body))


def parse_memory(body: JsonValue) -> datetime | None:
    """Since when an adapter remembers all runs; None when it does not say."""
    return _time(body.get("remembers_since")) if isinstance(body, dict) else None


def parse_result(body: JsonObject) -> CodeResult | None:
    """How a run ended, whole; None when the verdict is a word that is not known here. Raises UnreadableError."""
    compiled = body.get("compile")
    try:
        verdict = Verdict(_text(body, "verdict"))
    except ValueError:
        return None
    return CodeResult(
        verdict=verdict,
        exit_code=_whole(body.get("exit_code")),
        signal=_text(body, "signal") or None,
        stdout=_text(body, "stdout"),
        stderr=_text(body, "stderr"),
        output=_text(body, "output"),
        message=_text(body, "message"),
        wall_ms=_number(body.get("wall_ms")),
        cpu_ms=_number(body.get("cpu_ms")),
        memory_bytes=_whole(body.get("memory_bytes")),
        language=_text(body, "language"),
        version=_text(body, "version"),
        compile=parse_result(compiled) if isinstance(compiled, dict) else None,
    )


def parse_runtimes(body: JsonValue) -> tuple[Runtime, ...]:
    """The answer to GET /runtimes. Raises UnreadableError."""
    if not isinstance(body, list):
        raise UnreadableError("no list of runtimes")
    return tuple(_runtime(one) for one in body if isinstance(one, dict))


def _runtime(body: JsonObject) -> Runtime:
    aliases = body.get("aliases")
    names = tuple(name for name in aliases if isinstance(name, str)) if isinstance(aliases, list) else ()
    return Runtime(_text(body, "language"), _text(body, "version"), names)


# --------------------------------------------------------------------------------------- what it means


def entry_of(run: Run, handle: str) -> Entry:
    """The run as the engine wants it. A word that is not known is kept, and counts as live."""
    state, reason = _meaning(run)
    return Entry(
        handle=handle,
        status=run.verdict if run.status == FINISHED and run.verdict else run.status,
        state=state,
        started_at=run.started_at,
        finished_at=run.finished_at,
        name=run.run_id,
        reason=reason,
    )


def _meaning(run: Run) -> tuple[RemoteState, Reason | None]:
    if run.status != FINISHED:
        return _STATES.get(run.status, RemoteState.UNKNOWN), None
    try:
        verdict = Verdict(run.verdict)
    except ValueError:
        return RemoteState.UNKNOWN, None
    if verdict is Verdict.OK:
        return RemoteState.SUCCEEDED, None
    state = RemoteState.TIMED_OUT if verdict is Verdict.TIME_LIMIT else RemoteState.FAILED
    return state, verdict_reason(verdict)


def shortened(result: CodeResult) -> CodeResult:
    """The start of each stream, as kept beside the execution; the result itself where that is all of it."""
    stdout, stderr, output = map(_start, (result.stdout, result.stderr, result.output))
    compiled = None if result.compile is None else shortened(result.compile)
    cut = (stdout, stderr, output) != (result.stdout, result.stderr, result.output)
    if not cut and compiled is result.compile:
        return result
    return replace(result, stdout=stdout, stderr=stderr, output=output, cut=cut, compile=compiled)


def _start(text: str) -> str:
    """The first KEPT_BYTES of it as UTF-8, cut between two characters."""
    if len(text) * 4 <= KEPT_BYTES:
        return text
    data = text.encode("utf-8", "replace")
    return text if len(data) <= KEPT_BYTES else data[:KEPT_BYTES].decode("utf-8", "ignore")


# --------------------------------------------------------------------------------------- pieces


def _text(body: JsonObject, name: str) -> str:
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UnreadableError(f"{name} is not a text")
    return value


def _number(value: JsonValue) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(value: JsonValue) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _time(value: JsonValue) -> datetime | None:
    """RFC 3339, with an offset."""
    if not isinstance(value, str):
        return None
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        raise UnreadableError("a time that is none") from None
    if when.tzinfo is None:
        raise UnreadableError("a time without an offset")
    return when
