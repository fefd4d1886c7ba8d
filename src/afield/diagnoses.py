"""Diagnosing through a kernel: what the ledger knows, and what the connector's ladder finds. Reads only."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from afield.diagnose.diagnosis import Diagnosis
from afield.diagnose.execution import Facts, diagnose_execution
from afield.diagnose.ladder import Climb, climb
from afield.kernel import Kernel, limits_of
from afield.ledger.base import EventFilter, ExecutionFilter
from afield.model.execution import Execution
from afield.model.states import OCCUPYING
from afield.model.target import Target

_MOST_EVENTS = 1000
_INTRUSIVE_S = 150.0  # a check that runs something waits for a remote that reports every 15 seconds


async def of_target(kernel: Kernel, target: Target, intrusive: Collection[str] = ()) -> Diagnosis:
    """Climb the target's ladder. `intrusive` names checks that may do more than read; they are refused while
    something runs there. Raises InvalidInputError when there is no such check."""
    here = ExecutionFilter(tenant_id=target.tenant_id, target_id=target.id, states=OCCUPYING)
    busy = sum((await kernel.ledger.count_by_state(here)).values()) > 0
    secret = await kernel.credentials.secret(target.credential_id) if target.credential_id else {}
    connector = await kernel.open_connector(target)
    try:
        how = Climb(intrusive=intrusive, busy=busy, secrets=secret.values())
        how = replace(how, timeout_s=_INTRUSIVE_S) if intrusive else how
        return await climb(f"target {target.name}", connector.ladder(), how)
    finally:
        await connector.close()


async def of_execution(kernel: Kernel, execution: Execution) -> Diagnosis:
    """Why it is where it is, with its target's ladder below it unless nothing more is expected of it."""
    target = await kernel.ledger.target(execution.target_id, execution.tenant_id)
    here = ExecutionFilter(tenant_id=target.tenant_id, target_id=target.id, states=OCCUPYING)
    mine = EventFilter(tenant_id=execution.tenant_id, execution_id=execution.id)
    facts = Facts(
        execution=execution,
        target=target,
        limits=limits_of(target),
        now=kernel.clock.now(),
        attempts=await kernel.ledger.attempts(execution.id),
        events=await kernel.ledger.events(mine, limit=_MOST_EVENTS),
        occupied=sum((await kernel.ledger.count_by_state(here)).values()),
    )
    below = None if execution.complete else await of_target(kernel, target)
    return diagnose_execution(facts, below)
