"""What a whole answer comes to. Pure; the same for the local chat and for Google's."""

from __future__ import annotations

from collections.abc import Iterable

from afield.provisioning.brief import Frozen
from afield.provisioning.chat.messages import Chart, ChartQuery, DataResult, Json, Message, TextType


class Drawn(Frozen):
    """A chart as a Vega-Lite specification. `result`: the name of the rows it shows; empty if that was not said."""

    result: str
    vega: Json


class Outcome(Frozen):
    """An answer, taken together. `answered`: it has a final text, and nothing went wrong after it."""

    answered: bool
    text: str
    sql: tuple[str, ...]
    results: tuple[DataResult, ...]
    charts: tuple[Drawn, ...]
    followups: tuple[str, ...]
    errors: tuple[str, ...]


def outcome(messages: Iterable[Message]) -> Outcome:
    """Thoughts and progress are no part of it. An error that a final text follows was overcome on the way."""
    said = [one.system_message for one in messages if one.system_message]
    texts = [one.text for one in said if one.text]
    data = [one.data for one in said if one.data]
    final, errors = "", [one.error.text for one in said if one.error]
    for one in said:
        if one.error:
            final = ""
        elif one.text and one.text.text_type is TextType.FINAL_RESPONSE:
            final = "\n".join(one.text.parts) if not final else f"{final}\n\n" + "\n".join(one.text.parts)
    return Outcome(
        answered=bool(final.strip()),
        text=final,
        sql=tuple(one.generated_sql for one in data if one.generated_sql),
        results=tuple(one.result for one in data if one.result),
        charts=_charts([one.chart for one in said if one.chart]),
        followups=tuple(part for one in texts if one.text_type is TextType.FOLLOWUP_QUESTIONS for part in one.parts),
        errors=tuple(errors),
    )


def _charts(charts: list[Chart]) -> tuple[Drawn, ...]:
    """Each belongs to the result that was named before it."""
    found, asked = [], ChartQuery(instructions="", data_result_name="")
    for one in charts:
        asked = one.query or asked
        if one.result:
            found.append(Drawn(result=asked.data_result_name, vega=one.result.vega_config))
    return tuple(found)
