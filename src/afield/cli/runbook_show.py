"""How runbooks, their problems and their plans look, in a terminal and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from afield.cli.session_show import plain
from afield.model.jsontypes import JsonObject
from afield.model.session import NewStep, Work
from afield.runbooks.plan import PlannedStep, SessionPlan
from afield.runbooks.policy import PolicyMatch, Verdict
from afield.runbooks.problems import Level, Problem
from afield.runbooks.versions import RunbookVersion, Status

_LEVELS = {Level.ERROR: "red", Level.WARNING: "yellow", Level.INFO: ""}
_STATUSES = {Status.APPROVED: "green", Status.DRAFT: "yellow", Status.ARCHIVED: "dim"}


def problem_lines(name: str, problems: Iterable[Problem]) -> Iterator[Text]:
    """`FILE:LINE:COLUMN: severity: message [code]`, as compilers say it, and below it what to do."""
    for one in problems:
        place = f"{name}:{one.line}:{one.column}: "
        yield Text.assemble(plain(place), (one.severity, _LEVELS[one.severity]), plain(f": {one.message} [{one.code}]"))
        if one.hint:
            yield Text(plain(f"    {one.hint}"), style="dim")


def linted_json(name: str, problems: Iterable[Problem]) -> JsonObject:
    """A file, and what is wrong with it."""
    return {"file": name, "problems": [one.to_json() for one in problems]}


def versions_table(found: Iterable[RunbookVersion]) -> Table:
    """Versions, a line each."""
    table = Table("runbook", "version", "status", "env", "risk", "service", "by", "saved (UTC)", "title", box=None)
    for one in found:
        status = Text(one.status, style=_STATUSES[one.status])
        saved = (plain(one.created_by), f"{one.created_at:%Y-%m-%d %H:%M}", plain(one.title))
        table.add_row(one.runbook_id, one.version, status, one.env, one.risk, plain(one.service), *saved)
    return table


def version_json(one: RunbookVersion, *, text: bool = False) -> dict[str, object]:
    """A version's fields; its text only where it is wanted."""
    left_out = {"tenant_id"} if text else {"tenant_id", "text"}
    return {field.name: getattr(one, field.name) for field in fields(one) if field.name not in left_out}


def plan_card(plan: SessionPlan) -> RenderableType:
    """A dry run: every step with what exactly would run where, and what the policy says."""
    session = plan.session
    budget = f"{session.batch_size} at a time; stops when more than {session.error_budget} failed"
    lines = [
        Text(plain(session.title), style="bold"),
        Text(f"started by {plain(session.started_by)}, {budget}"),
        Text(),
    ]
    for number, one in enumerate(plan.steps, start=1):
        lines += _planned(number, one)
    return Group(*lines, "", _outlook(plan))


def _outlook(plan: SessionPlan) -> Text:
    if plan.blocked:
        names = ", ".join(dict.fromkeys(repr(one.step.name) for one in plan.blocked))
        return Text(plain(f"It would not be started: the policy forbids {names}."), style="bold red")
    return Text("Nothing was recorded, and nothing has run.")


def _planned(number: int, one: PlannedStep) -> Iterator[Text]:
    step, place = one.step, f"on {one.target.name} ({one.target.connector})" if one.target else "by a person"
    title = f"{number:>3}  {step.phase}  {plain(step.name)}  "
    yield Text.assemble((title, "bold"), plain(f"{place}{_terms(step)}"))
    yield from _work(step.work, "       ")
    for match in _matches(one):
        style = "red" if match.verdict is Verdict.BLOCKED else "yellow"
        yield Text(plain(f"     {match.verdict.replace('_', ' ')}: {match.why} ({match.command})"), style=style)
    if step.undo is not None:
        yield Text("     undone with")
        yield from _work(step.undo.work, "       ")


def _terms(step: NewStep) -> str:
    said = [f"on failure {step.on_fail}"]
    if step.retries:
        said.append(f"{step.retries} retries")
    if step.rule.needed:
        other = ", not by who starts it" if step.rule.other_than_starter else ""
        said.append(f"approvals: {step.rule.needed}{other}")
    if step.expected_output:
        said.append(f"expects {step.expected_output!r}")
    return "".join(f"; {one}" for one in said)


def _work(work: Work, indent: str) -> Iterator[Text]:
    yield from (Text(f"{indent}{line}") for line in plain(work.text).splitlines())
    for name, values in work.spec.items():
        if name in {"env", "arguments", "parameters", "json", "body"} and values:
            yield Text(plain(f"{indent}{name}: {values}"), style="dim")


def _matches(one: PlannedStep) -> Sequence[PolicyMatch]:
    return [match for judgement in one.judgements for match in judgement.matches]


def plan_json(plan: SessionPlan) -> dict[str, object]:
    """A dry run for machines."""
    session = plan.session
    return {
        "title": session.title,
        "runbook": session.data,
        "started_by": session.started_by,
        "batch_size": session.batch_size,
        "error_budget": session.error_budget,
        "blocked": bool(plan.blocked),
        "steps": [_planned_json(number, one) for number, one in enumerate(plan.steps, start=1)],
    }


def _planned_json(number: int, one: PlannedStep) -> dict[str, object]:
    step = one.step
    return {
        "number": number,
        "lane": step.lane,
        "phase": step.phase,
        "name": step.name,
        "kind": step.kind,
        "target": one.target.name if one.target else None,
        "target_id": step.target_id,
        "work": step.work,
        "undo": {"work": step.undo.work, "on_fail": step.undo.on_fail} if step.undo else None,
        "expected_output": step.expected_output,
        "on_fail": step.on_fail,
        "retries": step.retries,
        "approvals_needed": step.rule.needed,
        "other_than_starter": step.rule.other_than_starter,
        "blocked": one.blocked,
        "policy": _matches(one),
    }
