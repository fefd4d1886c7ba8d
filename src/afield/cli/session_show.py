"""How sessions look, in a terminal and as JSON. Pure: records in, renderables and plain values out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from datetime import datetime
from itertools import islice

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from afield.cli.show import span, state_text, when
from afield.diagnose.session import SessionFacts, session_expectation
from afield.engine.approving import expires_at, needed, valid_approvals
from afield.model.execution import Event, Execution, Reason
from afield.model.session import STEP_FAILED, Session, SessionState, Step, StepState

_S, _T = SessionState, StepState
_COLOURS = {
    _S.COMPLETED: "green",
    _S.COMPLETED_WITH_ERRORS: "yellow",
    _S.FAILED: "red",
    _S.ROLLBACK_FAILED: "bold red",
    _S.WAITING_APPROVAL: "yellow",
    _S.PAUSED: "yellow",
    _S.IN_PROGRESS: "bright_blue",
    _S.ROLLING_BACK: "magenta",
}
_STEP_COLOURS = {
    _T.SUCCEEDED: "green",
    _T.RUNNING: "bright_blue",
    _T.WAITING_APPROVAL: "yellow",
    _T.UNKNOWN: "bold red",
    **dict.fromkeys(STEP_FAILED, "red"),
}
_PLAIN_STATES = {_T.PENDING, _T.SUCCEEDED, _T.SKIPPED, _T.ROLLED_BACK}
_ROWS = 40  # steps that a live picture has room for
_LINES = 12  # of output below it


def plain(text: str) -> str:
    """Text from elsewhere, fit for a terminal: what would steer it is shown as a mark."""
    return "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text)


def _reason(reason: Reason | None) -> str:
    return plain(f"{reason.code}: {reason.text}") if reason else ""


def _state(session: Session) -> Text:
    return Text(session.state, style=_COLOURS.get(session.state, ""))


def _place(facts: SessionFacts, step: Step) -> str:
    target = facts.targets.get(step.target_id) if step.target_id else None
    return target.name if target else "?" if step.target_id else "a person"


def sessions_table(found: Iterable[Session], now: datetime) -> Table:
    """Sessions, a line each."""
    table = Table("id", "state", "by", "begun", "took", "title", "reason", box=None, pad_edge=False)
    for one in found:
        took = span((one.finished_at or now) - one.created_at)
        begun = when(one.created_at, now)
        table.add_row(
            str(one.id), _state(one), plain(one.started_by), begun, took, plain(one.title), _reason(one.reason)
        )
    return table


def steps_table(facts: SessionFacts, steps: Sequence[Step] | None = None) -> Table:
    """Steps with both sides: how the session sees each, and where its execution is, here and there."""
    table = Table(box=None, pad_edge=False)
    headings = ("step", "lane", "phase", "name", "target", "state", "try", "exit", "took", "here", "there")
    for heading in headings:
        table.add_column(heading, no_wrap=True, overflow="ellipsis")
    table.add_column("reason", overflow="fold")
    for step in facts.steps if steps is None else steps:
        execution = facts.execution(step)
        table.add_row(
            str(step.number),
            str(step.lane),
            step.phase,
            plain(step.name),
            _place(facts, step),
            Text(step.state, style=_STEP_COLOURS.get(step.state, "")),
            str(step.attempt or "-"),
            "-" if step.exit_code is None else str(step.exit_code),
            took(step, facts.now),
            state_text(execution.state) if execution else "-",
            plain(execution.remote_status or "-") if execution else "-",
            _reason(_why(step, execution)),
        )
    return table


def _why(step: Step, execution: Execution | None) -> Reason | None:
    live = execution is not None and step.state is _T.RUNNING
    return step.reason or (execution.reason if live and execution else None)


def took(step: Step, now: datetime) -> str:
    """How long the step's last attempt ran, or runs by now."""
    if step.started_at is None:
        return "-"
    return span((step.finished_at or now) - step.started_at)


def waiting_card(waiting: Sequence[tuple[SessionFacts, Step]]) -> RenderableType:
    """Steps that wait for a person: what each is about, exactly, and how to answer it."""
    parts: list[RenderableType] = [line for facts, step in waiting for line in _question(facts, step)]
    return Group(*parts) if parts else Text("Nothing waits for a person.")


def _question(facts: SessionFacts, step: Step) -> Iterator[Text]:
    session, want = facts.session, needed(step)
    got = len(valid_approvals(session, step, facts.now))
    title = f"session {session.id}  step {step.number}  {step.name}  on {_place(facts, step)}"
    yield Text(plain(title), style="bold")
    yield from (Text(f"    {line}") for line in plain(step.work.text).splitlines())
    other = f", not by {session.started_by}, who started it" if step.rule.other_than_starter else ""
    until = when(expires_at(step), facts.now)
    asked = f"asked {when(step.asked_at, facts.now)}, ends {until}, {got} of {want} approvals{other}"
    yield Text(f"  {plain(asked)}")
    yield Text(f"  afield session approve {session.id} {step.number} --digest {step.digest}")


