"""The chat of the simulated Conversational Analytics API, and its faults, through Google's own client library."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import requests
from analytics_clients import AGENT, CONTEXT, PARENT, Google, agent, kinds, plain, question, staged
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from afield_sim.bigquery.service import BigQueryService
from afield_sim.clock import Clock
from afield_sim.testing import AdminError, Analytics, running_analytics, running_simulator

ROWS = {
    "question": "Revenue by shop?",
    "sql": "SELECT shop, revenue FROM t",
    "columns": [{"name": "shop"}, {"name": "revenue", "type": "NUMERIC"}],
    "rows": [["Nord \"1\" {é}]", "12.50"], ["Süd", None]],
    "text": "Nord sells most.",
    "followups": ["And by month?"],
}  # fmt: skip


@pytest.fixture
async def google() -> AsyncIterator[Google]:
    async with running_analytics() as sim:
        google = Google.at(sim)
        await google.create()
        yield google
        google.close()


async def test_an_answer_comes_in_the_usual_order(google: Google) -> None:
    await google.admin.answer(ROWS)
    messages = await google.chat(staged("revenue BY shop"))
    assert kinds(messages) == [
        "text/THOUGHT", "schema/query", "schema/result", "data/query", "data/generatedSql", "data/result",
        "chart/query", "chart/result", "text/FINAL_RESPONSE", "text/FOLLOWUP_QUESTIONS",
    ]  # fmt: skip
    result = plain(messages[5])["systemMessage"]["data"]["result"]
    assert result["name"] == plain(messages[6])["systemMessage"]["chart"]["query"]["dataResultName"]
    assert result["data"] == [{"shop": 'Nord "1" {é}]', "revenue": "12.50"}, {"shop": "Süd", "revenue": None}]
    assert len({message.message_id for message in messages}) == len(messages)
    assert messages[-1].system_message.text.parts == ["And by month?"]


async def test_what_is_not_known_is_not_answered(google: Google) -> None:
    messages = await google.chat(staged("What is the meaning of life?"))
    assert kinds(messages) == ["text/THOUGHT", "text/FINAL_RESPONSE", "text/FOLLOWUP_QUESTIONS"]
    assert "cannot answer" in messages[1].system_message.text.parts[0]


async def test_messages_written_by_a_test_are_sent_as_they_are(google: Google) -> None:
    await google.admin.answer({"question": "x", "messages": [{"analysis": {"progressEvent": {"code": "1 + 1"}}}]})
    assert kinds(await google.chat(staged("x"))) == ["analysis/progressEvent"]


async def test_no_context_two_contexts_and_no_question_are_refused(google: Google) -> None:
    with pytest.raises(exceptions.BadRequest, match="is required"):
        await google.chat(question("x"))
    with pytest.raises(exceptions.BadRequest, match="last message"):
        await google.chat(question("x", inlineContext=CONTEXT, messages=[]))
    both = {"messages": [{"userMessage": {"text": "x"}}], "inlineContext": CONTEXT, "dataAgentContext": {}}
    url = f"{google.sim.access.base_url}/v1/{PARENT}:chat"
    async with aiohttp.ClientSession() as session, session.post(url, json=both) as answer:  # the library cannot say it
        assert (answer.status, (await answer.json())[0]["error"]["status"]) == (400, "INVALID_ARGUMENT")


async def test_every_kind_of_context_will_do(google: Google) -> None:
    for fields in (
        {"inlineContext": CONTEXT},
        {"clientManagedResourceContext": {"inlineContext": CONTEXT, "agentId": "mine"}},
        {"dataAgentContext": {"dataAgent": AGENT, "contextVersion": "STAGING"}},
    ):
        assert await google.chat(question("x", **fields))


async def test_what_is_not_published_cannot_be_asked(google: Google) -> None:
    with pytest.raises(exceptions.BadRequest, match="no published context"):
        await google.chat(question("x", dataAgentContext={"dataAgent": AGENT}))
    with pytest.raises(exceptions.NotFound):
        await google.chat(question("x", dataAgentContext={"dataAgent": AGENT + "-other"}))


async def test_staging_and_published_are_two_contexts(google: Google) -> None:
    other = CONTEXT | {"exampleQueries": [{"naturalLanguageQuestion": "Only published?", "sqlQuery": "SELECT 1"}]}
    await google.create(data_agent_id="two", data_agent=agent(stagingContext=CONTEXT, publishedContext=other))
    for version, followup in (("STAGING", "How many orders?"), ("PUBLISHED", "Only published?")):
        about = {"dataAgent": f"{PARENT}/dataAgents/two", "contextVersion": version}
        messages = await google.chat(question("x", dataAgentContext=about))
        assert messages[-1].system_message.text.parts[0] == followup


async def test_a_stateless_chat_goes_on_from_the_messages_sent_along(google: Google) -> None:
    await google.admin.answer({"question": "by region?", "after": "Revenue?", "text": "North"})
    history = [
        {"userMessage": {"text": "Revenue?"}},
        {"systemMessage": {"text": {"parts": ["12"], "textType": "FINAL_RESPONSE"}}},
        {"userMessage": {"text": "By region?"}},
    ]
    said = await google.chat(question("", messages=history, inlineContext=CONTEXT))
    assert "text/FINAL_RESPONSE" in kinds(said)
    assert "North" in str(said)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"throttled": {"next": 1, "retry_after": 3}}, exceptions.TooManyRequests),
        ({"unavailable": {"next": 1}}, exceptions.ServiceUnavailable),
        ({"denied": {"next": 1}}, exceptions.Forbidden),
        ({"not_found": {"next": 1}}, exceptions.NotFound),
        ({"reply_lost": {"next": 1}}, requests.exceptions.ConnectionError),
    ],
)
async def test_a_fault_strikes_once_and_is_counted(
    google: Google, fault: dict[str, Any], error: type[Exception]
) -> None:
    await google.admin.fault("get_agent", **fault)
    with pytest.raises(error):
        await google.do(google.agents.get_data_agent, name=AGENT)
    assert (await google.do(google.agents.get_data_agent, name=AGENT)).name == AGENT
    (name,) = fault
    assert (await google.admin.counters())["faults"] == {"get_agent": {name: 1}}
    assert (await google.admin.calls("acme"))["get_agent"] == 2


async def test_a_stream_can_break_in_the_middle_of_a_message(google: Google) -> None:
    await google.admin.answer(ROWS)
    await google.admin.fault("chat", cut={"next": 1, "after": 2})
    got = []

    def read() -> None:
        for message in google.chats.chat(staged("Revenue by shop?"), timeout=10):
            got.append(message)

    with pytest.raises((requests.exceptions.RequestException, ValueError)):
        await asyncio.to_thread(read)
    assert kinds(got) == ["text/THOUGHT", "schema/query"]
    assert len(await google.chat(staged("Revenue by shop?"))) == 10


async def test_a_stream_comes_piece_by_piece(google: Google) -> None:
    await google.admin.answer(ROWS)
    await google.admin.fault("chat", dripping={"next": 1, "seconds": 60, "skip": 1})
    assert len(await google.chat(staged("Revenue by shop?"))) == 10
    with pytest.raises(requests.exceptions.RequestException):
        await asyncio.to_thread(lambda: list(google.chats.chat(staged("Revenue by shop?"), timeout=0.3)))


async def test_slow_is_longer_than_a_short_timeout(google: Google) -> None:
    await google.admin.fault("chat", slow={"seconds": 60})
    with pytest.raises(requests.exceptions.Timeout):
        await asyncio.to_thread(lambda: list(google.chats.chat(staged("x"), timeout=0.2)))
    assert await google.admin.wait("chat", project="acme") == 1


async def test_a_failing_answer_ends_with_an_error_and_no_text(google: Google) -> None:
    await google.admin.answer(ROWS)
    await google.admin.fault("chat", failing={"text": "Query exceeded limit."})
    messages = await google.chat(staged("Revenue by shop?"))
    assert messages[-1].system_message.error.text == "Query exceeded limit."
    assert "text/FINAL_RESPONSE" not in kinds(messages)


async def test_faults_that_do_not_exist_are_refused(google: Google) -> None:
    for call, faults in (("chta", {}), ("chat", {"exploding": {}})):
        with pytest.raises(AdminError):
            await google.admin.fault(call, **faults)


async def test_a_reset_forgets_all(google: Google) -> None:
    await google.admin.reset()
    with pytest.raises(exceptions.NotFound):
        await google.do(google.agents.get_data_agent, name=AGENT)
    assert await google.admin.calls("acme") == {"get_agent": 1, "refused_404": 1}


async def test_an_example_query_is_run_in_the_simulated_bigquery() -> None:
    clock = Clock()
    examples = [
        {
            "naturalLanguageQuestion": "How much by day?",
            "sqlQuery": "SELECT day, SUM(amount) AS amount FROM `acme.shop.orders` GROUP BY day ORDER BY day",
        },
        {"naturalLanguageQuestion": "How bad?", "sqlQuery": "SELECT nothing FROM `acme.shop.orders`"},
    ]
    context = CONTEXT | {"exampleQueries": examples}
    async with running_analytics(BigQueryService(clock, 7), clock=clock) as sim:
        await asyncio.to_thread(fill, sim.access.base_url)
        google = Google.at(sim)
        right = await google.chat(question("how much by day", inlineContext=context))
        wrong = await google.chat(question("how bad", inlineContext=context))
        google.close()
    assert kinds(right)[3:-1] == [
        "data/query", "data/matchedQuery", "data/generatedSql", "data/bigQueryJob", "data/result",
        "chart/query", "chart/result", "text/FINAL_RESPONSE",
    ]  # fmt: skip
    result = plain(right[7])["systemMessage"]["data"]["result"]
    assert result["data"] == [{"day": "2026-05-01", "amount": "3"}, {"day": "2026-05-02", "amount": "4"}]
    assert plain(right[9])["systemMessage"]["chart"]["result"]["vegaConfig"]["mark"] == {"type": "line"}
    assert "nothing" in wrong[-1].system_message.error.text


def fill(url: str) -> None:
    """Two days of orders, by Google's own client."""
    options = {"api_endpoint": url}
    client = bigquery.Client(project="acme", credentials=AnonymousCredentials(), client_options=options)
    client.create_dataset("shop")
    fields = [bigquery.SchemaField("day", "DATE"), bigquery.SchemaField("amount", "INTEGER")]
    client.create_table(bigquery.Table("acme.shop.orders", schema=fields))
    rows = [("2026-05-01", 1), ("2026-05-01", 2), ("2026-05-02", 4)]
    client.load_table_from_json([{"day": day, "amount": amount} for day, amount in rows], "acme.shop.orders").result()
    client.close()


async def test_it_is_a_service_of_the_whole_simulator() -> None:
    async with running_simulator() as sim:
        google = Google.at(Analytics(sim.analytics, sim.analytics_admin, sim.clock))
        await google.create()
        assert await google.chat(staged("x"))
        google.close()
        assert (await sim.analytics_admin.calls("acme"))["chat"] == 1
