"""What the service says to a question: what was written down for it, else what one of the context's example queries
gives, else that it cannot answer."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from .messages import query_message, result_messages, schema_messages, summary, text
from .rules import tables_of
from .script import Scripted, same, scripted
from .warehouse import Table, Warehouse, WarehouseError

Json = dict[str, Any]
_MOST_FOLLOWUPS = 3


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with all that counts for it. `questions`: those before, and it. `origin`: where the simulator is."""

    questions: Sequence[str]
    context: Json
    project: str
    origin: str

    @property
    def question(self) -> str:
        """The one to answer."""
        return self.questions[-1]

    @property
    def examples(self) -> list[Json]:
        """The context's example queries."""
        found: list[Json] = self.context.get("exampleQueries", [])
        return found


class Answers:
    """The table of answers, and the warehouse for what is not in it."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self.table: list[Scripted] = []

    async def to(self, asked: Asked) -> AsyncIterator[Json]:
        """System messages, in the order in which the service sends them."""
        known = scripted(self.table, asked.questions)
        if known is not None and known.messages is not None:
            for message in known.messages:
                yield message
            return
        example = next(
            (one for one in asked.examples if same(one.get("naturalLanguageQuestion", ""), asked.question)), None
        )
        yield text("THOUGHT", "Looking for the tables and the query that answer this.")
        if known is None and example is None:
            yield text("FINAL_RESPONSE", "I cannot answer this question with the data I have.")
            yield text("FOLLOWUP_QUESTIONS", *_followups(asked))
            return
        for message in schema_messages(asked.question, asked.context):
            yield message
        if known is not None and known.error:
            yield {"error": {"text": known.error}}
            return
        async for message in self._computed(asked, known, example):
            yield message

    async def _computed(self, asked: Asked, known: Scripted | None, example: Json | None) -> AsyncIterator[Json]:
        sql = known.sql if known else (example or {}).get("sqlQuery", "")
        said = ""
        if sql:
            yield query_message(asked.question, asked.context)
            if known is None:
                yield {"data": {"matchedQuery": {"exampleQuery": example}}}
            yield {"data": {"generatedSql": sql}}
            try:
                table = await self._table(asked, known, sql)
            except WarehouseError as error:
                yield {"error": {"text": str(error)}}
                return
            for message in result_messages(asked.question, table):
                yield message
            said = summary(table)
        yield text("FINAL_RESPONSE", (known.text if known else "") or said)
        followups = known.followups if known and known.followups else _followups(asked)
        if followups:
            yield text("FOLLOWUP_QUESTIONS", *followups)

    async def _table(self, asked: Asked, known: Scripted | None, sql: str) -> Table:
        if known and known.columns:
            return Table([one.model_dump() | {"mode": "NULLABLE"} for one in known.columns], known.rows)
        most = asked.context.get("options", {}).get("datasource", {}).get("bigQueryMaxBilledBytes")
        tables = tables_of(asked.context)
        project = tables[0]["projectId"] if tables else asked.project
        return await self._warehouse.select(asked.origin, project, sql, most)


def _followups(asked: Asked) -> list[str]:
    """Other questions that could be asked."""
    known = [one.get("naturalLanguageQuestion", "") for one in asked.examples]
    return [one for one in known if one and not same(one, asked.question)][:_MOST_FOLLOWUPS]
