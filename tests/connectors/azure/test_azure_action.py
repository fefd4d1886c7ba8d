"""The connector `azure_vm_action` against a stand-in: one at a time, noted before it waits, exact or honest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from azure_world import Answer, World, hang_up, new_intent, refusal, reply, running_world, vm_body
from structlog.testing import capture_logs

from afield.connectors.azure.action import AzureVmActionConnector
from afield.connectors.base import (
    Accepted,
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
from afield.model.jsontypes import JsonObject

CONFLICT = "Run command extension execution is in progress. Please wait for completion before invoking a run command."
BUSY = {"code": "ProvisioningState/transitioning", "displayStatus": "Transitioning", "message": "Enable in progress"}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with running_world() as running:
        running.tell("POST", "runCommand", _accepts(running))
        yield running


def _accepts(world: World) -> Answer:
    return reply(None, 202, **{"Azure-AsyncOperation": f"{world.url}/a/b/c/d/e/f/g/h/op?p=1&s=signed"})


def _known(intent: Intent) -> LookQuery:
    return LookQuery(known=(Known(handle=intent.key, submitted_at=intent.sent_after, key=intent.key),))


def _message(intent: Intent, code: int = 0) -> str:
    return f"Enable succeeded: \n[stdout]\nhi\n\n[afield {intent.key} exit={code} how=exit out=3 err=0]\n\n[stderr]\n"


def _done(intent: Intent, code: int = 0) -> JsonObject:
    item: JsonObject = {"code": "ProvisioningState/succeeded", "message": _message(intent, code)}
    return {"status": "Succeeded", "properties": {"output": {"value": [item]}}}


def _said(message: str) -> dict[str, Any]:
    return {"code": "ProvisioningState/succeeded", "displayStatus": "Provisioning succeeded", "message": message}


async def test_an_attempt_is_noted_followed_collected_and_forgotten(world: World) -> None:
    intent = new_intent()
    world.tell("GET", "op", reply({"status": "InProgress"}), reply(_done(intent, 3)))
    async with world.connector(AzureVmActionConnector) as connector:
        with capture_logs() as logs:
            assert await connector.submit(intent) == Accepted(intent.key)
    assert "s=signed" in world.notes.kept[intent.key]
    assert "signed" not in str(logs)
    async with world.connector(AzureVmActionConnector) as connector:  # another process
        running = await connector.look(_known(intent))
        assert [(entry.state, entry.status) for entry in running.entries] == [(RemoteState.RUNNING, "InProgress")]
        ended = (await connector.look(_known(intent))).entries[0]
        assert (ended.state, ended.reason and ended.reason.code) == (RemoteState.FAILED, "exit_code")
        output = await connector.collect(intent.key, world.artifacts.sink("out"))
        assert (output.detail["exit_code"], world.artifacts.stored) == (3, {"out": b"hi\n"})
        await connector.release(intent)
    assert intent.key not in world.notes.kept
    assert world.bodies[0]["commandId"] == "RunShellScript"
    assert [method for method, _ in world.asked] == ["GET", "POST", "GET", "GET"]


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (refusal(409, "Conflict", CONFLICT), NotSent, "conflict"),
        (refusal(409, "Conflict", CONFLICT, **{"Retry-After": "1"}), NotSent, "conflict"),
        (refusal(429, "TooManyRequests", "slow", **{"Retry-After": "1"}), NotSent, "throttled"),
        (refusal(403, "AuthorizationFailed", "action 'runCommand/action'"), Refused, "forbidden"),
        (refusal(503, "ServiceUnavailable", ""), Unknown, "remote_error"),
        (hang_up, Unknown, "no_reply"),
    ],
)
async def test_a_post_is_sent_once_and_noted_only_where_it_may_be_there(
    world: World, answer: Answer, kind: type[Any], code: str
) -> None:
    world.answers["POST", "runCommand"].clear()
    world.tell("POST", "runCommand", answer)
    intent = new_intent()
    async with world.connector(AzureVmActionConnector) as connector:
        with capture_logs() as logs:
            submission = await connector.submit(intent)
    assert isinstance(submission, kind)
    assert submission.reason.code == code
    assert world.counted("POST") == 1
    assert (intent.key in world.notes.kept) == (kind is Unknown)
    assert (code == "conflict") == any(line["event"] == "[AZURE_CONNECTOR] conflict" for line in logs)


async def test_a_busy_extension_is_a_conflict_that_costs_no_update(world: World) -> None:
    world.vm = vm_body(extension=BUSY)
    async with world.connector(AzureVmActionConnector) as connector:
        answer = await connector.submit(new_intent())
    assert isinstance(answer, NotSent)
    assert (answer.reason.code, world.counted("POST")) == ("conflict", 0)


async def test_a_lost_reply_is_settled_by_what_the_extension_says(world: World) -> None:
    world.vm = vm_body(extension=_said("old output"))
    world.answers["POST", "runCommand"].clear()
    world.tell("POST", "runCommand", hang_up)
    intent = new_intent()
    doubt = LookQuery(doubts=(intent,))
    async with world.connector(AzureVmActionConnector) as connector:
        assert isinstance(await connector.submit(intent), Unknown)
        assert (await connector.look(doubt)).entries == (), "the extension says what it said before"
        for extension, match, state in (
            (BUSY, Match.POSSIBLE, RemoteState.RUNNING),
            (_said("somebody's output"), Match.POSSIBLE, RemoteState.UNKNOWN),
            (_said(_message(intent)), Match.EXACT, RemoteState.SUCCEEDED),
        ):
            world.vm = vm_body(extension=extension)
            (entry,) = (await connector.look(doubt)).entries
            assert (connector.match(intent, entry), entry.state) == (match, state)
            assert connector.match(new_intent(), entry) is Match.NO


async def test_an_attempt_that_was_never_prepared_is_not_there(world: World) -> None:
    intent = new_intent()
    world.vm = vm_body(extension=_said("old output"))
    async with world.connector(AzureVmActionConnector) as connector:
        snapshot = await connector.look(LookQuery(doubts=(intent,)))
        assert (snapshot.complete, snapshot.entries) == (True, ())
        world.vm = vm_body(extension=_said(_message(intent)))
        (entry,) = (await connector.look(LookQuery(doubts=(intent,)))).entries
        assert connector.match(intent, entry) is Match.EXACT, "its mark is proof, with or without a note"


async def test_a_word_nobody_knows_is_kept_and_counts_as_live(world: World) -> None:
    intent = new_intent()
    world.tell("GET", "op", reply({"status": "Pondering"}))
    async with world.connector(AzureVmActionConnector) as connector:
        await connector.submit(intent)
        (entry,) = (await connector.look(_known(intent))).entries
    assert (entry.state, entry.status) == (RemoteState.UNKNOWN, "Pondering")


async def test_an_operation_azure_forgot_is_replaced_by_the_extensions_word(world: World) -> None:
    intent = new_intent()
    async with world.connector(AzureVmActionConnector) as connector:
        await connector.submit(intent)
        world.vm = vm_body(extension=_said(_message(intent)))
        (entry,) = (await connector.look(_known(intent))).entries
        assert entry.state is RemoteState.SUCCEEDED


async def test_an_operation_on_another_host_gets_no_token(world: World) -> None:
    intent = new_intent()
    world.answers["POST", "runCommand"].clear()
    async with running_world() as elsewhere:
        world.tell("POST", "runCommand", _accepts(elsewhere))
        async with world.connector(AzureVmActionConnector) as connector:
            await connector.submit(intent)
            snapshot = await connector.look(_known(intent))
    assert (snapshot.complete, elsewhere.asked) == (False, [])


async def test_somebody_elses_command_shows_while_it_runs(world: World) -> None:
    world.vm = vm_body(extension=BUSY)
    async with world.connector(AzureVmActionConnector) as connector:
        (entry,) = (await connector.look(LookQuery(since=new_intent().sent_after))).entries
    assert (entry.handle, entry.state) == ("RunCommandLinux", RemoteState.RUNNING)


async def test_polls_stay_within_their_budget(world: World) -> None:
    intent = new_intent()
    world.tell("GET", "op", reply({"status": "InProgress"}))
    async with world.connector(AzureVmActionConnector, {"pace": 0.1}) as connector:
        await connector.submit(intent)
        looks = [await connector.look(_known(intent)) for _ in range(6)]
    assert [one.complete for one in looks] == [True] * 4 + [False] * 2
    assert looks[-1].retry_after is not None


async def test_a_result_that_is_gone_cannot_be_collected(world: World) -> None:
    async with world.connector(AzureVmActionConnector) as connector:
        with pytest.raises(CollectError) as caught:
            await connector.collect(new_intent().key, world.artifacts.sink("out"))
    assert caught.value.final


async def test_what_a_diagnosis_needs_to_know_of_a_conflict_is_remembered(world: World) -> None:
    world.tell("GET", "op", reply({"status": "InProgress"}))
    async with world.connector(AzureVmActionConnector) as connector:
        await connector.submit(new_intent())
        world.answers["POST", "runCommand"].clear()
        world.tell("POST", "runCommand", refusal(409, "Conflict", CONFLICT))
        await connector.submit(new_intent())
    async with world.connector(AzureVmActionConnector) as connector:
        world.vm = vm_body(extension=BUSY)
        await connector.submit(new_intent())
        ours = await connector._ours()  # what the ladder is given; it has tests of its own
        assert connector.ladder()[0].name == "token"
    assert ours.own is not None
    assert ours.own.in_progress
    assert ours.refused_at is not None
    assert ours.transitioning_since is not None
