"""Cloud accounts in Postgres."""

# ruff: noqa: S608 - columns are text of this package, values are parameters

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg

from afield.errors import ConflictError, NotFoundError
from afield.ledger.database import Database, Row
from afield.ledger.encode import encode_json
from afield.model.ids import uuid7
from afield.model.jsontypes import JsonObject

_COLUMNS = "id, tenant_id, name, kind, address, credential_id, created_at, discovered_at, complete_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAccount:
    """A cloud account, and when its machines were last looked for."""

    id: UUID
    tenant_id: UUID
    name: str
    kind: str
    address: JsonObject
    credential_id: UUID | None = None
    created_at: datetime
    discovered_at: datetime | None = None  # the last discovery, however it ended
    complete_at: datetime | None = None  # the last one that saw everything


class Accounts:
    """The table of accounts."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def add(
        self, tenant_id: UUID, name: str, *, kind: str, address: JsonObject, credential_id: UUID | None, at: datetime
    ) -> RecordedAccount:
        """Record an account. Raises ConflictError when the tenant has one of this name, NotFoundError (credential)."""
        identity = uuid7()
        # Repeated after a lost answer, the second branch finds what the first had stored.
        sql = f"""with added as (
                insert into afield.account (id, tenant_id, name, kind, address, credential_id, created_at)
                values (%s, %s, %s, %s, %s::jsonb, %s, %s) on conflict do nothing returning {_COLUMNS}
            ) select {_COLUMNS} from added union all select {_COLUMNS} from afield.account where id = %s"""
        values = (identity, tenant_id, name, kind, encode_json(address, "address"), credential_id, at, identity)
        try:
            row = await self._db.one(sql, values)
        except psycopg.errors.ForeignKeyViolation as error:
            raise NotFoundError("There is no such tenant or credential.") from error
        if row is None:
            raise ConflictError(f"There is an account {name!r} already.", hint="Choose another name.")
        return _account(row)

    async def list(self, tenant_id: UUID) -> list[RecordedAccount]:
        """All accounts of a tenant, by name."""
        sql = f'select {_COLUMNS} from afield.account where tenant_id = %s order by name collate "C"'
        return [_account(row) for row in await self._db.all(sql, (tenant_id,))]

    async def find(self, tenant_id: UUID, name: str) -> RecordedAccount:
        """By name, or by the text of its id. Raises NotFoundError."""
        sql = f"""select {_COLUMNS} from afield.account
            where tenant_id = %s and (name = %s or id::text = %s) order by (name = %s) desc limit 1"""
        row = await self._db.one(sql, (tenant_id, name, name, name))
        if row is None:
            raise NotFoundError(f"There is no account {name!r}.")
        return _account(row)

    async def delete(self, account_id: UUID) -> None:
        """Forget an account and the machines seen in it; targets stay. Nothing happens when there is none."""
        await self._db.one("delete from afield.account where id = %s returning id", (account_id,))


def _account(row: Row) -> RecordedAccount:
    names = [name.strip() for name in _COLUMNS.split(",")]
    return RecordedAccount(**dict(zip(names, row, strict=True)))
