"""The outcome of a diagnosis: its rungs, and the sentence they amount to. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from afield.connectors.base import CheckResult, CheckVerdict
from afield.model.jsontypes import JsonObject

_GRAVEST_FIRST = (CheckVerdict.FAIL, CheckVerdict.COULD_NOT_LOOK, CheckVerdict.WARN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One check that was made, or why it was not."""

    name: str
    result: CheckResult
    seconds: float = 0.0

    @property
    def verdict(self) -> CheckVerdict:
        return self.result.verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """All rungs in order, and one sentence: the most likely cause and the next step."""

    subject: str
    rungs: tuple[Rung, ...]
    sentence: str

    @property
    def verdict(self) -> CheckVerdict:
        """The gravest one; `ok` when nothing is wrong."""
        found = {rung.verdict for rung in self.rungs}
        return next((verdict for verdict in _GRAVEST_FIRST if verdict in found), CheckVerdict.OK)


def conclude(subject: str, rungs: Sequence[Rung], *, all_well: str) -> Diagnosis:
    """The diagnosis these rungs amount to. The first of the gravest explains it; `all_well` is said if none does."""
    explaining = next((r for verdict in _GRAVEST_FIRST for r in rungs if r.verdict is verdict), None)
    sentence = all_well if explaining is None else _sentence(explaining)
    return Diagnosis(subject=subject, rungs=tuple(rungs), sentence=sentence)


def _sentence(rung: Rung) -> str:
    result = rung.result
    cause = (result.cause or f"The check {rung.name!r} says: {result.answered}").strip().rstrip(".")
    step = result.next_step.strip().split(". ")[0].rstrip(".")
    return f"{cause}; next step: {_lower_first(step)}." if step else f"{cause}."


def _lower_first(text: str) -> str:
    """As part of a sentence; names in capitals stay."""
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def joined(first: Diagnosis, second: Diagnosis, *, prefix: str, explained_by: Diagnosis | None = None) -> Diagnosis:
    """Two ladders as one, the second's rungs under a prefix. The second explains the first: its sentence is taken
    when it found something at least as grave, unless `explained_by` says whose to take."""
    rungs = (*first.rungs, *(replace(rung, name=f"{prefix}.{rung.name}") for rung in second.rungs))
    deeper = second.verdict is not CheckVerdict.OK and rank(second.verdict) <= rank(first.verdict)
    explained_by = explained_by or (second if deeper else first)
    return Diagnosis(subject=first.subject, rungs=rungs, sentence=explained_by.sentence)


def rank(verdict: CheckVerdict) -> int:
    """How grave it is; 0 is the gravest."""
    return _GRAVEST_FIRST.index(verdict) if verdict in _GRAVEST_FIRST else len(_GRAVEST_FIRST)


def to_json(diagnosis: Diagnosis) -> JsonObject:
    """As JSON; durations in seconds."""
    return {
        "subject": diagnosis.subject,
        "verdict": diagnosis.verdict.value,
        "sentence": diagnosis.sentence,
        "rungs": [_rung_json(rung) for rung in diagnosis.rungs],
    }


def _rung_json(rung: Rung) -> JsonObject:
    result = rung.result
    return {
        "name": rung.name,
        "verdict": result.verdict.value,
        "asked": result.asked,
        "answered": result.answered,
        "next_step": result.next_step,
        "cause": result.cause,
        "seconds": round(rung.seconds, 3),
    }


_MARKS = {
    CheckVerdict.OK: "ok  ",
    CheckVerdict.WARN: "warn",
    CheckVerdict.FAIL: "FAIL",
    CheckVerdict.SKIPPED: "skip",
    CheckVerdict.COULD_NOT_LOOK: " ?  ",
}


def to_text(diagnosis: Diagnosis) -> str:
    """As lines for a terminal; the last one is the sentence."""
    width = max((len(rung.name) for rung in diagnosis.rungs), default=0)
    lines = [diagnosis.subject, *(line for rung in diagnosis.rungs for line in _rung_lines(rung, width))]
    return "\n".join([*lines, "", diagnosis.sentence])


def _rung_lines(rung: Rung, width: int) -> list[str]:
    result = rung.result
    took = f"  ({rung.seconds:.2f} s)" if rung.seconds >= 0.005 else ""
    indent = " " * (8 + width)
    lines = [f"  {_MARKS[result.verdict]}  {rung.name:<{width}}{took}"]
    shown: list[tuple[str, str]] = [("asked", result.asked), ("answer", result.answered)]
    if result.verdict is not CheckVerdict.OK:
        shown.append(("next", result.next_step))
    return lines + [f"{indent}  {label}: {text}" for label, text in shown if text]


Redactor = Callable[[str], str]


def redacted(result: CheckResult, clean: Redactor) -> CheckResult:
    """The same result, fit to be shown."""
    return replace(
        result,
        asked=clean(result.asked),
        answered=clean(result.answered),
        next_step=clean(result.next_step),
        cause=clean(result.cause),
    )
