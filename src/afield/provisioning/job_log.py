"""What was said about a job, in the ledger: numbered, append-only, followed."""

# ruff: noqa: S608 - columns are text of this module, values are parameters

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson

from afield.ledger.database import Database, Row
from afield.model.jsontypes import JsonObject
from afield.provisioning.bell import Bell
from afield.provisioning.progress import Line, LineKind, Severity

_COLUMNS = "number, at, severity, agent, kind, message, data"
_TELL = f"select {_COLUMNS} from afield.tell_provision_v1(%s, %s::jsonb) order by number"
_LINES = f"select {_COLUMNS} from afield.provision_log where job_id = %s and number > %s order by number limit %s"
_RECENT = f"""
    select {_COLUMNS} from afield.provision_log
    where job_id = %s and kind <> 'progress' order by number desc limit %s
    """
_LATEST = f"""
    select distinct on (agent, kind, data ->> 'status') {_COLUMNS} from afield.provision_log
    where job_id = %s and kind in ('stage', 'progress', 'error') and agent <> ''
    order by agent, kind, data ->> 'status', number desc
    """
_LAST = f"select {_COLUMNS} from afield.provision_log where job_id = %s order by number desc limit 1"
_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One thing that is to be in the log. `origin` names it: it is in there once, whoever brings it."""

    origin: str
    line: Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing in the log."""

    number: int
    at: datetime
    severity: Severity
    agent: str
    kind: LineKind
    message: str
    data: JsonObject


class JobLog:
    """The logs of jobs."""

    def __init__(self, database: Database, bell: Bell) -> None:
        self._db = database
        self._bell = bell

    async def tell(self, job_id: UUID, said: Sequence[Said]) -> list[Entry]:
        """Append what is not in the log yet, in this order; what was appended. Also told to whoever follows."""
        if not said:
            return []
        items = [one.line.model_dump(mode="json") | {"origin": one.origin} for one in said]
        given = orjson.dumps(items).replace(b"\\u0000", b"")
        return [_entry(row) for row in await self._db.all(_TELL, (job_id, given.decode()))]

    async def after(self, job_id: UUID, number: int, limit: int = _BATCH) -> list[Entry]:
        """What comes after this number, in order."""
        return [_entry(row) for row in await self._db.all(_LINES, (job_id, number, limit))]

    async def recent(self, job_id: UUID, limit: int) -> list[Entry]:
        """The last things that were said, progress left out, in order."""
        return [_entry(row) for row in await self._db.all(_RECENT, (job_id, limit))][::-1]

    async def latest(self, job_id: UUID) -> list[Entry]:
        """Of every agent the last line of each kind that its state is told by."""
        return [_entry(row) for row in await self._db.all(_LATEST, (job_id,))]

    async def over(self, job_id: UUID, after: int) -> bool:
        """Whether everything up to the job's end is among what was said up to this number."""
        row = await self._db.one(_LAST, (job_id,))
        last = _entry(row) if row else None
        return last is not None and last.kind is LineKind.DONE and last.number <= after

    async def follow(self, job_id: UUID, after: int) -> AsyncGenerator[Entry, None]:
        """What comes after this number, as it is said. Ends after a `done` that nothing comes after."""
        async with self._bell.heard(job_id) as wake:
            ended = await self.over(job_id, after)
            while not ended:
                await wake.wait()
                wake.clear()
                while found := await self.after(job_id, after):
                    for entry in found:
                        yield entry
                    after = found[-1].number
                ended = await self.over(job_id, after)


def _entry(row: Row) -> Entry:
    number, at, severity, agent, kind, message, data = row
    return Entry(
        number=number,
        at=at,
        severity=Severity(severity),
        agent=agent,
        kind=LineKind(kind),
        message=message,
        data=data,
    )
