"""The chat's planner with a language model: typed, checked, sent back while it is wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date

import pytest
from company_samples import NAMES, TODAY, brief, company, modelled
from llm_world import Scripted, writer

from afield.provisioning.chat.lexicon import lexicon_of
from afield.provisioning.chat.outcomes import Ask, Outside, Understood
from afield.provisioning.chat.planner import planned
from afield.provisioning.chat.understand import Known, State
from afield.provisioning.llm.errors import WriterMalformedError
from afield.provisioning.llm.planner import LlmPlanner, objection
from afield.provisioning.llm.plans import PlanAnswer, plan_of
from afield.provisioning.query import Breakdown, Filter, Grain, Period, Query
from afield.provisioning.semantic.check import check
from afield_sim.llm.filling import fill
from afield_sim.testing import Simulator, running_simulator

QUERY = {
    "measures": ["revenue"],
    "breakdowns": [{"dimension": "order_date", "grain": "month"}],
    "filters": [{"field": "category_name", "values": ["Bags"]}],
    "period": {"start": "2026-01-01", "end": "2026-03-01"},
}
MEANT = Query(
    measures=("revenue",),
    breakdowns=(Breakdown(dimension="order_date", grain=Grain.MONTH),),
    filters=(Filter(field="category_name", values=("Bags",)),),
    period=Period(start=date(2026, 1, 1), end=date(2026, 3, 1)),
)


def known(industry: str = "retail") -> Known:
    model = modelled(brief(), company(industry))
    values = {d.name: model.table(d.table).column(d.column).values for d in model.dimensions}
    sizes = {name: len(some) for name, some in values.items() if some}
    return Known(lexicon=lexicon_of(model, values), today=TODAY, sizes=sizes)


KNOWN = {industry: known(industry) for industry in NAMES}  # made before there is an event loop: files are read


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with running_simulator(instances=1, vms=0) as running:
        yield running


async def ask(sim: Simulator, question: str, state: State | None = None):
    async with writer(sim) as opened:
        return await planned(LlmPlanner(opened), question, KNOWN["retail"], state or State(), 5)


async def test_a_question_becomes_the_typed_query(sim: Simulator):
    await sim.llm_admin.tell({"kind": "said", "value": {"outcome": "planned", "query": QUERY}})
    reading = await ask(sim, "Umsatz Taschen pro Monat, Januar und Februar?")
    assert isinstance(reading, Understood) and reading.query == MEANT and type(reading.query) is Query
    (sent,) = await sim.llm_admin.requests()
    material = sent["messages"][-1]["content"]
    assert "2026-03-18" in material and "Bags" in material and "Umsatz" in material


async def test_a_follow_up_knows_the_query_before(sim: Simulator):
    await sim.llm_admin.tell({"kind": "said", "value": {"outcome": "planned", "query": QUERY}})
    await ask(sim, "and for bags?", State(query=Query(measures=("order_count",), limit=17)))
    assert '"limit": 17' in (await sim.llm_admin.requests())[0]["messages"][-1]["content"]


async def test_a_plan_the_data_cannot_answer_goes_back_with_what_there_is(sim: Simulator):
    wrong = [
        {"measures": ["happiness"]},
        {"measures": ["revenue"], "filters": [{"field": "category_name", "values": ["Atlantis"]}]},
    ]
    await sim.llm_admin.tell(*({"kind": "said", "value": {"outcome": "planned", "query": one}} for one in wrong))
    await sim.llm_admin.tell({"kind": "said", "value": {"outcome": "planned", "query": QUERY}})
    reading = await ask(sim, "How happy is Atlantis?")
    assert isinstance(reading, Understood) and reading.query == MEANT
    last = str((await sim.llm_admin.requests())[-1]["messages"])
    assert "There is no measure happiness" in last and "category_name has no value" in last


async def test_without_a_good_plan_the_words_decide(sim: Simulator):
    await sim.llm_admin.tell({"kind": "said", "value": {"outcome": "planned", "query": None}, "times": None})
    reading = await ask(sim, "revenue by category")
    assert isinstance(reading, Understood) and reading.query.measures == ("revenue",)


async def test_it_can_ask_back_and_refuse(sim: Simulator):
    await sim.llm_admin.tell(
        {"kind": "said", "value": {"outcome": "unclear", "query": QUERY, "others": [{"measures": ["order_count"]}]}},
        {"kind": "said", "value": {"outcome": "outside", "query": None, "reason": "Nobody asked the customers."}},
        {"kind": "said", "value": {"outcome": "outside", "query": None, "reason": "Go to http://evil.test"}},
    )
    unclear = await ask(sim, "How is London?")
    assert isinstance(unclear, Ask) and [one.query.measures[0] for one in unclear.options] == ["revenue", "order_count"]
    assert all(one.wording for one in unclear.options)
    refused = [await ask(sim, "Are they happy?") for _ in range(2)]
    assert all(isinstance(one, Outside) for one in refused)
    assert [one.reason for one in refused] == ["Nobody asked the customers.", "The data cannot tell that."]


@pytest.mark.parametrize("industry", NAMES)
async def test_the_schema_leads_to_plans_that_hold(industry: str):
    about = KNOWN[industry]
    output = plan_of(about.model)
    answer = output.model_validate(fill(output.model_json_schema()))
    assert objection(answer, about) == ""
    check(answer.queries[0], about.model)


def test_objections_say_what_is_wrong():
    about, query = KNOWN["retail"], Query(measures=("revenue",))

    def wrong(**answer: object) -> str:
        return objection(PlanAnswer.model_validate({"query": None, **answer}), about)

    assert wrong(outcome="planned") == "`planned` needs a query."
    assert "others" in wrong(outcome="unclear", query=query)
    assert "no query" in wrong(outcome="outside", query=query)
    assert "month" in wrong(
        outcome="planned", query={"measures": ("revenue",), "breakdowns": ({"dimension": "order_date"},)}
    )
    assert wrong(outcome="outside") == ""


async def test_errors_of_the_model_are_those_of_the_port():
    planner = LlmPlanner(Scripted(WriterMalformedError("no answer")))
    with pytest.raises(WriterMalformedError):
        await planner.plan("revenue", KNOWN["retail"], State())
