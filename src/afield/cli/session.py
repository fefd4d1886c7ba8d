"""`afield session`: what runs step by step, and what people say to it."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import Annotated

import typer

from afield.cli.run import JsonFlag, emit, with_kernel
from afield.cli.session_show import (
    facts_json,
    session_card,
    session_json,
    session_timeline,
    sessions_table,
    step_json,
    steps_table,
    waiting_card,
)
from afield.cli.session_watch import watch_session
from afield.cli.who import Who
from afield.diagnose.session import SessionFacts
from afield.diagnoses import session_facts
from afield.engine import control
from afield.kernel import Kernel
from afield.ledger.base import EventFilter
from afield.ledger.sessions import SessionFilter
from afield.model.session import SessionChange, SessionState
from afield.model.target import DEFAULT_TENANT
from afield.sessions import SessionDesk

session = typer.Typer(help="Sessions: steps on targets, approvals, and what became of them.", no_args_is_help=True)

_MOST_EVENTS = 10_000

Verb = Callable[..., SessionChange]
"""A verb of `engine.control`; what it asks beyond the session, the person and their note is given already."""

_Id = Annotated[int, typer.Argument(metavar="ID", help="A session's number.")]
_Step = Annotated[int, typer.Argument(metavar="STEP", help="A step's number.")]
_Note = Annotated[str, typer.Option(help="Why, for the audit trail.")]
Every = Annotated[float, typer.Option(min=0.1, max=3600, help="Seconds between two pictures.")]


class Outcome(StrEnum):
    """What a person found out about a step nobody knew about."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    NOT_RUN = "not_run"


