"""Targets in Postgres."""

# ruff: noqa: S608 - columns and conditions are text of this package, values are parameters

from __future__ import annotations

from uuid import UUID

import psycopg

from afield.errors import ConflictError, NotFoundError
from afield.ledger import rows
from afield.ledger.base import NewTarget
from afield.ledger.encode import encode_json
from afield.ledger.store import Part
from afield.model.jsontypes import JsonObject
from afield.model.target import Target


class Targets(Part):
    """The part of `ledger.base.Ledger` about targets."""

    async def add_target(self, new: NewTarget) -> Target:
        values = (
            new.id,
            new.tenant_id,
            new.connector,
            new.name,
            encode_json(new.address, "address"),
            encode_json(new.settings, "settings"),
            new.credential_id,
            self._store.clock.now(),
        )
        row = await self._insert(values)
        if row is None:
            raise ConflictError(f"There is a target {new.name!r} already.", hint="Choose another name.")
        return row

    async def _insert(self, values: tuple[object, ...]) -> Target | None:
        # An insert repeated after a lost answer finds exactly its own row.
        sql = f"""
            with given as (
                select %s::uuid as id, %s::uuid as tenant_id, %s::text as connector, %s::text as name,
                       %s::jsonb as address, %s::jsonb as settings, %s::uuid as credential_id,
                       %s::timestamptz as created_at
            ), added as (
                insert into afield.target (id, tenant_id, connector, name, address, settings, credential_id, created_at)
                select * from given on conflict do nothing returning {rows.TARGET}
            )
            select {rows.TARGET} from added
            union all
            select {rows.TARGET} from afield.target t
            where (t.id, t.name, t.address, t.created_at) = (select id, name, address, created_at from given)
            """
        try:
            row = await self._db.one(sql, values)
        except psycopg.errors.ForeignKeyViolation as error:
            raise NotFoundError("There is no such tenant or credential.") from error
        return rows.target(row) if row else None

    async def target(self, target_id: UUID, tenant_id: UUID | None = None) -> Target:
        sql = f"select {rows.TARGET} from afield.target where id = %s and tenant_id = coalesce(%s, tenant_id)"
        row = await self._db.one(sql, (target_id, tenant_id))
        if row is None:
            raise NotFoundError(f"There is no target {target_id}.")
        return rows.target(row)

    async def find_target(self, tenant_id: UUID, name: str) -> Target:
        sql = f"""select {rows.TARGET} from afield.target
            where tenant_id = %s and (name = %s or id::text = %s) order by (name = %s) desc limit 1"""
        row = await self._db.one(sql, (tenant_id, name, name, name))
        if row is None:
            raise NotFoundError(f"There is no target {name!r}.")
        return rows.target(row)

    async def targets(self, tenant_id: UUID | None = None) -> list[Target]:
        sql = f"""select {rows.TARGET} from afield.target
            where tenant_id = coalesce(%s, tenant_id) order by name collate "C", id"""
        return rows.each(rows.target, await self._db.all(sql, (tenant_id,)))

    async def update_target(
        self, target_id: UUID, *, settings: JsonObject | None = None, credential_id: UUID | None = None
    ) -> Target:
        sql = f"""
            update afield.target
            set settings = coalesce(%s::jsonb, settings), credential_id = coalesce(%s, credential_id)
            where id = %s returning {rows.TARGET}, pg_notify('afield_wake', id::text)::text"""
        given = None if settings is None else encode_json(settings, "settings")
        row = await self._db.one(sql, (given, credential_id, target_id))
        if row is None:
            raise NotFoundError(f"There is no target {target_id}.")
        return rows.target(row[:-1])
