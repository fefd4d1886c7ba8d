"""Answers, message by message, from a real dataset in DuckDB; and what happens when something goes wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from benchmarks.chat_questions import TODAY, Shop, shop
from pydantic import ValidationError
from sqlglot import exp

from afield.errors import UnavailableError
from afield.provisioning.chat.agent import Agent
from afield.provisioning.chat.charts import COLOURS
from afield.provisioning.chat.conversation import Conversation
from afield.provisioning.chat.engine import answer
from afield.provisioning.chat.messages import Message, Scribe, SystemMessage, Text, TextType
from afield.provisioning.chat.numbers import number
from afield.provisioning.chat.outcomes import Ask, Option, Outside, Understood
from afield.provisioning.chat.planner import Planned
from afield.provisioning.chat.understand import Known, State
from afield.provisioning.datamodel import DataModel, Format
from afield.provisioning.dataset import Dataset
from afield.provisioning.query import Breakdown, Filter, Query
from afield.provisioning.warehouse.base import Dialect, Limits, Loaded, QueryLimitError, Result, Warehouse
from afield.provisioning.warehouse.guard import guarded

_ON_THE_WEB = "year(order_date) = 2025 AND sales_channel = 'Web'"
BY_STORE = Query(measures=("revenue",), breakdowns=(Breakdown(dimension="store_name"),))


@pytest.fixture(scope="module")
def retail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop's data, made once."""
    opened = shop("retail", tmp_path_factory.mktemp("chat"), rows=6000)
    with asyncio.Runner() as runner:
        yield runner.run(opened.__aenter__())
        runner.run(opened.__aexit__(None, None, None))


async def said(question: str, agent: Agent, conversation: Conversation | None = None) -> list[Message]:
    return [message async for message in answer(question, conversation or Conversation(), agent)]


def kinds(messages: list[Message]) -> list[str]:
    """What each message is, as the API orders them."""
    found = []
    for message in messages:
        content = message.wire()["systemMessage"]
        assert isinstance(content, dict)
        (kind,) = content.keys() - {"groupId"}
        inner = content[kind]
        assert isinstance(inner, dict)
        found.append(str(inner["textType"]) if kind == "text" else f"{kind}.{next(iter(inner))}")
    return found


def texts(messages: list[Message], kind: TextType = TextType.FINAL_RESPONSE) -> tuple[str, ...]:
    found = [
        message.system_message.text for message in messages if message.system_message and message.system_message.text
    ]
    return next((text.parts for text in found if text.text_type is kind), ())


async def test_an_answer_comes_in_the_usual_order(retail: Shop) -> None:
    messages = await said("Revenue by store in 2025", retail.agent)
    assert kinds(messages) == [
        "PROGRESS", "schema.query", "schema.result", "data.query", "data.generatedSql", "data.result",
        "chart.query", "chart.result", "FINAL_RESPONSE", "FOLLOWUP_QUESTIONS",
    ]  # fmt: skip
    assert len({message.system_message.group_id for message in messages if message.system_message}) == 1
    assert len({message.message_id for message in messages}) == len(messages)


async def test_the_messages_have_the_names_of_the_api(retail: Shop) -> None:
    messages = await said("Revenue by store in 2025", retail.agent)
    wire = [message.wire()["systemMessage"] for message in messages]
    progress, _, schema, query, sql, data, _, chart, *_ = wire
    assert progress["text"]["parts"][0] == "Understood as: Revenue by store in 2025"
    references = [one["bigqueryTableReference"] for one in schema["schema"]["result"]["datasources"]]
    assert [one["tableId"] for one in references] == ["orders", "stores"]
    assert query["data"]["query"]["question"] == "Revenue by store in 2025"
    assert sql["data"]["generatedSql"].startswith(("SELECT", "WITH"))
    rows = data["data"]["result"]
    assert [one["name"] for one in rows["schema"]["fields"]] == ["store_name", "revenue"]
    assert rows["formattedData"][0]["revenue"] == number(rows["data"][0]["revenue"], Format.MONEY, "USD")
    assert chart["chart"]["result"]["vegaConfig"]["$schema"].endswith("v5.json")
    assert json.dumps(wire)