@session.command("list")
def list_sessions(
    state: Annotated[list[SessionState] | None, typer.Option(help="Only in this state; can be repeated.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    before: Annotated[int | None, typer.Option(help="Only those with a smaller number.")] = None,
    archived: Annotated[bool, typer.Option(help="Also those that were put away.")] = False,
    json: JsonFlag = False,
) -> None:
    """Sessions, the latest first."""

    async def work(kernel: Kernel) -> None:
        wanted = SessionFilter(tenant_id=DEFAULT_TENANT, states=frozenset(state or ()), archived=archived)
        found = await SessionDesk(kernel, DEFAULT_TENANT).latest(wanted, limit=limit, before=before)
        emit([session_json(one) for one in found], sessions_table(found, kernel.clock.now()), json)

    with_kernel(work)


@session.command("show")
def show_session(session_id: _Id, json: JsonFlag = False) -> None:
    """One session: its steps with both sides, the last output, and what happens next."""

    async def work(kernel: Kernel) -> None:
        facts = await session_facts(kernel, session_id, DEFAULT_TENANT)
        emit(facts_json(facts), session_card(facts), json)

    with_kernel(work)


@session.command("steps")
def list_steps(session_id: _Id, json: JsonFlag = False) -> None:
    """All steps of a session, with both sides of each."""

    async def work(kernel: Kernel) -> None:
        facts = await session_facts(kernel, session_id, DEFAULT_TENANT)
        emit([step_json(facts, step) for step in facts.steps], steps_table(facts), json)

    with_kernel(work)


@session.command("watch")
def watch(session_id: _Id, every: Every = 1.0, json: JsonFlag = False) -> None:
    """A live picture until the session is over; with --json, a line of JSON for each event, from the first on. Exit
    code 0 if it completed, 1 otherwise."""
    raise typer.Exit(watch_session(session_id, every, json))


@session.command("pending")
def pending(json: JsonFlag = False) -> None:
    """Steps that wait for a person: what exactly each is about, and how to answer."""

    async def work(kernel: Kernel) -> None:
        waiting = await SessionDesk(kernel, DEFAULT_TENANT).waiting()
        targets = {target.id: target for target in await kernel.ledger.targets(DEFAULT_TENANT)}
        now = kernel.clock.now()
        known = [(SessionFacts(session=owner, steps=[step], now=now, targets=targets), step) for owner, step in waiting]
        plain = [{"session": session_json(facts.session), "step": step_json(facts, step)} for facts, step in known]
        emit(plain, waiting_card(known), json)

    with_kernel(work)


@session.command("events")
def events(
    session_id: _Id,
    after: Annotated[int, typer.Option(min=0, help="Only events with a greater number.")] = 0,
    json: JsonFlag = False,
) -> None:
    """What happened to a session and its steps, oldest first."""

    async def work(kernel: Kernel) -> None:
        await SessionDesk(kernel, DEFAULT_TENANT).get(session_id)
        mine = EventFilter(tenant_id=DEFAULT_TENANT, session_id=session_id)
        found = await kernel.ledger.events(mine, after=after, limit=_MOST_EVENTS)
        emit(found, session_timeline(found), json)

    with_kernel(work)


async def _said(kernel: Kernel, session_id: int, verb: Verb, by: str, note: str, json: bool) -> None:
    """Do what a person asked for, and print the session as it is then."""
    desk = SessionDesk(kernel, DEFAULT_TENANT)
    now = kernel.clock.now()
    after = await desk.control(session_id, lambda one, steps: verb(one, steps, by=by, note=note, now=now))
    emit(session_json(after), f"Session {after.id} is {after.state.replace('_', ' ')}.", json)


def _say(session_id: int, verb: Verb, by: str, note: str, json: bool) -> None:
    with_kernel(lambda kernel: _said(kernel, session_id, verb, by, note, json))


_OF_A_WHOLE_SESSION: dict[str, tuple[Verb, str]] = {
    "pause": (control.pause, "Let nothing new begin. What runs, runs on and is followed."),
    "resume": (control.resume, "Go on after a pause."),
    "cancel": (control.cancel, "Begin nothing more, and stop what runs."),
    "complete": (control.complete, "Declare a session done that failed, is paused or waits for a person."),
    "abandon": (control.abandon, "Give a session up as it is. What runs is neither stopped nor followed."),
    "rollback": (control.rollback, "Undo all that was done, in reverse, once nothing runs."),
}


def _add_verb(name: str, verb: Verb, says: str) -> None:
    @session.command(name, help=says)
    def command(session_id: _Id, note: _Note = "", by: Who = "", json: JsonFlag = False) -> None:
        _say(session_id, verb, by, note, json)


for _name, (_verb, _says) in _OF_A_WHOLE_SESSION.items():
    _add_verb(_name, _verb, _says)


@session.command("approve")
def approve(
    session_id: _Id,
    step: _Step,
    reject: Annotated[bool, typer.Option("--reject", help="Say no.")] = False,
    digest: Annotated[str | None, typer.Option(help="Of what you read; refused if the step is another by now.")] = None,
    note: _Note = "",
    by: Who = "",
    json: JsonFlag = False,
) -> None:
    """Answer a step that waits for a person: yes, it may begin, or it was done by hand."""
    answer = partial(control.approve, number=step, approved=not reject, digest=digest)
    _say(session_id, answer, by, note, json)


@session.command("retry")
def retry(
    session_id: _Id,
    step: Annotated[int | None, typer.Option(help="Only from this step on, in its lane.")] = None,
    lane: Annotated[list[int] | None, typer.Option(help="Only in this lane; can be repeated.")] = None,
    target: Annotated[str | None, typer.Option(help="With --step: another target for it.")] = None,
    onwards: Annotated[bool, typer.Option(help="With --target: also for what comes after it in its lane.")] = False,
    note: _Note = "",
    by: Who = "",
    json: JsonFlag = False,
) -> None:
    """Run again what failed, and what was left out behind it: in all lanes that failed, unless you name some."""

    async def work(kernel: Kernel) -> None:
        place = (await kernel.find_target(target)).id if target else None
        lanes = frozenset(lane) if lane else None
        verb = partial(control.retry, number=step, lanes=lanes, target_id=place, onwards=onwards)
        await _said(kernel, session_id, verb, by, note, json)

    with_kernel(work)


@session.command("skip")
def skip(session_id: _Id, step: _Step, note: _Note = "", by: Who = "", json: JsonFlag = False) -> None:
    """Leave a step out, or go on after it although it failed."""
    _say(session_id, partial(control.skip, number=step), by, note, json)


@session.command("resolve")
def resolve(
    session_id: _Id,
    step: _Step,
    outcome: Annotated[Outcome, typer.Option(help="What you found out at the target.")],
    note: _Note = "",
    by: Who = "",
    json: JsonFlag = False,
) -> None:
    """Say what became of a step nobody knew about."""
    _say(session_id, partial(control.resolve, number=step, outcome=outcome.value), by, note, json)


@session.command("archive")
def archive(session_id: _Id, json: JsonFlag = False) -> None:
    """Put an ended session away: it is not listed any more, and nothing of it is lost."""

    async def work(kernel: Kernel) -> None:
        await SessionDesk(kernel, DEFAULT_TENANT).archive(session_id)
        emit({"id": session_id}, f"Session {session_id} is put away.", json)

    with_kernel(work)
