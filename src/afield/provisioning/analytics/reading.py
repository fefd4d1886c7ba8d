"""From the service's JSON to the messages of our chat. Pure.

Takes JSON as the client library writes it: enums by name, no defaults. Our chat has fewer kinds of content; the others
become texts about progress, so nothing that happened is hidden, and nothing of it is taken for the answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from afield.model.jsontypes import JsonObject, JsonValue
from afield.provisioning.analytics.values import cell, shown
from afield.provisioning.chat.messages import (
    Chart,
    ChartQuery,
    ChartResult,
    Data,
    DataQuery,
    DataResult,
    Datasource,
    ErrorText,
    FieldSchema,
    Message,
    Schema,
    SchemaQuery,
    SchemaResult,
    SystemMessage,
    TableReference,
    TableSchema,
    Text,
    TextType,
    UserMessage,
)

Content = Text | Schema | Data | Chart | ErrorText
_ENVELOPE = frozenset({"groupId", "citation"})
_THOUGHTS = frozenset({"plannerReasoning", "coderInstruction"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One message: as our chat has it, and as it came, to be sent back as history."""

    message: Message
    raw: JsonObject


def read(raw: JsonObject, now: datetime) -> Said:
    """One message of a stream. `now`: its time, if it has none."""
    moment = _text(raw, "timestamp")
    about = {"message_id": _text(raw, "messageId"), "timestamp": datetime.fromisoformat(moment) if moment else now}
    if "userMessage" in raw:
        user = UserMessage(text=_text(_object(raw, "userMessage"), "text"))
        return Said(message=Message.model_validate({**about, "user_message": user}), raw=raw)
    system = _object(raw, "systemMessage")
    said = _system(_content(system), str(system.get("groupId", "")))
    return Said(message=Message.model_validate({**about, "system_message": said}), raw=raw)


def _system(content: Content, group: str) -> SystemMessage:
    match content:
        case Text():
            return SystemMessage(group_id=group, text=content)
        case Schema():
            return SystemMessage(group_id=group, schema=content)
        case Data():
            return SystemMessage(group_id=group, data=content)
        case Chart():
            return SystemMessage(group_id=group, chart=content)
    return SystemMessage(group_id=group, error=content)


def _content(system: JsonObject) -> Content:
    for kind, known in _KINDS.items():
        if kind in system:
            return known(_object(system, kind)) or _unknown(kind)
    return _unknown(next((kind for kind in system if kind not in _ENVELOPE), "nothing"))


def _unknown(kind: str) -> Text:
    return _progress(f"The data agent sent something that is not known here: {kind}.")


def _progress(*parts: str) -> Text:
    return Text(parts=parts, text_type=TextType.PROGRESS)


# ------------------------------------------------------------------------------------------- kinds


def _words(text: JsonObject) -> Content:
    """What is of no kind, or of one that is not known, is no answer."""
    kind, found = _text(text, "textType"), text.get("parts")
    parts = tuple(str(one) for one in found) if isinstance(found, list) and found else ("",)
    return Text(parts=parts, text_type=TextType(kind) if kind in {*TextType} else TextType.PROGRESS)


def _schema(schema: JsonObject) -> Content | None:
    if "query" in schema:
        return Schema(query=SchemaQuery(question=_text(_object(schema, "query"), "question")))
    if "result" in schema:
        return Schema(result=SchemaResult(datasources=_sources(_object(schema, "result"))))
    return None


def _data(data: JsonObject) -> Content | None:
    if "query" in data:
        query = _object(data, "query")
        asked = DataQuery(question=_text(query, "question"), name=_text(query, "name"), datasources=_sources(query))
        return Data(query=asked)
    if "generatedSql" in data:
        return Data(generated_sql=_text(data, "generatedSql"))
    if "matchedQuery" in data:
        example = _object(_object(data, "matchedQuery"), "exampleQuery")
        return _progress(f"An example query fits: {_text(example, 'naturalLanguageQuestion')}")
    if "bigQueryJob" in data:
        job = _object(data, "bigQueryJob")
        return _progress(f"BigQuery runs the query as job {_text(job, 'projectId')}:{_text(job, 'jobId')}")
    return Data(result=_result(_object(data, "result"))) if "result" in data else None


