"""The demo as it shows in a terminal. Pure, but for the drawing."""

from __future__ import annotations

import asyncio

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from afield.demo.agents import agents_of
from afield.demo.scene import Scene
from afield.demo.story import EXECUTIONS
from afield.model.jsontypes import JsonObject
from afield.model.states import ExecutionState

_SHOWN = 14


def picture(scene: Scene) -> RenderableType:
    """The whole screen: progress, both sides of what is going on, and what happened so far."""
    bar = ProgressBar(total=EXECUTIONS, completed=scene.landed, width=60)
    head = Table.grid(padding=(0, 2))
    head.add_row(f"{scene.landed} of {EXECUTIONS} landed", bar)
    counts = "  ".join(f"{number} {state}" for state, number in sorted(scene.counts.items()))
    story = Text("\n".join(scene.lines[-10:]))
    return Group(head, Text(counts, style="bold"), _act(scene), Panel(story, title="what happens"))


def _act(scene: Scene) -> RenderableType:
    """What the act that goes on is about."""
    if scene.jobs:
        return Group(_jobs(scene), Text(scene.pulse))
    if scene.contest:
        return _contest(scene)
    return _sessions(scene) if scene.sessions else _both_sides(scene)


def _jobs(scene: Scene) -> Table:
    """Every job with a sign for each of its agents."""
    table = Table("demo for", "state", "agents", "", "now", box=None, pad_edge=False)
    for site, job in scene.jobs.items():
        marks = Text.assemble(*(_AGENTS.get(str(agent.get("status")), _FAILED) for agent in agents_of(job)))
        done = f"{float(str(job.get('overall_progress') or 0)):.0f} %"
        name, now = str(job.get("company_name") or site), str(job.get("current_phase") or "")
        table.add_row(name, str(job.get("status")), marks, done, now)
    return table


_FAILED = ("✗", "red")
_AGENTS = {"completed": ("●", "green"), "running": ("▶", "cyan"), "pending": ("·", "white")}


def _sessions(scene: Scene) -> Table:
    table = Table("session", "state", "steps", "now", box=None, pad_edge=False)
    for session in scene.sessions:
        steps = session.get("steps")
        found = [one for one in steps if isinstance(one, dict)] if isinstance(steps, list) else []
        marks = Text.assemble(*(_mark(str(step.get("state"))) for step in found))
        now = next((str(step["name"]) for step in found if step.get("state") in {"running", "waiting_approval"}), "")
        table.add_row(f"{session['id']}  {session.get('title')}", str(session.get("state")), marks, now)
    return table


_MARKS = {
    "succeeded": ("●", "green"),
    "rolled_back": ("↺", "yellow"),
    "running": ("▶", "cyan"),
    "waiting_approval": ("?", "magenta"),
    "pending": ("·", "white"),
    "skipped": ("-", "white"),
}


def _mark(state: str) -> tuple[str, str]:
    """One step as one sign."""
    return _MARKS.get(state, _FAILED)


_VERDICTS = {
    "accepted": ("●", "green"),
    "wrong_answer": ("w", "yellow"),
    "runtime_error": ("e", "yellow"),
    "time_limit": ("t", "cyan"),
    "memory_limit": ("m", "magenta"),
    "output_limit": ("o", "magenta"),
}
_JUDGED_WRONGLY = ("✗", "bold red")
_COLUMNS = 2


def _contest(scene: Scene) -> Table:
    """Every submission of every user as one sign, two users a line."""
    table = Table(*["user", "judged"] * _COLUMNS, box=None, pad_edge=False)
    cells = [(user, Text.assemble(*(_verdict(*one) for one in judged))) for user, judged in scene.contest.items()]
    for at in range(0, len(cells), _COLUMNS):
        table.add_row(*(cell for pair in cells[at : at + _COLUMNS] for cell in pair))
    legend = "  ".join(f"{sign} {name.replace('_', ' ')}" for name, (sign, _) in _VERDICTS.items())
    table.caption = f"{legend}  {_JUDGED_WRONGLY[0]} not what it has to be"
    return table


def _verdict(verdict: str, right: bool) -> tuple[str, str]:
    return _VERDICTS.get(verdict, _JUDGED_WRONGLY) if right else _JUDGED_WRONGLY


def _both_sides(scene: Scene) -> Table:
    table = Table("execution", "here", "there", "try", "reason", box=None, pad_edge=False)
    for row in sorted(scene.rows, key=_place)[:_SHOWN]:
        reason = row.get("reason")
        text = str(reason.get("text") or reason.get("code")) if isinstance(reason, dict) else ""
        there = str(row.get("remote_status") or "-")
        table.add_row(str(row["id"])[-12:], _state(str(row["state"])), there, str(row.get("attempt")), text[:70])
    return table


def _place(row: JsonObject) -> tuple[bool, int]:
    """What goes on comes first, then what took the most tries."""
    return bool(row.get("complete")), -int(str(row.get("attempt") or 0))


def _state(state: str) -> Text:
    doubtful = state in {ExecutionState.UNCONFIRMED, ExecutionState.LOST}
    over = "green" if state == ExecutionState.SUCCEEDED else "cyan"
    return Text(state, style="yellow" if doubtful else over)


async def draw(scene: Scene, console: Console) -> None:
    """Keep the screen up to date until cancelled; without a terminal, print what happens, line by line."""
    if not console.is_terminal:
        await _tell(scene, console)
        return
    with Live(console=console, auto_refresh=False) as live:
        try:
            while True:
                live.update(picture(scene), refresh=True)
                await asyncio.sleep(0.25)
        finally:
            live.update(picture(scene), refresh=True)


async def _tell(scene: Scene, console: Console) -> None:
    told = 0
    try:
        while True:
            told = _print_new(scene, console, told)
            await asyncio.sleep(0.25)
    finally:
        _print_new(scene, console, told)


def _print_new(scene: Scene, console: Console, told: int) -> int:
    for line in scene.lines[told:]:
        console.print(line, highlight=False, soft_wrap=True)
    return len(scene.lines)
