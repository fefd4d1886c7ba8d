"""What connectors remember of their executions between calls, sealed."""

from __future__ import annotations

from uuid import UUID

from afield.ledger.database import Database
from afield.security.secrets import Keyring

_PUT = """
    insert into afield.note as kept (target_id, key, sealed) values (%s, %s, %s)
    on conflict (target_id, key) do update set sealed = excluded.sealed, updated_at = now()
    returning key
    """


class TargetNotes:
    """One target's notes; `connectors.base.Notes`. Sealed, since a signed URL is as good as a credential."""

    def __init__(self, database: Database, keyring: Keyring, target_id: UUID) -> None:
        self._db = database
        self._keyring = keyring
        self._target_id = target_id

    async def put(self, key: str, value: str) -> None:
        sealed = self._keyring.seal(value.encode(), self._target_id.bytes)
        await self._db.one(_PUT, (self._target_id, key, sealed))

    async def get(self, key: str) -> str | None:
        sql = "select sealed from afield.note where target_id = %s and key = %s"
        row = await self._db.one(sql, (self._target_id, key))
        return self._keyring.open(bytes(row[0]), self._target_id.bytes).decode() if row else None

    async def drop(self, key: str) -> None:
        sql = "delete from afield.note where target_id = %s and key = %s returning key"
        await self._db.one(sql, (self._target_id, key))
