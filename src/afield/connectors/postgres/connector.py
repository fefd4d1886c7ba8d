"""The postgres connector: one query as a step, committed together with the word that it was done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar, Self

import psycopg
import structlog
from psycopg import AsyncConnection
from pydantic import ValidationError

from afield.connectors.base import (
    Abilities,
    Accepted,
    Cancellation,
    Check,
    CollectError,
    Connector,
    Entry,
    Intent,
    Limits,
    LookQuery,
    Match,
    NotSent,
    Output,
    Refused,
    Sink,
    Snapshot,
    Submission,
    TargetContext,
    Unknown,
)
from afield.connectors.postgres import ladder
from afield.connectors.postgres.attempts import Attempts, AttemptState
from afield.connectors.postgres.database import Database, UnreachableError
from afield.connectors.postgres.look import Sight, entries
from afield.connectors.postgres.runs import Runs
from afield.connectors.postgres.spec import PostgresAddress, PostgresSpec
from afield.errors import CredentialError
from afield.faultpoints import FaultPoint, reach
from afield.model.execution import Reason

log = structlog.get_logger(__name__)

LIMITS = Limits(
    max_live=5,  # each is a connection of its own
    max_calls=4,
    min_interval=timedelta(seconds=1),
    max_interval=timedelta(seconds=30),
    visibility_delay=timedelta(seconds=1),
    max_visibility_delay=timedelta(minutes=1),
)
_JSON_LINES = "application/jsonl"


class PostgresConnector(Connector[PostgresAddress, PostgresSpec]):
    """One database."""

    name: ClassVar[str] = "postgres"
    abilities: ClassVar[Abilities] = Abilities(
        batch_look=True, cancel=True, caller_chosen_name=True, leaves_behind=True, limits=LIMITS
    )
    Address = PostgresAddress
    Spec = PostgresSpec

    def __init__(self, context: TargetContext) -> None:
        self._clock = context.clock
        self._address = PostgresAddress.model_validate(context.address)
        self._database = Database(self._address, context.secret)
        self._attempts = Attempts(self._address.attempts_schema)
        patience = LIMITS.overridden(context.settings).request_timeout
        self._runs = Runs(self._attempts, patience.total_seconds())

    @classmethod
    async def open(cls, context: TargetContext) -> Self:
        return cls(context)

    async def close(self) -> None:
        await self._runs.close()
        await self._database.close()

    # ------------------------------------------------------------------ submitting

    async def submit(self, intent: Intent) -> Submission:
        """Write the attempt's row, then let the query run on the same connection."""
        try:
            spec = PostgresSpec.model_validate(intent.spec)
        except ValidationError as error:
            return Refused(Reason("invalid_spec", f"The recorded spec is not valid: {error.error_count()} problems."))
        try:
            connection = await self._database.connect(intent.key)
        except UnreachableError as error:
            return NotSent(Reason("no_connection", f"Nothing was sent: {error}."))
        try:
            answer = await self._claim(connection, intent.key)
            reach(FaultPoint.AFTER_SEND)
        except BaseException:
            await connection.close()
            raise
        if answer is not None:
            await connection.close()
            return answer
        self._runs.begin(connection, intent.key, spec)
        return Accepted(intent.key)

    async def _claim(self, connection: AsyncConnection, key: str) -> Submission | None:
        """None when the row is ours and new."""
        try:
            await self._attempts.ensure(connection)
        except psycopg.Error as error:
            text = f"The table {self._attempts.name} is not there and could not be made: {str(error).strip()}"
            return NotSent(Reason("no_table", text))
        try:
            state = await self._attempts.claim(connection, key)
        except psycopg.Error as error:
            return Unknown(Reason("no_reply", f"Whether the attempt was noted is not known: {str(error).strip()}"))
        if state == AttemptState.RETIRED:
            return NotSent(Reason("retired", "This attempt was called back before it arrived."))
        return Accepted(key) if state else None

    # ------------------------------------------------------------------ looking

    async def look(self, query: LookQuery) -> Snapshot:
        taken_at = self._clock.now()
        if query.empty:
            return Snapshot(taken_at=taken_at, complete=True)
        doubts = {doubt.key for doubt in query.doubts}
        try:
            sight = await self._see(query, {known.handle for known in query.known} | doubts)
        except (UnreachableError, psycopg.Error) as error:
            reason = Reason("no_connection", f"Not looked: {str(error).strip()}.")
            return Snapshot(taken_at=taken_at, complete=False, calls=1, error=reason)
        reach(FaultPoint.DURING_LOOK)
        if sight is None and query.known:
            reason = Reason("no_table", f"The table {self._attempts.name} is not there (any more).")
            return Snapshot(taken_at=taken_at, complete=False, calls=1, error=reason)
        shown = entries(sight, doubts) if sight else ()
        return Snapshot(taken_at=taken_at, complete=True, entries=shown, calls=1)

    async def _see(self, query: LookQuery, keys: set[str]) -> Sight | None:
        """None when there is no table (yet), so nothing was ever submitted."""
        async with self._database.watching() as connection:
            if not await self._attempts.exists(connection):
                return None
            if query.since is not None:
                rows = await self._attempts.rows(connection, (), query.since)
                keys |= {row.key for row in rows}
            started = await self._attempts.started(connection, keys)
            connected = await self._attempts.backends(connection, keys)
            return Sight(started, connected, await self._attempts.rows(connection, keys, None))

    def match(self, intent: Intent, entry: Entry) -> Match:
        return Match.EXACT if entry.name == intent.key else Match.NO

    # ------------------------------------------------------------------ ending

    async def cancel(self, handle: str) -> Cancellation:
        try:
            async with self._database.watching() as connection:
                asked = await self._attempts.cancel(connection, handle)
        except (UnreachableError, psycopg.Error):
            return Cancellation.UNKNOWN
        return Cancellation.ASKED if asked else Cancellation.TOO_LATE

    async def collect(self, handle: str, sink: Sink) -> Output:
        try:
            async with self._database.watching() as connection:
                stored = await self._attempts.result(connection, handle)
        except (UnreachableError, psycopg.Error) as error:
            raise CollectError(Reason("no_connection", str(error).strip())) from error
        if stored is None or stored.state != AttemptState.SUCCEEDED:
            raise CollectError(Reason("output_gone", f"There is no result of {handle} in the table."), final=True)
        data = (stored.lines or "").encode()
        await sink.write(data)
        reach(FaultPoint.DURING_COLLECT)
        rows, kept = stored.rows or 0, stored.kept or 0
        return Output(
            artifact=await sink.commit(_JSON_LINES),
            size=len(data),
            media_type=_JSON_LINES,
            rows=kept,
            columns=tuple(stored.columns or ()),
            detail={"rows": rows, "kept": kept, "cut": bool(stored.columns) and kept < rows},
        )

    async def retire(self, intent: Intent) -> bool:
        """Put `retired` where the attempt's row would be, or is. One that runs right now cannot be retired."""
        try:
            async with self._database.watching() as connection:
                await self._attempts.ensure(connection)
                return await self._attempts.retire(connection, intent.key)
        except (UnreachableError, psycopg.Error) as error:
            log.info("postgres.not_retired", attempt_key=intent.key, why=str(error).strip())
            return False

    async def release(self, intent: Intent) -> None:
        try:
            async with self._database.watching() as connection:
                await self._attempts.release(connection, intent.key)
        except (UnreachableError, CredentialError, psycopg.Error) as error:
            log.info("postgres.left_behind", attempt_key=intent.key, why=str(error).strip())

    # ------------------------------------------------------------------ diagnosing

    def ladder(self) -> Sequence[Check]:
        return ladder.checks(self._database, self._address, self._clock)
