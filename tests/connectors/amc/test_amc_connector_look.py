"""Looking at an instance through the simulator: what is shown, what absence means, what it costs."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from amc_world import World, free_url, new_intent, now, stub, submitted

from afield.connectors.amc.connector import AmcConnector
from afield.connectors.base import Cancellation, Known, LookQuery, Match, RemoteState, Unknown
from afield.errors import CredentialError


def known(*handles: str, age: timedelta = timedelta(seconds=1)) -> tuple[Known, ...]:
    return tuple(Known(handle=handle, submitted_at=now() - age) for handle in handles)


async def test_one_listing_covers_all(world: World, connector: AmcConnector) -> None:
    handles = [await submitted(connector) for _ in range(5)]
    snapshot = await connector.look(LookQuery(known=known(*handles)))
    assert snapshot.complete and snapshot.error is None and snapshot.calls == 1
    assert {entry.handle for entry in snapshot.entries} == set(handles)
    assert {entry.state for entry in snapshot.entries} == {RemoteState.SUCCEEDED}
    assert await world.calls("list") == 1 and await world.calls("get") == 0


async def test_a_burst_is_listed_again_and_again(world: World, connector: AmcConnector) -> None:
    """The entries a second that one listing showed are not expected of the time that is still to come."""
    handles = [await submitted(connector) for _ in range(40)]
    looks = [await connector.look(LookQuery(known=known(*handles))) for _ in range(3)]
    assert [look.calls for look in looks] == [1, 1, 1]
    assert await world.calls("get") == 0


@pytest.mark.parametrize("count", [101, 305])
async def test_all_pages_are_read(world: World, connector: AmcConnector, count: int) -> None:
    planted = await world.sim.admin.plant(world.instance, count=count, status="RUNNING", age_seconds=30)
    snapshot = await connector.look(LookQuery(since=now() - timedelta(minutes=1)))
    assert snapshot.complete
    assert {entry.handle for entry in snapshot.entries} == {one["id"] for one in planted}
    assert snapshot.calls == await world.calls("list") == -(-count // 100)


@pytest.mark.parametrize("fault", [{"list_fails": {"page": 3}}, {"list_cut": {"page": 3}}])
async def test_a_listing_that_breaks_off_is_incomplete(
    world: World, connector: AmcConnector, fault: dict[str, Any]
) -> None:
    planted = await world.sim.admin.plant(world.instance, count=305, status="RUNNING", age_seconds=30)
    await world.faults(**fault)
    query = LookQuery(since=now() - timedelta(minutes=1), known=known(planted[-1]["id"]))
    snapshot = await connector.look(query)
    assert not snapshot.complete and snapshot.error is not None
    assert len(snapshot.entries) == 200
    assert await world.calls("get") == 0  # what was not reached is not asked about singly
    await world.sim.admin.clear_faults()
    assert len((await connector.look(query)).entries) == 305


async def test_a_throttled_look_tells_how_long_to_wait(world: World, connector: AmcConnector) -> None:
    await world.faults(throttled={"calls": ["list"], "retry_after": "seconds", "seconds": 12})
    snapshot = await connector.look(LookQuery(since=now()))
    assert not snapshot.complete and snapshot.error is not None
    assert (snapshot.error.code, snapshot.retry_after) == ("throttled", timedelta(seconds=12))


@pytest.mark.parametrize(
    ("faults", "code"),
    [
        ({"denied": {"status": 403, "calls": ["list"]}}, "forbidden"),
        ({"denied": {"status": 401, "calls": ["list"]}}, "unauthorized"),
        ({"unreadable": {"calls": ["list"]}}, "unreadable_reply"),
        ({"reply_lost": {"calls": ["list"]}}, "no_reply"),
    ],
)
async def test_a_look_that_fails_shows_no_absence(
    world: World, connector: AmcConnector, faults: dict[str, Any], code: str
) -> None:
    handle = await submitted(connector)
    await world.faults(**faults)
    snapshot = await connector.look(LookQuery(known=known(handle)))
    assert not snapshot.complete and snapshot.entries == ()
    assert snapshot.error is not None and snapshot.error.code == code


async def test_cancelled_ones_are_shown(world: World, connector: AmcConnector) -> None:
    (planted,) = await world.sim.admin.plant(world.instance, status="CANCELLED", age_seconds=5)
    (entry,) = (await connector.look(LookQuery(known=known(planted["id"])))).entries
    assert entry.state is RemoteState.CANCELLED and entry.finished_at is not None


async def test_a_status_nobody_knows_stays_as_it_is(world: World, connector: AmcConnector) -> None:
    (planted,) = await world.sim.admin.plant(world.instance, status="ON_HOLD", age_seconds=5)
    (entry,) = (await connector.look(LookQuery(known=known(planted["id"])))).entries
    assert (entry.status, entry.state, entry.finished_at) == ("ON_HOLD", RemoteState.UNKNOWN, None)


async def test_a_rejection_says_why(world: World, connector: AmcConnector) -> None:
    await world.settings(instant=False)
    await world.faults(rejected={"reason": "too many runs"})
    handle = await submitted(connector)
    await world.sim.admin.wait(what="finished", at_least=1)
    (entry,) = (await connector.look(LookQuery(known=known(handle)))).entries
    assert entry.state is RemoteState.REJECTED
    assert entry.reason is not None and entry.reason.text == "too many runs"


async def test_what_the_listing_does_not_show_is_asked_about_singly(world: World, connector: AmcConnector) -> None:
    await world.faults(visibility={"list_seconds": 60, "get_seconds": 0})
    handles = [await submitted(connector) for _ in range(3)]
    snapshot = await connector.look(LookQuery(known=known(*handles)))
    assert snapshot.complete and {entry.handle for entry in snapshot.entries} == set(handles)
    assert (await world.calls("list"), await world.calls("get")) == (1, 3)


@pytest.mark.parametrize("status", [400, 404])
async def test_an_unknown_id_is_absent_and_the_look_complete(world: World, status: int) -> None:
    await world.settings(unknown_id_status=status)
    async with world.connector() as connector:
        handle = await submitted(connector)
        snapshot = await connector.look(LookQuery(known=known(handle, "0b0e0000-0000-4000-8000-000000000000")))
    assert snapshot.complete and [entry.handle for entry in snapshot.entries] == [handle]


async def test_a_404_that_is_not_of_the_api_proves_nothing(world: World) -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path.endswith("/workflowExecutions"):
            return web.json_response({"executions": []})
        return web.json_response({"message": "Not Found"}, status=404)

    async with stub(handler) as url, world.connector(base_url=url) as connector:
        snapshot = await connector.look(LookQuery(known=known("some-id")))
    assert not snapshot.complete and snapshot.error is not None and snapshot.error.code == "not_found"


async def test_the_youngest_are_given_time_before_they_are_missed(world: World) -> None:
    await world.faults(visibility={"list_seconds": 60, "get_seconds": 60})
    async with world.connector({"visibility_delay": 45}) as connector:
        handle = await submitted(connector)
        snapshot = await connector.look(LookQuery(known=known(handle)))
    assert snapshot.entries == () and await world.calls("get") == 0


async def test_old_stragglers_are_asked_singly_rather_than_listed_for(world: World, connector: AmcConnector) -> None:
    day = 24 * 3600
    (old,) = await world.sim.admin.plant(world.instance, status="RUNNING", age_seconds=day)
    await world.sim.admin.plant(world.instance, count=350, status="SUCCEEDED", age_seconds=day / 2)
    handles = [await submitted(connector) for _ in range(3)]
    query = LookQuery(known=(*known(old["id"], age=timedelta(seconds=day)), *known(*handles)))
    first = await connector.look(query)  # knows nothing of what lies between
    second = await connector.look(query)
    assert {entry.handle for entry in second.entries} == {old["id"], *handles}
    assert (first.calls, second.calls) == (4, 2)


async def test_looking_costs_one_page_per_hundred_live(world: World, connector: AmcConnector) -> None:
    planted = await world.sim.admin.plant(world.instance, count=1000, status="RUNNING", age_seconds=60)
    query = LookQuery(known=known(*(one["id"] for one in planted), age=timedelta(seconds=60)))
    for _ in range(3):
        snapshot = await connector.look(query)
        assert snapshot.complete and len(snapshot.entries) == 1000 and snapshot.calls == 10


async def test_a_doubt_is_found_by_its_name(world: World, connector: AmcConnector) -> None:
    await world.faults(reply_lost={"next": 1})
    intent = new_intent()
    assert isinstance(await connector.submit(intent), Unknown)
    snapshot = await connector.look(LookQuery(doubts=(intent,)))
    (entry,) = snapshot.entries
    assert snapshot.complete and connector.match(intent, entry) is Match.EXACT


async def test_a_doubt_that_was_never_sent_is_absent(world: World, connector: AmcConnector) -> None:
    await submitted(connector)
    doubt = new_intent()
    snapshot = await connector.look(LookQuery(doubts=(doubt,)))
    assert snapshot.complete
    assert all(connector.match(doubt, entry) is Match.NO for entry in snapshot.entries)


async def test_an_old_doubt_is_asked_about_by_its_workflow(world: World, connector: AmcConnector) -> None:
    await world.sim.admin.plant(world.instance, count=250, status="SUCCEEDED", age_seconds=3600)
    intent = new_intent(age=timedelta(hours=20))
    (planted,) = await world.sim.admin.plant(world.instance, workflow_id=intent.key, age_seconds=20 * 3600)
    await connector.look(LookQuery(since=now() - timedelta(hours=2)))  # learns how many there are
    handle = await submitted(connector)
    snapshot = await connector.look(LookQuery(known=known(handle), doubts=(intent,)))
    assert snapshot.complete and snapshot.calls == 2
    assert {entry.handle for entry in snapshot.entries} == {handle, planted["id"]}


async def test_absence_of_a_doubt_rests_on_its_name_once_it_counts(world: World) -> None:
    """The listing's window rests on clocks, a question by name does not."""
    intent = new_intent(age=timedelta(minutes=1))
    (planted,) = await world.sim.admin.plant(world.instance, workflow_id=intent.key, age_seconds=3600)
    async with world.connector({"max_visibility_delay": 30, "clock_skew": 60}) as connector:
        handle = await submitted(connector)
        snapshot = await connector.look(LookQuery(known=known(handle), doubts=(intent,)))
    assert {entry.handle for entry in snapshot.entries} == {handle, planted["id"]}


