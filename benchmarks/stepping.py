"""Sessions of short scripts: started, waited for, and what is known of their steps afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from afield.kernel import Kernel
from afield.ledger.base import EventFilter
from afield.ledger.sessions import SessionFilter
from afield.model.execution import EventKind
from afield.model.session import SESSION_FINAL, NewSession, NewStep, SessionState, StepState, Work
from afield.model.target import DEFAULT_TENANT, Target
from afield.sessions import SessionDesk

SCRIPTS = (
    'set -eu\nmkdir -p "$HOME/jobs"\ndf -P / | awk \'NR==2 {print $5}\' > "$HOME/jobs/full"\ncat "$HOME/jobs/full"',
    'set -eu\nfor n in 1 2 3 4 5; do echo "line $n" > "$HOME/jobs/log.$n"; done\nls "$HOME/jobs" | wc -l',
    'set -eu\ncat "$HOME"/jobs/log.* | sort -r > "$HOME/jobs/all"\ngrep -c line "$HOME/jobs/all"',
    'set -eu\nrm -f "$HOME"/jobs/log.*\ntest -s "$HOME/jobs/all" && echo kept',
    'set -eu\ntest "$(wc -l < "$HOME/jobs/all")" -eq 5\nrm -r "$HOME/jobs"\necho done',
)
"""Five steps that need one another's files, as short as those of a real runbook."""
_PAGE = 5000


@dataclass(frozen=True, slots=True)
class StepEnd:
    """When a step's end was written down, and of which execution it was."""

    execution_id: UUID
    at: datetime


def steps_on(target: Target, lane: int = 0, scripts: Sequence[str] = SCRIPTS) -> list[NewStep]:
    """The scripts as steps on one machine."""
    return [
        NewStep(name=f"step {number}", lane=lane, target_id=target.id, work=Work(spec={"script": script}))
        for number, script in enumerate(scripts, 1)
    ]


async def start_each(kernel: Kernel, targets: Sequence[Target], scripts: Sequence[str] = SCRIPTS) -> None:
    """A session for each machine."""
    desk = SessionDesk(kernel, DEFAULT_TENANT)
    for target in targets:
        await desk.create(_new(target.name, steps_on(target, scripts=scripts), 1))


async def start_lanes(kernel: Kernel, targets: Sequence[Target], scripts: Sequence[str] = SCRIPTS) -> None:
    """One session with a lane for each machine, all under way at once."""
    steps = [step for lane, target in enumerate(targets) for step in steps_on(target, lane, scripts)]
    await SessionDesk(kernel, DEFAULT_TENANT).create(_new("all", steps, len(targets)))


def _new(title: str, steps: Sequence[NewStep], batch_size: int) -> NewSession:
    return NewSession(
        tenant_id=DEFAULT_TENANT,
        kind="benchmark",
        title=title,
        started_by="benchmark",
        steps=tuple(steps),
        batch_size=batch_size,
    )


async def until_over(kernel: Kernel, sessions: int, seconds: float) -> None:
    """Wait until so many sessions have completed, and nothing is left to be done. Raises RuntimeError when one did
    not complete, TimeoutError after `seconds`."""
    desk = SessionDesk(kernel, DEFAULT_TENANT)
    final = SessionFilter(tenant_id=DEFAULT_TENANT, states=SESSION_FINAL)
    async with asyncio.timeout(seconds):
        while len(found := await desk.latest(final, limit=sessions)) < sessions:  # noqa: ASYNC110 - others work
            await asyncio.sleep(0.1)
        while await kernel.ledger.undriven():  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.1)
    bad = [one for one in found if one.state is not SessionState.COMPLETED]
    if bad:
        raise RuntimeError(f"session {bad[0].id} is {bad[0].state}: {bad[0].reason}")


async def ends(kernel: Kernel) -> list[StepEnd]:
    """The ends of all steps, in the order in which they were written down."""
    wanted = EventFilter(tenant_id=DEFAULT_TENANT, kinds=frozenset({EventKind.STEP}))
    found: list[StepEnd] = []
    after = 0
    while batch := await kernel.ledger.events(wanted, after=after, limit=_PAGE):
        after = batch[-1].seq
        found += [
            StepEnd(one.execution_id, one.at)
            for one in batch
            if one.execution_id and one.data["to"] == StepState.SUCCEEDED
        ]
    return found
