"""The table of runbook versions. Nothing is ever removed from it."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from afield.errors import ConflictError, InvalidInputError, NotFoundError
from afield.ledger.database import Connection, Database, Row
from afield.runbooks.model import Environment, Risk
from afield.runbooks.versions import RunbookVersion, Status, check_approval, digest_of, understood

_COLUMNS = (
    "tenant_id, runbook_id, version, revision, status, text, digest, title, service, env, risk, created_by, "
    "created_at, approved_by, approved_at, archived_by, archived_at"
)
_ONE = "tenant_id = %(tenant_id)s and runbook_id = %(runbook_id)s and version = %(version)s"
_LOCK = "select pg_advisory_xact_lock(hashtextextended('runbook ' || %(tenant_id)s::text || %(runbook_id)s, 0))"
_GET = f"select {_COLUMNS} from afield.runbook where {_ONE}"  # noqa: S608 - columns are text of this module
_INSERT = f"""
insert into afield.runbook (tenant_id, runbook_id, version, revision, status, text, digest, title, service, env, risk,
    created_by, created_at)
select %(tenant_id)s, %(runbook_id)s, %(version)s, coalesce(max(revision), 0) + 1, 'draft', %(text)s, %(digest)s,
    %(title)s, %(service)s, %(env)s, %(risk)s, %(by)s, %(now)s
from afield.runbook where tenant_id = %(tenant_id)s and runbook_id = %(runbook_id)s
returning {_COLUMNS}
"""  # noqa: S608
_REWRITE = f"""
update afield.runbook set text = %(text)s, digest = %(digest)s, title = %(title)s, service = %(service)s,
    env = %(env)s, risk = %(risk)s, created_by = %(by)s, created_at = %(now)s
