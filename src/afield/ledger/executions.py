"""Executions in Postgres."""

# ruff: noqa: S608 - columns and conditions are text of this package, values are parameters

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

from afield.errors import InvalidInputError, NotFoundError
from afield.ledger import rows, rules
from afield.ledger.base import Created, ExecutionFilter, Page
from afield.ledger.cursor import decode_cursor, encode_cursor
from afield.ledger.encode import encode_json, encode_new
from afield.ledger.store import Part
from afield.model.execution import Attempt, Execution, NewExecution
from afield.model.states import ExecutionState

MAX_PAGE = 1000


class Executions(Part):
    """The part of `ledger.base.Ledger` about executions."""

    async def create(self, new: NewExecution) -> Created:
        at = self._store.clock.now()
        _, verdict, execution_id = (await self._store.creations.write([encode_new(new, at)]))[0]
        match verdict:
            case "created":
                return Created(rules.new_row(new, at), replayed=False)
            case "replayed":
                return Created(await self.execution(execution_id), replayed=True)
            case "missing_target":
                raise NotFoundError(f"There is no target {new.target_id}.")
        raise rules.used_before(new, by_key=verdict == "key_used")

    async def execution(self, execution_id: UUID, tenant_id: UUID | None = None) -> Execution:
        sql = f"select {rows.EXECUTION} from afield.execution where id = %s and tenant_id = coalesce(%s, tenant_id)"
        row = await self._db.one(sql, (execution_id, tenant_id))
        if row is None:
            raise NotFoundError(f"There is no execution {execution_id}.")
        return rows.execution(row)

    async def executions_by_id(self, execution_ids: Sequence[UUID]) -> dict[UUID, Execution]:
        """Those of these that are recorded."""
        sql = f"select {rows.EXECUTION} from afield.execution where id = any (%s)"
        found = rows.each(rows.execution, await self._db.all(sql, (list(execution_ids),)))
        return {execution.id: execution for execution in found}

    async def executions(self, wanted: ExecutionFilter, *, limit: int = 100, cursor: str | None = None) -> Page:
        limit = max(1, min(limit, MAX_PAGE))
        where, values = _where(wanted)
        if cursor is not None:
            where += " and (x.created_at, x.id) < (%s, %s)"
            values = [*values, *decode_cursor(cursor)]
        sql = f"""select {rows.EXECUTION} from afield.execution x where {where}
            order by x.created_at desc, x.id desc limit {limit + 1}"""
        found = rows.each(rows.execution, await self._db.all(sql, values))
        page = found[:limit]
        return Page(tuple(page), encode_cursor(page[-1].created_at, page[-1].id) if len(found) > limit else None)

    async def count_by_state(self, wanted: ExecutionFilter) -> dict[ExecutionState, int]:
        where, values = _where(wanted)
        sql = f"select x.state, count(*) from afield.execution x where {where} group by x.state"
        return {ExecutionState(state): count for state, count in await self._db.all(sql, values)}

    async def attempts(self, execution_id: UUID) -> list[Attempt]:
        sql = f"select {rows.ATTEMPT} from afield.attempt where execution_id = %s order by number"
        return rows.each(rows.attempt, await self._db.all(sql, (execution_id,)))

    async def request_cancel(self, execution_id: UUID, actor: str, at: datetime) -> Execution:
        await self._db.one("select afield.request_cancel_v1(%s, %s, %s)", (execution_id, actor, at))
        return await self.execution(execution_id)


def _where(wanted: ExecutionFilter) -> tuple[str, list[object]]:
    """The filter as SQL over `x`, and its parameters."""
    conditions, values = zip(*_conditions(wanted), strict=True)
    return " and ".join(conditions), list(values)


def _conditions(wanted: ExecutionFilter) -> Iterator[tuple[str, object]]:
    yield "x.tenant_id = %s", wanted.tenant_id
    if wanted.target_id is not None:
        yield "x.target_id = %s", wanted.target_id
    if wanted.states:
        yield "x.state = any (%s)", sorted(wanted.states)
    if wanted.labels:
        yield "x.labels <> '{}' and x.labels @> %s::jsonb", encode_json(dict(wanted.labels), "label")
    if wanted.handles:
        if any("\0" in handle for handle in wanted.handles):
            raise InvalidInputError("A handle contains a NUL character.")
        handles = sorted(wanted.handles)
        yield "x.id in (select h.execution_id from afield.handle h where h.handle = any (%s))", handles
        yield "x.handle = any (%s)", handles
    if wanted.created_since is not None:
        yield "x.created_at >= %s", wanted.created_since
    if wanted.created_until is not None:
        yield "x.created_at < %s", wanted.created_until
