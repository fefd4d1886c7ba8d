"""The third act's parts: what is handed in, what the attacks reach for, and how all of it is counted and drawn."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from asyncio import to_thread
from collections import Counter
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from afield.coderunner.judging import TestVerdict, difference
from afield.coderunner.problems import load_problem, parse_problem
from afield.connectors.coding import CodeLimits
from afield.demo.breakages import BREAKAGES, named
from afield.demo.canaries import Canaries
from afield.demo.contest import printed, run_id_of, run_ids, verdict_of
from afield.demo.scene import Scene
from afield.demo.screen import picture
from afield.demo.submissions import PROGRAMS, USERS, Program, handed_in

EXAMPLES = Path(__file__).parents[2] / "examples" / "problems"
PROBLEM = parse_problem(resources.files("afield.demo").joinpath("root.yaml").read_text(encoding="utf-8"))
REACHING = [one for one in PROGRAMS if one.attack and one.verdict is TestVerdict.WRONG_ANSWER]
SOLVING = [one for one in PROGRAMS if one.verdict in {"accepted", "wrong_answer"} and not one.attack]


def ids(programs: list[Program]) -> list[str]:
    return [re.sub(r"\W+", "-", one.name) for one in programs]


# ---------------------------------------------------------------------------------------- what is handed in


def test_the_problem_is_one_of_the_examples_with_the_limits_of_a_contest() -> None:
    example = load_problem(EXAMPLES / "root.yaml")
    change = {"limits": CodeLimits(), "languages": (), "stop_at_first_failure": False}
    assert PROBLEM.model_copy(update=change) == example.model_copy(update=change)
    assert PROBLEM.stop_at_first_failure


def test_twenty_users_hand_in_ten_programs_each_and_always_the_same() -> None:
    submissions = handed_in()
    assert Counter(one.user for one in submissions) == dict.fromkeys(USERS, 10)
    assert (len(submissions), len(USERS)) == (200, 20)
    assert handed_in() == submissions
    assert {one.program.name for one in submissions} == {one.name for one in PROGRAMS}
    assert len({one.name for one in PROGRAMS}) == len(PROGRAMS)


def test_no_attack_knows_the_secret_beforehand() -> None:
    bait: dict[str, Any] = {"secret": "S3CRET", "file": "/f", "pid": 7, "port": 8, "name": "n"}
    told = [one.name for one in PROGRAMS if "S3CRET" in one.source(bait)]
    assert told == ["leaves notes"]
    assert all(one.bait or one.source(bait) == one.code for one in PROGRAMS)


@pytest.mark.parametrize("program", SOLVING, ids=ids(SOLVING))
async def test_a_program_that_ends_is_right_or_wrong_as_it_is_said_to_be(program: Program, tmp_path: Path) -> None:
    right = []
    for test in PROBLEM.tests:
        code = program.source({"secret": "x"})
        output = await to_thread(_python, code, tmp_path, test.stdin)
        right.append(difference(output, test.expected or "", PROBLEM.compare.compare()) is None)
    assert all(right) == (program.verdict is TestVerdict.ACCEPTED), right


def _python(code: str, folder: Path, stdin: str) -> str:
    """What it prints without a jail, when it keeps to this folder. The process that starts it is not this one."""
    code = code.replace(', "/tmp", "/var/tmp", "/dev/shm"', "")
    start = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]], timeout=20)"
    command = [sys.executable, "-c", start, code]
    done = subprocess.run(
        command, input=stdin.encode(), capture_output=True, cwd=folder, check=False, timeout=30,
        env=os.environ | {"TMPDIR": str(folder)},
    )  # fmt: skip
    return done.stdout.decode(errors="replace")


# ---------------------------------------------------------------------------------------- what they reach for


@pytest.mark.parametrize("program", REACHING, ids=ids(REACHING))
async def test_every_attack_is_noticed_where_no_jail_holds_it(program: Program, tmp_path: Path) -> None:
    place = tmp_path / "work"
    place.mkdir()
    async with Canaries(tmp_path / "canaries") as canaries:
        (place / "note").write_text(str(canaries.bait["secret"]))
        assert await canaries.reached(["nothing", ""]) == 0
        code = program.source(canaries.bait)
        reached = await canaries.reached([await to_thread(_python, code, place, "0\n")])
    assert reached >= 1


async def test_canaries_leave_nothing_behind(tmp_path: Path) -> None:
    async with Canaries(tmp_path / "canaries") as canaries:
        pid = canaries.bait["pid"]
        assert await to_thread(Path(f"/proc/{pid}").exists)
    assert not await to_thread(Path(f"/proc/{pid}").exists)


# ---------------------------------------------------------------------------------------- counting and drawing


def test_runs_are_counted_as_often_as_they_ran() -> None:
    assert sorted(run_ids({"runs": {"s1": {"a": 1, "b": 2}, "s2": {"c": 1}}})) == ["a", "b", "b", "c"]
    assert run_ids({"runs": {}}) == []


def test_a_recorded_run_has_a_verdict_only_when_it_is_complete() -> None:
    detail = {"verdict": "ok", "stdout": "out", "stderr": "err", "output": None}
    row: dict[str, Any] = {"complete": True, "handle": "session/run-1", "output": {"detail": detail}}
    assert (verdict_of(row), run_id_of(row), printed(row)) == ("ok", "run-1", "outerr")
    assert verdict_of(row | {"complete": False}) == ""
    for nothing in ({}, {"output": None, "complete": True}, {"output": {"detail": None}, "handle": None}):
        assert (verdict_of(nothing), run_id_of(nothing), printed(nothing)) == ("", "", "")


def test_a_diagnosis_is_right_when_it_names_the_cause_and_no_other() -> None:
    first, second = BREAKAGES[:2]
    assert named(first, f"{first.cause}; do something")
    assert not named(first, f"{second.cause}.")
    assert not named(first, f"{first.cause}, or {second.cause}.")
    assert not named(first, "Nothing is wrong.")
    assert len(BREAKAGES) == 5


def test_the_screen_shows_every_submission_of_every_user() -> None:
    scene = Scene()
    scene.sessions = [{"id": 1, "title": "earlier", "state": "completed"}]
    scene.contest = {user: [] for user in USERS}
    scene.contest["user-01"] = [("accepted", True), ("time_limit", True), ("accepted", False), ("", False)]
    console = Console(file=io.StringIO(), width=120)
    console.print(picture(scene))
    drawn = console.file.getvalue()  # type: ignore[attr-defined]
    assert "●t✗✗" in drawn
    assert all(user in drawn for user in USERS)
    assert "earlier" not in drawn
