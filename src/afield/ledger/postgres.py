"""The ledger in Postgres, which is the product."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from afield.clock import Clock, SystemClock
from afield.ledger import rows
from afield.ledger.commit import GroupCommit
from afield.ledger.database import Connection, Database, Row
from afield.ledger.driving import Driving
from afield.ledger.events import Events
from afield.ledger.findings import Findings
from afield.ledger.inline import Inlining
from afield.ledger.listen import Listener
from afield.ledger.store import Store
from afield.ledger.targets import Targets
from afield.model.execution import Applied

_APPLY = b"select ord, verdict, state, seq from afield.apply_moves_v1(%s::jsonb, %s) order by ord"
_CREATE = b"select ord, verdict, execution_id from afield.create_executions_v1(%s::jsonb, %s) order by ord"
_BEGIN = b"select ord, verdict, execution_id from afield.begin_executions_v1(%s::jsonb, %s) order by ord"


class PostgresLedger(Targets, Driving, Inlining, Events, Findings):
    """All of `ledger.base.Ledger`. Made by `open`, ended by `close`; also an async context manager."""

    @classmethod
    async def open(
        cls, url: str, *, pool_size: int = 8, patience: float = 30.0, clock: Clock | None = None, batch: int = 500
    ) -> Self:
        """A ledger on the migrated database at `url`.

        `pool_size`: connections at most, besides one that listens. `patience`: seconds to wait for a database that
        went away, before UnavailableError. `batch`: writes that share a transaction, at most.
        """
        db = Database(url, pool_size, patience)
        listener, batches = Listener(url), _Batches(db)
        store = Store(
            db=db,
            clock=clock or SystemClock(),
            listener=listener,
            moves=GroupCommit(batches.apply, limit=batch),
            creations=GroupCommit(batches.create, limit=batch),
            beginnings=GroupCommit(batches.begin, limit=batch),
        )
        await db.one("select 1")
        listener.start()
        return cls(store)

    @property
    def database(self) -> Database:
        """The connections, for what else is kept in the same database."""
        return self._db

    @property
    def listener(self) -> Listener:
        """What tells of other processes' writes."""
        return self._store.listener

    async def close(self) -> None:
        """Write what is waiting, then let go of all connections."""
        await self._store.moves.close()
        await self._store.creations.close()
        await self._store.beginnings.close()
        await self._store.listener.close()
        await self._store.db.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class _Batches:
    """Writes batches. Both functions bear repetition: what a lost answer was about, they recognise."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def apply(self, moves: Sequence[bytes]) -> list[Applied]:
        return rows.each(rows.applied, await self._call(_APPLY, moves))

    async def create(self, items: Sequence[bytes]) -> list[Row]:
        return await self._call(_CREATE, items)

    async def begin(self, items: Sequence[bytes]) -> list[Row]:
        return await self._call(_BEGIN, items)

    async def _call(self, sql: bytes, items: Sequence[bytes]) -> list[Row]:
        array = (b"[" + b",".join(items) + b"]").decode()

        async def work(connection: Connection, again: bool) -> list[Row]:
            async with connection.cursor(binary=True) as cursor:
                await cursor.execute(sql, (array, again))
                return await cursor.fetchall()

        return await self._db.patiently(work)
