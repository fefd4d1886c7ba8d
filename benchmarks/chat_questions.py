"""Questions with known answers, asked of the chat: three frozen models, made data, and results by hand-written SQL.

The SQL reads the Parquet files with DuckDB directly; nothing of the chat or its compiler is in between.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

import duckdb
import yaml
from pydantic import BaseModel, ConfigDict, JsonValue

from afield.provisioning.brief import Brief
from afield.provisioning.chat.agent import Agent, known_of, values_of
from afield.provisioning.chat.conversation import Conversation
from afield.provisioning.chat.engine import answer
from afield.provisioning.chat.messages import Json, Message
from afield.provisioning.chat.outcomes import Ask, Outside, Understood
from afield.provisioning.datamodel import DataModel
from afield.provisioning.golden import golden_questions
from afield.provisioning.making import make
from afield.provisioning.query import GoldenQuestion
from afield.provisioning.warehouse.duckdb import DuckDBWarehouse

FOLDER = Path(__file__).parents[1] / "tests" / "provisioning" / "chat_questions"
INDUSTRIES = ("retail", "software", "logistics")
STRANGERS = "-strangers"
"""After an industry's name: questions by people who had not seen how the chat understands."""
TODAY = date(2026, 11, 21)
_SEED = 7
_NEAR = 1e-6


class Question(BaseModel):
    """One question with its turns, and what it means: rows by SQL, measures to ask about, or outside."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    about: str
    ask: tuple[str, ...]
    sql: str = ""
    ordered: bool = False
    asks: frozenset[str] = frozenset()
    or_sql: str = ""  # asking back is as good as this answer
    outside: bool = False


class Verdict(StrEnum):
    """How a question went."""

    RIGHT = "right"
    WRONG = "wrong"  # an answer with other figures: the worst that can happen
    ASKED = "asked"  # where an answer was expected
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Judged:
    """A question, how it went, and what was understood."""

    question: Question
    verdict: Verdict
    detail: str


def model_of(industry: str) -> DataModel:
    """A model that stays as it is."""
    return DataModel.model_validate_json((FOLDER / f"{industry}.json").read_text("utf-8"))


def questions(name: str) -> tuple[Question, ...]:
    """A file of questions."""
    return tuple(Question.model_validate(one) for one in yaml.safe_load((FOLDER / f"{name}.yaml").read_text("utf-8")))


@dataclass(frozen=True, slots=True)
class Shop:
    """One industry's agent, and its files as the tables of a database of their own."""

    agent: Agent
    base: duckdb.DuckDBPyConnection
    golden: tuple[GoldenQuestion, ...]

    def expected(self, sql: str) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
        """Columns and rows by SQL over the files."""
        cursor = self.base.execute(sql)
        return tuple(str(one[0]) for one in cursor.description or ()), cursor.fetchall()

    async def judge(self, question: Question) -> Judged:
        """Ask all turns; the last one counts, unless one before it was refused."""
        conversation, messages, reading = Conversation(), [], None
        for turn in question.ask:
            messages = [message async for message in answer(turn, conversation, self.agent)]
            reading = conversation.turns[-1].reading
            if isinstance(reading, Outside) and not reading.fresh:
                return Judged(question, Verdict.RIGHT if question.outside else Verdict.REFUSED, reading.reason)
        result = result_of(messages)
        if isinstance(reading, Understood):
            return await self.compared(question, result, reading.wording)
        if isinstance(reading, Ask):
            offered = {name for option in reading.options for name in option.query.measures}
            good = bool(question.asks) and question.asks <= offered
            return Judged(question, Verdict.RIGHT if good else Verdict.ASKED, f"asked: {', '.join(sorted(offered))}")
        return Judged(question, Verdict.REFUSED, "nothing was asked of the data")

    async def compared(self, question: Question, result: Json | None, wording: str) -> Judged:
        """An answer's rows beside those of the question's SQL; any answer is wrong where there is no SQL."""
        if result is None:
            return Judged(question, Verdict.FAILED, wording)
        sql = question.sql or question.or_sql
        expected = await asyncio.to_thread(self.expected, sql) if sql else None
        same = expected is not None and equal(result, *expected, ordered=question.ordered)
        return Judged(question, Verdict.RIGHT if same else Verdict.WRONG, wording)


@asynccontextmanager
async def shop(name: str, folder: Path, rows: int = 20_000) -> AsyncIterator[Shop]:
    """Make the data of an industry in a folder, and open its chat."""
    model = model_of(name)
    files, home = folder / name / "files", folder / name / "warehouse"
    home.mkdir(parents=True)
    brief = Brief(customer_url="https://shop.example")
    dataset = await asyncio.to_thread(make, model, brief, _SEED, TODAY, rows, files, lambda _share, _what: None)
    warehouse = DuckDBWarehouse(home)
    try:
        await warehouse.load(model, dataset, files, name)
        values = await values_of(model, warehouse, name, TODAY)
        known = await asyncio.to_thread(known_of, model, values, TODAY)
        with duckdb.connect(":memory:") as base:
            for table in model.tables:
                path = files / f"{table.name}.parquet"
                base.execute(f"CREATE TABLE {table.name} AS SELECT * FROM read_parquet('{path}')")
            agent = Agent(known=known, warehouse=warehouse, dataset=name)
            yield Shop(agent, base, golden_questions(model, dataset, brief))
    finally:
        await warehouse.close()


def result_of(messages: Iterable[Message]) -> Json | None:
    """The rows of an answer, as the message has them."""
    for message in messages:
        data = message.system_message.data if message.system_message else None
        if data and data.result:
            found: Json = data.result.model_dump(mode="json", by_alias=True)
            return found
    return None


def equal(result: Json, columns: tuple[str, ...], rows: list[tuple[object, ...]], *, ordered: bool) -> bool:
    """The rows have these columns, and in them these values. The answer may have further columns."""
    data = result["data"]
    assert isinstance(data, list)
    found = [_cells(row, columns) for row in data if isinstance(row, dict)]
    wanted = [tuple(map(_plain, row)) for row in rows]
    if not ordered:
        found, wanted = sorted(found, key=_key), sorted(wanted, key=_key)
    return len(found) == len(wanted) and all(map(_same, found, wanted))


def _cells(row: Mapping[str, JsonValue], columns: tuple[str, ...]) -> tuple[object, ...]:
    return tuple(row.get(name, "missing") for name in columns)


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat()[:10] if isinstance(value, date | datetime) else value


def _key(row: tuple[object, ...]) -> tuple[str, ...]:
    return tuple(str(cell) for cell in row if isinstance(cell, str)) + tuple(
        f"{float(cell):020.3f}" for cell in row if isinstance(cell, int | float)
    )


def _same(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    return all(map(_alike, one, other))


def _alike(one: object, other: object) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=_NEAR, abs_tol=1e-9)
    return one == other
