"""The demo's result, and how it is told. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from afield.model.ids import parse_attempt_key
from afield.model.jsontypes import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinesReport:
    """The second act. `steps_run_twice` is counted in the machines' own journals, not in the ledger."""

    sessions: int
    sessions_completed: int
    sessions_resumed: int  # under way when the worker was killed, and ended well all the same
    steps_run_twice: int
    rollbacks: int
    conflicts_explained: int

    @property
    def good(self) -> bool:
        """Whether all ended as they should, and nothing ran twice."""
        ended = self.sessions_completed + self.rollbacks == self.sessions
        return ended and self.rollbacks == 1 and self.steps_run_twice == 0 and self.conflicts_explained == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ContestReport:
    """The third act. `runs` are counted at the adapters in the sessions, `escapes` at what the attacks reach for."""

    runs: int
    wrong_verdicts: int  # submissions that were not judged as they have to be
    runs_lost: int  # recorded runs without a verdict, or that no adapter knows
    escapes: int
    diagnoses_right: int
    diagnoses: int

    @property
    def good(self) -> bool:
        """Whether all was judged rightly, nothing was lost, nobody got out, and each cause was named."""
        failures = self.wrong_verdicts + self.runs_lost + self.escapes
        return self.runs > 0 and failures == 0 and self.diagnoses_right == self.diagnoses


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What happened, as numbers. `duplicated` is counted at the simulator and the adapters, not in the ledger."""

    submitted: int
    landed: int
    lost: int
    duplicated: int
    worker_kills: int
    database_kills: int
    adopted: int
    resubmitted: int
    machines: MachinesReport
    contest: ContestReport
    seconds: float

    @property
    def good(self) -> bool:
        """Whether everything landed, and nothing was lost or ran twice."""
        landed = self.landed == self.submitted and self.lost == 0 and self.duplicated == 0
        return landed and self.machines.good and self.contest.good

    def to_json(self) -> JsonObject:
        """All numbers on one level."""
        numbers: JsonObject = asdict(self)
        machines, contest = numbers.pop("machines"), numbers.pop("contest")
        assert isinstance(machines, dict)
        assert isinstance(contest, dict)
        return machines | contest | numbers


def run_twice(journal: Iterable[JsonObject]) -> int:
    """How many scripts ran once more than they should, from the machines' journals. Raises ValueError as `duplicated`
    does."""
    return duplicated(_attempt_name(line) for line in journal)


def _attempt_name(line: JsonObject) -> str:
    """The attempt a script belongs to: a managed command is named so, an action's script says so in its first line."""
    first = str(line.get("first_line") or "")
    return first.removeprefix(ACTION_MARK).strip() if first.startswith(ACTION_MARK) else str(line.get("name"))


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


ACTION_MARK = "# afield:"


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
        f"Runbooks: {report.machines.sessions} sessions, {report.machines.sessions_completed} completed and "
        f"{report.machines.rollbacks} undone in reverse; {report.machines.sessions_resumed} went on after the worker's "
        f"death, {report.machines.steps_run_twice} steps ran twice, counted in the machines' own journals.",
        f"Contest: {report.contest.runs} runs, {report.contest.runs_lost} lost; {report.contest.wrong_verdicts} "
        f"programs were judged wrongly; attacks got at something {report.contest.escapes} times.",
        f"Broken pool: {report.contest.diagnoses_right} of {report.contest.diagnoses} diagnoses named what was broken.",
        f"{verdict} It took {report.seconds:.0f} seconds.",
    )


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")