where {_ONE} and status = 'draft'
returning {_COLUMNS}
"""  # noqa: S608
_APPROVE = f"""
update afield.runbook set status = 'approved', approved_by = %(by)s, approved_at = %(now)s
where {_ONE} and status = 'draft' and digest = %(digest)s
returning {_COLUMNS}
"""  # noqa: S608
_ARCHIVE = f"""
update afield.runbook set status = 'archived', archived_by = %(by)s, archived_at = %(now)s
where {_ONE} and status <> 'archived'
returning {_COLUMNS}
"""  # noqa: S608
_CURRENT = f"""
select {_COLUMNS} from afield.runbook
where tenant_id = %(tenant_id)s and runbook_id = %(runbook_id)s and status = 'approved'
order by revision desc limit 1
"""  # noqa: S608
_HISTORY = f"""
select {_COLUMNS} from afield.runbook where tenant_id = %(tenant_id)s and runbook_id = %(runbook_id)s
order by revision desc
"""  # noqa: S608
_PAGE = f"""
select {_COLUMNS} from afield.runbook
where tenant_id = %(tenant_id)s
and (%(service)s::text is null or service = %(service)s)
and (%(env)s::text is null or env = %(env)s)
and (%(status)s::text is null or status = %(status)s)
and (%(after_id)s::text is null or (runbook_id, -revision) > (%(after_id)s, -%(after_revision)s::integer))
order by runbook_id, revision desc limit %(limit)s
"""  # noqa: S608


class RunbookStore:
    """Versions of runbooks. Approved ones never change, archived ones are not started any more."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, tenant_id: UUID, text: str, *, by: str, now: datetime) -> RunbookVersion:
        """Keep a version as a draft; its id and version are in the text. A draft's text may be replaced, and saving
        the same text again changes nothing.

        Raises InvalidInputError if the text is no runbook, ConflictError if the version is no draft any more.
        """
        runbook = await asyncio.to_thread(understood, text)
        values: dict[str, object] = {
            "tenant_id": tenant_id,
            "runbook_id": runbook.runbook_id,
            "version": runbook.version,
            "text": text,
            "digest": digest_of(text),
            "title": runbook.title,
            "service": runbook.service,
            "env": runbook.env.value,
            "risk": runbook.risk.value,
            "by": by,
            "now": now,
        }

        async def work(connection: Connection, _again: bool) -> RunbookVersion:
            async with connection.transaction():
                await _rows(connection, _LOCK, values)
                return await _saved(connection, values)

        return await self._database.patiently(work)

    async def get(self, tenant_id: UUID, runbook_id: str, version: str) -> RunbookVersion:
        """Raises NotFoundError."""
        row = await self._database.one(_GET, {"tenant_id": tenant_id, "runbook_id": runbook_id, "version": version})
        if row is None:
            raise _unknown(f"{runbook_id} {version}")
        return _version(row)

    async def current(self, tenant_id: UUID, runbook_id: str) -> RunbookVersion:
        """The newest approved version. Raises NotFoundError if none is approved."""
        row = await self._database.one(_CURRENT, {"tenant_id": tenant_id, "runbook_id": runbook_id})
        if row is None:
            hint = "Approve a version of it first; the list of runbooks shows what there is."
            raise NotFoundError(f"There is no approved version of the runbook {runbook_id}.", hint=hint)
        return _version(row)

    async def versions(self, tenant_id: UUID, runbook_id: str) -> list[RunbookVersion]:
        """All versions, newest first. Raises NotFoundError if there is none."""
        rows = await self._database.all(_HISTORY, {"tenant_id": tenant_id, "runbook_id": runbook_id})
        if not rows:
            raise _unknown(runbook_id)
        return [_version(row) for row in rows]

    async def page(
        self,
        tenant_id: UUID,
        *,
        service: str | None = None,
        env: Environment | None = None,
        status: Status | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> tuple[list[RunbookVersion], str | None]:
        """One page of versions by runbook, newest first, and the cursor of the next. Raises InvalidInputError for a
        bad cursor."""
        after_id, after_revision = _decoded(cursor) if cursor else (None, None)
        values = {
            "tenant_id": tenant_id,
            "service": service,
            "env": env.value if env else None,
            "status": status.value if status else None,
            "after_id": after_id,
            "after_revision": after_revision,
            "limit": limit + 1,
        }
        found = [_version(row) for row in await self._database.all(_PAGE, values)]
        return found[:limit], _encoded(found[limit - 1]) if len(found) > limit else None

    async def approve(
        self, tenant_id: UUID, runbook_id: str, version: str, *, by: str, now: datetime, digest: str | None = None
    ) -> RunbookVersion:
        """Let a draft be started; one that is approved already stays as it is. `digest`: of the text that was read.

        Raises NotFoundError, InvalidInputError for errors in it, ConflictError if it is archived, was changed
        meanwhile, or has a high risk and `by` is its author.
        """
        found = await self.get(tenant_id, runbook_id, version)
        if digest not in {None, found.digest}:
            raise _changed(found)
        if found.status is Status.APPROVED:
            return found
        await asyncio.to_thread(check_approval, found, by)
        row = await self._database.one(_APPROVE, _move(found, by, now))
        if row is not None:
            return _version(row)
        settled = await self.get(tenant_id, runbook_id, version)
        if settled.status is Status.APPROVED and settled.digest == found.digest:
            return settled
        raise _changed(found)

    async def archive(
        self, tenant_id: UUID, runbook_id: str, version: str, *, by: str, now: datetime
    ) -> RunbookVersion:
        """Take a version out of use; one that is archived already stays as it is. Raises NotFoundError."""
        found = await self.get(tenant_id, runbook_id, version)
        row = await self._database.one(_ARCHIVE, _move(found, by, now))
        return _version(row) if row is not None else await self.get(tenant_id, runbook_id, version)


async def _saved(connection: Connection, values: dict[str, object]) -> RunbookVersion:
    kept = [_version(row) for row in await _rows(connection, _GET, values)]
    if not kept:
        return _version((await _rows(connection, _INSERT, values))[0])
    if kept[0].digest == values["digest"]:
        return kept[0]
    if kept[0].status is not Status.DRAFT:
        hint = "Give the changed text a new version."
        raise ConflictError(f"{kept[0].name} is {kept[0].status} and its text cannot change.", hint=hint)
    return _version((await _rows(connection, _REWRITE, values))[0])


async def _rows(connection: Connection, statement: str, values: dict[str, object]) -> Sequence[Row]:
    async with connection.cursor(binary=True) as cursor:
        await cursor.execute(statement.encode(), values)
        return await cursor.fetchall()


def _move(version: RunbookVersion, by: str, now: datetime) -> dict[str, object]:
    return {
        "tenant_id": version.tenant_id,
        "runbook_id": version.runbook_id,
        "version": version.version,
        "digest": version.digest,
        "by": by,
        "now": now,
    }


def _unknown(name: str) -> NotFoundError:
    return NotFoundError(f"There is no runbook {name}.", hint="`afield runbook list` shows those there are.")


def _changed(version: RunbookVersion) -> ConflictError:
    return ConflictError(f"{version.name} was changed since it was read.", hint="Read it again, then approve it.")


def _encoded(version: RunbookVersion) -> str:
    return base64.urlsafe_b64encode(f"{version.runbook_id}|{version.revision}".encode()).decode().rstrip("=")


def _decoded(cursor: str) -> tuple[str, int]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        runbook_id, _, revision = text.partition("|")
        number = int(revision)
        if "\x00" in runbook_id or not 0 < number < 2**31:
            raise ValueError("out of range")
        return runbook_id, number
    except (ValueError, binascii.Error) as error:
        raise InvalidInputError(
            f"{cursor[:80]!r} is not a cursor.", hint="Pass next_cursor of the page before, or none for the first page."
        ) from error


def _version(row: Row) -> RunbookVersion:
    names = _COLUMNS.split(", ")
    values = dict(zip(names, row, strict=True))
    values |= {"status": Status(values["status"]), "env": Environment(values["env"]), "risk": Risk(values["risk"])}
    return RunbookVersion(**values)
