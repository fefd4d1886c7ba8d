"""A database of the embedded server as a target, with a user of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg

from afield.clock import SystemClock
from afield.connectors.base import Intent, Known, LookQuery, RemoteState, Snapshot, TargetContext
from afield.connectors.registry import AnyConnector
from afield.model.ids import attempt_key, uuid7
from afield.model.jsontypes import JsonObject
from afield.testing.harness import target_context

SETTINGS: JsonObject = {
    "min_interval": 0.05,
    "max_interval": 0.2,
    "visibility_delay": 0,
    "max_visibility_delay": 0.3,
    "request_timeout": 2,
}
MARK = "insert into journal values (current_setting('application_name')) returning attempt"


class Target:
    """The database, and the user's name."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.url = url
        self.database = parts.path.removeprefix("/")
        self.host = parts.hostname or parse_qs(parts.query)["host"][0]
        self.user = f"u_{uuid7().hex}"

    @property
    def address(self) -> JsonObject:
        return {"host": self.host, "database": self.database, "sslmode": "disable", "attempts_schema": "steps"}

    def context(self, **address: Any) -> TargetContext:
        secret = {"user": self.user, "password": "open sesame"}
        return target_context(self.address | address, SystemClock(), settings=SETTINGS, secret=secret)

    def sql(self, *statements: str) -> list[Any]:
        """As the superuser; the rows of the last statement."""
        with psycopg.connect(self.url, autocommit=True) as admin:
            for statement in statements:
                cursor = admin.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    async def ask(self, *statements: str) -> list[Any]:
        return await asyncio.to_thread(self.sql, *statements)


@contextmanager
def made_target(url: str) -> Iterator[Target]:
    target = Target(url)
    target.sql(
        f"create role {target.user} login password 'open sesame'",
        f"grant create on database {target.database} to {target.user}",
        "create table journal (attempt text)",
        f"grant all on journal to {target.user}",
    )
    try:
        yield target
    finally:
        target.sql(f"drop owned by {target.user}", f"drop role {target.user}")


def new_query(query: str, *, read_only: bool = False, **spec: Any) -> Intent:
    execution_id = uuid7()
    return Intent(
        execution_id=execution_id,
        attempt=1,
        key=attempt_key(execution_id, 1),
        spec={"query": query, "read_only": read_only} | spec,
        sent_after=SystemClock().now(),
    )


def known(intent: Intent) -> LookQuery:
    return LookQuery(known=(Known(handle=intent.key, submitted_at=intent.sent_after, key=intent.key),))


async def ended(connector: AnyConnector, intent: Intent) -> Snapshot:
    """Look until it has ended."""
    while True:
        snapshot = await connector.look(known(intent))
        assert snapshot.complete, snapshot.error
        if snapshot.entries[0].state is not RemoteState.RUNNING:
            return snapshot
        await asyncio.sleep(0.01)
