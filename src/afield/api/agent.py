"""Runbook sessions: start, list, show, put away, and what waits for a person."""

from __future__ import annotations

from collections import Counter
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Response

from afield import diagnoses
from afield.api.access import asks
from afield.api.agent_bodies import (
    LONGEST_ID,
    ExecuteBody,
    LiveBody,
    PendingApprovalBody,
    PendingApprovalsBody,
    SessionBody,
    SessionQuery,
    SessionsBody,
    StepBody,
    StepQuery,
    StepsBody,
    WholeSessionBody,
)
from afield.api.agent_plan import PlanBody
from afield.api.executions import IdempotencyKey
from afield.api.runtime import KernelDep, PrincipalDep, RuntimeDep, TenantDep
from afield.diagnose.session import session_expectation
from afield.engine import approving
from afield.errors import NotFoundError
from afield.kernel import Kernel
from afield.ledger.sessions import SessionFilter
from afield.model.session import Step
from afield.model.states import LIVE
from afield.model.target import Target
from afield.runbooks.service import RUNBOOK_LABEL, Runbooks
from afield.runbooks.tickets.write_back import TICKET_LABEL
from afield.security.people import Action

router = APIRouter(prefix="/agent", tags=["sessions"])


def runbooks_of(runtime: RuntimeDep) -> Runbooks:
    """The runbooks product of the served tenant."""
    return Runbooks(runtime.kernel, runtime.tenant_id)


RunbooksDep = Annotated[Runbooks, Depends(runbooks_of)]
SessionId = Annotated[int, Path(ge=1, le=LONGEST_ID, description="The session's id, a number.", examples=[42])]


async def targets_by_id(kernel: Kernel, tenant_id: UUID) -> dict[UUID, Target]:
    """All targets of a tenant."""
    return {target.id: target for target in await kernel.ledger.targets(tenant_id)}


@router.post(
    "/execute",
    status_code=201,
    response_model=SessionBody | PlanBody,
    responses={
        200: {"model": SessionBody | PlanBody, "description": "A dry run; or recorded before, under the same key."}
    },
)
async def execute_runbook(
    body: ExecuteBody,
    runbooks: RunbooksDep,
    principal: PrincipalDep,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> SessionBody | PlanBody:
    """Start a runbook as a session; a worker takes it from there. With `dry_run` only the plan is shown: exactly what
    would run where, with the policy's verdicts and the digests of approvals."""
    order = body.order(principal.name, idempotency_key)
    if body.dry_run:
        response.status_code = 200
        kept = await runbooks.get(body.runbook_id, body.version)
        return PlanBody.of(kept, await runbooks.plan(order))
    session, replayed = await runbooks.start(order)
    response.status_code = 200 if replayed else 201
    response.headers["location"] = f"/api/v1/agent/{session.id}"
    return SessionBody.of(session)


@router.get("/sessions")
async def list_sessions(
    query: Annotated[SessionQuery, Query()], runbooks: RunbooksDep, tenant_id: TenantDep
) -> SessionsBody:
    """One page of sessions, the latest first."""
    labels = {}
    if query.runbook is not None:
        labels[RUNBOOK_LABEL] = query.runbook
    if query.ticket is not None:
        labels[TICKET_LABEL] = str((await runbooks.tickets.find(query.ticket)).id)
    wanted = SessionFilter(
        tenant_id=tenant_id,
        states=frozenset(query.state),
        kind=query.kind,
        labels=labels,
        archived=query.archived,
    )
    found = await runbooks.desk.latest(wanted, limit=query.limit + 1, before=query.before)
    shown = found[: query.limit]
    more = shown[-1].id if len(found) > query.limit else None
    return SessionsBody(items=[SessionBody.of(session) for session in shown], next_before=more)


@router.get("/pending-approvals")
async def list_pending_approvals(
    kernel: KernelDep, runbooks: RunbooksDep, tenant_id: TenantDep
) -> PendingApprovalsBody:
    """What waits for a person: the exact command, where it would run, until when, and the digest to answer with."""
    targets, now = await targets_by_id(kernel, tenant_id), kernel.clock.now()
    items = []
    for session, step in await runbooks.desk.waiting():
        given = [approval.by for approval in approving.valid_approvals(session, step, now)]
        items.append(PendingApprovalBody.of(session, step, targets, given))
    return PendingApprovalsBody(items=items)


@router.get("/{session_id}")
async def show_session(session_id: SessionId, kernel: KernelDep, tenant_id: TenantDep) -> WholeSessionBody:
    """One session, how far its steps are, and what happens next."""
    facts = await diagnoses.session_facts(kernel, session_id, tenant_id)
    counts = Counter(step.state for step in facts.steps)
    return WholeSessionBody.whole(facts.session, counts, session_expectation(facts))


@router.get("/{session_id}/steps")
async def list_steps(
    session_id: SessionId,
    query: Annotated[StepQuery, Query()],
    kernel: KernelDep,
    runbooks: RunbooksDep,
    tenant_id: TenantDep,
) -> StepsBody:
    """A session's steps, by number: what each does, and what became of it."""
    _, steps = await runbooks.desk.get(session_id)
    found = [step for step in steps if _wanted(step, query)]
    shown = found[: query.limit]
    targets = await targets_by_id(kernel, tenant_id)
    more = shown[-1].number if len(found) > len(shown) else None
    return StepsBody(items=[StepBody.of(step, targets) for step in shown], next_after=more)


@router.get("/{session_id}/steps/{number}/live")
async def show_live_output(
    session_id: SessionId, number: Annotated[int, Path(ge=1)], runtime: RuntimeDep, runbooks: RunbooksDep
) -> LiveBody:
    """The end of what a running step has printed, asked of its remote at most every three seconds, whoever watches.
    Afterwards the step itself shows it."""
    _, steps = await runbooks.desk.get(session_id)
    step = next((one for one in steps if one.number == number), None)
    if step is None:
        raise NotFoundError(f"Session {session_id} has no step {number}.", hint="Its steps show the numbers.")
    found = await runtime.kernel.ledger.executions_by_id([step.execution_id] if step.execution_id else [])
    execution = found.get(step.execution_id) if step.execution_id else None
    seen = await runtime.peeks.of(execution) if execution else None
    if execution is None or seen is None:
        live = execution is not None and execution.state in LIVE
        return LiveBody(running=live, taken_at=None, stdout=step.stdout, stderr=step.stderr)
    return LiveBody(running=True, taken_at=seen.taken_at, stdout=seen.stdout, stderr=seen.stderr)


def _wanted(step: Step, query: StepQuery) -> bool:
    lane = query.lane is None or step.lane == query.lane
    return lane and step.number > query.after and (not query.state or step.state in query.state)


@router.delete("/{session_id}", status_code=204)
@asks(Action.RUN)
async def put_session_away(session_id: SessionId, runbooks: RunbooksDep) -> None:
    """Put an ended session away: it is not listed any more, and can still be read. 422 while it is open."""
    await runbooks.desk.archive(session_id)