def session_timeline(events: Iterable[Event]) -> Table:
    """Events of a session, oldest first."""
    table = Table("no", "at (UTC)", "about", "move", "by", "why", box=None, pad_edge=False)
    for event in events:
        number = event.data.get("number")
        about = "session" if number is None else f"step {number} ({event.data.get('name')})"
        before, after = event.data.get("from"), event.data.get("to")
        move = str(after) if before is None else "-" if before == after else f"{before} -> {after}"
        row = (plain(about), move, plain(event.actor), _reason(event.reason))
        table.add_row(str(event.seq), f"{event.at:%Y-%m-%d %H:%M:%S}", *row)
    return table


def session_card(facts: SessionFacts) -> RenderableType:
    """One session, whole: what it is, every step, the last output in full, and what happens next."""
    return Group(*_heading(facts), "", steps_table(facts), *_output(facts, None), "", _next(facts))


def live_picture(facts: SessionFacts) -> RenderableType:
    """The same, fitted to a screen: the steps that matter now, and the end of the last output."""
    shown = _that_matter(facts.steps)
    left = len(facts.steps) - len(shown)
    more = [Text(f"and {left} more; `afield session steps {facts.session.id}` lists all", style="dim")] if left else []
    return Group(*_heading(facts), "", steps_table(facts, shown), *more, *_output(facts, _LINES), "", _next(facts))


def _heading(facts: SessionFacts) -> Iterator[Text]:
    session = facts.session
    age = span((session.finished_at or facts.now) - session.created_at)
    yield Text.assemble((f"session {session.id}", "bold"), f"  {plain(session.title)}  ", _state(session), f"  {age}")
    counts = ((state, sum(step.state is state for step in facts.steps)) for state in _T)
    yield Text("  ".join(f"{count} {state}" for state, count in counts if count))


def _that_matter(steps: Sequence[Step]) -> list[Step]:
    """At most a screenful, in order: what runs, waits or went wrong, filled up with the first of the others."""
    telling = [step for step in steps if step.state not in _PLAIN_STATES]
    others = [step for step in steps if step.state in _PLAIN_STATES]
    return sorted(islice([*telling, *others], _ROWS), key=lambda step: step.number)


def _next(facts: SessionFacts) -> Text:
    return Text(plain(session_expectation(facts)))


def spoke_last(steps: Sequence[Step]) -> Step | None:
    """The step whose output is the newest: of one that runs, if it is known already, else of the last that ended."""
    said = [step for step in steps if step.stdout or step.stderr]
    running = [step for step in said if step.state is _T.RUNNING]
    ended = [step for step in said if step.finished_at is not None]
    last = max(ended, key=lambda step: (step.finished_at, step.number), default=None)
    return running[0] if running else last


def _output(facts: SessionFacts, lines: int | None) -> Iterator[Text]:
    """The newest output; only its last lines, if a number of them is given."""
    step = spoke_last(facts.steps)
    if step is None:
        return
    for name, text in (("output", step.stdout), ("errors", step.stderr)):
        if text:
            yield Text()
            yield Text(plain(f"{name} of step {step.number} ({step.name}) on {_place(facts, step)}"), style="bold")
            yield Text("\n".join(plain(text).splitlines()[-lines if lines else 0 :]))


_NOT_SHOWN = {"key", "tenant_id"}
_SHOWN_OTHERWISE = {"rule", "undo"}  # they hold spans of time


def session_json(session: Session) -> dict[str, object]:
    """A session's fields, for JSON."""
    return {field.name: getattr(session, field.name) for field in fields(session) if field.name not in _NOT_SHOWN}


def step_json(facts: SessionFacts, step: Step) -> dict[str, object]:
    """A step's fields, with the name of its target and both sides of its execution."""
    execution = facts.execution(step)
    own = {field.name: getattr(step, field.name) for field in fields(step) if field.name not in _SHOWN_OTHERWISE}
    ended = step.finished_at if step.started_at else None
    return own | {
        "target": _place(facts, step) if step.target_id else None,
        "digest": step.digest,
        "approvals_needed": needed(step),
        "other_than_starter": step.rule.other_than_starter,
        "undo": {"work": step.undo.work, "on_fail": step.undo.on_fail} if step.undo else None,
        "duration_s": (ended - step.started_at).total_seconds() if ended and step.started_at else None,
        "execution": _execution_json(execution) if execution else None,
    }


def _execution_json(execution: Execution) -> dict[str, object]:
    return {
        "id": execution.id,
        "state": execution.state,
        "remote_status": execution.remote_status,
        "remote_seen_at": execution.remote_seen_at,
        "output_state": execution.output_state,
        "reason": execution.reason,
    }


def facts_json(facts: SessionFacts) -> dict[str, object]:
    """A session with its steps, and what happens next."""
    steps = [step_json(facts, step) for step in facts.steps]
    return {"session": session_json(facts.session), "steps": steps, "next": session_expectation(facts)}
