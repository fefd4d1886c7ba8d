"""Targets and executions, in both ledgers."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from ledger_world import S, World, at, make_world

from afield.errors import ConflictError, IdempotencyError, InvalidInputError, NotFoundError
from afield.ledger.base import EventFilter, ExecutionFilter, Ledger, NewTarget, Seen
from afield.ledger.postgres import PostgresLedger
from afield.model.execution import EventKind, Resubmit
from afield.model.ids import uuid7
from afield.model.states import OutputState
from afield.model.target import DEFAULT_TENANT, LookRecord


async def test_an_execution_is_kept_as_it_was_asked_for(world: World) -> None:
    new = world.new(
        spec={"sql": "select 'ü'", "deep": [1, 2.5, None, True, {"a": "b"}]},
        labels={"workflow_id": "w"},
        idempotency_key="k",
        resubmit=Resubmit.NEVER,
        timeout_s=12.5,
    )
    created = await world.ledger.create(new)
    assert not created.replayed
    assert created.execution == await world.ledger.execution(new.id)
    kept = created.execution
    assert (kept.spec, kept.labels, kept.resubmit, kept.timeout_s) == (new.spec, new.labels, Resubmit.NEVER, 12.5)
    assert (kept.state, kept.attempt) == (S.QUEUED, 0)


async def test_the_same_key_and_body_give_the_first_execution(world: World) -> None:
    first = await world.ledger.create(world.new(idempotency_key="k"))
    await world.step(first.execution, S.SUBMITTING)
    again = await world.ledger.create(world.new(idempotency_key="k"))
    assert again.replayed
    assert (again.execution.id, again.execution.state) == (first.execution.id, S.SUBMITTING)
    created = EventFilter(tenant_id=DEFAULT_TENANT, kinds=frozenset({EventKind.CREATED}))
    assert len(await world.ledger.events(created)) == 1


@pytest.mark.parametrize("change", [{"spec": {"n": 2}}, {"labels": {"a": "b"}}])
async def test_the_same_key_with_another_body_is_refused(world: World, change: dict[str, object]) -> None:
    await world.ledger.create(world.new(idempotency_key="k"))
    with pytest.raises(IdempotencyError, match="'k'"):
        await world.ledger.create(world.new(idempotency_key="k", **change))


async def test_the_same_id_with_another_body_is_refused(world: World) -> None:
    first = await world.execution()
    assert (await world.ledger.create(world.new(id=first.id))).replayed
    with pytest.raises(ConflictError):
        await world.ledger.create(world.new(id=first.id, spec={"n": 2}))


async def test_callers_at_the_same_time_with_one_key_make_one_execution(world: World) -> None:
    made = await asyncio.gather(*[world.ledger.create(world.new(idempotency_key="k")) for _ in range(20)])
    assert len({c.execution.id for c in made}) == 1
    assert sum(not c.replayed for c in made) == 1


async def test_bad_neighbours_fail_alone(world: World) -> None:
    await world.ledger.create(world.new(idempotency_key="used"))
    answers = await asyncio.gather(
        world.ledger.create(world.new()),
        world.ledger.create(world.new(target_id=uuid7())),
        world.ledger.create(world.new(idempotency_key="used", spec={"n": 3})),
        world.ledger.create(world.new()),
        return_exceptions=True,
    )
    assert [type(a).__name__ for a in answers] == ["Created", "NotFoundError", "IdempotencyError", "Created"]


async def test_a_nul_character_is_refused_before_anything_is_recorded(postgres_world: World) -> None:
    good, bad = await asyncio.gather(
        postgres_world.ledger.create(postgres_world.new()),
        postgres_world.ledger.create(postgres_world.new(spec={"sql": "a\0b"})),
        return_exceptions=True,
    )
    assert not isinstance(good, BaseException)
    assert isinstance(bad, InvalidInputError)
    escaped = await postgres_world.ledger.create(postgres_world.new(spec={"sql": "\\u0000"}))
    assert escaped.execution.spec == {"sql": "\\u0000"}


async def add_tenant(ledger: Ledger, database_url: str | None) -> World:
    tenant = uuid7()
    if database_url:
        with psycopg.connect(database_url) as connection:
            connection.execute("insert into afield.tenant (id, name) values (%s, 'other')", [tenant])
    return await make_world(ledger, tenant)


async def test_a_tenant_sees_nothing_of_another(
    any_ledger: Ledger, world: World, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("database_url") if isinstance(any_ledger, PostgresLedger) else None
    other = await add_tenant(any_ledger, url)
    ours, theirs = world.target.tenant_id, other.target.tenant_id
    row = await world.execution(labels={"a": "b"}, idempotency_key="k")
    assert not (await any_ledger.create(other.new(idempotency_key="k"))).replayed
    with pytest.raises(NotFoundError):
        await any_ledger.create(other.new(target_id=world.target.id))
    with pytest.raises(NotFoundError):
        await any_ledger.execution(row.id, theirs)
    with pytest.raises(NotFoundError):
        await any_ledger.target(world.target.id, theirs)
    with pytest.raises(NotFoundError):
        await any_ledger.find_target(theirs, str(world.target.id))
    page = await any_ledger.executions(ExecutionFilter(tenant_id=theirs))
    assert row.id not in {found.id for found in page.items}
    assert [t.id for t in await any_ledger.targets(theirs)] == [other.target.id]
    events = await any_ledger.events(EventFilter(tenant_id=ours))
    assert {e.tenant_id for e in events} == {ours}


async def test_pages_show_everything_once_newest_first(world: World) -> None:
    rows = [await world.execution() for _ in range(11)]
    wanted, cursor, seen = ExecutionFilter(tenant_id=DEFAULT_TENANT), None, []
    while True:
        page = await world.ledger.executions(wanted, limit=4, cursor=cursor)
        seen += [found.id for found in page.items]
        await world.execution()  # what is new does not shift the next page
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [row.id for row in sorted(rows, key=lambda r: (r.created_at, r.id), reverse=True)]
    with pytest.raises(InvalidInputError, match="cursor"):
        await world.ledger.executions(wanted, cursor="nonsense")


async def test_filters(world: World) -> None:
    one = await world.execution(S.RUNNING, labels={"team": "a", "x": "1"})
    two = await world.execution(S.SUBMITTING, labels={"team": "a"})
    three = await world.execution(labels={"team": "b"})
    await world.step(two, S.SUBMITTED, handle="h2")

    async def ids(**fields: object) -> set[object]:
        page = await world.ledger.executions(ExecutionFilter(tenant_id=DEFAULT_TENANT, **fields))  # type: ignore[arg-type]
        return {found.id for found in page.items}

    assert await ids() == {one.id, two.id, three.id}
    assert await ids(states=frozenset({S.RUNNING, S.QUEUED})) == {one.id, three.id}
    assert await ids(labels={"team": "a"}) == {one.id, two.id}
    assert await ids(labels={"team": "a", "x": "1"}) == {one.id}
    assert await ids(handles=frozenset({"h2", "h9"})) == {two.id}
    assert await ids(target_id=uuid7()) == set()
    assert await ids(created_since=two.created_at) == {two.id, three.id}
    assert await ids(created_until=two.created_at) == {one.id}
    counts = await world.ledger.count_by_state(ExecutionFilter(tenant_id=DEFAULT_TENANT))
    assert counts == {S.RUNNING: 1, S.SUBMITTED: 1, S.QUEUED: 1}


async def test_what_is_outstanding(world: World) -> None:
    queued = [await world.execution() for _ in range(4)]
    running = await world.execution(S.RUNNING)
    collecting = await world.step(await world.execution(S.RUNNING), S.SUCCEEDED, output_state=OutputState.PENDING)
    await world.execution(S.FAILED)
    await world.ledger.request_cancel(queued[3].id, "ada", at(1))
    found = await world.ledger.outstanding(world.target.id, 2)
    assert [row.id for row in found] == [queued[0].id, queued[3].id, running.id, collecting.id]
    assert found[1].cancel_requested_at == at(1)
    assert len(await world.ledger.outstanding(world.target.id, 0)) == 2
    assert len(await world.ledger.outstanding(world.target.id, 100)) == 6
    assert await world.ledger.undriven() == [world.target.id]


async def test_nothing_outstanding(world: World) -> None:
    await world.execution(S.SUCCEEDED)
    assert await world.ledger.outstanding(world.target.id, 10) == []
    assert await world.ledger.undriven() == []


async def test_a_cancel_is_asked_for_once(world: World) -> None:
    row = await world.execution(S.RUNNING)
    first = await world.ledger.request_cancel(row.id, "ada", at(1))
    assert (await world.ledger.request_cancel(row.id, "bob", at(2))) == first
    assert first.cancel_requested_at == at(1)
    ended = await world.execution(S.SUCCEEDED)
    assert (await world.ledger.request_cancel(ended.id, "ada", at(1))) == ended
    asked = EventFilter(tenant_id=DEFAULT_TENANT, kinds=frozenset({EventKind.CANCEL_REQUESTED}))
    assert [(e.execution_id, e.actor) for e in await world.ledger.events(asked)] == [(row.id, "ada")]
    with pytest.raises(NotFoundError):
        await world.ledger.request_cancel(uuid7(), "ada", at(1))


async def test_a_look_is_remembered(world: World) -> None:
    row = await world.execution(S.RUNNING)
    look = LookRecord(taken_at=at(1), complete=True, entries=3, calls=2)
    seen = [Seen(execution_id=row.id, remote_status="RUN\0NING"[:3], seen_at=at(1), next_at=at(9))]
    assert await world.ledger.looked(world.target.id, world.target.epoch, look, seen)
    kept = (await world.ledger.target(world.target.id)).look
    assert kept is not None
    assert (kept.taken_at, kept.complete, kept.entries, kept.calls, kept.completed_at) == (at(1), True, 3, 2, at(1))
    shown = await world.ledger.execution(row.id)
    assert (shown.remote_status, shown.remote_seen_at, shown.next_at) == ("RUN", at(1), at(9))
    failed = LookRecord(taken_at=at(2), complete=False, error="throttled", failures=1)
    assert await world.ledger.looked(world.target.id, world.target.epoch, failed, [])
    kept = (await world.ledger.target(world.target.id)).look
    assert kept is not None
    assert (kept.completed_at, kept.failures, kept.error) == (at(1), 1, "throttled")
    looks = EventFilter(tenant_id=DEFAULT_TENANT, kinds=frozenset({EventKind.LOOKED}))
    assert [e.data["complete"] for e in await world.ledger.events(looks)] == [True, False]


async def test_a_replaced_driver_remembers_nothing(world: World) -> None:
    await world.ledger.take(world.target.id, "driver-2", at(0))
    old = world.target.epoch
    assert not await world.ledger.looked(world.target.id, old, LookRecord(taken_at=at(1), complete=True), [])
    assert not await world.ledger.throttled(world.target.id, old, at(60))
    await world.ledger.release(world.target.id, old)
    target = await world.ledger.target(world.target.id)
    assert (target.look, target.throttled_until, target.driver) == (None, None, "driver-2")
    assert await world.ledger.throttled(world.target.id, old + 1, at(60))
    await world.ledger.release(world.target.id, old + 1)
    target = await world.ledger.target(world.target.id)
    assert (target.throttled_until, target.driver) == (at(60), None)


async def test_targets(world: World) -> None:
    same_name = NewTarget(id=uuid7(), tenant_id=DEFAULT_TENANT, connector="test", name="here", address={})
    with pytest.raises(ConflictError, match="'here'"):
        await world.ledger.add_target(same_name)
    assert await world.ledger.find_target(DEFAULT_TENANT, "here") == await world.ledger.target(world.target.id)
    assert (await world.ledger.find_target(DEFAULT_TENANT, str(world.target.id))).name == "here"
    changed = await world.ledger.update_target(world.target.id, settings={"max_live": 3})
    assert (changed.settings, changed.address) == ({"max_live": 3}, {"url": "x"})
    for call in (
        world.ledger.target(uuid7()),
        world.ledger.take(uuid7(), "d", at(0)),
        world.ledger.throttled(uuid7(), 1, at(0)),
        world.ledger.update_target(uuid7(), settings={}),
        world.ledger.looked(uuid7(), 1, LookRecord(taken_at=at(0), complete=True), []),
    ):
        with pytest.raises(NotFoundError):
            await call


async def test_a_driver_is_woken(world: World) -> None:
    wake = asyncio.Event()
    with world.ledger.waking(world.target.id, wake):
        row = await world.execution()
        await asyncio.wait_for(wake.wait(), 5)
        wake.clear()
        await world.ledger.request_cancel(row.id, "ada", at(0))
        await asyncio.wait_for(wake.wait(), 5)
        wake.clear()
        await world.step(row, S.CANCELLED, epoch=None, actor="ada")
        await asyncio.wait_for(wake.wait(), 5)
