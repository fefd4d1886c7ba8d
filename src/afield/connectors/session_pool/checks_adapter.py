"""What an adapter says of itself: health, readiness, protections, languages. Pure; pools of all kinds share it."""

from __future__ import annotations

from dataclasses import dataclass

from afield.connectors.adapter.wire import ADAPTER_HEADER
from afield.connectors.azure.view import as_object, as_text
from afield.connectors.base import CheckResult
from afield.connectors.coding import Verdict
from afield.connectors.session_pool.checks import Fix, failed, ok, skipped, warned
from afield.connectors.session_pool.evidence import Answer, Reply
from afield.model.jsontypes import JsonObject, JsonValue

_ASKED = "GET /health and GET /ready"
_READY = "GET /ready: the last snippet of each language"
SNIPPET = 'print("afield", 6 * 7)'
_PRINTS = "afield 42\n"


@dataclass(frozen=True, slots=True)
class Language:
    """One language, and whether its last snippet ran well."""

    name: str
    version: str
    ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """The answer to GET /ready."""

    ready: bool
    version: str = ""
    level: str = ""  # of protection, in the adapter's words
    languages: tuple[Language, ...] = ()


def parse_ready(body: JsonValue) -> Readiness | None:
    """None when the body is not that of /ready."""
    whole = as_object(body)
    ready = whole.get("ready")
    if not isinstance(ready, bool):
        return None
    protections = whole.get("protections")
    level = protections if isinstance(protections, str) else as_object(protections).get("level")
    languages = as_object(whole.get("languages"))
    return Readiness(
        ready=ready,
        version=as_text(whole.get("version")),
        level=as_text(level),
        languages=tuple(_language(name, as_object(told)) for name, told in sorted(languages.items())),
    )


def judge_adapter(health: Reply, ready: Reply, restart: str) -> CheckResult:
    """Whether the adapter is up and its jail works; `restart` is what starts it anew."""
    if not isinstance(health, Answer) or not health.ok:
        fix = Fix(f"The adapter answers, and is not well: GET /health gives {_told(health)}.", restart)
        return failed(_ASKED, _told(health), fix)
    if not isinstance(ready, Answer):
        fix = Fix(f"The adapter is up, and does not tell whether it is ready: {ready.text}.", restart)
        return warned(_ASKED, f"health {health.status}, ready: {ready.text}", fix)
    told = parse_ready(ready.json())
    if told is None:
        fix = Fix(f"The adapter does not tell whether it is ready: GET /ready gives {_told(ready)}.", restart)
        return failed(_ASKED, f"health {health.status}, ready {_told(ready)}", fix)
    level = f", protections {told.level}" if told.level else ""
    answered = f"version {told.version or health.headers.get(ADAPTER_HEADER, 'not told')}{level}"
    if told.ready:
        return ok(_ASKED, answered)
    if any(one.ok for one in told.languages) and not all(one.ok for one in told.languages):
        return ok(_ASKED, f"{answered}; ready but for some languages")
    fix = Fix("The adapter runs, and is not ready: no code runs there.", restart)
    return failed(_ASKED, f"{answered}; not ready", fix)


def judge_languages(ready: Reply, restart: str) -> CheckResult:
    """Whether every language that the adapter has found works."""
    if not isinstance(ready, Answer):
        return skipped(f"Not told: {ready.text}.")
    told = parse_ready(ready.json())
    languages = told.languages if told is not None else ()
    answered = ", ".join(f"{one.name} {one.version}{'' if one.ok else ' (does not work)'}" for one in languages)
    bad = [one.name for one in languages if not one.ok]
    if not languages:
        fix = Fix("The adapter found no language: its image has no interpreter and no compiler.", restart)
        return failed(_READY, "none", fix)
    if len(bad) == len(languages):
        return failed(_READY, answered, Fix("No language of the adapter works.", restart))
    if bad:
        return warned(_READY, answered, Fix(f"A snippet in {', '.join(bad)} did not run well.", restart))
    return ok(_READY, answered)


def judge_snippet(asked: str, reply: Reply, restart: str, *, found: Reply | None = None) -> CheckResult:
    """Whether a snippet ran and printed what it should, by the adapter's answer or that of Azure's interpreter.

    `found` is the adapter's answer to the question for the run's id, asked when there was none to the run itself.
    """
    if isinstance(reply, Answer) and not reply.ok:
        return failed(asked, _told(reply), Fix(f"The snippet was not run: {_told(reply)}.", restart))
    if isinstance(reply, Answer):
        good, answered = _read_result(reply)
        fix = Fix(f"The adapter took the snippet, and it did not end well: {answered}.", restart)
        return ok(asked, answered) if good else failed(asked, answered, fix)
    if isinstance(found, Answer) and found.ok:
        answered = f"{reply.text}; asked for its id, the adapter says: {_read_result(found)[1]}"
        fix = Fix(
            f"The snippet ran, and the answer to it was lost on the way: {reply.text}.",
            "Look for proxies and time-outs on the way to the pool; Afield asks for a run by its id, and loses none.",
        )
        return failed(asked, answered, fix)
    fix = Fix(f"Nobody can say whether the snippet ran: {reply.text}.", restart)
    return failed(asked, f"{reply.text}; the adapter does not know it", fix)


def _read_result(answer: Answer) -> tuple[bool, str]:
    """Whether the snippet did what it should, and that in words."""
    body = answer.json_object()
    result = as_object(body.get("result"))
    verdict, printed = as_text(result.get("verdict")) or as_text(body.get("status")), as_text(result.get("stdout"))
    good = verdict.lower() in {Verdict.OK, "succeeded", "success"} and printed == _PRINTS
    return good, f"{verdict or 'no verdict'}, printed {printed[:40]!r}"


def snippet_run(run_id: str) -> JsonObject:
    """The body of POST /runs."""
    return {"run_id": run_id, "language": "python", "files": [{"content": SNIPPET}]}


def snippet_execution() -> JsonObject:
    """The body of POST /executions of Azure's interpreter."""
    return {"codeInputType": "Inline", "executionType": "Synchronous", "code": SNIPPET, "timeoutInSeconds": 30}


def _language(name: str, told: JsonObject) -> Language:
    return Language(name, as_text(told.get("version")), told.get("ok") is True)


def _told(reply: Reply) -> str:
    if not isinstance(reply, Answer):
        return reply.text
    return f"{reply.status}: {reply.text(80)}" if reply.body.strip() else str(reply.status)
