"""What the routes for running code take and give."""

from __future__ import annotations

from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, model_validator

from afield.api.bodies import Given, Label, Labels, Name, ReasonBody, Shown, Time
from afield.coderunner.judge import JudgedCode
from afield.coderunner.judging import Judgement, TestVerdict
from afield.coderunner.pool import PoolView
from afield.coderunner.problems import MOST_BYTES, Problem, parse_problem
from afield.coderunner.requests import MOST_BATCH, Refusal, RunReport, RunRequest
from afield.connectors.coding import MOST_CODE_BYTES, MOST_FILES, CodeFile, CodeLimits, CodeResult, CodeSpec
from afield.model.states import ExecutionState

Pool = Annotated[Name | None, Field(description="A target's name or id; without it, the pool of this installation.")]


# ------------------------------------------------------------------------------------------- asking


class _CodeBody(Given):
    """A program."""

    language: Annotated[str, Field(min_length=1, max_length=64, description="Name or alias.", examples=["python"])]
    version: Annotated[str, Field(min_length=1, max_length=64, description="A semver range.")] = "*"
    code: Annotated[
        str | None, Field(max_length=MOST_CODE_BYTES, description="A program of one file.", examples=["print(6 * 7)"])
    ] = None
    files: Annotated[
        tuple[CodeFile, ...], Field(max_length=MOST_FILES, description="Instead of `code`; the first is run.")
    ] = ()

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.code is None) == (not self.files):
            raise ValueError("give either code or files")
        return self

    @property
    def all_files(self) -> tuple[CodeFile, ...]:
        return self.files if self.code is None else (CodeFile(content=self.code),)


class RunBody(_CodeBody):
    """A program to be run."""

    stdin: Annotated[str, Field(max_length=MOST_CODE_BYTES)] = ""
    args: Annotated[tuple[str, ...], Field(max_length=1000)] = ()
    limits: Annotated[CodeLimits, Field(description="Seconds and bytes; what is not given is the pool's default.")] = (
        CodeLimits()
    )
    compile_limits: CodeLimits = CodeLimits()
    pool: Pool = None
    keep: Annotated[bool, Field(description="In a session of your own that stays, with its state.")] = False
    lease: Annotated[Label, Field(description="Which of your own sessions, with `keep`.")] = "main"
    labels: Annotated[Labels, Field(default_factory=dict)]

    def request(self, idempotency_key: str | None = None) -> RunRequest:
        """What the product is asked for."""
        spec = CodeSpec(
            language=self.language,
            version=self.version,
            files=self.all_files,
            stdin=self.stdin,
            args=self.args,
            limits=self.limits,
            compile_limits=self.compile_limits,
        )
        return RunRequest(
            spec=spec,
            pool=self.pool,
            keep=self.keep,
            lease=self.lease,
            labels=self.labels,
            idempotency_key=idempotency_key,
        )


class BatchBody(Given):
    """Programs to be run, each for itself."""

    runs: Annotated[tuple[RunBody, ...], Field(min_length=1, max_length=MOST_BATCH)]

    def requests(self, idempotency_key: str | None) -> list[RunRequest]:
        """Each with a key of its own, made of the batch's."""
        keys = [None if idempotency_key is None else f"{idempotency_key}/{at}" for at in range(len(self.runs))]
        return [run.request(key) for run, key in zip(self.runs, keys, strict=True)]


class JudgeBody(_CodeBody):
    """A solution, and the problem it is to solve."""

    problem: Annotated[Problem | None, Field(description="As an object. Its tests hold their texts themselves.")] = None
    problem_yaml: Annotated[
        str | None, Field(max_length=MOST_BYTES, description="Instead of `problem`: the text of a problem.yaml.")
    ] = None
    pool: Pool = None

    @model_validator(mode="after")
    def _one_whole_problem(self) -> Self:
        if (self.problem is None) == (self.problem_yaml is None):
            raise ValueError("give either problem or problem_yaml")
        tests = self.problem.tests if self.problem else ()
        if any(test.stdin_file is not None or test.expected_file is not None for test in tests):
            raise ValueError("a problem that is sent cannot name files; write stdin and expected out")
        return self

    def the_problem(self) -> Problem:
        """Parses YAML: not for an event loop. Raises ProblemError."""
        return self.problem if self.problem is not None else parse_problem(self.problem_yaml or "")

    def submission(self) -> JudgedCode:
        """The solution."""
        return JudgedCode(language=self.language, version=self.version, files=self.all_files)


