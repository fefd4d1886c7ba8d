"""`afield session`: a worker process runs real scripts on this machine, people answer by the command."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from cli_runbooks import APPROVED, FAILING, GATED, PLAIN, add_here, begin
from cli_world import Call, Ran, Shell, worker
from rich.console import Console, RenderableType

from afield.cli.session_show import live_picture, spoke_last
from afield.diagnose.session import SessionFacts
from afield.model.execution import Reason
from afield.model.session import Session, SessionState, Step, StepState
from afield.model.target import DEFAULT_TENANT

pytestmark = pytest.mark.timeout(120)
NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


async def _each(shell: Shell, *commands: str) -> list[Ran]:
    return await shell.run_each(Call(command.split()) for command in commands)


async def test_a_session_is_watched_approved_and_completed(shell: Shell) -> None:
    await add_here(shell)
    number = await begin(shell, GATED + APPROVED)
    async with worker(shell):
        screen, side = pty.openpty()
        wide = shell.with_variables(COLUMNS="200", LINES="50", TERM="xterm-256color")
        arguments = ("session", "watch", str(number), "--every", "0.2")
        watching = await wide.start(*arguments, stdout=side, stderr=asyncio.subprocess.PIPE)
        os.close(side)
        try:
            await asyncio.to_thread(_read_until, screen, rb"wait .*running .*running .*running")
            (shell.cwd / "gate").touch()
            await asyncio.to_thread(_read_until, screen, rb"(?s)(?=.*Make room on here).*waiting_approval")
            reading = asyncio.create_task(asyncio.to_thread(_read_until, screen, None))
            question = await _question(shell, number)
            await _answered(shell, number, question["step"]["digest"])
            _, err = await watching.communicate()
            assert b"restarted" in await reading
        finally:
            os.close(screen)
    assert (watching.returncode, err) == (0, b"")


def _read_until(screen: int, wanted: bytes | None) -> bytes:
    """What is drawn, until it looks like this; or to its end."""
    drawn = b""
    while wanted is None or not re.search(wanted, drawn):
        try:
            drawn += os.read(screen, 65536)
        except OSError:  # how Linux says that nobody holds the other side any more
            break
    return drawn


async def _question(shell: Shell, number: int) -> Any:
    """What waits for a person."""
    pending, shown, why = await _each(
        shell, "session pending --json", "session pending", f"diagnose session {number} --json"
    )
    (question,) = pending.json
    assert question["step"]["work"]["text"].splitlines()[-1] == "echo restarted; echo careful >&2"
    assert question["session"]["started_by"] == "ada"
    assert "echo restarted" in shown.out
    assert f"afield session approve {number} 4 --digest {question['step']['digest']}" in shown.out
    assert why.code == 1
    assert re.search(r"(waits|has waited) for a person", why.json["sentence"])
    return question


async def _answered(shell: Shell, number: int, digest: str) -> None:
    """Approve the last step, and look at everything there is to see of the session then."""
    approve = f"session approve {number} 4 --as grace --json --digest"
    wrong, approved, watched, whole, card, steps, later, timeline, listed = await _each(
        shell,
        f"{approve} 0000",
        f"{approve} {digest} --note looks_good",
        f"session watch {number} --json",
        f"session show {number} --json",
        f"session show {number}",
        f"session steps {number} --json",
        f"session events {number} --after 1 --json",
        f"session events {number}",
        "session list --state completed --json",
    )
    assert (wrong.code, wrong.problem["code"], approved.code, watched.code) == (2, "conflict", 0, 0)
    told = [json.loads(line) for line in watched.out.splitlines()]
    moves = [(one["data"].get("number"), one["data"]["to"]) for one in told]
    assert moves[0] == (None, "pending")
    assert [number for number, state in moves if state == "succeeded"] == [1, 2, 3, 4]
    assert (None, "completed") in moves[-2:]
    assert [one["seq"] for one in later.json] == [one["seq"] for one in told if one["seq"] > 1]
    assert "looks_good" in timeline.out
    assert "step 4 (restart)" in timeline.out
    assert [one["id"] for one in listed.json] == [number]
    assert (whole.json["session"]["state"], whole.json["steps"]) == ("completed", steps.json)
    last = steps.json[-1]
    assert (last["state"], last["exit_code"], last["target"]) == ("succeeded", 0, "here")
    assert (last["stdout"], last["stderr"]) == ("restarted\n", "careful\n")
    assert (last["execution"]["state"], last["execution"]["remote_status"]) == ("succeeded", "ended 0")
    assert last["duration_s"] >= 0
    for said in ("restarted", "careful", "ended 0", "4 succeeded", "Nothing more happens by itself"):
        assert said in card.out, said


async def test_a_failed_session_is_tried_again_and_another_undone(shell: Shell) -> None:
    await add_here(shell)
    number = await begin(shell, FAILING)
    watch = f"session watch {number} --every 0.3"
    async with worker(shell):
        failed, why = await _each(shell, watch, f"diagnose session {number}")
        (shell.cwd / "gate").touch()
        again, watched, rolled, undone, refused, gone, listed, archived = await _each(
            shell,
            f"session retry {number} --step 3 --as grace --json",
            f"{watch} --json",
            f"session rollback {number} --note wrong_day --json",
            watch,
            f"session retry {number} --json",
            f"session archive {number} --json",
            "session list --json",
            "session list --archived --json",
        )
    assert (why.code, "exit code 3" in why.out) == (1, True)
    assert (failed.code, watched.code, undone.code) == (1, 0, 1)
    for said in ("failed", "no gate", "exit code 3", "ended 3"):
        assert said in failed.out, said
    assert again.json["state"] == "in_progress"
    assert rolled.json["state"] == "rolling_back"
    assert "2 rolled_back" in undone.out
    assert not (shell.cwd / "swept").exists()
    assert refused.problem["code"] == "conflict"
    assert (gone.code, listed.json, [one["id"] for one in archived.json]) == (0, [], [number])


async def test_what_people_say_without_a_worker(shell: Shell) -> None:
    await add_here(shell, "here", "there")
    first, second, third = [await begin(shell, PLAIN, "here", "there") for _ in range(3)]
    named = shell.with_variables(LOGNAME="grace")
    good = [
        f"session pause {first} --note lunch --json",
        f"session resume {first} --json",
        f"session skip {first} 1 --json",
        f"session pause {first}",
        f"session complete {first} --as ada",
        f"session cancel {second} --json",
        f"session abandon {third} --json",
        f"session events {first} --json",
        "session list --limit 1 --before 3 --json",
        "session pending",
    ]
    bad = [
        (f"session resume {second} --json", "conflict"),
        (f"session retry {second} --lane 1 --json", "conflict"),
        (f"session retry {second} --target there --json", "invalid_input"),
        (f"session resolve {second} 2 --outcome not_run --json", "conflict"),
        (f"session approve {second} 2 --reject --json", "conflict"),
        (f"session archive {second} --json", "invalid_input"),
        ("session watch 77 --json", "not_found"),
        ("diagnose session 77 --json", "not_found"),
    ]
    ran = await _each(named, *(command for command, _ in bad), *good)
    refused, done = ran[: len(bad)], ran[len(bad) :]
    assert [(one.code, one.problem["code"]) for one in refused] == [(2, code) for _, code in bad]
    assert [one.code for one in done] == [0] * len(good), done
    paused, resumed, skipped, _, completed, cancelled, abandoned, events, page, pending = done
    assert (paused.json["state"], paused.json["reason"]["text"]) == ("paused", "grace paused it: lunch")
    assert resumed.json["state"] == skipped.json["state"] == "in_progress"
    assert completed.out == f"Session {first} is completed.\n"
    assert cancelled.json["cancel_requested_at"]
    assert abandoned.json["state"] == "abandoned"
    assert {one["actor"] for one in events.json if one["kind"] == "session"} == {"ada", "grace"}
    assert [one["id"] for one in page.json] == [second]
    assert pending.out == "Nothing waits for a person.\n"


# What is shown of many steps, and of what remotes say.

SESSION = Session(
    **{"id": 7, "key": uuid4(), "tenant_id": DEFAULT_TENANT, "version": 1, "kind": "runbook", "title": "Make room"},
    **{"state": SessionState.IN_PROGRESS, "started_by": "ada", "created_at": NOW, "updated_at": NOW},
)


def _step(number: int, state: StepState = StepState.PENDING, **changes: Any) -> Step:
    return replace(Step(name=f"step-{number}", number=number, state=state), **changes)


def _drawn(shown: RenderableType) -> str:
    console = Console(width=300, markup=False, highlight=False)
    with console.capture() as captured:
        console.print(shown)
    return captured.get()


def test_of_many_steps_those_that_matter_are_on_the_screen() -> None:
    steps = [_step(number) for number in range(1, 1001)]
    steps[998] = _step(999, StepState.FAILED, reason=Reason("exit_code", "It ended with 3."))
    steps[500] = _step(501, StepState.RUNNING)
    drawn = _drawn(live_picture(SessionFacts(session=SESSION, steps=steps, now=NOW)))
    assert len(drawn.splitlines()) < 50
    assert drawn.index("step-1 ") < drawn.index("step-501 ") < drawn.index("step-999 ")
    assert "exit_code: It ended with 3." in drawn
    assert "and 960 more" in drawn
    assert "998 pending" in drawn


def test_the_newest_output_is_shown_and_cannot_steer_the_terminal() -> None:
    old = _step(1, StepState.FAILED, stdout="old", started_at=NOW, finished_at=NOW)
    new = replace(old, number=2, stdout="\x1b[2Jnew :bug: [red]\n" * 30, finished_at=NOW + timedelta(seconds=1))
    running = _step(3, StepState.RUNNING, started_at=NOW)
    assert spoke_last([old, new, running]) == new
    assert spoke_last([new, old, replace(running, stdout="live")]) == replace(running, stdout="live")
    assert spoke_last([running]) is None
    drawn = _drawn(live_picture(SessionFacts(session=SESSION, steps=[old, new, running], now=NOW)))
    assert drawn.count("\ufffd[2Jnew :bug: [red]") == 12
    assert "\x1b" not in drawn
