"""Data agents, conversations and operations of the simulator, through Google's own client library."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import requests
from analytics_clients import AGENT, CONTEXT, PARENT, Google, agent, plain, question
from google.api_core import exceptions
from google.cloud import geminidataanalytics as api
from google.longrunning.operations_pb2 import CancelOperationRequest, GetOperationRequest
from google.protobuf.field_mask_pb2 import FieldMask

from afield_sim.testing import ManualClock, running_analytics


def told(**context: object) -> api.DataAgent:
    """An agent with the sample context on staging, but for these fields."""
    return agent(stagingContext=CONTEXT | context)


@pytest.fixture
async def google() -> AsyncIterator[Google]:
    async with running_analytics(clock=ManualClock()) as sim:
        google = Google.at(sim)
        yield google
        google.close()


async def test_created_at_once_it_is_there_with_its_staging_context(google: Google) -> None:
    made = await google.create()
    found = await google.do(google.agents.get_data_agent, name=AGENT)
    assert made == found
    assert found.name == AGENT
    assert found.create_time == found.update_time
    shown = plain(found)["dataAnalyticsAgent"]
    assert shown == {"stagingContext": CONTEXT}


async def test_the_same_request_again_makes_nothing_new(google: Google) -> None:
    request = str(uuid4())
    first = await google.create(request_id=request)
    assert await google.create(request_id=request) == first
    with pytest.raises(exceptions.Conflict):
        await google.create(request_id=str(uuid4()))
    with pytest.raises(exceptions.Conflict):
        await google.create()


async def test_a_lost_reply_is_cured_by_the_same_request_id(google: Google) -> None:
    await google.admin.fault("create_agent", reply_lost={"next": 1})
    request = str(uuid4())
    with pytest.raises(requests.exceptions.ConnectionError):
        await google.create(request_id=request)
    assert (await google.create(request_id=request)).name == AGENT
    assert (await google.admin.calls("acme"))["create_agent"] == 2


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"data_agent_id": "with_underscore"}, "data_agent_id"),
        ({"data_agent_id": "a" * 64}, "data_agent_id"),
        ({"request_id": "not-a-uuid"}, "request_id"),
        ({"request_id": "00000000-0000-0000-0000-000000000000"}, "zero UUID"),
        ({"data_agent": api.DataAgent(display_name="x" * 257)}, "256 characters"),
        ({"data_agent": api.DataAgent(description="x" * 1025)}, "1024 characters"),
        ({"data_agent": api.DataAgent(labels={"Upper": "x"})}, "label"),
        ({"data_agent": agent(stagingContext={"systemInstruction": "x"})}, "datasource_references"),
        ({"data_agent": told(systemInstruction="x" * 250_001)}, "250000 bytes"),
        ({"data_agent": told(exampleQueries=[{"naturalLanguageQuestion": "é" * 1001}])}, "2000 bytes"),
        ({"data_agent": told(exampleQueries=[{"sqlQuery": "x" * 50_001}])}, "50000 bytes"),
        ({"data_agent": told(glossaryTerms=[{"displayName": "é" * 129}])}, "256 bytes"),
        ({"data_agent": told(glossaryTerms=[{"description": "x" * 5001}])}, "5000 bytes"),
    ],
)
async def test_what_breaks_a_rule_is_refused_and_named(google: Google, fields: dict[str, object], said: str) -> None:
    with pytest.raises(exceptions.BadRequest) as refused:
        await google.create(**fields)
    assert said in str(refused.value)


async def test_an_update_changes_only_what_the_mask_names(google: Google) -> None:
    await google.create()
    google.sim.clock.advance(5)
    published = agent(publishedContext=CONTEXT)
    published.name, published.display_name = AGENT, "Not to be taken"
    mask = FieldMask(paths=["data_analytics_agent.published_context"])
    changed = await google.do(google.agents.update_data_agent_sync, data_agent=published, update_mask=mask)
    assert changed.display_name == "Sales"
    assert changed.update_time > changed.create_time
    assert {*plain(changed)["dataAnalyticsAgent"]} == {"stagingContext", "publishedContext"}


async def test_the_context_published_before_is_remembered(google: Google) -> None:
    await google.create(data_agent=agent(publishedContext=CONTEXT | {"systemInstruction": "one"}))
    two = agent(publishedContext=CONTEXT | {"systemInstruction": "two"}, lastPublishedContext=CONTEXT)
    two.name = AGENT
    changed = await google.do(google.agents.update_data_agent_sync, data_agent=two, update_mask=None)
    contexts = plain(changed)["dataAnalyticsAgent"]
    assert contexts["publishedContext"]["systemInstruction"] == "two"
    assert contexts["lastPublishedContext"]["systemInstruction"] == "one"


async def test_an_unknown_field_in_a_mask_is_refused(google: Google) -> None:
    await google.create()
    mask = FieldMask(paths=["create_time"])
    with pytest.raises(exceptions.BadRequest):
        await google.do(google.agents.update_data_agent_sync, data_agent=api.DataAgent(name=AGENT), update_mask=mask)


async def test_deletion_is_soft_and_the_id_stays_taken_until_it_is_purged(google: Google) -> None:
    await google.create()
    await google.do(google.agents.delete_data_agent_sync, name=AGENT)
    gone = await google.do(google.agents.get_data_agent, name=AGENT)
    assert gone.delete_time < gone.purge_time
    with pytest.raises(exceptions.Conflict):
        await google.create()
    with pytest.raises(exceptions.NotFound):
        await google.do(google.agents.delete_data_agent_sync, name=AGENT)
    google.sim.clock.advance(30 * 86_400 + 1)
    with pytest.raises(exceptions.NotFound):
        await google.do(google.agents.get_data_agent, name=AGENT)
    assert (await google.create()).name == AGENT


async def test_lists_come_in_pages_without_the_deleted(google: Google) -> None:
    for number in range(5):
        labels = {"parity": "even" if number % 2 == 0 else "odd"}
        await google.create(data_agent_id=f"agent-{number}", data_agent=api.DataAgent(labels=labels))
    await google.do(google.agents.delete_data_agent_sync, name=f"{PARENT}/dataAgents/agent-0")

    async def names(**fields: object) -> list[str]:
        request = api.ListDataAgentsRequest(parent=PARENT, page_size=2, **fields)
        listed = await google.do(lambda timeout: list(google.agents.list_data_agents(request, timeout=timeout)))
        return [one.name.rpartition("-")[2] for one in listed]

    assert await names() == ["1", "2", "3", "4"]
    assert await names(show_deleted=True) == ["0", "1", "2", "3", "4"]
    assert await names(filter="labels.parity=even") == ["2", "4"]
    request = api.ListAccessibleDataAgentsRequest(parent=PARENT)
    listed = await google.do(lambda timeout: list(google.agents.list_accessible_data_agents(request, timeout=timeout)))
    assert len(listed) == 4
    with pytest.raises(exceptions.BadRequest):
        await names(filter="moon phase")


async def test_an_agent_of_a_plain_create_is_there_when_the_operation_ends(google: Google) -> None:
    await google.admin.operation_seconds(30)
    operation = await google.do(
        google.agents.create_data_agent, parent=PARENT, data_agent_id="sales", data_agent=agent()
    )
    assert not await asyncio.to_thread(operation.done)
    with pytest.raises(exceptions.NotFound):
        await google.do(google.agents.get_data_agent, name=AGENT)
    google.sim.clock.advance(30)
    assert (await google.do(operation.result)).name == AGENT
    assert operation.metadata.verb == "create"


async def test_an_operation_can_fail_never_end_and_be_cancelled(google: Google) -> None:
    await google.create()
    failed = await google.do(google.agents.create_data_agent, parent=PARENT, data_agent_id="sales", data_agent=agent())
    with pytest.raises(exceptions.Conflict):
        await google.do(failed.result)
    await google.admin.fault("delete_agent", stuck={"next": 1})
    stuck = await google.do(google.agents.delete_data_agent, name=AGENT)
    google.sim.clock.advance(10**6)
    name = stuck.operation.name
    found = await google.do(google.agents.get_operation, GetOperationRequest(name=name))
    assert not found.done
    await google.do(google.agents.cancel_operation, CancelOperationRequest(name=name))
    found = await google.do(google.agents.get_operation, GetOperationRequest(name=name))
    assert found.done
    assert found.error.code == 1
    assert not (await google.do(google.agents.get_data_agent, name=AGENT)).delete_time


async def test_a_conversation_keeps_what_is_said_in_it(google: Google) -> None:
    await google.create(data_agent=agent(publishedContext=CONTEXT))
    given = api.Conversation(agents=[AGENT], title="Monday")
    made = await google.do(
        google.chats.create_conversation, parent=PARENT, conversation_id="monday", conversation=given
    )
    await google.admin.answer(
        {"question": "Revenue?", "text": "12"}, {"question": "And by region?", "after": "Revenue?", "text": "North 12"}
    )
    reference = {"conversation": made.name, "dataAgentContext": {"dataAgent": AGENT}}
    await google.chat(question("Revenue?", conversationReference=reference))
    said = await google.chat(question("and by region", conversationReference=reference))
    assert "North 12" in str(said[-2])
    listed = await google.do(lambda timeout: list(google.chats.list_messages(parent=made.name, timeout=timeout)))
    kept = [plain(one)["message"] for one in listed]
    assert [one["userMessage"]["text"] for one in kept if "userMessage" in one] == ["Revenue?", "and by region"]
    assert listed[-1].message == said[-1]
    found = await google.do(lambda timeout: list(google.chats.list_conversations(parent=PARENT, timeout=timeout)))
    assert [one.title for one in found] == ["Monday"]
    await google.do(google.chats.delete_conversation, name=made.name)
    with pytest.raises(exceptions.NotFound):
        await google.chat(question("Revenue?", conversationReference=reference))


async def test_a_conversation_has_one_agent_that_is_there(google: Google) -> None:
    with pytest.raises(exceptions.BadRequest):
        await google.do(google.chats.create_conversation, parent=PARENT, conversation=api.Conversation())
    with pytest.raises(exceptions.NotFound):
        await google.do(google.chats.create_conversation, parent=PARENT, conversation=api.Conversation(agents=[AGENT]))


async def test_a_policy_is_kept(google: Google) -> None:
    from google.iam.v1.iam_policy_pb2 import GetIamPolicyRequest, SetIamPolicyRequest
    from google.iam.v1.policy_pb2 import Binding, Policy

    await google.create()
    role = Binding(role="roles/geminidataanalytics.dataAgentUser", members=["group:analysts"])
    policy = Policy(bindings=[role])
    await google.do(google.agents.set_iam_policy, SetIamPolicyRequest(resource=AGENT, policy=policy))
    found = await google.do(google.agents.get_iam_policy, GetIamPolicyRequest(resource=AGENT))
    assert list(found.bindings) == [role]
