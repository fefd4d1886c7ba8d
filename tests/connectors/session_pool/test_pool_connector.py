"""The session_pool connector on simulated pools that fail in the ways that pools do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from pool_world import PoolWorld, new_intent, pool_world

from afield.connectors.base import NO_ROOM, Accepted, Known, LookQuery, Match, NotSent, Ran, Refused, Unknown
from afield.connectors.session_pool.address import CustomPoolAddress, InterpreterPoolAddress
from afield.connectors.session_pool.connector import SessionPoolConnector
from afield.connectors.session_pool.interpreter import InterpreterPoolConnector
from afield.connectors.session_pool.own import own_session
from afield.errors import CredentialError
from afield.model.ids import uuid7
from afield.testing.faults import Fault

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def world(pools_ready: Mapping[str, Any]) -> AsyncIterator[PoolWorld]:
    async with pool_world(pools_ready) as world:
        world.settings["max_visibility_delay"] = 100  # a container may take its time to start
        yield world


def a_session() -> str:
    return f"afield-run-{uuid7().hex}"  # ended with the test


async def test_the_endpoint_is_read_from_the_resource(world: PoolWorld) -> None:
    pool = world.access.custom
    async with world.connector(SessionPoolConnector, pool_id=pool.resource_id) as connector:
        answer = await connector.run(new_intent(), world.artifacts.sink("out"))
        runtimes = await connector.runtimes()
    assert isinstance(answer, Ran), answer
    assert answer.output.detail["stdout"] == "42\n"
    assert "python" in {one.language for one in runtimes}


async def test_a_session_of_its_own_is_ended_with_the_run(world: PoolWorld) -> None:
    pool, intent = world.access.custom, new_intent()
    async with world.connector(SessionPoolConnector, endpoint=pool.endpoint) as connector:
        assert isinstance(await connector.run(intent, world.artifacts.sink("out")), Ran)
        there = {one["identifier"] for one in await world.admin.sessions(pool.name)}
        assert own_session(intent) in there
        await connector.release(intent)
    assert own_session(intent) not in {one["identifier"] for one in await world.admin.sessions(pool.name)}
    assert world.notes.kept == {}, "nothing is left behind here, either"


async def test_a_session_that_is_named_stays(world: PoolWorld) -> None:
    pool, session = world.access.custom, a_session()
    intent = new_intent(session=session)
    async with world.connector(SessionPoolConnector, endpoint=pool.endpoint) as connector:
        assert isinstance(await connector.run(intent, world.artifacts.sink("out")), Ran)
        await connector.release(intent)
        assert session in {one["identifier"] for one in await world.admin.sessions(pool.name)}


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ("piston_on_port", Refused, "piston_on_port"),
        ("full_404", NotSent, NO_ROOM),
        ("full_429", NotSent, NO_ROOM),
        ("bad_gateway", NotSent, "not_the_adapter"),
        ("adapter_dead", NotSent, "not_the_adapter"),
    ],
)
async def test_what_keeps_a_pool_from_running_is_named_and_nothing_ran(
    world: PoolWorld, fault: str, kind: type, code: str
) -> None:
    pool, intent = world.access.custom, new_intent()
    await world.admin.fault(pool.name, **{fault: True})
    async with world.connector(SessionPoolConnector, endpoint=pool.endpoint) as connector:
        answer = await connector.submit(intent)
    assert isinstance(answer, kind), answer
    assert isinstance(answer, NotSent | Refused)
    assert answer.reason.code == code
    runs = (await world.admin.counts(pool.name))["runs"]
    assert intent.key not in {run_id for by_run in runs.values() for run_id in by_run}


async def test_a_gateway_that_gives_up_after_the_code_left_is_in_doubt(world: PoolWorld) -> None:
    pool, session = world.access.custom, a_session()
    async with world.connector(SessionPoolConnector, endpoint=pool.endpoint) as connector:
        assert isinstance(await connector.submit(new_intent(session=session)), Accepted)
        await world.admin.fault(pool.name, bad_gateway=1)
        intent = new_intent(session=session)
        answer = await connector.submit(intent)
        assert isinstance(answer, Unknown), answer
        snapshot = await connector.look(LookQuery(doubts=(intent,)))
    assert (snapshot.complete, snapshot.entries) == (True, ()), "the same adapter is there, and denies it"


async def test_a_missing_role_is_the_credentials_fault(world: PoolWorld) -> None:
    await world.admin.fault(world.access.custom.name, role_missing=True)
    async with world.connector(SessionPoolConnector, endpoint=world.access.custom.endpoint) as connector:
        with pytest.raises(CredentialError, match="Session Executor"):
            await connector.submit(new_intent())


async def test_a_session_that_has_ended_is_not_made_anew_by_a_look(world: PoolWorld) -> None:
    pool, session = world.access.custom, a_session()
    known, doubt = new_intent(session=session), new_intent(session=session)
    async with world.connector(SessionPoolConnector, endpoint=pool.endpoint) as connector:
        accepted = await connector.submit(known)
        assert isinstance(accepted, Accepted), accepted
        await connector._sessions.stop(session)
        handle = Known(handle=accepted.handle, submitted_at=known.sent_after)
        snapshot = await connector.look(LookQuery(known=(handle,), doubts=(doubt,)))
        assert snapshot.complete
        assert [connector.match(doubt, entry) for entry in snapshot.entries] == [Match.POSSIBLE], "it may have run"
    assert session not in {one["identifier"] for one in await world.admin.sessions(pool.name)}


async def test_a_session_that_changed_hands_proves_nothing(world: PoolWorld) -> None:
    pool, session = world.access.custom, a_session()
    lost = new_intent(session=session)
    async with world.connector(SessionPoolConnector, endpoint=world.by_proxy(pool.endpoint)) as connector:
        assert isinstance(await connector.submit(new_intent(session=session)), Accepted)
        world.proxy.faults.arm(Fault.REPLY_LOST)
        assert isinstance(await connector.submit(lost), Unknown)
        await connector._sessions.stop(session)
        assert isinstance(await connector.submit(new_intent(session=session)), Accepted)
        snapshot = await connector.look(LookQuery(doubts=(lost,)))
        assert snapshot.complete
        assert [connector.match(lost, entry) for entry in snapshot.entries] == [Match.POSSIBLE]


async def test_strangers_are_shown_when_they_are_asked_for(world: PoolWorld) -> None:
    intent = new_intent(session=a_session())
    async with world.connector(SessionPoolConnector, endpoint=world.access.custom.endpoint) as connector:
        assert isinstance(await connector.run(intent, world.artifacts.sink("out")), Ran)
        snapshot = await connector.look(LookQuery(since=intent.sent_after))
    assert snapshot.complete, snapshot.error
    assert intent.key in {entry.name for entry in snapshot.entries}


async def test_a_pool_of_the_other_kind_is_told_by_its_resource(world: PoolWorld) -> None:
    async with world.connector(SessionPoolConnector, pool_id=world.access.interpreter.resource_id) as connector:
        answer = await connector.submit(new_intent())
    assert isinstance(answer, NotSent), answer
    assert "session_pool_interpreter" in answer.reason.text


@pytest.mark.parametrize("contract", ["old", "new"])
async def test_an_interpreter_is_given_the_files_before_the_code(world: PoolWorld, contract: str) -> None:
    files = [{"content": "print(open('/mnt/data/a b.txt').read())"}, {"name": "a b.txt", "content": "there"}]
    intent = new_intent(files=files)
    endpoint = world.access.interpreter.endpoint
    async with world.connector(InterpreterPoolConnector, {"contract": contract}, endpoint=endpoint) as connector:
        answer = await connector.run(intent, world.artifacts.sink("out"))
        assert isinstance(answer, Ran), answer
        assert answer.output.detail["stdout"] == "there\n"
        await connector.release(intent)
    assert world.notes.kept == {}


@pytest.mark.parametrize("contract", ["old", "new"])
async def test_a_lost_answer_of_an_interpreter_is_left_to_a_person(world: PoolWorld, contract: str) -> None:
    endpoint = world.by_proxy(world.access.interpreter.endpoint)
    intent = new_intent()
    async with world.connector(InterpreterPoolConnector, {"contract": contract}, endpoint=endpoint) as connector:
        world.proxy.faults.arm(Fault.REPLY_LOST)
        assert isinstance(await connector.run(intent, world.artifacts.sink("out")), Unknown)
        again = await connector.submit(intent)
        assert isinstance(again, Unknown), "it is not sent a second time"
        snapshot = await connector.look(LookQuery(doubts=(intent,)))
        assert [connector.match(intent, entry) for entry in snapshot.entries] == [Match.POSSIBLE]


@pytest.mark.parametrize(
    ("model", "address"),
    [
        (CustomPoolAddress, {}),
        (CustomPoolAddress, {"pool_id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.App/jobs/x"}),
        (CustomPoolAddress, {"endpoint": "http://pool.example.com"}),
        (CustomPoolAddress, {"endpoint": "https://pool.example.com", "kind": "interpreter"}),
        (
            CustomPoolAddress,
            {"endpoint": "https://r.dynamicsessions.io/subscriptions/s/resourceGroups/g/sessionPools/p"},
        ),
        (InterpreterPoolAddress, {"endpoint": "https://u:p@pool.example.com"}),
    ],
)
def test_an_address_that_is_none_is_refused(model: type, address: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        model.model_validate(address)