# ------------------------------------------------------------------------------------------- answering


class RunReportBody(Shown):
    """What became of a run. Its execution has the rest, and the whole output where `result.cut` is true."""

    execution_id: UUID
    target_id: UUID
    state: ExecutionState
    reason: ReasonBody | None
    complete: Annotated[bool, Field(description="Nothing more is to be expected.")]
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    result: Annotated[CodeResult | None, Field(description="None: it has not ended, did not run, or nobody knows.")]

    @classmethod
    def of(cls, report: RunReport) -> Self:
        execution = report.execution
        return cls(
            execution_id=execution.id,
            target_id=execution.target_id,
            state=execution.state,
            reason=ReasonBody.model_validate(execution.reason) if execution.reason else None,
            complete=execution.complete,
            created_at=execution.created_at,
            started_at=execution.started_at,
            finished_at=execution.finished_at,
            result=report.result,
        )


class RefusalBody(Shown):
    """Why one run of a batch was not taken."""

    code: str
    message: str
    hint: str
    status: Annotated[int, Field(description="What HTTP would answer to it alone.")]
    retry_after: Annotated[int | None, Field(description="Seconds.")]


class BatchItemBody(Shown):
    """One of both."""

    report: RunReportBody | None = None
    refusal: RefusalBody | None = None

    @classmethod
    def of(cls, answer: RunReport | Refusal) -> Self:
        if isinstance(answer, Refusal):
            return cls(refusal=RefusalBody.model_validate(answer))
        return cls(report=RunReportBody.of(answer))


class BatchReportBody(Shown):
    """The runs of a batch, in the order they were asked for."""

    items: list[BatchItemBody]


class JudgedBody(Shown):
    """One test."""

    number: int
    name: str
    verdict: TestVerdict
    points: float
    maximum: float
    hidden: bool
    reason: str
    wall_ms: float | None
    cpu_ms: float | None
    memory_bytes: int | None
    execution_id: UUID | None


class JudgementBody(Shown):
    """What a solution is worth."""

    id: Annotated[str, Field(description="The label `code_judge` of its executions.")]
    verdict: TestVerdict
    points: float
    maximum: float
    judged: Annotated[bool, Field(description="False: the fault was ours, and the points say nothing.")]
    tests: list[JudgedBody]

    @classmethod
    def of(cls, judgement: Judgement) -> Self:
        return cls.model_validate(judgement)


class RuntimeBody(Shown):
    """A language in one version."""

    language: str
    version: str
    aliases: list[str]


class RuntimesBody(Shown):
    """What a pool runs."""

    items: list[RuntimeBody]


class PoolSizeBody(Shown):
    """How large a pool is."""

    sessions: int
    cooldown_s: float | None
    keeps_state: bool


class LeaseBody(Shown):
    """A session in use."""

    slot: int
    user: str
    kept: bool
    seconds: float


class BoundsBody(Shown):
    """How many runs may wait."""

    most_waiting: int
    most_waiting_per_user: int


class PoolBody(Shown):
    """How a pool stands. Leases, waiting runs and runs a minute are those of this process."""

    pool: str
    target_id: UUID
    size: PoolSizeBody
    leases: list[LeaseBody]
    waiting: Annotated[dict[str, int], Field(description="Runs by user, in the order of turns.")]
    bounds: BoundsBody
    places_held: int
    processes: int
    sessions: int
    kept_sessions: int
    runs_per_minute: Annotated[float | None, Field(description="Of late; null: too few to say.")]
    sustained_per_minute: Annotated[
        float | None, Field(description="What the pool bears for long with a new session for each run.")
    ]

    @classmethod
    def of(cls, view: PoolView) -> Self:
        return cls.model_validate(view)


class PoolsBody(Shown):
    """All pools that run code, by name."""

    items: list[PoolBody]
