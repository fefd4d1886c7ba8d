"""Credentials: what is public in clear, what is secret sealed."""

# ruff: noqa: S608 - columns are text of this package, values are parameters

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import orjson

from afield.errors import ConflictError, NotFoundError
from afield.ledger.database import Database, Row
from afield.ledger.encode import encode_json
from afield.model.ids import uuid7
from afield.model.jsontypes import JsonObject
from afield.security.secrets import Keyring

_COLUMNS = "id, tenant_id, name, connector, public, created_at, updated_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What may be shown of a credential."""

    id: UUID
    tenant_id: UUID
    name: str
    connector: str
    public: JsonObject = field(default_factory=dict)
    created_at: datetime
    updated_at: datetime


class Credentials:
    """The credential table."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._db = database
        self._keyring = keyring

    async def add(
        self, tenant_id: UUID, name: str, connector: str, secret: Mapping[str, str], public: JsonObject | None = None
    ) -> Credential:
        """Store a credential. Raises ConflictError when the tenant has one of this name."""
        identity = uuid7()
        # Repeated after a lost answer, the second branch finds what the first had stored.
        row = await self._db.one(
            f"""with added as (
                insert into afield.credential (id, tenant_id, name, connector, public, sealed)
                values (%s, %s, %s, %s, %s::jsonb, %s) on conflict do nothing returning {_COLUMNS}
            ) select {_COLUMNS} from added union all select {_COLUMNS} from afield.credential where id = %s""",
            (
                identity,
                tenant_id,
                name,
                connector,
                encode_json(public or {}, "credential"),
                self.seal(identity, secret),
                identity,
            ),
        )
        if row is None:
            raise ConflictError(f"There is a credential {name!r} already.", hint="Choose another name, or change it.")
        return _credential(row)

    async def get(self, credential_id: UUID, tenant_id: UUID | None = None) -> Credential:
        """Raises NotFoundError."""
        sql = f"select {_COLUMNS} from afield.credential where id = %s and tenant_id = coalesce(%s, tenant_id)"
        row = await self._db.one(sql, (credential_id, tenant_id))
        if row is None:
            raise NotFoundError(f"There is no credential {credential_id}.")
        return _credential(row)

    async def find(self, tenant_id: UUID, name: str) -> Credential:
        """By name, or by the text of its id. Raises NotFoundError."""
        sql = f"select {_COLUMNS} from afield.credential where tenant_id = %s and (name = %s or id::text = %s)"
        row = await self._db.one(sql, (tenant_id, name, name))
        if row is None:
            raise NotFoundError(f"There is no credential {name!r}.")
        return _credential(row)

    async def list(self, tenant_id: UUID) -> list[Credential]:
        sql = f'select {_COLUMNS} from afield.credential where tenant_id = %s order by name collate "C"'
        return [_credential(row) for row in await self._db.all(sql, (tenant_id,))]

    async def secret(self, credential_id: UUID) -> dict[str, str]:
        """The secret values in clear; never to be logged. Raises NotFoundError, SealError."""
        return self.unseal(credential_id, await self.sealed(credential_id))

    async def sealed(self, credential_id: UUID) -> bytes:
        """The secret values as they are stored. Raises NotFoundError."""
        row = await self._db.one("select sealed from afield.credential where id = %s", (credential_id,))
        if row is None:
            raise NotFoundError(f"There is no credential {credential_id}.")
        return bytes(row[0])

    async def replace_secret(self, credential_id: UUID, secret: Mapping[str, str]) -> None:
        """Store new secret values; tokens got with the old ones, and refusals of them, are forgotten."""
        row = await self._db.one(
            """with forgotten as (delete from afield.token where credential_id = %(id)s)
            update afield.credential set sealed = %(sealed)s, updated_at = now() where id = %(id)s returning id""",
            {"id": credential_id, "sealed": self.seal(credential_id, secret)},
        )
        if row is None:
            raise NotFoundError(f"There is no credential {credential_id}.")

    async def reseal(self) -> int:
        """Seal everything that an older key sealed with the present key; returns how many credentials that were."""
        found = await self._db.all("select id, sealed from afield.credential order by id")
        outdated = [(identity, sealed) for identity, sealed in found if self._keyring.outdated(sealed)]
        for identity, sealed in outdated:
            fresh = self.seal(identity, self.unseal(identity, sealed))
            await self._db.one(
                "update afield.credential set sealed = %s where id = %s and sealed = %s returning id",
                (fresh, identity, sealed),
            )
        await self._db.one("delete from afield.token returning 1")
        return len(outdated)

    def seal(self, credential_id: UUID, secret: Mapping[str, str]) -> bytes:
        return self._keyring.seal(orjson.dumps(dict(secret)), credential_id.bytes)

    def unseal(self, credential_id: UUID, sealed: bytes) -> dict[str, str]:
        secret: dict[str, str] = orjson.loads(self._keyring.open(sealed, credential_id.bytes))
        return secret


def _credential(row: Row) -> Credential:
    identity, tenant_id, name, connector, public, created_at, updated_at = row
    return Credential(
        id=identity,
        tenant_id=tenant_id,
        name=name,
        connector=connector,
        public=public,
        created_at=created_at,
        updated_at=updated_at,
    )