@pytest.mark.parametrize("seconds", [-300, 300, -3600, 3600])
async def test_a_clock_that_is_off_hides_nothing(world: World, seconds: int) -> None:
    await world.faults(clock_skew={"seconds": seconds})
    async with world.connector(attempt_name="echoed_values") as connector:
        intent = new_intent()
        handle = await submitted(connector, intent)
        snapshot = await connector.look(LookQuery(known=known(handle), doubts=(intent,), since=intent.sent_after))
    (entry,) = snapshot.entries
    assert snapshot.complete and entry.handle == handle
    assert entry.created_at is not None
    assert abs(entry.created_at - intent.sent_after - timedelta(seconds=seconds)) < timedelta(seconds=5)


async def test_a_clock_that_nobody_mentions_hides_nothing_within_the_allowance(world: World) -> None:
    intent = new_intent()
    (early,) = await world.sim.admin.plant(world.instance, age_seconds=250)
    (late,) = await world.sim.admin.plant(world.instance, age_seconds=-250)
    async with world.connector(attempt_name="echoed_values") as connector:
        snapshot = await connector.look(LookQuery(doubts=(intent,)))
    assert {entry.handle for entry in snapshot.entries} == {early["id"], late["id"]}


async def test_a_first_look_past_an_unknown_clock_is_not_complete(world: World) -> None:
    await world.faults(clock_skew={"seconds": -3600})
    async with world.connector() as first:
        handle = await submitted(first)
    async with world.connector({"clock_skew": 60}) as connector:
        query = LookQuery(since=now() - timedelta(seconds=30))
        blind = await connector.look(query)
        assert not blind.complete and blind.error is not None and blind.error.code == "clock_skew"
        sighted = await connector.look(query)
    assert sighted.complete and [entry.handle for entry in sighted.entries] == [handle]


