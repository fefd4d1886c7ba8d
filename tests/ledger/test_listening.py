"""A notification that is lost costs a moment, and a listener that fails goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, contextmanager
from typing import Any, cast

import pytest
from ledger_world import World
from structlog.testing import capture_logs

from afield.ledger import events as ledger_events
from afield.ledger import listen, memory, reread
from afield.ledger.base import EventFilter
from afield.ledger.database import Connection
from afield.ledger.listen import Listener
from afield.ledger.postgres import PostgresLedger
from afield.model.execution import Event
from afield.model.target import DEFAULT_TENANT

ALL = EventFilter(tenant_id=DEFAULT_TENANT)


def following(world: World) -> Any:
    return aclosing(cast("Any", world.ledger.follow(ALL, after=0)))


async def nth(events: AsyncIterator[Event], count: int) -> int:
    """The number of the last of so many events."""
    return [(await anext(events)).seq for _ in range(count)][-1]


class Deaf(set[asyncio.Event]):
    """Followers of whom nobody knows."""

    def add(self, _: asyncio.Event) -> None:
        return


async def test_a_lost_notification_costs_a_moment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def soon(wake: asyncio.Event, within: float = reread.REREAD_AFTER) -> None:
        waits.append(within)
        await reread.news(wake, 0.01)

    monkeypatch.setattr(ledger_events, "news", soon)
    monkeypatch.setattr(memory, "news", soon)
    if isinstance(world.ledger, PostgresLedger):

        @contextmanager
        def nobody(_: asyncio.Event) -> Any:
            yield

        monkeypatch.setattr(world.ledger._store.listener, "following", nobody)
    else:
        monkeypatch.setattr(world.ledger, "_followers", Deaf())
    await world.execution()
    async with following(world) as events:
        assert await nth(events, 1) == 1
        waiting = asyncio.create_task(nth(events, 1))
        await world.execution()
        assert await waiting == 2
    assert max(waits, default=5) <= 5


async def test_a_listener_goes_on_after_an_error_nobody_expected(
    postgres_world: World, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, tries = listen.connect, 0

    async def breaks_once(url: str) -> Any:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise LookupError("what is this?")
        return await connect(url)

    monkeypatch.setattr(listen, "connect", breaks_once)
    wake, listener = asyncio.Event(), Listener(database_url)
    with capture_logs() as logs, listener.following(wake):
        listener.start()
        await wake.wait()  # it listens at last, and says so
        wake.clear()
        await postgres_world.execution()
        await wake.wait()
        await listener.close()
    assert [line["event"] for line in logs] == ["listener_failed"]


async def test_it_listens_only_while_somebody_wants_to_hear(
    postgres_world: World, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, made = listen.connect, []

    async def remembered(url: str) -> Connection:
        made.append(await connect(url))
        return made[-1]

    monkeypatch.setattr(listen, "connect", remembered)
    wake, listener = asyncio.Event(), Listener(database_url)
    listener.start()
    for _ in range(2):
        with listener.following(wake):
            await wake.wait()  # it listens, and says so
            wake.clear()
            await postgres_world.execution()
            await wake.wait()
        wake.clear()
        await postgres_world.execution()
        while await (await made[0].execute("select pg_listening_channels()")).fetchall():
            pass  # until it has heard what nobody wants to hear
        assert not wake.is_set()
    await listener.close()
    assert len(made) == 1


async def test_news_come_when_woken_or_in_time() -> None:
    wake = asyncio.Event()
    await reread.news(wake, 0)
    wake.set()
    await reread.news(wake, 1_000_000)
