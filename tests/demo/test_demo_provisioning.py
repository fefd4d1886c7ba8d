"""The fourth act's parts: what agents wrote and what is counted in it, the pulse, the screen."""

from __future__ import annotations

import asyncio
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from rich.console import Console

from afield.demo.agents import at_work, lines_in, refused_certificate, repeated, verdicts_of
from afield.demo.pulse import Pulse, p99
from afield.demo.scene import Scene
from afield.demo.screen import picture
from afield.model.jsontypes import JsonObject
from afield.provisioning.agents.names import AgentName
from afield.provisioning.progress import Line, LineKind, Teller

KILLED = datetime(2026, 11, 21, 12, tzinfo=UTC)


def line(seconds: float, kind: LineKind, agent: AgentName = AgentName.DATA, **data: str) -> Line:
    return Line(at=KILLED + timedelta(seconds=seconds), kind=kind, agent=agent.value, data=dict(data))


def began(seconds: float, agent: AgentName = AgentName.DATA) -> Line:
    return line(seconds, LineKind.STAGE, agent, status="running")


MADE = [began(-9, AgentName.MODEL), line(-8, LineKind.RESULT, AgentName.MODEL)]
MAKING = [began(-2), line(-1, LineKind.PROGRESS), line(2, LineKind.RESULT)]


@pytest.mark.parametrize(
    ("lines", "count"),
    [
        ([], 0),
        (MADE + MAKING, 0),
        ([*MADE, *MAKING, began(4, AgentName.MODEL)], 1),  # had finished, and began once more
        ([*MADE, *MAKING, began(4, AgentName.MODEL), began(5, AgentName.MODEL)], 1),
        ([*MAKING, began(4)], 0),  # had not finished when the worker was killed
        ([*MADE, began(-7, AgentName.MODEL)], 0),  # a repetition that the kill has no part in
    ],
)
def test_an_agent_that_had_finished_and_begins_again_is_counted(lines: list[Line], count: int) -> None:
    assert repeated({"job": lines}, KILLED) == count
    assert repeated({"job": lines, "other": lines, "good": MADE}, KILLED) == 2 * count


@pytest.mark.parametrize(
    ("lines", "count"),
    [
        ([], 0),
        (MAKING, 1),
        (MADE, 0),
        ([began(-2), line(1, LineKind.PROGRESS)], 0),
        ([began(-2), line(-1, LineKind.PROGRESS), line(-0.5, LineKind.ERROR)], 0),
        ([began(-2), line(-1, LineKind.PROGRESS), line(-0.5, LineKind.RESULT)], 0),
    ],
)
def test_an_agent_is_at_work_from_its_first_progress_to_its_end(lines: list[Line], count: int) -> None:
    assert at_work({"job": lines}, AgentName.DATA, KILLED) == count


def test_attempts_are_read_in_the_order_of_time(tmp_path: Path) -> None:
    for name in ("b", "a"):
        teller = Teller(tmp_path / f"{name}.jsonl", AgentName.DATA.value)
        teller.say(LineKind.STAGE, name, status="running")
        teller.close()
    assert [one.message for one in lines_in(tmp_path)] == ["b", "a"]
    assert lines_in(tmp_path / "nothing") == []


def job(status: str, agents: dict[str, str], why: str = "") -> JsonObject:
    told: list[JsonObject] = [
        {"name": name, "status": state, "error_message": why if state == "failed" else None}
        for name, state in agents.items()
    ]
    return {"status": status, "agents": [*told], "overall_progress": 15, "current_phase": "Research Agent"}


def test_a_job_fails_as_planned_only_at_the_sites_certificate() -> None:
    why = "Failed to scrape URL: certificate has expired (https://shop.example)."
    first = {"Research Agent": "failed", "Demo Story Agent": "pending"}
    assert refused_certificate(job("failed", first, why))
    assert not refused_certificate(job("failed", first, "Failed to scrape URL: it does not answer."))
    assert not refused_certificate(job("failed", {"Research Agent": "completed", "Demo Story Agent": "failed"}, why))
    assert not refused_certificate(job("running", first, why))
    assert not refused_certificate({})


def test_golden_questions_are_those_of_the_report() -> None:
    assert verdicts_of({"report": {"verdicts": [{"badge": "passed"}]}}) == [{"badge": "passed"}]
    assert verdicts_of({"report": None}) == verdicts_of({}) == []


def test_99_of_100_are_not_above_the_99th_percentile() -> None:
    assert p99([float(number) for number in range(1, 101)]) == 99
    assert p99([3.0, 1.0]) == 3
    with pytest.raises(ValueError, match="nothing was timed"):
        p99([])


async def test_the_pulse_counts_what_waits_behind_a_slow_answer() -> None:
    asked = 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        if asked == 3:
            await asyncio.sleep(0.3)
        return web.Response(status=503 if asked == 1 else 200)

    app = web.Application()
    app.router.add_get("/healthz", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with Pulse(f"http://127.0.0.1:{runner.addresses[0][1]}/healthz", every_s=0.05) as pulse:
            times = await pulse.gathered(12)
            assert not pulse.so_far
    finally:
        await runner.cleanup()
    assert len(times) >= 12
    assert times[0] == 5000  # it failed
    assert times[2] >= 300
    assert times[3] >= 200  # was due 50 ms after the slow one


def test_the_screen_shows_every_agent_of_every_job() -> None:
    scene = Scene()
    scene.contest = {"user-01": []}
    scene.jobs = {"shop": job("running", {"Research Agent": "completed", "Demo Story Agent": "running", "x": "failed"})}
    pulse = Pulse("http://127.0.0.1:1/healthz")
    scene.pulses = (2.0, pulse)
    console = Console(file=io.StringIO(), width=120)
    console.print(picture(scene))
    drawn = console.file.getvalue()  # type: ignore[attr-defined]
    assert "●▶✗" in drawn
    assert "15 %" in drawn
    assert "2.0 ms before, not timed since" in drawn
    assert "user-01" not in drawn
