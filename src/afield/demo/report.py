"""The demo's result, and how it is told. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from afield.model.ids import parse_attempt_key
from afield.model.jsontypes import JsonObject

_ASLEEP = 25
"""A web process that takes so many times as long to answer does not stay awake. How little it should be is measured by
the benchmark `responsive`, on a quiet machine."""

_LEAST_GOLDEN = 0.9
"""The share of golden questions that has to pass. A job whose important ones did not all pass is not complete."""


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
class ProvisioningReport:
    """The fourth act. What agents did is counted in the files that they write themselves, not in the ledger."""

    jobs: int
    jobs_completed: int
    jobs_failed_as_planned: int  # at the site's certificate, and said so
    making_when_killed: int  # jobs whose data was being made when the worker was killed
    agents_repeated_after_kill: int  # had made their artefact before the kill, and began again after it
    golden_passed: int  # of the completed jobs
    golden: int
    questions_answered: int  # in the chat, with figures
    questions: int
    healthz_p99_ratio: float  # with the jobs under way, to before, at the same load

    @property
    def good(self) -> bool:
        """Whether each job ended as it had to, nothing was done again, and the web process stayed awake."""
        ended = self.jobs_failed_as_planned == 1 and self.jobs_completed + 1 == self.jobs
        killed = self.making_when_killed > 0 and self.agents_repeated_after_kill == 0
        golden = self.golden > 0 and self.golden_passed >= _LEAST_GOLDEN * self.golden
        answered = golden and self.questions_answered == self.questions > 0
        return ended and killed and answered and self.healthz_p99_ratio <= _ASLEEP


@dataclass(frozen=True, slots=True, kw_only=True)
class Acts:
    """All acts but the first."""

    machines: MachinesReport
    contest: ContestReport
    provisioning: ProvisioningReport

    @property
    def good(self) -> bool:
        """Whether each of them went as it should."""
        return self.machines.good and self.contest.good and self.provisioning.good


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
    acts: Acts
    seconds: float

    @property
    def good(self) -> bool:
        """Whether everything landed, and nothing was lost or ran twice."""
        landed = self.landed == self.submitted and self.lost == 0 and self.duplicated == 0
        return landed and self.acts.good

    def to_json(self) -> JsonObject:
        """All numbers on one level."""
        numbers: JsonObject = asdict(self)
        acts = numbers.pop("acts")
        assert isinstance(acts, dict)
        for act in acts.values():
            assert isinstance(act, dict)
            numbers |= act
        return numbers


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
        *_acts_in_words(report.acts),
        f"{verdict} It took {report.seconds:.0f} seconds.",
    )


def _acts_in_words(acts: Acts) -> Iterator[str]:
    machines, contest, demos = acts.machines, acts.contest, acts.provisioning
    yield (
        f"Runbooks: {machines.sessions} sessions, {machines.sessions_completed} completed and {machines.rollbacks} "
        f"undone in reverse; {machines.sessions_resumed} went on after the worker's death, {machines.steps_run_twice} "
        "steps ran twice, counted in the machines' own journals."
    )
    yield (
        f"Contest: {contest.runs} runs, {contest.runs_lost} lost; {contest.wrong_verdicts} programs were judged "
        f"wrongly; attacks got at something {contest.escapes} times."
    )
    yield f"Broken pool: {contest.diagnoses_right} of {contest.diagnoses} diagnoses named what was broken."
    yield (
        f"Demos: {demos.jobs_completed} of {demos.jobs} are complete, {demos.golden_passed} of {demos.golden} golden "
        f"questions passed; {demos.jobs_failed_as_planned} was refused for its certificate, as planned; "
        f"{demos.agents_repeated_after_kill} agents began again that had finished before the worker was killed."
    )
    yield (
        f"{demos.questions_answered} of {demos.questions} questions were answered in the chat. With the jobs under "
        f"way, /healthz took {demos.healthz_p99_ratio:.1f} times as long as before, at the 99th percentile."
    )


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")
