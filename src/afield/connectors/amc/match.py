"""Whether an execution at AMC is what became of an attempt. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from afield.connectors.amc.spec import AmcSpec, AttemptName
from afield.connectors.amc.wire import sent_parameters
from afield.connectors.base import Entry, Intent, Match
from afield.model.ids import parse_attempt_key
from afield.model.jsontypes import JsonObject, JsonValue


@dataclass(frozen=True, slots=True)
class Matcher:
    """The rules for one target: how its attempts are named, and how far AMC's clock may be off."""

    mode: AttemptName
    run_tag: str | None
    clock_skew: timedelta

    def match(self, intent: Intent, entry: Entry) -> Match:
        """By name where AMC lets us choose one, else by the values it repeats."""
        if entry.name == intent.key:
            return Match.EXACT
        if self.mode is AttemptName.SAVED_WORKFLOW or (entry.name and parse_attempt_key(entry.name)):
            return Match.NO
        if self.mode is AttemptName.ECHOED_VALUES and self.run_tag:
            tag = _parameters(entry.echo).get(self.run_tag)
            if tag is not None:
                return Match.EXACT if tag == intent.key else Match.NO
        return Match.POSSIBLE if self._alike(intent, entry) else Match.NO

    def _alike(self, intent: Intent, entry: Entry) -> bool:
        if not self._in_time(intent, entry):
            return False
        spec = AmcSpec.model_validate(intent.spec)
        sent = sent_parameters(spec, intent.key, self.mode, self.run_tag)
        sent.pop(self.run_tag or "", None)  # AMC did not repeat it, so it tells nothing
        return _same_window(spec, entry.echo) and _same_query(spec, entry.echo, sent)

    def _in_time(self, intent: Intent, entry: Entry) -> bool:
        if entry.created_at is None:
            return True
        slack = self.clock_skew + timedelta(seconds=1)  # AMC's times are whole seconds
        if entry.created_at < intent.sent_after - slack:
            return False
        return intent.sent_before is None or entry.created_at <= intent.sent_before + slack


def _parameters(echo: JsonObject) -> JsonObject:
    values = echo.get("parameterValues")
    return values if isinstance(values, dict) else {}


def _refutes(echoed: JsonValue, sent: JsonValue) -> bool:
    """Whether a repeated value contradicts what was sent. What is missing, or of another type, contradicts nothing:
    taking a stranger for possible costs a question, overlooking our own costs a second run."""
    return isinstance(echoed, str) and isinstance(sent, str) and echoed.removesuffix("Z") != sent


def _same_window(spec: AmcSpec, echo: JsonObject) -> bool:
    window = spec.time_window
    sent = {"timeWindowTimeZoneOriginal": window.time_zone}
    if window.start is not None and window.end is not None:  # else AMC chose the times
        sent |= {"timeWindowStartOriginal": window.start, "timeWindowEndOriginal": window.end}
    return not any(_refutes(echo.get(name), value) for name, value in sent.items())


def _same_query(spec: AmcSpec, echo: JsonObject, sent: JsonObject) -> bool:
    sql, timeout = echo.get("sqlQuery"), echo.get("workflowExecutionTimeoutSeconds")
    if isinstance(sql, str) and sql.split() != spec.sql_query.split():
        return False
    if spec.timeout_seconds is not None and timeout is not None and str(timeout) != str(spec.timeout_seconds):
        return False
    repeated = _parameters(echo)
    return not any(_refutes(repeated.get(name), value) for name, value in sent.items())
