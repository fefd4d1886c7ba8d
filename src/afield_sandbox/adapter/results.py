"""An outcome as the service tells it. Pure."""

from __future__ import annotations

from dataclasses import replace

import orjson

from afield_sandbox.languages import Language
from afield_sandbox.model import Outcome, Verdict

ASKED_TO_STOP = Outcome(Verdict.SIGNAL, signal="SIGKILL", message="Ended on request.")


def result_of(outcome: Outcome, language: Language) -> dict[str, object]:
    """Milliseconds, bytes, text; what is no UTF-8 became the replacement character."""
    compiled = outcome.compile
    return {
        "verdict": outcome.verdict,
        "exit_code": outcome.exit_code,
        "signal": outcome.signal,
        "stdout": _text(outcome.stdout),
        "stderr": _text(outcome.stderr),
        "output": _text(outcome.merged),
        "message": outcome.message,
        "wall_ms": round(outcome.wall_s * 1000, 3),
        "cpu_ms": None if outcome.cpu_s is None else round(outcome.cpu_s * 1000, 3),
        "memory_bytes": outcome.memory_bytes,
        "language": language.name,
        "version": language.version,
        "compile": None if compiled is None else result_of(replace(compiled, compile=None), language),
    }


def pack_result(outcome: Outcome, language: Language) -> bytes:
    """As JSON."""
    return orjson.dumps(result_of(outcome, language))


def refused(message: str) -> Outcome:
    """For a run that was accepted and then not run."""
    return Outcome(Verdict.INTERNAL_ERROR, message=message)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
