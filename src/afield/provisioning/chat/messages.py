"""The messages of a chat, in the shapes of the Conversational Analytics API (v1): exactly one kind of content each."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator
from pydantic.alias_generators import to_camel

from afield.model.ids import uuid7

Json: TypeAlias = dict[str, JsonValue]


class Wire(BaseModel):
    """Snake case here, camel case on the wire."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class TextType(StrEnum):
    """What a text is."""

    FINAL_RESPONSE = "FINAL_RESPONSE"
    THOUGHT = "THOUGHT"
    PROGRESS = "PROGRESS"
    FOLLOWUP_QUESTIONS = "FOLLOWUP_QUESTIONS"


class Text(Wire):
    """Words, in parts that belong together."""

    parts: tuple[str, ...] = Field(min_length=1)
    text_type: TextType


class FieldSchema(Wire):
    """One column."""

    name: str
    type: str
    description: str = ""
    display_name: str = ""
    value_format: str = ""


class TableSchema(Wire):
    """The columns of a table or a result."""

    fields: tuple[FieldSchema, ...]
    description: str = ""


class TableReference(Wire):
    """Where a table is. Locally, `project_id` is `local`."""

    project_id: str
    dataset_id: str
    table_id: str


class Datasource(Wire):
    """One table that was looked at."""

    bigquery_table_reference: TableReference
    table_schema: TableSchema = Field(alias="schema")


class SchemaQuery(Wire):
    """What tables are looked for."""

    question: str


class SchemaResult(Wire):
    """The tables found."""

    datasources: tuple[Datasource, ...]


class Schema(Wire):
    """Looking for tables: `query`, then `result`."""

    query: SchemaQuery | None = None
    result: SchemaResult | None = None


class DataQuery(Wire):
    """What is asked of the data, in words."""

    question: str
    name: str
    datasources: tuple[Datasource, ...] = ()


class DataResult(Wire):
    """Rows: as values, and as people read them."""

    name: str
    result_schema: TableSchema = Field(alias="schema")
    data: tuple[Json, ...]
    formatted_data: tuple[Json, ...]


class Data(Wire):
    """Asking for data: `query`, `generated_sql`, then `result`."""

    query: DataQuery | None = None
    generated_sql: str | None = None
    result: DataResult | None = None


class ChartQuery(Wire):
    """What is to be drawn of which result."""

    instructions: str
    data_result_name: str


class ChartResult(Wire):
    """A Vega-Lite chart, version 5, with its data."""

    vega_config: Json


class Chart(Wire):
    """Drawing: `query`, then `result`."""

    query: ChartQuery | None = None
    result: ChartResult | None = None


class ErrorText(Wire):
    """What went wrong, and what to do."""

    text: str


class SystemMessage(Wire):
    """One content. Messages of one `group_id` belong to one answer."""

    group_id: str
    text: Text | None = None
    schema_: Schema | None = Field(default=None, alias="schema")
    data: Data | None = None
    chart: Chart | None = None
    error: ErrorText | None = None

    @model_validator(mode="after")
    def _one_content(self) -> Self:
        contents = (self.text, self.schema_, self.data, self.chart, self.error)
        if sum(one is not None for one in contents) != 1:
            raise ValueError("a message has exactly one of text, schema, data, chart, error")
        return self


class UserMessage(Wire):
    """What a person wrote."""

    text: str


class Message(Wire):
    """One message of a stream."""

    message_id: str
    timestamp: datetime
    user_message: UserMessage | None = None
    system_message: SystemMessage | None = None

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.user_message is None) == (self.system_message is None):
            raise ValueError("a message is from the user or from the system")
        return self

    def wire(self) -> Json:
        """As JSON, with the names of the API. Fields that are not set are left out, empty cells of rows are not."""
        found: Json = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return found


class Scribe:
    """Writes the messages of one answer; all are of one group."""

    def __init__(self, group_id: str | None = None) -> None:
        self._group = group_id or str(uuid7())

    def text(self, kind: TextType, *parts: str) -> Message:
        """Words."""
        return self._message(SystemMessage(group_id=self._group, text=Text(parts=parts, text_type=kind)))

    def schema(self, schema: Schema) -> Message:
        """Tables."""
        return self._message(SystemMessage(group_id=self._group, schema=schema))

    def data(self, data: Data) -> Message:
        """A query, its SQL, its rows."""
        return self._message(SystemMessage(group_id=self._group, data=data))

    def chart(self, chart: Chart) -> Message:
        """A drawing."""
        return self._message(SystemMessage(group_id=self._group, chart=chart))

    def error(self, text: str) -> Message:
        """What went wrong."""
        return self._message(SystemMessage(group_id=self._group, error=ErrorText(text=text)))

    @staticmethod
    def user(text: str) -> Message:
        """What the person wrote, for the record of a conversation."""
        return Message(message_id=str(uuid7()), timestamp=datetime.now(UTC), user_message=UserMessage(text=text))

    @staticmethod
    def _message(message: SystemMessage) -> Message:
        return Message(message_id=str(uuid7()), timestamp=datetime.now(UTC), system_message=message)