async def test_a_single_value_is_said_and_not_drawn(retail: Shop) -> None:
    messages = await said("How many orders did we get in 2025 on the web?", retail.agent)
    (_, (count,)) = retail.expected(
        "SELECT count(*) FROM orders WHERE year(order_date) = 2025 AND sales_channel = 'Web'"
    )
    assert texts(messages) == (f"In 2025 for sales channel Web, orders were {count[0]:,}.",)
    assert not any(kind.startswith("chart") for kind in kinds(messages))


async def test_a_comparison_says_by_how_much(retail: Shop) -> None:
    messages = await said("Compare orders in September 2026 with August 2026", retail.agent)
    _, rows = retail.expected(
        "SELECT count(*) FILTER (WHERE month(order_date) = 9), count(*) FILTER (WHERE month(order_date) = 8)"
        " FROM orders WHERE year(order_date) = 2026"
    )
    now, before = (int(str(cell)) for cell in rows[0])
    change = (now - before) / before
    more = "more" if change > 0 else "less"
    sentence = f"In September 2026, orders were {now:,}, {abs(change):.1%} {more} than in August 2026 ({before:,})."
    assert texts(messages) == (sentence,)


async def test_a_period_that_is_not_over_is_said_to_be_so(retail: Shop) -> None:
    messages = await said("orders this month against last month", retail.agent)
    assert texts(messages)[-1] == "The period is not over yet; it is compared with the whole of October 2026."


async def test_no_rows_are_no_answer(retail: Shop) -> None:
    messages = await said("Average order value by store in 1999", retail.agent)
    assert texts(messages) == ("There is nothing in the data for: Average order value by store in 1999.",)


@pytest.mark.parametrize(
    ("question", "mark", "keys"),
    [
        ("Revenue by month", "line", {"x", "y", "tooltip"}),
        ("Revenue by month and sales channel", "line", {"x", "y", "color", "tooltip"}),
        ("Revenue by store", "bar", {"x", "y", "tooltip"}),
        ("Revenue by store and sales channel", "bar", {"x", "y", "color", "yOffset", "tooltip"}),
        ("Revenue by store in 2025 compared with 2024", "bar", {"x", "y", "color", "yOffset", "tooltip"}),
        ("Revenue and profit by month", "line", {"x", "y", "color", "tooltip"}),
    ],
)
async def test_charts_fit_what_they_show(retail: Shop, question: str, mark: str, keys: set[str]) -> None:
    spec = await chart(retail, question)
    assert spec["mark"]["type"] == mark
    assert spec["encoding"].keys() == keys
    assert spec["config"]["range"]["category"] == list(COLOURS)
    assert spec["title"]["text"]


async def test_what_is_to_come_is_not_drawn_as_nothing(retail: Shop) -> None:
    rows = (await chart(retail, "revenue by month in 2026 compared to last year"))["data"]["values"]
    december = [row["series"] for row in rows if row["order_date"] == "2026-12-01"]
    assert december == ["Revenue before"]


async def test_bars_stand_in_the_order_of_the_answer_and_are_not_too_many(retail: Shop) -> None:
    spec = await chart(retail, "Revenue by product")
    rows = spec["data"]["values"]
    assert [row["amount"] for row in rows] == sorted((row["amount"] for row in rows), reverse=True)
    assert spec["encoding"]["y"]["sort"] is None
    assert len(rows) == 30
    assert "more are not shown" in spec["title"]["subtitle"]


async def chart(retail: Shop, question: str):  # type: ignore[no-untyped-def] # JSON
    messages = await said(question, retail.agent)
    charts = [one.system_message.chart for one in messages if one.system_message and one.system_message.chart]
    return next(one.result.vega_config for one in charts if one.result)


# ---------------------------------------------------------------------------------------------------- conversations


async def test_a_conversation_survives_being_stored(retail: Shop) -> None:
    conversation = Conversation()
    await said("Revenue by store in 2025", retail.agent, conversation)
    again = Conversation.load(conversation.dump())
    assert again.id == conversation.id
    messages = await said("only Web", retail.agent, again)
    assert texts(messages, TextType.PROGRESS)[0] == "Understood as: Revenue by store for sales channel Web in 2025"


