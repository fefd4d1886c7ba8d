"""Executions driven by the process that was asked for them, in Postgres."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from afield.errors import NotFoundError
from afield.ledger import rules
from afield.ledger.base import Created
from afield.ledger.encode import encode_begin
from afield.ledger.executions import Executions
from afield.model.execution import Move, NewExecution


class Inlining(Executions):
    """The part of the ledger that drives in line."""

    async def begin(self, new: NewExecution, intent: Move, hold_s: float) -> Created:
        """Record an execution with its first attempt's intent, in one commit, and keep drivers away from it for
        `hold_s` seconds. What was recorded before under the same idempotency key is replayed, and gets no intent.
        Raises NotFoundError (target), IdempotencyError."""
        item = encode_begin(new, intent, hold_s)
        _, verdict, execution_id = (await self._store.beginnings.write([item]))[0]
        match verdict:
            case "created":
                return Created(rules.after(rules.new_row(new, intent.at), [intent]), replayed=False)
            case "replayed":
                return Created(await self.execution(execution_id), replayed=True)
            case "missing_target":
                raise NotFoundError(f"There is no target {new.target_id}.")
        raise rules.used_before(new, by_key=verdict == "key_used")

    async def hold(self, execution_ids: Iterable[UUID], hold_s: float) -> dict[UUID, bool]:
        """Keep drivers away for longer. Tells which are still being submitted, and of each whether it is to be stopped:
        somebody asked to cancel it, or its time is over."""
        sql = "select execution_id, stop from afield.hold_executions_v1(%s, %s)"
        return dict(await self._db.all(sql, (list(execution_ids), hold_s)))
