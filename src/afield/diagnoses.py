"""Diagnosing through a kernel: what the ledger knows, and what the connector's ladder finds. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from uuid import UUID

from afield.connectors.base import Check
from afield.diagnose.diagnosis import Diagnosis
from afield.diagnose.execution import Facts, diagnose_execution
from afield.diagnose.ladder import Climb, climb
from afield.diagnose.session import SessionFacts, diagnose_session, waited_for
from afield.kernel import Kernel, limits_of
from afield.ledger.base import EventFilter, ExecutionFilter
from afield.ledger.sessions import Sessions
from afield.model.execution import Execution
from afield.model.states import OCCUPYING
from afield.model.target import Target

_MOST_EVENTS = 1000
_INTRUSIVE_S = 150.0  # a check that runs something waits for a remote that reports every 15 seconds


async def of_target(kernel: Kernel, target: Target, intrusive: Collection[str] = ()) -> Diagnosis:
    """Climb the target's ladder. `intrusive` names checks that may do more than read; they are refused while
    something runs there. Raises InvalidInputError when there is no such check."""
    connector = await kernel.open_connector(target)
    try:
        return await climbed(kernel, target, connector.ladder(), intrusive)
    finally:
        await connector.close()


async def climbed(
    kernel: Kernel,
    target: Target,
    checks: Sequence[Check],
    intrusive: Collection[str] = (),
    same_machine: Iterable[Target] = (),
) -> Diagnosis:
    """Climb these checks of a target; `same_machine`: further targets on which nothing may run while an intrusive
    check is made. Raises InvalidInputError when there is no such check."""
    busy = any([await occupied(kernel, one) > 0 for one in _by_id([target, *same_machine]).values()])
    secret = await kernel.credentials.secret(target.credential_id) if target.credential_id else {}
    how = Climb(intrusive=intrusive, busy=busy, secrets=secret.values())
    how = replace(how, timeout_s=_INTRUSIVE_S) if intrusive else how
    return await climb(f"target {target.name}", checks, how)


async def occupied(kernel: Kernel, target: Target) -> int:
    """How many of the target's places are taken, as far as the ledger knows."""
    here = ExecutionFilter(tenant_id=target.tenant_id, target_id=target.id, states=OCCUPYING)
    return sum((await kernel.ledger.count_by_state(here)).values())


def _by_id(targets: Iterable[Target]) -> dict[UUID, Target]:
    return {target.id: target for target in targets}


async def of_execution(kernel: Kernel, execution: Execution) -> Diagnosis:
    """Why it is where it is, with its target's ladder below it unless nothing more is expected of it."""
    target = await kernel.ledger.target(execution.target_id, execution.tenant_id)
    mine = EventFilter(tenant_id=execution.tenant_id, execution_id=execution.id)
    facts = Facts(
        execution=execution,
        target=target,
        limits=limits_of(target),
        now=kernel.clock.now(),
        attempts=await kernel.ledger.attempts(execution.id),
        events=await kernel.ledger.events(mine, limit=_MOST_EVENTS),
        occupied=await occupied(kernel, target),
    )
    below = None if execution.complete else await of_target(kernel, target)
    return diagnose_execution(facts, below)


async def of_session(kernel: Kernel, session_id: int, tenant_id: UUID) -> Diagnosis:
    """Why it is where it is, with the ladder of the execution it waits for below it. Raises NotFoundError."""
    facts = await session_facts(kernel, session_id, tenant_id)
    execution = waited_for(facts)
    below = await of_execution(kernel, execution) if execution is not None else None
    return diagnose_session(facts, below)


async def session_facts(kernel: Kernel, session_id: int, tenant_id: UUID) -> SessionFacts:
    """All that the ledger knows of a session now. Raises NotFoundError."""
    store = Sessions(kernel.ledger.database)
    session = await store.session(session_id, tenant_id)
    steps = await store.steps(session_id)
    wanted = {step.target_id for step in steps}
    return SessionFacts(
        session=session,
        steps=steps,
        now=kernel.clock.now(),
        targets=_by_id(target for target in await kernel.ledger.targets(tenant_id) if target.id in wanted),
        executions=await kernel.ledger.executions_by_id([step.execution_id for step in steps if step.execution_id]),
    )
