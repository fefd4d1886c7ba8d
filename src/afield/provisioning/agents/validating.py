"""The Demo Validator: asks every golden question in the chat, and recounts the answers over the generated files."""

from __future__ import annotations

from datetime import date
from time import perf_counter

from afield.errors import AfieldError
from afield.provisioning.agents.base import Agent, Bench, Summary
from afield.provisioning.agents.chat_door import ask, chat_about
from afield.provisioning.agents.data_making import MadeData
from afield.provisioning.agents.instructing import Prepared
from afield.provisioning.agents.names import AgentName
from afield.provisioning.agents.places import Placed, data_agents_at, warehouse_at
from afield.provisioning.agents.recount import Recount, difference
from afield.provisioning.agents.recount_files import Files
from afield.provisioning.agents.report import Badge, Report, Verdict, markdown
from afield.provisioning.assets import Shelf
from afield.provisioning.brief import Frozen
from afield.provisioning.chat.agent import Agent as ChatAgent
from afield.provisioning.checking import CheckOutcome
from afield.provisioning.datamodel import DataModel
from afield.provisioning.dataset import Dataset
from afield.provisioning.pipeline import JobOrder
from afield.provisioning.query import GoldenQuestion
from afield.provisioning.warehouse.base import Limits, Warehouse

REPORT = "report.md"
_COUNT_LIMITS = Limits(seconds=60)


class ValidateInput(Frozen):
    """What is validated against what."""

    model: DataModel
    dataset: Dataset
    checks: tuple[CheckOutcome, ...]
    placed: Placed
    prepared: Prepared
    today: date


class ValidatorAgent(Agent[ValidateInput, Report]):
    """Lets the job be complete, or says what is wrong. The data agent is published if nothing is."""

    name = AgentName.VALIDATOR
    output = Report

    def gather(self, order: JobOrder, shelf: Shelf) -> ValidateInput:
        made = shelf.output(AgentName.DATA, MadeData)
        return ValidateInput(
            model=shelf.output(AgentName.MODEL, DataModel),
            dataset=made.dataset,
            checks=made.checks,
            placed=shelf.output(AgentName.INFRASTRUCTURE, Placed),
            prepared=shelf.output(AgentName.INSTRUCTIONS, Prepared),
            today=order.today,
        )

    async def work(self, given: ValidateInput, bench: Bench) -> Report:
        recount = Recount(Files(given.model, given.dataset, bench.shelf.latest(AgentName.DATA)))
        place, settings = given.placed.place, bench.settings
        async with warehouse_at(bench.home, place, settings) as warehouse:
            counted = await _counts(given, warehouse)
            limits = Limits(seconds=settings.chat_seconds, scanned_bytes=settings.scanned_bytes)
            agent = await chat_about(given.model, warehouse, given.placed.name, given.today, limits)
            verdicts = []
            for number, question in enumerate(given.prepared.golden, 1):
                verdicts.append(await _judged(question, agent, recount))
                bench.tell.progress(number / len(given.prepared.golden), question.text)
        report = Report(title=given.model.title, verdicts=tuple(verdicts), checks=(*given.checks, *counted))
        (bench.folder / REPORT).write_text(markdown(report), encoding="utf-8")
        if report.passed:
            async with data_agents_at(bench.home, place, settings) as agents:
                await agents.publish(given.prepared.agent_id)
        return report

    def summary(self, made: Report) -> Summary:
        golden = f"{made.golden_passed} of {len(made.verdicts)} golden questions passed"
        checks = f"{sum(check.passed for check in made.checks)} of {len(made.checks)} checks"
        numbers = {"golden": len(made.verdicts), "golden_passed": made.golden_passed}
        return Summary(message=f"{golden}, {checks}", data={**numbers, "passed": made.passed})

    def objection(self, made: Report) -> str:
        if made.passed:
            return ""
        return f"The demo did not pass its validation. {' '.join(made.failures[:3]) or 'There was no question.'}"


async def _counts(given: ValidateInput, warehouse: Warehouse) -> list[CheckOutcome]:
    """Whether the warehouse holds as many rows as were made."""
    outcomes = []
    for file in given.dataset.files:
        result = await warehouse.query(given.placed.name, f"SELECT count(*) AS n FROM {file.table}", _COUNT_LIMITS)  # noqa: S608
        found = result.rows[0][0]
        detail = f"{found} of {file.rows} rows"
        name = f"{file.table} in the warehouse"
        outcomes.append(CheckOutcome(name=name, passed=found == file.rows, detail=detail))
    return outcomes


async def _judged(question: GoldenQuestion, agent: ChatAgent, recount: Recount) -> Verdict:
    """A question as a person would ask it, at the beginning of a conversation."""
    began = perf_counter()
    why, understood, sql, rows = "", "", "", 0
    try:
        told = await ask(question.text, agent)
    except AfieldError as error:
        why = str(error)
    else:
        understood, sql, rows = told.understood, told.sql, len(told.rows)
        why = told.problem or difference(question.query, recount.table(question.query), told.columns, told.rows)
    return Verdict(
        question_id=question.id,
        question=question.text,
        about=question.about,
        badge=Badge.PASSED if not why else Badge.FAILED if question.matters else Badge.WARNING,
        why=why,
        understood=understood,
        sql=sql,
        rows=rows,
        seconds=round(perf_counter() - began, 3),
    )
