"""Data agents in Google's service: the adapter with the real client library, against the simulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from afield.errors import (
    AfieldError,
    ConflictError,
    CredentialError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)
from afield.provisioning.agents.data_agents import DataAgentRecord
from afield.provisioning.analytics.endpoint import Endpoint, Patience
from afield.provisioning.analytics.failures import BrokenAnswerError
from afield.provisioning.analytics.google import GoogleDataAgents
from afield.provisioning.analytics.record import Version
from afield_sim.testing import Analytics, running_analytics

TABLE = {"projectId": "acme", "datasetId": "shop", "tableId": "orders"}
CONTEXT: dict[str, Any] = {
    "systemInstruction": "Be brief.",
    "datasourceReferences": {"bq": {"tableReferences": [TABLE]}},
    "exampleQueries": [{"naturalLanguageQuestion": "How many?", "sqlQuery": "SELECT COUNT(*) FROM `acme.shop.orders`"}],
}
BY_SHOP = {
    "question": "Revenue by shop?",
    "sql": "SELECT shop, revenue FROM t",
    "columns": [{"name": "shop"}, {"name": "revenue", "type": "NUMERIC"}],
    "rows": [["Nord", "12.50"], ["Süd", "3"]],
    "text": "Nord sells most.",
}
QUICK = Patience(seconds=5, tries=3, pause=0.01)


def record(**changes: Any) -> DataAgentRecord:
    fields: dict[str, Any] = {
        "agent_id": "job-1",
        "display_name": "Tea",
        "description": "All about tea.",
        "dataset": "shop",
        "labels": {"job": "1"},
        "staging_context": CONTEXT,
        "updated_at": datetime.now(UTC),
    }
    return DataAgentRecord(**fields | changes)


@pytest.fixture
async def sim() -> AsyncIterator[Analytics]:
    async with running_analytics() as running:
        yield running


@pytest.fixture
async def agents(sim: Analytics) -> AsyncIterator[GoogleDataAgents]:
    async with GoogleDataAgents(Endpoint.at(sim.access.base_url, "acme"), QUICK) as opened:
        yield opened


async def test_staged_published_and_deleted(agents: GoogleDataAgents) -> None:
    staged = await agents.stage(record())
    assert staged == record(updated_at=staged.updated_at)
    published = await agents.publish("job-1")
    assert published.published_context == CONTEXT
    assert await agents.get("job-1") == published
    await agents.delete("job-1")
    await agents.delete("job-1")
    with pytest.raises(NotFoundError):
        await agents.get("job-1")
    with pytest.raises(NotFoundError):
        await agents.publish("job-1")
    with pytest.raises(ConflictError, match="clone"):
        await agents.stage(record())


async def test_staging_again_renews_and_leaves_what_is_published(agents: GoogleDataAgents) -> None:
    await agents.stage(record())
    await agents.publish("job-1")
    newer = CONTEXT | {"systemInstruction": "Be long."}
    again = await agents.stage(record(staging_context=newer, display_name="Coffee"))
    assert (again.staging_context, again.published_context) == (newer, CONTEXT)
    assert again.display_name == "Coffee"
    back = await agents.stage(record())
    assert back.staging_context == CONTEXT


async def test_a_long_context_is_cut_to_what_the_service_takes(agents: GoogleDataAgents) -> None:
    term = {"displayName": "x" * 300, "description": "y"}
    staged = await agents.stage(record(staging_context=CONTEXT | {"glossaryTerms": [term]}))
    assert len(staged.staging_context["glossaryTerms"][0]["displayName"]) == 256


async def test_a_lost_reply_makes_no_second_agent(sim: Analytics, agents: GoogleDataAgents) -> None:
    await sim.admin.fault("create_agent", reply_lost={"next": 1})
    await agents.stage(record())
    assert await sim.admin.calls("acme") == {"create_agent": 2}  # the second is known by its request id


@pytest.mark.parametrize("fault", [{"throttled": {"next": 2, "retry_after": 0}}, {"unavailable": {"next": 2}}])
async def test_what_passes_is_tried_again(sim: Analytics, agents: GoogleDataAgents, fault: dict[str, Any]) -> None:
    await sim.admin.fault("*", **fault)
    assert (await agents.stage(record())).agent_id == "job-1"
    assert (await sim.admin.calls("acme"))["create_agent"] == 3


@pytest.mark.parametrize(
    ("fault", "error", "tries"),
    [
        ({"throttled": {}}, UnavailableError, 3),
        ({"unavailable": {}}, UnavailableError, 3),
        ({"denied": {}}, CredentialError, 1),
        ({"not_found": {}}, NotFoundError, 1),
    ],
)
async def test_what_does_not_pass_is_told(
    sim: Analytics, agents: GoogleDataAgents, fault: dict[str, Any], error: type[AfieldError], tries: int
) -> None:
    await sim.admin.fault("get_agent", **fault)
    with pytest.raises(error) as told:
        await agents.get("job-1")
    assert told.value.message.startswith("Looking for the data agent job-1 failed with ")
    assert "http" not in told.value.message
    assert told.value.hint
    assert (await sim.admin.calls("acme"))["get_agent"] == tries


async def test_slow_is_an_error_after_the_time_limit(sim: Analytics) -> None:
    await sim.admin.fault("get_agent", slow={"seconds": 60})
    async with GoogleDataAgents(Endpoint.at(sim.access.base_url, "acme"), Patience(seconds=0.2, tries=1)) as agents:
        with pytest.raises(UnavailableError, match="no answer"):
            await agents.get("job-1")


async def test_a_bad_name_and_a_bad_context_are_refused(agents: GoogleDataAgents) -> None:
    with pytest.raises(InvalidInputError, match="data_agent_id"):
        await agents.stage(record(agent_id="under_score"))
    with pytest.raises(InvalidInputError, match="no DataAgent"):
        await agents.stage(record(staging_context={"nonsense": True}))
    with pytest.raises(InvalidInputError):
        Endpoint.at("ftp://x", "acme")


async def test_validated_on_staging_then_published(sim: Analytics, agents: GoogleDataAgents) -> None:
    await sim.admin.answer(BY_SHOP)
    await agents.stage(record())
    with pytest.raises(InvalidInputError, match="no published context"):
        await agents.chat.answer("job-1", "Revenue by shop?")
    found = await agents.chat.answer("job-1", "Revenue by shop?", version=Version.STAGING)
    assert found.answered
    assert found.text == "Nord sells most."
    assert found.results[0].data == ({"shop": "Nord", "revenue": 12.5}, {"shop": "Süd", "revenue": 3.0})
    assert found.charts[0].result == found.results[0].name
    await agents.publish("job-1")
    assert (await agents.chat.answer("job-1", "Revenue by shop?")).text == found.text


async def test_messages_come_before_the_stream_ends(sim: Analytics, agents: GoogleDataAgents) -> None:
    await sim.admin.answer(BY_SHOP)
    await agents.stage(record())
    await sim.admin.fault("chat", dripping={"seconds": 0.05})
    stream = agents.chat.ask("job-1", "Revenue by shop?", version=Version.STAGING)
    first = await anext(stream)
    assert first.message.system_message
    assert await sim.admin.wait("chat") == 1
    await stream.aclose()


async def test_history_and_conversations_carry_what_was_said(sim: Analytics, agents: GoogleDataAgents) -> None:
    await sim.admin.answer(BY_SHOP, {"question": "And by month?", "after": "Revenue by shop?", "text": "May."})
    await agents.stage(record())
    await agents.publish("job-1")
    asked = {"userMessage": {"text": "Revenue by shop?"}}
    before = [one.raw async for one in agents.chat.ask("job-1", "Revenue by shop?")]
    after = [one.raw async for one in agents.chat.ask("job-1", "And by month?", history=[asked, *before])]
    assert "May." in str(after)
    await agents.chat.begin("job-1", "talk-1", "Monday")
    for question in ("Revenue by shop?", "And by month?"):
        said = [one.raw async for one in agents.chat.ask("job-1", question, conversation_id="talk-1")]
    assert "May." in str(said)
    kept = await agents.chat.said("talk-1")
    assert [one["userMessage"]["text"] for one in kept if "userMessage" in one] == ["Revenue by shop?", "And by month?"]
    assert kept[-1] == said[-1]
    await agents.chat.end("talk-1")
    await agents.chat.end("talk-1")
    with pytest.raises(NotFoundError):
        await agents.chat.said("talk-1")


async def test_a_stream_that_breaks_is_no_answer(sim: Analytics, agents: GoogleDataAgents) -> None:
    await sim.admin.answer(BY_SHOP)
    await agents.stage(record())
    for after, told in ((0, "no answer|broke off"), (3, "broke off")):
        await sim.admin.fault("chat", cut={"next": 1, "after": after})
        got = []
        with pytest.raises(UnavailableError, match=told):
            async for one in agents.chat.ask("job-1", "Revenue by shop?", version=Version.STAGING):
                got.append(one)
        assert len(got) == after
    assert (await sim.admin.calls("acme"))["chat"] == 2  # nothing was asked twice


async def test_an_answer_that_takes_too_long_is_ended(sim: Analytics, agents: GoogleDataAgents) -> None:
    await sim.admin.answer(BY_SHOP)
    await agents.stage(record())
    await sim.admin.fault("chat", dripping={"seconds": 0.2})
    with pytest.raises(BrokenAnswerError, match="longer than"):
        await agents.chat.answer("job-1", "Revenue by shop?", version=Version.STAGING, seconds=0.5)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"throttled": {"next": 1}}, UnavailableError),
        ({"unavailable": {"next": 1}}, UnavailableError),
        ({"denied": {"next": 1}}, CredentialError),
        ({"not_found": {"next": 1}}, NotFoundError),
    ],
)
async def test_a_refused_question_is_told_in_our_words(
    sim: Analytics, agents: GoogleDataAgents, fault: dict[str, Any], error: type[AfieldError]
) -> None:
    await agents.stage(record())
    await sim.admin.fault("chat", **fault)
    with pytest.raises(error, match="Asking the data agent failed with"):
        await agents.chat.answer("job-1", "x", version=Version.STAGING)


async def test_an_error_message_is_a_failed_answer(sim: Analytics, agents: GoogleDataAgents) -> None:
    await sim.admin.answer(BY_SHOP)
    await agents.stage(record())
    await sim.admin.fault("chat", failing={"text": "Too expensive."})
    found = await agents.chat.answer("job-1", "Revenue by shop?", version=Version.STAGING)
    assert not found.answered
    assert (found.text, found.errors) == ("", ("Too expensive.",))


async def test_many_at_once_leave_the_event_loop_free(sim: Analytics, agents: GoogleDataAgents) -> None:
    """The tests' guard against blocking calls watches this one, too."""
    await asyncio.gather(*(agents.stage(record(agent_id=f"job-{number}")) for number in range(8)))
    found = await asyncio.gather(*(agents.get(f"job-{number}") for number in range(8)))
    assert [one.agent_id for one in found] == [f"job-{number}" for number in range(8)]
