"""Submitting: what every ending of the two calls proves, against the simulator."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NoReturn

import pytest
from amc_world import SPEC, World, free_url, new_intent, now, submitted

from afield.connectors.amc.connector import AmcConnector
from afield.connectors.amc.spec import AttemptName
from afield.connectors.base import (
    Accepted,
    Known,
    LookQuery,
    Match,
    NotSent,
    Refused,
    RemoteState,
    Unknown,
)
from afield.errors import CredentialError
from afield.faultpoints import FaultPoint, armed


async def test_an_accepted_attempt_is_named_after_its_key(world: World, connector: AmcConnector) -> None:
    intent = new_intent()
    submission = await connector.submit(intent)
    assert isinstance(submission, Accepted) and submission.entry is not None
    assert submission.entry.name == intent.key
    assert connector.match(intent, submission.entry) is Match.EXACT
    (ran,) = await world.ran()
    assert (ran["workflow_id"], ran["sql"]) == (intent.key, SPEC["sql_query"])


@pytest.mark.parametrize("mode", AttemptName)
async def test_a_wrapped_reply_is_read_too(world: World, mode: AttemptName) -> None:
    await world.faults(wrapped={})
    async with world.connector(attempt_name=mode) as connector:
        handle = await submitted(connector)
    assert [ran["id"] for ran in await world.ran()] == [handle]


LOST_AFTER = [
    ({"reply_lost": {"next": 1}}, 1, "no_reply"),
    ({"request_lost": {"next": 1}}, 0, "no_reply"),
    ({"throttled": {"next": 1, "accepted": True}}, 1, "throttled"),
    ({"throttled": {"next": 1}}, 0, "throttled"),
    ({"server_error": {"next": 1, "status": 500}}, 0, "remote_error"),
    ({"server_error": {"next": 1, "status": 504, "accepted": True}}, 1, "remote_error"),
    ({"unreadable": {"next": 1}}, 1, "unreadable_reply"),
]


@pytest.mark.parametrize("mode", AttemptName)
@pytest.mark.parametrize(("faults", "ran", "code"), LOST_AFTER)
async def test_whatever_may_have_started_work_is_unknown(
    world: World, mode: AttemptName, faults: dict[str, Any], ran: int, code: str
) -> None:
    await world.faults(**faults)
    async with world.connector(attempt_name=mode) as connector:
        submission = await connector.submit(new_intent())
    assert isinstance(submission, Unknown)
    assert submission.reason.code == code
    assert len(await world.ran()) == ran


async def test_no_reply_in_time_is_unknown(world: World) -> None:
    await world.faults(slow={"seconds": 30, "accepted": True})
    async with world.connector({"request_timeout": 0.3}) as connector:
        submission = await connector.submit(new_intent())
    assert isinstance(submission, Unknown) and submission.reason.code == "no_reply"
    assert len(await world.ran()) == 1


@pytest.mark.parametrize(("form", "low", "high"), [("seconds", 7, 7), ("date", 4, 7)])
async def test_retry_after_is_told(world: World, form: str, low: float, high: float) -> None:
    await world.faults(throttled={"retry_after": form, "seconds": 7})
    async with world.connector() as connector:
        submission = await connector.submit(new_intent())
    assert isinstance(submission, Unknown) and submission.retry_after is not None
    assert timedelta(seconds=low) <= submission.retry_after <= timedelta(seconds=high)


async def test_throttled_without_retry_after(world: World, connector: AmcConnector) -> None:
    await world.faults(throttled={"retry_after": "none"})
    assert (await connector.submit(new_intent())).retry_after is None  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "faults",
    [
        {"throttled": {"calls": ["workflows"], "next": 1}},
        {"server_error": {"status": 503, "calls": ["workflows"], "next": 1}},
        {"server_error": {"status": 504, "calls": ["workflows"], "next": 1, "accepted": True}},
        {"reply_lost": {"calls": ["workflows"], "next": 1}},
        {"request_lost": {"calls": ["workflows"], "next": 1}},
    ],
)
async def test_saving_the_workflow_starts_nothing(world: World, faults: dict[str, Any]) -> None:
    await world.faults(**faults)
    async with world.connector() as connector:
        intent = new_intent()
        submission = await connector.submit(intent)
        assert isinstance(submission, NotSent)
        assert await world.ran() == []
        again = await connector.submit(intent)  # nothing was left behind under this name
    assert isinstance(again, Accepted)


async def test_no_connection_is_not_sent(world: World) -> None:
    url = await free_url()
    for mode in AttemptName:
        async with world.connector(base_url=url, attempt_name=mode) as connector:
            submission = await connector.submit(new_intent())
        assert isinstance(submission, NotSent) and submission.reason.code == "not_connected"


@pytest.mark.parametrize("mode", AttemptName)
@pytest.mark.parametrize("status", [401, 403])
async def test_a_clear_no_is_refused(world: World, mode: AttemptName, status: int) -> None:
    await world.faults(denied={"status": status})
    async with world.connector(attempt_name=mode) as connector:
        submission = await connector.submit(new_intent())
    assert isinstance(submission, Refused)
    assert submission.reason.code == {401: "unauthorized", 403: "forbidden"}[status]
    assert world.tokens.refreshes == (2 if status == 401 else 1)
    assert await world.ran() == []


@pytest.mark.parametrize("mode", AttemptName)
async def test_sql_that_does_not_compile_is_refused_with_what_amc_says(world: World, mode: AttemptName) -> None:
    await world.settings(instant=False)
    async with world.connector(attempt_name=mode) as connector:
        submission = await connector.submit(new_intent(SPEC | {"sql_query": "SELEC nothing"}))
    assert isinstance(submission, Refused) and submission.reason.code == "invalid_request"
    assert "compile" in submission.reason.text


async def test_a_refused_attempt_leaves_no_workflow_behind(world: World, connector: AmcConnector) -> None:
    await world.faults(denied={"status": 403, "next": 1})
    intent = new_intent()
    assert isinstance(await connector.submit(intent), Refused)
    assert isinstance(await connector.submit(intent), Accepted)  # the name is free


async def test_the_same_attempt_sent_twice_runs_once(world: World, connector: AmcConnector) -> None:
    intent = new_intent()
    handle = await submitted(connector, intent)
    again = await connector.submit(intent)
    assert isinstance(again, Accepted) and again.handle == handle
    assert len(await world.ran()) == 1


async def test_a_repeat_that_finds_only_the_name_starts_nothing(world: World, connector: AmcConnector) -> None:
    await world.faults(visibility={"list_seconds": 60})
    intent = new_intent()
    await submitted(connector, intent)
    again = await connector.submit(intent)
    assert isinstance(again, Unknown) and again.reason.code == "name_taken"
    assert len(await world.ran()) == 1


async def test_retired_attempts_cannot_start_any_more(world: World, connector: AmcConnector) -> None:
    intent = new_intent()
    handle = await submitted(connector, intent)
    assert await connector.retire(intent)
    assert await connector.retire(intent)  # gone is gone
    late = await connector._client.call(
        "POST", connector._client.executions_url(), body={"workflowId": intent.key}, starts_work=True
    )
    assert getattr(late, "status", None) in {400, 404}
    assert [ran["id"] for ran in await world.ran()] == [handle]


@pytest.mark.parametrize("mode", [AttemptName.AD_HOC_WORKFLOW_ID, AttemptName.ECHOED_VALUES])
async def test_an_ad_hoc_attempt_cannot_be_retired(world: World, mode: AttemptName) -> None:
    async with world.connector(attempt_name=mode) as connector:
        assert not await connector.retire(new_intent())


async def test_retiring_by_deleting_can_be_switched_off(world: World) -> None:
    intent = new_intent()
    async with world.connector(retire_by_deleting=False) as connector:
        await submitted(connector, intent)
        assert not await connector.retire(intent)
        answer = await connector._client.call("GET", connector._client.workflows_url(intent.key))
    assert getattr(answer, "status", None) == 200


async def test_retire_does_not_promise_what_it_does_not_know(world: World, connector: AmcConnector) -> None:
    await world.faults(server_error={"status": 503, "calls": ["workflows"]})
    assert not await connector.retire(new_intent())


@pytest.mark.parametrize(("keep", "left"), [(False, False), (True, True)])
async def test_release_deletes_the_workflow_unless_it_is_kept(world: World, keep: bool, left: bool) -> None:
    intent = new_intent()
    async with world.connector(keep_attempt_workflows=keep) as connector:
        await submitted(connector, intent)
        await connector.release(intent)
        answer = await connector._client.call("GET", connector._client.workflows_url(intent.key))
    assert (getattr(answer, "status", None) == 200) is left


async def test_release_never_raises(world: World, connector: AmcConnector) -> None:
    await world.sim.admin.revoke_refresh_token()
    await connector.release(new_intent())


async def test_an_ad_hoc_name_that_amc_repeats_is_exact(world: World) -> None:
    await world.settings(echo_adhoc_workflow_id=True)
    intent = new_intent()
    async with world.connector(attempt_name="ad_hoc_workflow_id") as connector:
        await submitted(connector, intent)
        (entry,) = (await connector.look(LookQuery(doubts=(intent,)))).entries
    assert connector.match(intent, entry) is Match.EXACT
    assert connector.match(new_intent(), entry) is Match.NO


async def test_an_ad_hoc_name_that_amc_replaces_is_possible(world: World) -> None:
    intent = new_intent()
    async with world.connector(attempt_name="ad_hoc_workflow_id") as connector:
        await submitted(connector, intent)
        (entry,) = (await connector.look(LookQuery(doubts=(intent,)))).entries
    assert connector.match(intent, entry) is Match.POSSIBLE
    assert connector.match(new_intent(SPEC | {"sql_query": "SELECT 1"}), entry) is Match.NO


async def test_a_run_tag_makes_echoed_values_exact(world: World) -> None:
    intent, twin = new_intent(), new_intent()
    async with world.connector(attempt_name="echoed_values") as connector:
        handle = await submitted(connector, intent)
        await submitted(connector, twin)
        snapshot = await connector.look(LookQuery(doubts=(intent, twin)))
    matches = {entry.handle: connector.match(intent, entry) for entry in snapshot.entries}
    assert matches.pop(handle) is Match.EXACT
    assert list(matches.values()) == [Match.NO]


async def test_without_a_run_tag_twins_are_possible(world: World) -> None:
    intent, twin = new_intent(), new_intent()
    async with world.connector(attempt_name="echoed_values", run_tag_parameter=None) as connector:
        await submitted(connector, intent)
        await submitted(connector, twin)
        snapshot = await connector.look(LookQuery(doubts=(intent,)))
    assert [connector.match(intent, entry) for entry in snapshot.entries] == [Match.POSSIBLE, Match.POSSIBLE]


async def test_parameters_reach_the_query(world: World, connector: AmcConnector) -> None:
    await world.settings(instant=False, minimum_users=1)
    sql = "SELECT campaign, COUNT(DISTINCT user_id) AS u FROM dsp_impressions WHERE campaign <> CUSTOM_PARAMETER('x')"
    spec = SPEC | {"sql_query": f"{sql} GROUP BY campaign", "parameter_values": {"x": "none"}}
    handle = await submitted(connector, new_intent(spec))
    await world.sim.admin.wait(what="finished", at_least=1)
    known = Known(handle=handle, submitted_at=now())
    (entry,) = (await connector.look(LookQuery(known=(known,)))).entries
    assert entry.state is RemoteState.SUCCEEDED, entry.reason


async def test_a_token_lost_on_the_way_is_refreshed_once(world: World, connector: AmcConnector) -> None:
    await submitted(connector)
    await world.sim.admin.revoke_access_tokens()
    await submitted(connector)
    assert world.tokens.refreshes == 2
    assert len(await world.ran()) == 2


async def test_a_revoked_refresh_token_needs_a_person(world: World, connector: AmcConnector) -> None:
    await world.sim.admin.revoke_refresh_token()
    with pytest.raises(CredentialError, match="Authorise again"):
        await connector.submit(new_intent())
    assert await world.ran() == []


async def test_a_token_endpoint_in_trouble_is_not_sent(world: World, connector: AmcConnector) -> None:
    await world.sim.admin.put_faults({"login": {"throttled": {"retry_after": "seconds", "seconds": 9}}})
    submission = await connector.submit(new_intent())
    assert isinstance(submission, NotSent)
    assert (submission.reason.code, submission.retry_after) == ("no_token", timedelta(seconds=9))


async def test_a_recorded_spec_that_is_not_valid_is_refused(connector: AmcConnector) -> None:
    submission = await connector.submit(new_intent({"sql_query": ""}))
    assert isinstance(submission, Refused) and submission.reason.code == "invalid_spec"


class Died(BaseException):
    """Stands for the death of the process."""


def die() -> NoReturn:
    raise Died


@pytest.mark.parametrize("mode", AttemptName)
@pytest.mark.parametrize("point", [FaultPoint.AFTER_SEND, FaultPoint.AFTER_REPLY])
async def test_a_process_that_dies_over_the_reply_leaves_one_execution(
    world: World, mode: AttemptName, point: FaultPoint
) -> None:
    async with world.connector(attempt_name=mode) as connector:
        with armed(point, die), pytest.raises(Died):
            await connector.submit(new_intent())
    assert len(await world.ran()) == 1


async def test_a_process_that_dies_while_saving_the_workflow_passes_no_fault_point(world: World) -> None:
    await world.faults(server_error={"status": 503, "calls": ["workflows"]})
    async with world.connector() as connector:
        with armed(FaultPoint.AFTER_SEND, die):
            assert isinstance(await connector.submit(new_intent()), NotSent)


async def test_a_process_that_dies_between_two_pages(world: World, connector: AmcConnector) -> None:
    await world.sim.admin.plant(world.instance, count=201, status="RUNNING", age_seconds=30)
    with armed(FaultPoint.DURING_LOOK, die, count=2), pytest.raises(Died):
        await connector.look(LookQuery(since=now() - timedelta(minutes=1)))
    assert await world.calls("list") == 2
