"""Sessions in Postgres. Every change is one write of a session and its changed steps, on top of a known version."""

# ruff: noqa: S608 - columns and conditions are text of this package, values are parameters

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from psycopg.types.json import Jsonb

from afield.errors import IdempotencyError, InvalidInputError, NotFoundError
from afield.ledger import session_json
from afield.ledger.database import Database
from afield.ledger.encode import clean_text
from afield.model.ids import uuid7
from afield.model.session import NewSession, Session, SessionChange, SessionState, Step

_CREATE = "select id, fresh, same from afield.create_session_v1(%s::jsonb, %s::jsonb)"
_WRITE = "select afield.write_session_v1(%s, %s, %s::jsonb, %s::jsonb, %s, %s, %s, %s, %s)"
_DUE = """
    select s.id from afield.session s where s.open and (
        s.next_at <= %s
        or exists (
            select from afield.step t left join afield.execution x on x.id = t.execution_id
            where t.session_id = s.id and t.state = 'running'
              and (x.id is null or not x.open
                   or x.handle <> coalesce(t.body ->> 'remote_id', '')
                   or x.reason_code is distinct from t.body #>> '{reason,code}'
                   or (s.cancel_requested_at is not null and x.cancel_requested_at is null and x.finished_at is null
                       and (t.body ->> 'phase' <> 'rollback' or s.rollback_requested_at is null)))))
    order by s.id
    """
_WAITING = f"""
    select {session_json.SESSION}, {session_json.STEP} from afield.step t join afield.session s on s.id = t.session_id
    where t.state = 'waiting_approval' and s.tenant_id = %s and s.open order by s.id, t.number
    """
_SESSION_COLUMNS = session_json.SESSION.count(",") + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFilter:
    """Which sessions. Everything given has to hold."""

    tenant_id: UUID
    states: frozenset[SessionState] = frozenset()
    kind: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    archived: bool = False  # also those that somebody put away


class Sessions:
    """The tables of sessions and steps."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def create(self, new: NewSession, at: datetime) -> tuple[Session, bool]:
        """Record a session; and whether it had been recorded before under the same idempotency key.

        Raises IdempotencyError when that was another one, InvalidInputError for text that no database can hold.
        """
        given = session_json.new_session_json(new, uuid7(), at)
        row = await self._db.one(_CREATE, (given, session_json.new_steps_json(new.steps)))
        assert row is not None, "a session is recorded, or the one that is in its way is found"
        identity, fresh, same = row
        if not same:
            raise IdempotencyError(
                "The idempotency key was used before for another session.", hint="Use a new key, or ask the same again."
            )
        return await self.session(identity), not fresh

    async def session(self, session_id: int, tenant_id: UUID | None = None) -> Session:
        """Raises NotFoundError."""
        sql = f"""select {session_json.SESSION} from afield.session s
            where s.id = %s and s.tenant_id = coalesce(%s, s.tenant_id)"""
        row = await self._db.one(sql, (session_id, tenant_id))
        if row is None:
            raise NotFoundError(f"There is no session {session_id}.", hint="`afield session list` shows the latest.")
        return session_json.session(row)

    async def steps(self, session_id: int) -> list[Step]:
        """All steps, by number."""
        sql = f"select {session_json.STEP} from afield.step t where t.session_id = %s order by t.number"
        return [session_json.step(row) for row in await self._db.all(sql, (session_id,))]

    async def sessions(self, wanted: SessionFilter, *, limit: int = 100, before: int | None = None) -> list[Session]:
        """The latest first; `before`: only those with a smaller number."""
        conditions, values = zip(*_conditions(wanted, before), strict=True)
        sql = f"""select {session_json.SESSION} from afield.session s where {" and ".join(conditions)}
            order by s.id desc limit %s"""
        return [session_json.session(row) for row in await self._db.all(sql, [*values, limit])]

    async def write(self, change: SessionChange) -> Session | None:
        """Write a change on top of the version it is based on; None when somebody else wrote meanwhile.

        Raises psycopg's CheckViolation for a move that no rule allows: a mistake in this code, never a user's.
        """
        session = change.session
        note = change.note
        values = (
            session.id,
            session.version,
            session_json.session_json(session),
            session_json.steps_json(change.steps),
            change.actor,
            change.at,
            note.code if note else None,
            clean_text(note.text) if note else None,
            random.getrandbits(62),
        )
        row = await self._db.one(_WRITE, values)
        if row is None or row[0] is None:
            return None
        return replace(session, version=row[0], updated_at=change.at)

    async def waiting(self, tenant_id: UUID) -> list[tuple[Session, Step]]:
        """Steps that wait for a person, with their sessions, the oldest session first."""
        found = await self._db.all(_WAITING, (tenant_id,))
        return [
            (session_json.session(row[:_SESSION_COLUMNS]), session_json.step(row[_SESSION_COLUMNS:])) for row in found
        ]

    async def due(self, now: datetime) -> list[int]:
        """Sessions to be thought about: their time has come, an execution of theirs tells something new or is not
        recorded yet, or one was not told to stop."""
        return [row[0] for row in await self._db.all(_DUE, (now,))]

    async def archive(self, session_id: int, tenant_id: UUID, at: datetime) -> None:
        """Put an ended session away: it is not listed any more. Raises NotFoundError, InvalidInputError (open)."""
        session = await self.session(session_id, tenant_id)
        sql = """update afield.session set archived_at = coalesce(archived_at, %s)
            where id = %s and not open returning id"""
        if await self._db.one(sql, (at, session_id)) is None:
            raise InvalidInputError(
                f"Session {session_id} is {session.state.replace('_', ' ')}.", hint="Cancel or abandon it first."
            )


def _conditions(wanted: SessionFilter, before: int | None) -> Iterator[tuple[str, object]]:
    yield "s.tenant_id = %s", wanted.tenant_id
    if wanted.states:
        yield "s.state = any (%s)", sorted(wanted.states)
    if wanted.kind is not None:
        yield "s.kind = %s", wanted.kind
    if wanted.labels:
        yield "s.labels <> '{}' and s.labels @> %s", Jsonb(dict(wanted.labels))
    if not wanted.archived:
        yield "(s.archived_at is null) = %s", True
    if before is not None:
        yield "s.id < %s", before
