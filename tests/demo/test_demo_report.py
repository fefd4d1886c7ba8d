"""How the demo counts, tells and draws. Pure."""

from __future__ import annotations

import asyncio
import io
from collections import Counter
from dataclasses import replace
from uuid import UUID

import pytest
from rich.console import Console

from afield.demo.command import where_to_look
from afield.demo.report import (
    Acts,
    ContestReport,
    MachinesReport,
    ProvisioningReport,
    Report,
    adopted,
    duplicated,
    in_words,
    resubmitted,
)
from afield.demo.scene import Scene
from afield.demo.screen import draw, picture
from afield.model.ids import attempt_key, uuid7

MACHINES = MachinesReport(
    sessions=5, sessions_completed=4, sessions_resumed=4, steps_run_twice=0, rollbacks=1, conflicts_explained=1
)
CONTEST = ContestReport(runs=552, wrong_verdicts=0, runs_lost=0, escapes=0, diagnoses_right=5, diagnoses=5)
PROVISIONING = ProvisioningReport(
    jobs=4,
    jobs_completed=3,
    jobs_failed_as_planned=1,
    making_when_killed=1,
    agents_repeated_after_kill=0,
    golden_passed=75,
    golden=75,
    questions_answered=3,
    questions=3,
    healthz_p99_ratio=1.4,
)
GOOD = Report(
    submitted=48,
    landed=48,
    lost=0,
    duplicated=0,
    worker_kills=2,
    database_kills=1,
    adopted=5,
    resubmitted=4,
    acts=Acts(machines=MACHINES, contest=CONTEST, provisioning=PROVISIONING),
    seconds=31.4,
)


def test_a_duplicate_is_counted_whatever_the_attempt() -> None:
    one, other = uuid7(), uuid7()
    once = [attempt_key(one, 1), attempt_key(other, 2), "somebody-elses"]
    assert duplicated(once) == 0
    assert duplicated([*once, attempt_key(one, 1)]) == 1
    assert duplicated([*once, attempt_key(one, 2), attempt_key(other, 3)]) == 2


@pytest.mark.parametrize("names", [[], ["somebody-elses"]])
def test_a_count_without_any_name_of_ours_is_worth_nothing(names: list[str]) -> None:
    with pytest.raises(ValueError, match="no execution of ours"):
        duplicated(names)


def test_events_are_counted_by_their_reason() -> None:
    events = [
        {"reason": {"code": "adopted"}},
        {"reason": {"code": "late_arrival"}},
        {"reason": {"code": "absent"}, "to_state": "queued"},
        {"reason": {"code": "absent"}, "to_state": "lost"},
        {"reason": None},
        {},
    ]
    assert (adopted(events), resubmitted(events)) == (2, 1)


@pytest.mark.parametrize("change", [{"landed": 47}, {"lost": 1}, {"duplicated": 1}])
def test_only_a_clean_result_is_good(change: dict[str, int]) -> None:
    assert GOOD.good
    bad = replace(GOOD, **change)  # type: ignore[arg-type]
    assert not bad.good
    assert "not what should have happened" in in_words(bad, Counter(), 0)[-1]


@pytest.mark.parametrize(
    "change", [{"runs": 0}, {"wrong_verdicts": 1}, {"runs_lost": 1}, {"escapes": 1}, {"diagnoses_right": 4}]
)
def test_only_a_clean_contest_is_good(change: dict[str, int]) -> None:
    assert not replace(GOOD, acts=replace(GOOD.acts, contest=replace(CONTEST, **change))).good


@pytest.mark.parametrize(
    "change",
    [
        {"jobs_completed": 2},
        {"jobs_failed_as_planned": 0},
        {"jobs_failed_as_planned": 0, "jobs_completed": 4},
        {"making_when_killed": 0},
        {"agents_repeated_after_kill": 1},
        {"golden_passed": 60},
        {"golden_passed": 0, "golden": 0},
        {"questions_answered": 2},
        {"healthz_p99_ratio": 50.0},
    ],
)
def test_only_demos_that_went_as_planned_are_good(change: dict[str, float]) -> None:
    bad = replace(PROVISIONING, **change)  # type: ignore[arg-type]
    assert PROVISIONING.good
    assert not replace(GOOD, acts=replace(GOOD.acts, provisioning=bad)).good


def test_all_numbers_are_on_one_level() -> None:
    told = GOOD.to_json()
    assert (told["submitted"], told["rollbacks"], told["runs"], told["diagnoses"]) == (48, 1, 552, 5)
    assert (told["jobs"], told["healthz_p99_ratio"]) == (4, 1.4)
    assert all(isinstance(number, int | float) for number in told.values())


def test_the_closing_report_in_words() -> None:
    told = "\n".join(in_words(GOOD, Counter(succeeded=46, rejected=2), 1))
    assert "46 succeeded" in told
    assert "The worker was killed twice and the database once" in told
    assert "Contest: 552 runs, 0 lost; 0 programs were judged wrongly; attacks got at something 0 times." in told
    assert "5 of 5 diagnoses named what was broken" in told
    assert "Demos: 3 of 4 are complete, 75 of 75 golden questions passed" in told
    assert "/healthz took 1.4 times as long as before" in told
    assert "Nothing was lost and nothing ran twice. It took 31 seconds." in told


def a_scene() -> Scene:
    scene = Scene()
    scene.say("The worker is killed with SIGKILL.")
    going = {"complete": False, "attempt": 1, "remote_status": None}
    scene.rows = [
        {"id": str(UUID(int=1)), "state": "succeeded", "complete": True},
        {"id": str(UUID(int=2)), "state": "lost", "complete": True},
        {"id": str(UUID(int=3)), "state": "unconfirmed", "reason": {"code": "lost", "text": "No [reply]."}, **going},
        {"id": str(UUID(int=4)), "state": "running", "reason": None, **going, "remote_status": "RUNNING"},
    ]
    return scene


def test_the_screen_shows_both_sides_and_what_happens() -> None:
    console = Console(file=io.StringIO(), width=120, markup=False)
    console.print(picture(a_scene()))
    drawn = console.file.getvalue()  # type: ignore[attr-defined]
    assert "1 of 48 landed" in drawn
    assert "No [reply]." in drawn
    assert "RUNNING" in drawn
    assert "killed with SIGKILL" in drawn
    order = [drawn.index(f"00000000000{n}") for n in (3, 4, 1, 2)]
    assert order == sorted(order), "what goes on comes first"


async def test_without_a_terminal_each_line_is_told_once_and_not_wrapped() -> None:
    scene, told = a_scene(), io.StringIO()
    drawing = asyncio.create_task(draw(scene, Console(file=told, width=20)))
    while not told.getvalue():
        await asyncio.sleep(0)
    scene.say("x" * 200)
    drawing.cancel()
    await asyncio.gather(drawing, return_exceptions=True)
    assert told.getvalue().splitlines() == scene.lines


def test_where_to_look_names_a_program_that_is_there(tmp_path) -> None:  # type: ignore[no-untyped-def]
    text = where_to_look("http://127.0.0.1:1", tmp_path / "home", "amcsim00001")
    assert f"AFIELD_HOME={tmp_path / 'home'} " in text
    assert "diagnose target amcsim00001" in text