async def test_a_listing_that_goes_round_in_circles_ends(world: World) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response({"executions": [], "nextToken": "again"})

    async with stub(handler) as url, world.connector(base_url=url) as connector:
        snapshot = await connector.look(LookQuery(since=now()))
    assert not snapshot.complete and snapshot.calls == 2


async def test_no_connection_is_no_absence(world: World) -> None:
    async with world.connector(base_url=await free_url()) as connector:
        snapshot = await connector.look(LookQuery(since=now()))
    assert not snapshot.complete and snapshot.error is not None and snapshot.error.code == "not_connected"


async def test_a_dead_credential_ends_a_look(world: World, connector: AmcConnector) -> None:
    await world.sim.admin.revoke_refresh_token()
    for query in (LookQuery(since=now()), LookQuery(known=known("a", "b"))):
        with pytest.raises(CredentialError, match="Authorise again"):
            await connector.look(query)


async def test_many_calls_with_a_dead_token_refresh_once(world: World, connector: AmcConnector) -> None:
    handles = [await submitted(connector) for _ in range(6)]
    await world.sim.admin.revoke_access_tokens()
    await asyncio.gather(*(connector.cancel(handle) for handle in handles), submitted(connector))
    assert world.tokens.refreshes == 2


# --------------------------------------------------------------------------------------- cancelling


async def test_a_cancel_is_asked_for_and_seen(world: World, connector: AmcConnector) -> None:
    await world.settings(instant=False, running_seconds=60)
    handle = await submitted(connector)
    assert await connector.cancel(handle) is Cancellation.ASKED
    (entry,) = (await connector.look(LookQuery(known=known(handle)))).entries
    assert entry.state is RemoteState.CANCELLED


async def test_a_cancel_that_comes_too_late(connector: AmcConnector) -> None:
    assert await connector.cancel(await submitted(connector)) is Cancellation.TOO_LATE


@pytest.mark.parametrize(
    "faults",
    [
        {"request_lost": {"calls": ["cancel"]}},
        {"throttled": {"calls": ["cancel"]}},
        {"server_error": {"status": 500, "calls": ["cancel"]}},
        {"denied": {"status": 403, "calls": ["cancel"]}},
        {"visibility": {"get_seconds": 60}},
    ],
)
async def test_other_answers_to_a_cancel_say_nothing(
    world: World, connector: AmcConnector, faults: dict[str, Any]
) -> None:
    await world.settings(instant=False, running_seconds=60)
    await world.faults(**faults)
    assert await connector.cancel(await submitted(connector)) is Cancellation.UNKNOWN
