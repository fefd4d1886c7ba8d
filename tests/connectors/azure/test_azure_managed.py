"""The connector `azure_vm` against a stand-in that answers what Azure was seen to answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from azure_world import (
    SECRET,
    VM_ID,
    Answer,
    World,
    hang_up,
    new_intent,
    refusal,
    reply,
    run_command,
    running_world,
    vm_body,
)
from structlog.testing import capture_logs

from afield.clock import SystemClock
from afield.connectors.azure.managed import AzureVmConnector
from afield.connectors.base import (
    Accepted,
    Cancellation,
    CollectError,
    Intent,
    Known,
    LookQuery,
    Match,
    NotSent,
    Refused,
    RemoteState,
    Unknown,
)
from afield.errors import CredentialError


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with running_world() as running:
        yield running


def _known(*intents: Intent, since: bool = False) -> LookQuery:
    known = tuple(Known(handle=one.key, submitted_at=one.sent_after, key=one.key) for one in intents)
    return LookQuery(known=known, since=SystemClock().now() if since else None)


# ---------------------------------------------------------------------------------------- submitting


async def test_a_command_costs_one_put_after_one_preflight(world: World) -> None:
    async with world.connector(AzureVmConnector) as connector:
        with capture_logs() as logs:
            one, other = new_intent(), new_intent()
            assert await connector.submit(one) == Accepted(one.key)
            assert await connector.submit(other) == Accepted(other.key)
    assert world.asked == [("GET", "vm"), ("PUT", f"runCommands/{one.key}"), ("PUT", f"runCommands/{other.key}")]
    assert world.bodies[0]["properties"]["source"] == {"script": "echo hi"}
    marked = [line["event"] for line in logs if line["event"].startswith("[AZURE_CONNECTOR]")][:3]
    assert marked == ["[AZURE_CONNECTOR] start", "[AZURE_CONNECTOR] attempt 1/1", "[AZURE_CONNECTOR] success"]
    assert "hush-hush" not in str(logs)


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (hang_up, Unknown, "no_reply"),
        (refusal(503, "ServiceUnavailable", "try later"), Unknown, "remote_error"),
        (reply({"name": "somebody-elses"}), Unknown, "unreadable_reply"),
        (refusal(429, "OperationNotAllowed", "too many", **{"Retry-After": "7"}), NotSent, "throttled"),
        (refusal(409, "OperationNotAllowed", "Cannot modify … the VM is not running."), NotSent, "vm_not_running"),
        (refusal(403, "AuthorizationFailed", "no authorization to perform 'x/write'"), Refused, "forbidden"),
    ],
)
async def test_a_put_is_sent_once_whatever_comes_back(world: World, answer: Answer, kind: type[Any], code: str) -> None:
    intent = new_intent()
    world.tell("PUT", f"runCommands/{intent.key}", answer)
    async with world.connector(AzureVmConnector) as connector:
        submission = await connector.submit(intent)
    assert isinstance(submission, kind)
    assert submission.reason.code == code
    assert world.counted("PUT") == 1
    if code == "throttled":
        assert submission.retry_after == timedelta(seconds=7)


async def test_nothing_is_sent_when_nobody_listens_or_the_vm_is_not_ready(world: World) -> None:
    async with world.connector(AzureVmConnector, management_url="http://127.0.0.1:9") as connector:
        answer = await connector.submit(new_intent())
    assert isinstance(answer, NotSent)
    assert answer.reason.code == "not_connected"
    async with world.connector(AzureVmConnector) as connector:
        world.vm = vm_body(power=None)
        answer = await connector.submit(new_intent())
        assert isinstance(answer, NotSent)
        assert answer.reason.code == "power_state_missing"
        world.tell("GET", "vm", hang_up, reply(vm_body()))
        answer = await connector.submit(new_intent())
        assert isinstance(answer, NotSent), "only the pre-flight was lost"
        assert isinstance(await connector.submit(new_intent()), Accepted)


async def test_a_rejected_token_is_renewed_once_and_then_a_person_has_to_act(world: World) -> None:
    world.good_token = "token-2"
    async with world.connector(AzureVmConnector) as connector:
        assert isinstance(await connector.submit(new_intent()), Accepted)
        assert world.tokens.rejected == ["token-1"]
        world.good_token = "another"
        with pytest.raises(CredentialError, match="InvalidAuthenticationToken"):
            await connector.look(_known(new_intent()))


async def test_missing_keys_are_named(world: World) -> None:
    with pytest.raises(CredentialError, match=r"Azure credentials required: .*client_secret") as caught:
        await AzureVmConnector.open(world.context(secret=SECRET | {"client_secret": ""}))
    assert "hush" not in str(caught.value)


async def test_the_same_attempt_never_leaves_twice(world: World) -> None:
    intent = new_intent()
    async with world.connector(AzureVmConnector) as connector:
        await connector.submit(intent)
        assert isinstance(await connector.submit(intent), Unknown)
    assert world.counted("PUT") == 1


# ---------------------------------------------------------------------------------------- looking


async def test_one_listing_covers_all_over_all_its_pages_and_shows_others_too(world: World) -> None:
    one, other = new_intent(), new_intent()
    second = {"value": [run_command(other.key.upper(), "Running"), run_command("by-hand", "Running")]}
    world.tell("GET", "runCommands", reply({"value": [run_command(one.key)], "nextLink": f"{world.url}{VM_ID}/more"}))
    world.tell("GET", "more", reply(second))
    async with world.connector(AzureVmConnector) as connector:
        snapshot = await connector.look(_known(one, other, since=True))
        entries = {entry.handle: entry for entry in snapshot.entries}
        assert connector.match(one, entries[one.key]) is Match.EXACT
        assert connector.match(one, entries["by-hand"]) is Match.NO
    assert (snapshot.complete, snapshot.calls) == (True, 2)
    assert entries[one.key].state is RemoteState.SUCCEEDED
    assert entries[other.key].state is RemoteState.RUNNING, "names are compared without case"


async def test_a_page_on_another_host_gets_no_token(world: World) -> None:
    async with running_world() as elsewhere:
        world.tell("GET", "runCommands", reply({"value": [], "nextLink": f"{elsewhere.url}{VM_ID}/more"}))
        async with world.connector(AzureVmConnector) as connector:
            snapshot = await connector.look(_known(new_intent(), new_intent()))
        assert snapshot.error is not None
        assert (snapshot.complete, snapshot.error.code, elsewhere.asked) == (False, "away_from_home", [])


async def test_a_single_one_is_asked_for_by_name_and_its_absence_is_an_answer(world: World) -> None:
    intent = new_intent()
    async with world.connector(AzureVmConnector) as connector:
        absent = await connector.look(LookQuery(doubts=(intent,)))
        assert (absent.complete, absent.entries, absent.calls) == (True, (), 1)
        world.tell("GET", f"runCommands/{intent.key}", refusal(404, "ResourceNotFound", "The Resource 'web1' is gone"))
        gone = await connector.look(LookQuery(doubts=(intent,)))
        assert not gone.complete, "a VM that is not found proves nothing about a run command"
    assert {method for method, _ in world.asked} == {"GET"}


async def test_a_word_nobody_knows_is_kept_and_counts_as_live(world: World) -> None:
    intent = new_intent()
    world.tell("GET", f"runCommands/{intent.key}", reply(run_command(intent.key, "Frozen", endTime=None)))
    async with world.connector(AzureVmConnector) as connector:
        (entry,) = (await connector.look(_known(intent))).entries
    assert (entry.state, entry.status) == (RemoteState.UNKNOWN, "Frozen")


async def test_a_look_that_fails_is_incomplete_and_says_why(world: World) -> None:
    one, other = new_intent(), new_intent()
    world.tell("GET", "runCommands", refusal(429, "TooMany", "slow", **{"Retry-After": "9"}), hang_up)
    async with world.connector(AzureVmConnector) as connector:
        for code, patience in (("throttled", timedelta(seconds=9)), ("no_reply", None)):
            snapshot = await connector.look(_known(one, other))
            assert snapshot.error is not None
            assert (snapshot.complete, snapshot.error.code, snapshot.retry_after) == (False, code, patience)


# ---------------------------------------------------------------------------------------- ending


async def test_a_cancel_deletes_and_what_was_said_until_then_is_kept(world: World) -> None:
    intent = new_intent()
    tail = f"runCommands/{intent.key}"
    running = run_command(intent.key, "Running", output="half way\n")
    deleting = run_command(intent.key, "Running", provisioningState="Deleting")
    away = refusal(404, "ResourceNotFound", f"'{intent.key}' was not found")
    world.tell("GET", tail, reply(running), reply(deleting), away)
    async with world.connector(AzureVmConnector) as connector:
        assert await connector.cancel(intent.key) is Cancellation.ASKED
        still = await connector.look(_known(intent))
        assert [entry.state for entry in still.entries] == [RemoteState.RUNNING]
        gone = await connector.look(_known(intent))
        assert [(entry.state, entry.status) for entry in gone.entries] == [(RemoteState.CANCELLED, "Deleted")]
        output = await connector.collect(intent.key, world.artifacts.sink("out"))
    assert output.detail["stdout"] == "half way\n"
    assert output.detail["exit_code"] is None
    assert world.counted("DELETE") == 1


async def test_a_cancel_of_what_has_ended_deletes_nothing(world: World) -> None:
    intent = new_intent()
    world.tell("GET", f"runCommands/{intent.key}", reply(run_command(intent.key)))
    async with world.connector(AzureVmConnector) as connector:
        assert await connector.cancel(intent.key) is Cancellation.TOO_LATE
    assert world.counted("DELETE") == 0


async def test_a_short_step_costs_four_calls(world: World) -> None:
    intent = new_intent()
    done = run_command(intent.key, output="out\n", error="err\n")
    world.tell("GET", f"runCommands/{intent.key}", reply(done))
    async with world.connector(AzureVmConnector) as connector:
        await connector.submit(intent)
        await connector.look(_known(intent))
        output = await connector.collect(intent.key, world.artifacts.sink("out"))
        await connector.release(intent)
    assert [method for method, _ in world.asked] == ["GET", "PUT", "GET", "DELETE"]
    assert world.artifacts.stored == {"out": b"out\nerr\n"}
    assert output.detail == {
        "exit_code": 0,
        "stdout": "out\n",
        "stderr": "err\n",
        "stdout_cut": False,
        "stderr_cut": False,
    }


async def test_the_whole_output_comes_from_blobs_whose_addresses_stay_secret(world: World) -> None:
    intent = new_intent()
    world.tell("GET", f"runCommands/{intent.key}", reply(run_command(intent.key, output="tail")))
    world.tell("GET", f"/blobs/{intent.key}.stdout", reply("all of it"))
    world.tell("GET", f"/blobs/{intent.key}.stderr", refusal(403, "AuthorizationFailure", "no"), reply("bad"))
    secret = SECRET | {"output_sas": "?sv=1&sig=top-secret"}
    changes: dict[str, Any] = {"secret": secret, "output_container": f"{world.url}/blobs"}
    async with world.connector(AzureVmConnector, **changes) as connector:
        await connector.submit(intent)
        with pytest.raises(CollectError) as caught:
            await connector.collect(intent.key, world.artifacts.sink("out"))
        assert (caught.value.reason.code, world.artifacts.stored) == ("output_refused", {})
        assert "top-secret" not in str(caught.value)
        output = await connector.collect(intent.key, world.artifacts.sink("out"))
    put: Any = world.bodies[0]["properties"]
    assert put["outputBlobUri"] == f"{world.url}/blobs/{intent.key}.stdout?sv=1&sig=top-secret"
    assert world.artifacts.stored["out"] == b'"all of it""bad"'
    assert output.size == len(world.artifacts.stored["out"])


async def test_an_output_that_went_with_its_run_command_is_gone_for_good(world: World) -> None:
    async with world.connector(AzureVmConnector) as connector:
        with pytest.raises(CollectError) as caught:
            await connector.collect(new_intent().key, world.artifacts.sink("out"))
    assert caught.value.final


# ---------------------------------------------------------------------------------------- budgets and room


async def test_deletions_are_put_off_when_the_budget_is_nearly_used_up(world: World) -> None:
    first = new_intent()
    async with world.connector(AzureVmConnector, {"pace": 1}) as connector:
        for _ in range(9):
            assert isinstance(await connector.submit(new_intent()), Accepted)
        await connector.release(first)
        await connector.release(new_intent())
        assert world.counted("DELETE") == 1, "the last two updates are for commands and cancels"
        assert [type(await connector.submit(new_intent())) for _ in range(3)] == [Accepted, Accepted, NotSent]
        late = await connector.submit(new_intent())
        assert isinstance(late, NotSent)
        assert late.reason.code == "over_budget"
        assert late.retry_after is not None
        assert late.retry_after <= timedelta(seconds=15)
    assert world.counted("PUT") == 11


async def test_a_later_connector_of_the_same_vm_deletes_what_was_put_off(world: World) -> None:
    async with world.connector(AzureVmConnector, {"pace": 0}) as connector:
        intent = new_intent()
        world.tell("DELETE", f"runCommands/{intent.key}", hang_up, reply(None, 202))
        await connector.release(intent)
    async with world.connector(AzureVmConnector, {"pace": 0}) as connector:
        await connector.release(new_intent())
        assert not connector._vm.pace.to_delete


async def test_a_full_vm_is_freed_of_old_leftovers_only(world: World) -> None:
    old, foreign = [new_intent().key for _ in range(4)], [f"by-hand-{n}" for n in range(21)]
    fresh = new_intent().key
    now = SystemClock().now().isoformat()
    full = [run_command(name) for name in (*old[:3], *foreign)] + [run_command(fresh, endTime=now)]
    world.tell("GET", "runCommands", reply({"value": full}), reply({"value": full}), reply({"value": full[3:]}))
    async with world.connector(AzureVmConnector) as connector:
        await connector.look(_known(new_intent(), new_intent()))
        answer = await connector.submit(new_intent())
        assert isinstance(answer, NotSent), "a deletion takes its time"
        assert (answer.reason.code, answer.retry_after) == ("no_room", timedelta(seconds=15))
        assert isinstance(await connector.submit(new_intent()), Accepted)
    deleted = {tail.rpartition("/")[2] for method, tail in world.asked if method == "DELETE"}
    assert deleted == set(old[:3])


async def test_a_vm_full_of_others_takes_nothing(world: World) -> None:
    world.tell("GET", "runCommands", reply({"value": [run_command(f"by-hand-{n}") for n in range(25)]}))
    async with world.connector(AzureVmConnector) as connector:
        await connector.look(_known(new_intent(), new_intent()))
        answer = await connector.submit(new_intent())
    assert isinstance(answer, NotSent)
    assert answer.reason.code == "no_room"
    assert (world.counted("PUT"), world.counted("DELETE")) == (0, 0)


async def test_many_targets_of_one_account_share_one_session(world: World) -> None:
    contexts = [world.context(resource_id=f"{VM_ID}-{n}") for n in range(200)]
    connectors = [await AzureVmConnector.open(context) for context in contexts]
    sessions = {id(one._vm.api.session) for one in connectors}
    await connectors[0].close()
    assert isinstance(await connectors[1].submit(new_intent()), Accepted), "the others go on"
    for one in connectors[1:]:
        await one.close()
    assert len(sessions) == 1
