"""The demo's result, and how it is told. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from afield.model.ids import parse_attempt_key
from afield.model.jsontypes import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What happened, as numbers. `duplicated` is counted at the simulator, not in the ledger."""

    submitted: int
    landed: int
    lost: int
    duplicated: int
    worker_kills: int
    database_kills: int
    adopted: int
    resubmitted: int
    seconds: float

    @property
    def good(self) -> bool:
        """Whether everything landed, and nothing was lost or ran twice."""
        return self.landed == self.submitted and self.lost == 0 and self.duplicated == 0

    def to_json(self) -> JsonObject:
        return asdict(self)


def duplicated(names: Iterable[str]) -> int:
    """How many remote executions are one too many, from the names under which they ran at the simulator.

    Every attempt of an execution counts for that execution; names that are not ours do not count. Raises ValueError
    when none is ours: then the count would be worth nothing.
    """
    keys = (parse_attempt_key(name) for name in names)
    per_execution = Counter(key[0] for key in keys if key is not None)
    if not per_execution:
        raise ValueError("the simulator shows no execution of ours")
    return sum(count - 1 for count in per_execution.values())


def adopted(events: Iterable[JsonObject]) -> int:
    """How many executions were tied to what was found at the remote."""
    return sum(_reason(event) in {"adopted", "late_arrival"} for event in events)


def resubmitted(events: Iterable[JsonObject]) -> int:
    """How many attempts were repeated, each after it was shown absent."""
    return sum(_reason(event) == "absent" and event.get("to_state") == "queued" for event in events)


def _reason(event: JsonObject) -> str:
    reason = event.get("reason")
    return str(reason.get("code")) if isinstance(reason, dict) else ""


def in_words(report: Report, counts: Counter[str], foreign: int) -> Sequence[str]:
    """The closing report, a sentence a line."""
    ends = ", ".join(f"{number} {state}" for state, number in sorted(counts.items()))
    verdict = "Nothing was lost and nothing ran twice." if report.good else "This is not what should have happened."
    return (
        f"{report.submitted} executions were recorded; {report.landed} came to an end both sides agree on ({ends}).",
        f"The worker was killed {_times(report.worker_kills)} and the database {_times(report.database_kills)}, "
        "with SIGKILL, while requests were on the wire.",
        f"Lost replies: {report.adopted} times the execution was found at the remote and tied to its record.",
        f"Lost requests: {report.resubmitted} times a complete and late look showed that nothing had arrived, and only "
        "then it was sent again.",
        f"{report.lost} were lost; {report.duplicated} ran more than once, counted at the simulator.",
        f"Executions somebody else started, seen and left alone: {foreign}.",
        f"{verdict} It took {report.seconds:.0f} seconds.",
    )


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")
