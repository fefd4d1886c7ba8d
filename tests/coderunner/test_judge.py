"""Judging real solutions: the examples, and what happens when a run does not come to its end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from coderunner_world import CodeWorld, solution

from afield.coderunner.judge import JudgedCode
from afield.coderunner.judging import Judgement, TestVerdict
from afield.coderunner.problems import Problem, load_problem, parse_problem
from afield.connectors.coding import CodeFile
from afield.errors import InvalidInputError
from afield.ledger.base import ExecutionFilter
from afield.model.target import DEFAULT_TENANT

V = TestVerdict
EXAMPLES = Path(__file__).parents[2] / "examples" / "problems"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.yaml"))


def quick(problem: Problem, seconds: float) -> Problem:
    return problem.model_copy(update={"limits": problem.limits.model_copy(update={"wall_s": seconds})})


async def judge(world: CodeWorld, name: str, which: str = "", seconds: float = 20.0) -> Judgement:
    problem = quick(await asyncio.to_thread(load_problem, EXAMPLES / f"{name}.yaml"), seconds)
    code = await asyncio.to_thread((EXAMPLES / "solutions" / f"{name}{which}.py").read_text)
    return await world.runner.judge(problem, solution(code), user="ann", pool="pool")


def verdicts(judgement: Judgement) -> list[TestVerdict]:
    return [test.verdict for test in judgement.tests]


def test_there_are_five_examples_of_several_kinds() -> None:
    problems = [load_problem(EXAMPLES / f"{name}.yaml") for name in NAMES]
    assert len(problems) == 5
    assert len({problem.compare.mode for problem in problems}) == 4
    assert {problem.stop_at_first_failure for problem in problems} == {True, False}


@pytest.mark.parametrize("name", NAMES)
async def test_the_reference_solution_gets_all_points(world: CodeWorld, name: str) -> None:
    judgement = await judge(world, name)
    assert judgement.judged
    assert (judgement.verdict, judgement.points) == (V.ACCEPTED, judgement.maximum)
    assert [test.reason for test in judgement.tests] == [""] * len(judgement.tests)


@pytest.mark.parametrize("name", NAMES)
async def test_the_wrong_solution_is_found_out(world: CodeWorld, name: str) -> None:
    judgement = await judge(world, name, "_wrong")
    assert judgement.verdict is V.WRONG_ANSWER
    assert judgement.points < judgement.maximum


@pytest.mark.parametrize("name", NAMES)
async def test_the_slow_solution_runs_out_of_time(world: CodeWorld, name: str) -> None:
    judgement = await judge(world, name, "_slow", seconds=1.5)
    assert judgement.verdict is V.TIME_LIMIT
    assert V.WRONG_ANSWER not in verdicts(judgement)


PROBLEM = """\
title: Echo
tests:
  - {stdin: a, expected: a}
  - {stdin: b, expected: b, hidden: true}
  - {stdin: c, expected: c, points: 3}
"""


def problem(*, stop: bool = False, **more: object) -> Problem:
    return parse_problem(PROBLEM).model_copy(update={"stop_at_first_failure": stop, **more})


async def judged(world: CodeWorld, code: str, task: Problem, language: str = "python") -> Judgement:
    submission = JudgedCode(language=language, files=(CodeFile(content=code),))
    return await world.runner.judge(task, submission, user="ann", pool="pool")


async def test_every_test_is_an_execution_with_labels(world: CodeWorld) -> None:
    judgement = await judged(world, "print(input())", problem())
    page = await world.kernel.ledger.executions(
        ExecutionFilter(tenant_id=DEFAULT_TENANT, labels={"code_judge": judgement.id})
    )
    by_test = {row.labels["code_test"]: str(row.id) for row in page.items}
    assert by_test == {str(test.number): test.execution_id for test in judgement.tests}
    assert (judgement.points, judgement.maximum) == (5, 5)


async def test_it_stops_at_the_first_failure_when_told_to(world: CodeWorld) -> None:
    code = "t = input()\nprint(t if t != 'b' else 'x')"
    judgement = await judged(world, code, problem(stop=True))
    assert verdicts(judgement) == [V.ACCEPTED, V.WRONG_ANSWER, V.SKIPPED]
    assert (judgement.verdict, judgement.points) == (V.WRONG_ANSWER, 1)
    assert judgement.tests[2].execution_id is None
    judgement = await judged(world, code, problem())
    assert verdicts(judgement) == [V.ACCEPTED, V.WRONG_ANSWER, V.ACCEPTED]
    assert judgement.points == 4


async def test_a_hidden_test_stays_hidden(world: CodeWorld) -> None:
    judgement = await judged(world, "input(); print('q')", problem())
    assert [test.reason for test in judgement.tests] == [
        "Line 1: expected 'a', got 'q'.",
        "The test is hidden.",
        "Line 1: expected 'c', got 'q'.",
    ]


async def test_what_does_not_compile_is_run_once(world: CodeWorld) -> None:
    judgement = await judged(world, "print(", problem())
    assert verdicts(judgement) == [V.COMPILE_ERROR, V.SKIPPED, V.SKIPPED]
    assert "SyntaxError" in judgement.tests[0].reason
    assert (judgement.verdict, judgement.points, judgement.judged) == (V.COMPILE_ERROR, 0, True)


@pytest.mark.parametrize("code", ["broken", "lose-before"])
async def test_our_own_trouble_is_not_held_against_the_program(
    world: CodeWorld, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.runner, "_patience", world.runner._patience / 600)
    judgement = await judged(world, f"{code}\n# ann", problem(), "script")
    assert judgement.verdict is V.INTERNAL_ERROR
    assert not judgement.judged


async def test_a_long_output_is_compared_whole(world: CodeWorld) -> None:
    text = "\n".join(map(str, range(40_000)))
    long = problem(tests=(parse_problem(PROBLEM).tests[0].model_copy(update={"expected": text}),))
    good = await judged(world, "print(*range(40000), sep='\\n')", long)
    assert good.verdict is V.ACCEPTED
    bad = await judged(world, "print(*range(39999), 7, sep='\\n')", long)
    assert bad.tests[0].reason == "Line 40000: expected '39999', got '7'."


async def test_a_language_that_is_not_allowed_is_refused(world: CodeWorld) -> None:
    with pytest.raises(InvalidInputError, match="Allowed: c"):
        await judged(world, "x", problem(languages=("c",)))
    assert (await world.kernel.ledger.executions(ExecutionFilter(tenant_id=DEFAULT_TENANT))).items == ()