def _result(result: JsonObject) -> DataResult:
    rows = _objects(result, "data")
    fields = _fields(_object(result, "schema"))
    if not fields and rows:
        fields = tuple(FieldSchema(name=name, type="STRING") for name in rows[0])
    values = [{one.name: cell(row.get(one.name), one.type) for one in fields} for row in rows]
    formatted = _objects(result, "formattedData") or rows
    texts = [{one.name: shown(row.get(one.name)) for one in fields} for row in formatted]
    return DataResult.model_validate(
        {
            "name": _text(result, "name"),
            "result_schema": TableSchema(fields=fields),
            "data": values,
            "formatted_data": texts,
        }
    )


def _analysis(analysis: JsonObject) -> Content | None:
    """Steps of an analysis in Python; its errors are on the way, the answer's are messages of their own."""
    event = _object(analysis, "progressEvent")
    if not event:
        return _progress(_text(_object(analysis, "query"), "question")) if "query" in analysis else None
    step, text = next((key, str(value)) for key, value in event.items())
    if step == "resultVegaChartJson":
        return _parsed_chart(text)
    return Text(parts=(text,), text_type=TextType.THOUGHT if step in _THOUGHTS else TextType.PROGRESS)


def _parsed_chart(text: str) -> Content | None:
    try:
        config = json.loads(text)
    except ValueError:
        return None
    return Chart(result=ChartResult(vega_config=config)) if isinstance(config, dict) else None


def _chart(chart: JsonObject) -> Content | None:
    if "query" in chart:
        query = _object(chart, "query")
        name = _text(query, "dataResultName")
        return Chart(query=ChartQuery(instructions=_text(query, "instructions"), data_result_name=name))
    config = _object(_object(chart, "result"), "vegaConfig")
    return Chart.model_validate({"result": {"vega_config": config}}) if config else None


def _examples(examples: JsonObject) -> Content:
    questions = [_text(one, "naturalLanguageQuestion") for one in _objects(examples, "exampleQueries")]
    return _progress("Example queries that were looked at:", *questions)


def _error(error: JsonObject) -> Content:
    return ErrorText(text=_text(error, "text") or "The data agent reported an error and did not say which.")


_KINDS: Mapping[str, Callable[[JsonObject], Content | None]] = {
    "text": _words,
    "schema": _schema,
    "data": _data,
    "analysis": _analysis,
    "chart": _chart,
    "exampleQueries": _examples,
    "error": _error,
}


def _sources(holder: JsonObject) -> tuple[Datasource, ...]:
    """Tables in BigQuery; other sources our agents do not have."""
    return tuple(
        Datasource.model_validate(
            {
                "bigquery_table_reference": _reference(_object(one, "bigqueryTableReference")),
                "table_schema": TableSchema(
                    fields=_fields(_object(one, "schema")), description=_text(_object(one, "schema"), "description")
                ),
            }
        )
        for one in _objects(holder, "datasources")
        if "bigqueryTableReference" in one
    )


def _reference(reference: JsonObject) -> TableReference:
    return TableReference(
        project_id=_text(reference, "projectId"),
        dataset_id=_text(reference, "datasetId"),
        table_id=_text(reference, "tableId"),
    )


def _fields(schema: JsonObject) -> tuple[FieldSchema, ...]:
    return tuple(
        FieldSchema(
            name=_text(one, "name"),
            type=_text(one, "type"),
            description=_text(one, "description"),
            display_name=_text(one, "displayName"),
            value_format=_text(one, "valueFormat"),
        )
        for one in _objects(schema, "fields")
    )


# ------------------------------------------------------------------------------------------- JSON


def _object(value: JsonObject, key: str) -> JsonObject:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _objects(value: JsonObject, key: str) -> list[JsonObject]:
    found: JsonValue = value.get(key)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _text(value: JsonObject, key: str) -> str:
    found = value.get(key)
    return found if isinstance(found, str) else ""
