"""Why commands of a session "do not execute": its connection, its VM, what the engine does next. Only the restart, and
the test with `execute=true`, do more than read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Response

from afield import diagnoses
from afield.api.access import asks, check
from afield.api.agent import RunbooksDep, SessionId
from afield.api.agent_bodies import LONGEST_ID, SessionBody
from afield.api.agent_debug_bodies import (
    ActiveSessionsBody,
    ConnectionBody,
    ConnectionTestBody,
    ExecutionStateBody,
    NextBody,
    RestartBody,
    RestartedBody,
    StepStateBody,
    VmStatusBody,
)
from afield.api.bodies import ExecutionBody
from afield.api.diagnosing import DiagnosisBody, RungBody
from afield.api.executions import IdempotencyKey
from afield.api.runtime import KernelDep, PrincipalDep, TenantDep
from afield.connectors.base import CheckVerdict
from afield.diagnose.session import SessionFacts, diagnose_session
from afield.errors import InvalidInputError, NotFoundError
from afield.ledger.sessions import SessionFilter
from afield.model.session import SESSION_FINAL, SessionState, Step, StepKind, StepState
from afield.model.target import Target
from afield.runbooks.azure_debug import AZURE, Connection, connection_of, vm_status
from afield.runbooks.azure_restart import RestartOrder, restart_vm
from afield.runbooks.connection_test import check_connection
from afield.security.people import Action

router = APIRouter(prefix="/agent", tags=["sessions"])

WhichSession = Annotated[int, Query(ge=1, le=LONGEST_ID, description="The session's id.", examples=[42])]
WhichStep = Annotated[
    int | None,
    Query(ge=1, le=2**31 - 1, description="The step whose target is meant; without it, the first one on an Azure VM."),
]

_MOST_ACTIVE = 1000
_ISSUES = frozenset({CheckVerdict.FAIL, CheckVerdict.WARN, CheckVerdict.COULD_NOT_LOOK})


# ------------------------------------------------------------------------------------------- connection


@router.post("/debug/test-azure-connection")
@asks(Action.READ)
async def test_azure_connection(
    *,
    session_id: WhichSession,
    kernel: KernelDep,
    tenant_id: TenantDep,
    principal: PrincipalDep,
    step: WhichStep = None,
    execute: Annotated[bool, Query(description="Also run `echo` there, as a managed run command.")] = False,
) -> ConnectionTestBody:
    """Test the way to a session's Azure VM in four steps: step found, connection configured, connector opened, VM
    reached. Reads only; `execute=true` also runs an echo, which is refused while a command runs or a conflict is
    suspected."""
    check(principal, Action.RUN if execute else Action.READ)
    facts = await diagnoses.session_facts(kernel, session_id, tenant_id)
    found = _step_of(facts, step) if step is not None or _runs(facts) else None
    target = _place(facts, found) if found else None
    return ConnectionTestBody.of(session_id, await check_connection(kernel, found, target, execute=execute))


def _runs(facts: SessionFacts) -> list[Step]:
    return [step for step in facts.steps if step.kind is StepKind.RUN]


def _step_of(facts: SessionFacts, number: int | None) -> Step:
    """The step that is meant: by its number, else the first one on an Azure VM, else the first one that runs anything.
    Raises NotFoundError, InvalidInputError (nothing runs anywhere)."""
    if number is not None:
        for step in facts.steps:
            if step.number == number:
                return step
        raise NotFoundError(f"Session {facts.session.id} has no step {number}.", hint="See its steps.")
    runs = _runs(facts)
    if not runs:
        raise InvalidInputError(f"No step of session {facts.session.id} runs on a target.", hint="People do them all.")
    return next((step for step in runs if (target := _place(facts, step)) and target.connector in AZURE), runs[0])


def _place(facts: SessionFacts, step: Step) -> Target | None:
    return facts.targets.get(step.target_id) if step.target_id else None


def _target_of(facts: SessionFacts, number: int | None) -> Target:
    """Raises NotFoundError, InvalidInputError."""
    step = _step_of(facts, number)
    target = _place(facts, step)
    if target is None:
        text = f"Azure connector requires resource_id: step {step.number} ({step.name}) has no target."
        raise InvalidInputError(text, hint="Name another step (`step=`).")
    return target


# ------------------------------------------------------------------------------------------- the VM


@router.get("/debug/check-azure-vm-status")
async def check_azure_vm_status(
    session_id: WhichSession, kernel: KernelDep, tenant_id: TenantDep, step: WhichStep = None
) -> VmStatusBody:
    """How the VM of a session stands: power, agent, extensions, run commands, and whether a conflict holds it. Two
    calls that read; no command is run."""
    target = _target_of(await diagnoses.session_facts(kernel, session_id, tenant_id), step)
    status = await vm_status(kernel, target)
    return VmStatusBody.model_validate({"session_id": session_id, "target": target.name, **status})


@router.post("/debug/restart-azure-vm", status_code=202)
@asks(Action.RESTART)
async def restart_azure_vm(
    *,
    session_id: WhichSession,
    body: RestartBody,
    kernel: KernelDep,
    tenant_id: TenantDep,
    principal: PrincipalDep,
    response: Response,
    step: WhichStep = None,
    idempotency_key: IdempotencyKey = None,
) -> RestartedBody:
    """Restart the VM of a session. It is recorded as an execution, sent once and followed; the answer names it. 409
    while a restart is under way."""
    facts = await diagnoses.session_facts(kernel, session_id, tenant_id)
    target = _target_of(facts, step)
    order = RestartOrder(session_id=session_id, by=principal.name, idempotency_key=idempotency_key, **body.model_dump())
    execution = (await restart_vm(kernel, target, order)).execution
    response.headers["location"] = f"/api/v1/executions/{execution.id}"
    return RestartedBody(
        execution_id=execution.id,
        target_id=execution.target_id,
        vm_name=str(execution.spec["confirm_name"]),
        running_steps=[one.number for one in facts.of(StepState.RUNNING) if one.target_id == target.id],
        execution=ExecutionBody.of(execution),
    )


# ------------------------------------------------------------------------------------------- the engine


@router.get("/debug/execution-state", response_model=ExecutionStateBody | ActiveSessionsBody)
async def show_execution_state(
    kernel: KernelDep,
    tenant_id: TenantDep,
    runbooks: RunbooksDep,
    session_id: WhichSession | None = None,
) -> ExecutionStateBody | ActiveSessionsBody:
    """A session, its steps, its connections, what the engine does next and when, and what is wrong. Without an id: all
    sessions that have not ended. Asks no remote."""
    if session_id is None:
        wanted = SessionFilter(tenant_id=tenant_id, states=frozenset(SessionState) - SESSION_FINAL)
        found = await runbooks.desk.latest(wanted, limit=_MOST_ACTIVE)
        return ActiveSessionsBody(active_sessions=[SessionBody.of(session) for session in found])
    facts = await diagnoses.session_facts(kernel, session_id, tenant_id)
    connections = [connection_of(target) for target in facts.targets.values()]
    diagnosis = DiagnosisBody.of(diagnose_session(facts))
    return ExecutionStateBody(
        session=SessionBody.of(facts.session),
        steps=[StepStateBody.of(step, facts.targets, facts.execution(step)) for step in facts.steps],
        connections=[ConnectionBody.model_validate(one) for one in connections],
        next=NextBody.of(facts),
        issues=[rung for rung in diagnosis.rungs if rung.verdict in _ISSUES] + _lacking(connections),
        sentence=diagnosis.sentence,
    )


def _lacking(connections: Sequence[Connection]) -> list[RungBody]:
    """What Azure connections lack, in the words operators search for."""
    lacking = [one for one in connections if one.type in AZURE and one.problem]
    return [
        RungBody(
            name="connection",
            verdict=CheckVerdict.FAIL,
            asked="Is the connection configured?",
            answered=one.problem,
            next_step=f"give it what it lacks (`PATCH /api/v1/targets/{one.target}`)",
            cause=one.problem,
            seconds=0,
        )
        for one in lacking
    ]


@router.post("/{session_id}/diagnose")
@asks(Action.READ)
async def diagnose_session_now(session_id: SessionId, kernel: KernelDep, tenant_id: TenantDep) -> DiagnosisBody:
    """Why a session is where it is, with the ladders of the execution and the target it waits for. Changes nothing."""
    return DiagnosisBody.of(await diagnoses.of_session(kernel, session_id, tenant_id))
