"""Run by a test in a process of its own: adopts, noting in a file each state it reaches, and is killed half-way."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from reconcile_world import entry
from recorded_world import make_bench

from afield.connectors.base import RemoteState
from afield.model.execution import Applied, Move
from afield.model.states import ExecutionState


async def main(notes: Path) -> None:
    bench = await make_bench()
    row = await bench.add(ExecutionState.UNCONFIRMED)
    bench.world.put(entry("x", RemoteState.SUCCEEDED, name=row.key))
    scanned = await bench.scan()
    notes.write_text(f"{row.state}\n")
    apply = bench.ledger.apply

    async def spoken(move: Move) -> Applied:
        applied = await apply(move)
        notes.write_text(f"{notes.read_text()}{applied.state}\n")
        return applied

    bench.ledger.apply = spoken  # type: ignore[method-assign]
    await bench.repair(scanned)


asyncio.run(main(Path(sys.argv[1])))