async def test_a_question_back_is_answered_by_its_number(retail: Shop) -> None:
    conversation = Conversation()
    asked = await said("best selling products", retail.agent, conversation)
    assert kinds(asked) == ["FINAL_RESPONSE", "FOLLOWUP_QUESTIONS"]
    assert conversation.state.asked
    messages = await said("2", retail.agent, conversation)
    offer = texts(asked, TextType.FOLLOWUP_QUESTIONS)[1]
    assert texts(messages, TextType.PROGRESS)[0] == f"Understood as: {offer}"


async def test_follow_up_questions_can_be_asked(retail: Shop) -> None:
    conversation = Conversation()
    offers = texts(await said("Revenue by store", retail.agent, conversation), TextType.FOLLOWUP_QUESTIONS)
    assert offers
    for offer in offers:
        messages = await said(offer, retail.agent, Conversation())
        assert texts(messages, TextType.PROGRESS)[0] == f"Understood as: {offer}"


async def test_only_the_last_turns_are_remembered(retail: Shop) -> None:
    conversation = Conversation()
    for _ in range(55):
        await said("hello", retail.agent, conversation)
    assert len(conversation.turns) == 50


# ------------------------------------------------------------------------------------------------- what goes wrong


class Failing:
    """A warehouse that fails."""

    dialect: Dialect = "duckdb"

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def load(self, model: DataModel, dataset: Dataset, folder: Path, name: str) -> Loaded:
        raise self._error

    async def query(self, name: str, sql: str, limits: Limits) -> Result:
        raise self._error

    async def drop(self, name: str) -> None:
        raise self._error

    async def close(self) -> None:
        pass


async def test_a_failed_query_is_an_error_message_and_no_answer(retail: Shop) -> None:
    error = QueryLimitError("The query took too long.", hint="Ask for less.")
    conversation = Conversation()
    messages = await said("Revenue by store", replace(retail.agent, warehouse=Failing(error)), conversation)
    assert kinds(messages)[-1] == "error.text"
    assert messages[-1].system_message
    assert messages[-1].system_message.error
    assert messages[-1].system_message.error.text == "The query took too long. Ask for less."
    assert not texts(messages)
    assert conversation.turns[-1].failed == "query_limit"
    better = await said("only Web", retail.agent, conversation)
    assert texts(better, TextType.PROGRESS)[0] == "Understood as: Revenue by store for sales channel Web"


class Laden(Failing):
    """A warehouse that is asked something else: to put each order beside each other two."""

    def __init__(self, warehouse: Warehouse, sql: str = "SELECT count(*) FROM orders a, orders b, orders c") -> None:
        self._warehouse = warehouse
        self._sql = sql

    async def query(self, name: str, sql: str, limits: Limits) -> Result:
        return await self._warehouse.query(name, self._sql, limits)


async def test_a_time_limit_ends_a_query(retail: Shop) -> None:
    agent = replace(retail.agent, warehouse=Laden(retail.agent.warehouse), limits=Limits(seconds=0.05))
    messages = await said("Revenue by store", agent)
    assert kinds(messages)[-1] == "error.text"
    assert "longer than 0.05 s" in str(messages[-1].wire())


async def test_what_people_and_planners_write_is_never_part_of_a_statement_but_as_a_value(retail: Shop) -> None:
    evil = "x'); DROP TABLE orders; --"
    plan = Query(measures=("order_count",), filters=(Filter(field="customer_name", values=(evil,)),))
    known_names = replace(retail.agent.known, sizes={})  # so that the value is not refused before
    messages = await said("whatever", replace(retail.agent, known=known_names, planner=Scripted(plan)))
    data = [one.system_message.data for one in messages if one.system_message and one.system_message.data]
    (sql,) = [one.generated_sql for one in data if one.generated_sql]
    statement = guarded(sql, [table.name for table in retail.agent.model.tables], "duckdb")
    assert evil in {one.this for one in statement.find_all(exp.Literal)}
    assert texts(messages) == (f"For customer {evil}, orders are 0.",)
    assert kinds(await said("Orders by store", retail.agent))[-1] != "error.text"  # the table is still there


