"""The table of saved queries."""

from __future__ import annotations

from uuid import UUID

from psycopg.types.json import Jsonb

from afield.errors import NotFoundError
from afield.ledger.cursor import decode_cursor, encode_cursor
from afield.ledger.database import Database, Row
from afield.workflows.model import Workflow

_COLUMNS = "id, tenant_id, target_id, name, sql_query, parameters, settings, created_by, created_at, updated_at"
_KEEP = f"""
insert into afield.workflow ({_COLUMNS})
values (%(id)s, %(tenant_id)s, %(target_id)s, %(name)s, %(sql_query)s, %(parameters)s, %(settings)s, %(created_by)s,
    %(created_at)s, %(updated_at)s)
on conflict (id) do update set updated_at = excluded.updated_at
returning id
"""  # noqa: S608 - columns are text of this module
_REPLACE = """
update afield.workflow set target_id = %(target_id)s, name = %(name)s, sql_query = %(sql_query)s,
    parameters = %(parameters)s, settings = %(settings)s, created_by = %(created_by)s, updated_at = %(updated_at)s
where id = %(id)s and tenant_id = %(tenant_id)s and deleted_at is null
returning id
"""
_SHOWN = f"select {_COLUMNS} from afield.workflow where tenant_id = %(tenant_id)s and deleted_at is null"  # noqa: S608
_PAGE = f"""{_SHOWN}
and (%(target_id)s::uuid is null or target_id = %(target_id)s)
and (%(before)s::timestamptz is null or (created_at, id) < (%(before)s, %(before_id)s::uuid))
order by created_at desc, id desc limit %(limit)s
"""
_DELETE = """
update afield.workflow set deleted_at = now()
where id = %(id)s and tenant_id = %(tenant_id)s and deleted_at is null
returning id
"""


class WorkflowStore:
    """Saved queries. A deleted one is kept for the history of its runs, and shown no more."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, workflow: Workflow) -> None:
        """Save a new one."""
        await self._database.all(_KEEP, _values(workflow))

    async def replace(self, workflow: Workflow) -> None:
        """Save it in place of the one with its id. Raises NotFoundError."""
        if not await self._database.all(_REPLACE, _values(workflow)):
            raise _unknown(workflow.id)

    async def get(self, workflow_id: UUID, tenant_id: UUID) -> Workflow:
        """Raises NotFoundError."""
        found = await self._database.all(f"{_SHOWN} and id = %(id)s", {"id": workflow_id, "tenant_id": tenant_id})
        if not found:
            raise _unknown(workflow_id)
        return _workflow(found[0])

    async def page(
        self, tenant_id: UUID, *, target_id: UUID | None, limit: int, cursor: str | None
    ) -> tuple[list[Workflow], str | None]:
        """One page, newest first, and the cursor of the next. Raises InvalidInputError for a bad cursor."""
        before, before_id = decode_cursor(cursor) if cursor else (None, None)
        found = await self._database.all(
            _PAGE,
            {
                "tenant_id": tenant_id,
                "target_id": target_id,
                "before": before,
                "before_id": before_id,
                "limit": limit + 1,
            },
        )
        items = [_workflow(row) for row in found[:limit]]
        last = items[-1] if len(found) > limit else None
        return items, encode_cursor(last.created_at, last.id) if last else None

    async def delete(self, workflow_id: UUID, tenant_id: UUID) -> None:
        """Raises NotFoundError."""
        if not await self._database.all(_DELETE, {"id": workflow_id, "tenant_id": tenant_id}):
            raise _unknown(workflow_id)


def _unknown(workflow_id: UUID) -> NotFoundError:
    return NotFoundError(f"There is no workflow {workflow_id}.", hint="`GET /api/workflows/` lists those there are.")


def _values(workflow: Workflow) -> dict[str, object]:
    settings = {
        "description": workflow.description,
        "time_window": workflow.time_window,
        "options": workflow.options,
    }
    return {
        "id": workflow.id,
        "tenant_id": workflow.tenant_id,
        "target_id": workflow.target_id,
        "name": workflow.name,
        "sql_query": workflow.sql_query,
        "parameters": Jsonb(workflow.parameters),
        "settings": Jsonb(settings),
        "created_by": workflow.created_by,
        "created_at": workflow.created_at,
        "updated_at": workflow.updated_at,
    }


def _workflow(row: Row) -> Workflow:
    identity, tenant_id, target_id, name, sql_query, parameters, settings, created_by, created_at, updated_at = row
    return Workflow(
        id=identity,
        tenant_id=tenant_id,
        target_id=target_id,
        name=name,
        sql_query=sql_query,
        description=settings.get("description", ""),
        parameters=parameters,
        time_window=settings.get("time_window"),
        options=settings.get("options", {}),
        created_by=created_by,
        created_at=created_at,
        updated_at=updated_at,
    )
