"""The live table of `afield executions watch`."""

from __future__ import annotations

import asyncio
from uuid import UUID

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from afield.cli.run import out
from afield.cli.show import executions_table, targets_table
from afield.errors import UnavailableError
from afield.kernel import Kernel
from afield.ledger.base import ExecutionFilter
from afield.model.states import OUTSTANDING, ExecutionState
from afield.model.target import DEFAULT_TENANT

_ROWS = 30


async def watch_table(kernel: Kernel, target_id: UUID | None, every: float) -> None:
    """Draw the table every so many seconds, until cancelled."""
    with Live(console=out, auto_refresh=False) as live:
        while True:
            try:
                live.update(await picture(kernel, target_id), refresh=True)
            except UnavailableError as error:
                live.update(Text(str(error), style="yellow"), refresh=True)  # as a database does that is restarted
            await asyncio.sleep(every)


async def picture(kernel: Kernel, target_id: UUID | None) -> RenderableType:
    """Targets, counts by state, and the executions that are not over; filled up with the newest that are."""
    targets = [t for t in await kernel.ledger.targets(DEFAULT_TENANT) if target_id in {None, t.id}]
    everything = ExecutionFilter(tenant_id=DEFAULT_TENANT, target_id=target_id)
    counts = await kernel.ledger.count_by_state(everything)
    going = ExecutionFilter(tenant_id=DEFAULT_TENANT, target_id=target_id, states=OUTSTANDING)
    rows = list((await kernel.ledger.executions(going, limit=_ROWS)).items)
    if len(rows) < _ROWS:
        known = {row.id for row in rows}
        newest = (await kernel.ledger.executions(everything, limit=_ROWS)).items
        rows += [row for row in newest if row.id not in known][: _ROWS - len(rows)]
    now = kernel.clock.now()
    names = {str(target.id): target.name for target in targets}
    parts = (targets_table(targets, now), Text(), counts_line(counts), Text(), executions_table(rows, names, now))
    return Group(*parts)


def counts_line(counts: dict[ExecutionState, int]) -> Text:
    """`3 queued  2 running ...`, in the order of an execution's life."""
    return Text(
        "  ".join(f"{counts[state]} {state}" for state in ExecutionState if counts.get(state)) or "Nothing yet."
    )