@pytest.mark.parametrize(
    "sql",
    ["DROP TABLE orders", "SELECT 1; SELECT 2", "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM secrets"],
)
async def test_another_statement_than_a_select_over_its_tables_is_an_error(retail: Shop, sql: str) -> None:
    messages = await said("Revenue by store", replace(retail.agent, warehouse=Laden(retail.agent.warehouse, sql)))
    assert kinds(messages)[-1] == "error.text"
    assert not texts(messages)


async def test_a_row_limit_is_said(retail: Shop) -> None:
    messages = await said("Revenue by product", replace(retail.agent, limits=Limits(rows=5)))
    assert texts(messages)[-1] == "Only the first 5 rows are shown."
    assert "Together" not in " ".join(texts(messages))


def test_a_message_has_exactly_one_content() -> None:
    with pytest.raises(ValidationError, match="exactly one"):
        SystemMessage(group_id="g")
    with pytest.raises(ValidationError, match="user or from the system"):
        Message(message_id="m", timestamp=Scribe.user("hello").timestamp)
    assert Text(parts=("a",), text_type=TextType.THOUGHT).model_dump(by_alias=True)["textType"] == "THOUGHT"
    assert Scribe.user("hello").wire()["userMessage"] == {"text": "hello"}


# --------------------------------------------------------------------------------------------------- with a planner


class Scripted:
    """A planner that says what it was told to."""

    def __init__(self, plan: Planned | Exception, wait: float = 0.0) -> None:
        self._plan = plan
        self._wait = wait

    async def plan(self, question: str, known: Known, state: State) -> Planned:
        await asyncio.sleep(self._wait)
        if isinstance(self._plan, Exception):
            raise self._plan
        return self._plan


async def reading(
    retail: Shop, plan: Planned | Exception, question: str = "how are the shops doing?", wait: float = 0.0
) -> object:
    conversation = Conversation()
    agent = replace(retail.agent, planner=Scripted(plan, wait), planner_seconds=0.05)
    await said(question, agent, conversation)
    return conversation.turns[-1].reading


async def test_a_plan_that_holds_is_run(retail: Shop) -> None:
    found = await reading(retail, BY_STORE)
    assert isinstance(found, Understood)
    assert (found.query, found.wording) == (BY_STORE, "Revenue by store")


@pytest.mark.parametrize(
    "plan",
    [
        Query(measures=("secrets",)),
        Query(measures=("visit_count",), breakdowns=(Breakdown(dimension="store_name"),)),
        Query(measures=("revenue",), filters=(Filter(field="sales_channel", values=("Fax",)),)),
        Query(measures=("revenue",), filters=(Filter(field="product_name", values=("Flying Carpet",)),)),
        Ask(question="Which?", options=(Option(wording="Secrets", query=Query(measures=("secrets",))),)),
    ],
)
async def test_a_plan_that_does_not_hold_becomes_a_question_back(retail: Shop, plan: Planned) -> None:
    found = await reading(retail, plan, "Revenue by store")
    assert isinstance(found, Ask)
    assert [option.query for option in found.options] == [BY_STORE]


async def test_a_planner_may_ask_and_refuse(retail: Shop) -> None:
    good, bad = Option(wording="whatever it says", query=BY_STORE), Option(wording="Bad", query=Query(measures=("x",)))
    asked = await reading(retail, Ask(question="Which?", options=(bad, good)))
    assert isinstance(asked, Ask)
    assert [option.wording for option in asked.options] == ["Revenue by store"]
    refused = await reading(retail, Outside(reason="Not here.", suggestions=(bad,)))
    assert refused == Outside(reason="Not here.")


@pytest.mark.parametrize("wait", [0.0, 5.0])
async def test_a_planner_that_fails_or_dawdles_is_done_without(retail: Shop, wait: float) -> None:
    found = await reading(retail, UnavailableError("No model answers."), "Revenue by store", wait)
    assert isinstance(found, Understood)
    assert found.query == BY_STORE


def test_today_is_the_day_of_the_data(retail: Shop) -> None:
    assert retail.agent.known.today == TODAY == date(2026, 11, 21)
    assert retail.agent.known.sizes["product_name"] == len(set(_values(retail)))


def _values(retail: Shop) -> list[object]:
    _, rows = retail.expected("SELECT DISTINCT product_name FROM orders JOIN products USING (product_id)")
    return [row[0] for row in rows]
