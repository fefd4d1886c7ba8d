"""Judging a submission: one run for each test of a problem."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from afield.coderunner.judging import Judged, Judgement, TestVerdict, judge_run, summed
from afield.coderunner.problems import Problem, ProblemTest
from afield.coderunner.requests import JUDGE_LABEL, TEST_LABEL, RunReport
from afield.connectors.coding import CodeFile, CodeSpec
from afield.errors import AfieldError, InvalidInputError
from afield.model.execution import Execution

AT_ONCE = 8
"""Tests of one submission that run or wait at the same time, so that one submission does not fill the queue."""

_HIDDEN = "The test is hidden."
_SAYS_NOTHING = frozenset({TestVerdict.ACCEPTED, TestVerdict.COMPILE_ERROR, TestVerdict.INTERNAL_ERROR})

RunTest = Callable[[CodeSpec, Mapping[str, str]], Awaitable[RunReport]]
"""Runs one test; the report's result holds all of the output. Raises AfieldError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedCode:
    """A solution to be judged."""

    language: str
    files: tuple[CodeFile, ...]
    version: str = "*"


class Judge:
    """Judges one submission."""

    def __init__(self, judge_id: str, problem: Problem, code: JudgedCode, run: RunTest) -> None:
        """Raises InvalidInputError for a language the problem does not allow."""
        if problem.languages and code.language.lower() not in problem.languages:
            allowed = ", ".join(problem.languages)
            raise InvalidInputError(
                f"{code.language[:64]!r} is not a language of this problem.", hint=f"Allowed: {allowed}."
            )
        self._id = judge_id
        self._problem = problem
        self._code = code
        self._run = run

    async def judge(self) -> Judgement:
        """Run the tests: in order until the first failure, or all, several at a time. The first goes ahead in any
        case: a program that does not compile is compiled once. Raises AfieldError when the first cannot be taken."""
        tests = list(enumerate(self._problem.tests, 1))
        first = await self._first(*tests[0])
        if self._problem.stop_at_first_failure:
            return summed(self._id, await self._in_order(first, tests[1:]))
        if first.verdict is TestVerdict.COMPILE_ERROR:
            return summed(self._id, [first, *(_skipped(*test) for test in tests[1:])])
        return summed(self._id, [first, *await self._together(tests[1:])])

    async def _in_order(self, first: Judged, tests: list[tuple[int, ProblemTest]]) -> list[Judged]:
        judged = [first]
        for number, test in tests:
            goes_on = judged[-1].verdict is TestVerdict.ACCEPTED
            judged.append(await self._judged(number, test) if goes_on else _skipped(number, test))
        return judged

    async def _together(self, tests: list[tuple[int, ProblemTest]]) -> list[Judged]:
        places = asyncio.Semaphore(AT_ONCE)

        async def one(number: int, test: ProblemTest) -> Judged:
            async with places:
                return await self._judged(number, test)

        async with asyncio.TaskGroup() as group:
            running = [group.create_task(one(number, test)) for number, test in tests]
        return [task.result() for task in running]

    async def _judged(self, number: int, test: ProblemTest) -> Judged:
        try:
            return await self._first(number, test)
        except AfieldError as error:
            return _not_judged(number, test, str(error))

    async def _first(self, number: int, test: ProblemTest) -> Judged:
        spec = CodeSpec(
            language=self._code.language,
            version=self._code.version,
            files=self._code.files,
            stdin=test.stdin,
            limits=self._problem.limits,
            compile_limits=self._problem.compile_limits,
        )
        labels = {JUDGE_LABEL: self._id, TEST_LABEL: str(number)}
        return self._read(number, test, await self._run(spec, labels))

    def _read(self, number: int, test: ProblemTest, report: RunReport) -> Judged:
        result, execution_id = report.result, str(report.execution.id)
        if result is None:
            return _not_judged(number, test, _why_none(report.execution), execution_id)
        verdict, reason = judge_run(result, test.expected or "", self._problem.compare.compare())
        return Judged(
            number=number,
            name=test.name,
            verdict=verdict,
            points=test.points if verdict is TestVerdict.ACCEPTED else 0.0,
            maximum=test.points,
            hidden=test.hidden,
            reason=_HIDDEN if test.hidden and verdict not in _SAYS_NOTHING else reason,
            wall_ms=result.wall_ms,
            cpu_ms=result.cpu_ms,
            memory_bytes=result.memory_bytes,
            execution_id=execution_id,
        )


def _why_none(execution: Execution) -> str:
    reason = execution.reason
    told = f": {reason.text or reason.code}" if reason else ""
    return f"The run did not come to a known end, it is {execution.state}{told}"


def _skipped(number: int, test: ProblemTest) -> Judged:
    return Judged(
        number=number, name=test.name, verdict=TestVerdict.SKIPPED, maximum=test.points, hidden=test.hidden
    )  # fmt: skip


def _not_judged(number: int, test: ProblemTest, reason: str, execution_id: str | None = None) -> Judged:
    return Judged(
        number=number,
        name=test.name,
        verdict=TestVerdict.INTERNAL_ERROR,
        maximum=test.points,
        hidden=test.hidden,
        reason=reason,
        execution_id=execution_id,
    )
