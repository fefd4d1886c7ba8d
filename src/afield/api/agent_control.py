"""What people do to sessions: answer, cancel, control, declare done, give up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Annotated, Literal, Self, TypedDict
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field, model_validator

from afield.api.access import asks
from afield.api.agent import RunbooksDep, SessionId
from afield.api.agent_bodies import Note, SessionBody, StepNumber
from afield.api.bodies import Given, Name
from afield.api.runtime import KernelDep, PrincipalDep, TenantDep
from afield.connectors.command import MOST_SCRIPT_BYTES
from afield.engine import control
from afield.model.session import Session, SessionChange, Step
from afield.runbooks.amend import amended
from afield.security.people import Action

router = APIRouter(prefix="/agent", tags=["sessions"])


class Said(TypedDict):
    """Who does it, what they say to it, and when."""

    by: str
    note: str
    now: datetime


class ControlAction(StrEnum):
    """What can be done to a session."""

    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"
    SKIP = "skip"
    ROLLBACK = "rollback"
    RESOLVE = "resolve"
    EDIT = "edit"


_A = ControlAction
_NEEDS: Mapping[ControlAction, frozenset[str]] = {
    _A.SKIP: frozenset({"step"}),
    _A.RESOLVE: frozenset({"step", "outcome"}),
    _A.EDIT: frozenset({"step"}),
}
_TAKES: Mapping[ControlAction, frozenset[str]] = {
    **_NEEDS,
    _A.RETRY: frozenset({"step", "lanes", "target", "onwards", "command"}),
    _A.EDIT: frozenset({"step", "target", "command"}),
}


class ApproveStepBody(Given):
    """An answer to a step that waits. A yes names what was read by its digest."""

    step: StepNumber
    approved: Annotated[bool, Field(description="Strictly true or false.", strict=True)]
    note: Note = ""
    digest: Annotated[
        str | None,
        Field(pattern=r"^[0-9a-f]{64}$", description="Of `pending-approvals`; a step that has changed is refused."),
    ] = None

    @model_validator(mode="after")
    def _knows_what(self) -> Self:
        if self.approved and self.digest is None:
            raise ValueError("an approval needs the digest of what is approved; pending-approvals tells it")
        return self


class NoteBody(Given):
    """What is to be said about it."""

    note: Note = ""


class ControlBody(NoteBody):
    """What is to be done, and to what."""

    action: ControlAction
    step: StepNumber | None = None
    lanes: Annotated[
        tuple[Annotated[int, Field(ge=0)], ...] | None, Field(min_length=1, description="Only these are tried again.")
    ] = None
    target: Annotated[Name | None, Field(description="Where the step is to run instead: name or id.")] = None
    onwards: Annotated[
        bool | None, Field(description="Everything behind the step in its lane runs at that target too.")
    ] = None
    outcome: Annotated[
        Literal["succeeded", "failed", "not_run"] | None, Field(description="What became of a step nobody knew about.")
    ] = None
    command: Annotated[
        str | None, Field(min_length=1, max_length=MOST_SCRIPT_BYTES, description="What the step is to run instead.")
    ] = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        names = ("step", "lanes", "target", "onwards", "outcome", "command")
        given = {name for name in names if getattr(self, name) is not None}
        missing = sorted(_NEEDS.get(self.action, frozenset()) - given)
        if missing:
            raise ValueError(f"{self.action} needs {', '.join(missing)}")
        extra = sorted(given - _TAKES.get(self.action, frozenset()))
        if extra:
            raise ValueError(f"{self.action} does not take {', '.join(extra)}")
        if given & {"target", "command"} and self.step is None:
            raise ValueError("another command or target is for one step; name its number as step")
        return self


@router.post("/{session_id}/approve-step")
@asks(Action.APPROVE)
async def approve_step(
    session_id: SessionId, body: ApproveStepBody, kernel: KernelDep, runbooks: RunbooksDep, principal: PrincipalDep
) -> SessionBody:
    """Say yes or no to a step that waits for a person. The answer is about exactly the work its digest names."""

    def answered(session: Session, steps: Sequence[Step]) -> SessionChange:
        said = Said(by=principal.name, note=body.note, now=kernel.clock.now())
        return control.approve(session, steps, body.step, body.approved, digest=body.digest, **said)

    return SessionBody.of(await runbooks.desk.control(session_id, answered))


@router.post("/{session_id}/control")
@asks(Action.RUN)
async def control_session(
    *,
    session_id: SessionId,
    body: ControlBody,
    kernel: KernelDep,
    runbooks: RunbooksDep,
    principal: PrincipalDep,
    tenant_id: TenantDep,
) -> SessionBody:
    """Pause, resume, retry, skip, roll back, say what became of a step, or change one that has not begun."""
    target_id = (await kernel.find_target(body.target, tenant_id)).id if body.target else None

    def changed(session: Session, steps: Sequence[Step]) -> SessionChange:
        said = Said(by=principal.name, note=body.note, now=kernel.clock.now())
        return _done(body, target_id, session, steps, said)

    return SessionBody.of(await runbooks.desk.control(session_id, changed))


@router.post("/{session_id}/cancel", status_code=202)
@asks(Action.RUN)
async def cancel_session(
    session_id: SessionId,
    kernel: KernelDep,
    runbooks: RunbooksDep,
    principal: PrincipalDep,
    body: NoteBody | None = None,
) -> SessionBody:
    """Begin nothing more, and stop what runs. What comes of it shows in the state. 409 when it is over."""
    said = Said(by=principal.name, note=(body or NoteBody()).note, now=kernel.clock.now())
    return SessionBody.of(await runbooks.desk.control(session_id, partial(control.cancel, **said)))


@router.post("/{session_id}/complete")
@asks(Action.RUN)
async def complete_session(
    session_id: SessionId,
    kernel: KernelDep,
    runbooks: RunbooksDep,
    principal: PrincipalDep,
    body: NoteBody | None = None,
) -> SessionBody:
    """Declare a session done that failed, is paused or waits. What is pending is left out."""
    said = Said(by=principal.name, note=(body or NoteBody()).note, now=kernel.clock.now())
    return SessionBody.of(await runbooks.desk.control(session_id, partial(control.complete, **said)))


@router.post("/{session_id}/abandon")
@asks(Action.RUN)
async def abandon_session(
    session_id: SessionId,
    kernel: KernelDep,
    runbooks: RunbooksDep,
    principal: PrincipalDep,
    body: NoteBody | None = None,
) -> SessionBody:
    """Give a session up as it is. What runs is neither stopped nor followed by it any more."""
    said = Said(by=principal.name, note=(body or NoteBody()).note, now=kernel.clock.now())
    return SessionBody.of(await runbooks.desk.control(session_id, partial(control.abandon, **said)))


def _done(
    body: ControlBody, target_id: UUID | None, session: Session, steps: Sequence[Step], said: Said
) -> SessionChange:
    """What the action makes of the session. Raises what its verb raises."""
    number = body.step or 0  # where one is needed, it was given
    match body.action:
        case _A.SKIP:
            return control.skip(session, steps, number, **said)
        case _A.RESOLVE:
            return control.resolve(session, steps, number, body.outcome or "", **said)
        case _A.EDIT:
            edited = partial(control.edit, session, steps, number, target_id=target_id, **said)
            return amended(session, steps, number, body.command, lambda work: edited(work=work))
        case _A.RETRY:
            again = partial(control.retry, lanes=body.lanes, target_id=target_id, onwards=bool(body.onwards))
            tried = partial(again, session, steps, body.step, **said)
            return amended(session, steps, number, body.command, lambda work: tried(work=work))
        case whole:
            return _WHOLE[whole](session, steps, **said)


_WHOLE = {_A.PAUSE: control.pause, _A.RESUME: control.resume, _A.ROLLBACK: control.rollback}
"""Verbs about the session as a whole."""
