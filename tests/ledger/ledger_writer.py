"""A process that creates executions and moves each once: `ledger_writer.py URL TARGET COUNT`.

It says `ready`, waits for a line, and then writes in small batches, so that several of them get in each other's way.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from uuid import UUID

from afield.ledger.postgres import PostgresLedger
from afield.model.execution import Move, NewExecution
from afield.model.ids import uuid7
from afield.model.states import ExecutionState
from afield.model.target import DEFAULT_TENANT


async def main(url: str, target_id: UUID, count: int) -> None:
    async with await PostgresLedger.open(url, batch=2) as ledger:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)

        async def one() -> None:
            new = NewExecution(id=uuid7(), tenant_id=DEFAULT_TENANT, target_id=target_id, spec={})
            await ledger.create(new)
            queued, submitting = ExecutionState.QUEUED, ExecutionState.SUBMITTING
            now = datetime.now(UTC)
            await ledger.apply(Move(execution_id=new.id, expect=queued, to=submitting, attempt=1, at=now))

        await asyncio.gather(*[one() for _ in range(count)])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], UUID(sys.argv[2]), int(sys.argv[3])))
