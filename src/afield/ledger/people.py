"""The table of people."""

# ruff: noqa: S608 - columns are text of this module, values are parameters

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from afield.errors import ConflictError, InvalidInputError, NotFoundError
from afield.ledger.database import Database, Row
from afield.model.ids import uuid7
from afield.security.people import Principal, Role, new_token, token_digest

_COLUMNS = "id, name, role, created_at, revoked_at"
_LONGEST_NAME = 128


@dataclass(frozen=True, slots=True)
class Person:
    """What may be shown of somebody."""

    id: UUID
    name: str
    role: Role
    created_at: datetime
    revoked_at: datetime | None


class People:
    """Who may call the API. A name that was revoked may be given again; the old token never works again."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def add(self, tenant_id: UUID, name: str, role: Role) -> tuple[Person, str]:
        """Somebody new, and the token, which nobody can read again. Raises InvalidInputError, ConflictError (name)."""
        name = name.strip()
        if not name or len(name) > _LONGEST_NAME or not name.isprintable():
            raise InvalidInputError(f"A name has 1 to {_LONGEST_NAME} printable characters.")
        identity, token = uuid7(), new_token()
        # Repeated after a lost answer, the second branch finds what the first had stored.
        row = await self._db.one(
            f"""with added as (
                insert into afield.person (id, tenant_id, name, role, token) values (%s, %s, %s, %s, %s)
                on conflict do nothing returning {_COLUMNS}
            ) select {_COLUMNS} from added union all select {_COLUMNS} from afield.person where id = %s""",
            (identity, tenant_id, name, role, token_digest(token), identity),
        )
        if row is None:
            raise ConflictError(f"There is somebody called {name!r} already.", hint="Choose another name.")
        return _person(row), token

    async def list(self, tenant_id: UUID) -> list[Person]:
        """Everybody who may call, by name."""
        sql = f"select {_COLUMNS} from afield.person where tenant_id = %s and revoked_at is null order by lower(name)"
        return [_person(row) for row in await self._db.all(sql, (tenant_id,))]

    async def revoke(self, tenant_id: UUID, name: str, at: datetime) -> Person:
        """Take somebody's token back. Raises NotFoundError."""
        row = await self._db.one(
            f"""update afield.person set revoked_at = coalesce(revoked_at, %s)
            where tenant_id = %s and lower(name) = lower(%s) and (revoked_at is null or revoked_at = %s)
            returning {_COLUMNS}""",
            (at, tenant_id, name, at),
        )
        if row is None:
            raise NotFoundError(f"There is nobody called {name!r}.", hint="`afield people list` shows who there is.")
        return _person(row)

    async def of_token(self, tenant_id: UUID, digest: bytes) -> Principal | None:
        """Whose token it is."""
        sql = "select name, role from afield.person where tenant_id = %s and token = %s and revoked_at is null"
        row = await self._db.one(sql, (tenant_id, digest))
        return Principal(row[0], Role(row[1])) if row else None

    async def anybody(self, tenant_id: UUID) -> bool:
        """Whether anybody was ever added. Once somebody was, a token is always needed."""
        sql = "select exists (select from afield.person where tenant_id = %s)"
        row = await self._db.one(sql, (tenant_id,))
        return bool(row and row[0])


def _person(row: Row) -> Person:
    identity, name, role, created_at, revoked_at = row
    return Person(identity, name, Role(role), created_at, revoked_at)
