"""What a runbook becomes when it is started: every step with what exactly will run, and where. Pure.

The dry run shows this plan, and starting records it: there is no second way from a runbook to a session.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from afield.connectors.command import CommandSpec
from afield.connectors.registry import connector_class
from afield.errors import InvalidInputError
from afield.model.jsontypes import JsonObject
from afield.model.session import ApprovalRule, NewSession, NewStep, OnFail, Phase, StepKind, Undo, Work
from afield.model.target import Target
from afield.runbooks import render
from afield.runbooks.inputs import Bound
from afield.runbooks.model import (
    AnyRollback,
    AnyStep,
    AnyWork,
    ApprovalStep,
    CommandWork,
    HttpWork,
    ManualStep,
    QueryWork,
    Risk,
    Runbook,
    RunStep,
)
from afield.runbooks.policy import Judgement, Verdict, judge_work
from afield.runbooks.slots import shell_of

KIND = "runbook"
"""The kind of a runbook's sessions."""

COMMAND_S, QUERY_S, HTTP_S = 600.0, 300.0, 30.0
"""How many seconds a step may take that does not say so."""

_GRACE_S = 120.0  # after the time-out at the machine, until Afield itself asks to stop it


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Everything a session is made of."""

    runbook: Runbook
    inputs: Bound
    lanes: Sequence[Target]  # one for each lane
    named: Mapping[str, Target] = field(default_factory=dict)  # targets that steps name themselves
    started_by: str
    batch_size: int = 1
    error_budget: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    approval_for: timedelta = timedelta(hours=24)
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """One step as it will be, and what the policy says of it."""

    step: NewStep
    target: Target | None  # where it runs; None: a person does it
    judgements: tuple[Judgement, ...] = ()

    @property
    def blocked(self) -> bool:
        return any(judgement.verdict is Verdict.BLOCKED for judgement in self.judgements)


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """What would happen, step by step."""

    session: NewSession
    steps: tuple[PlannedStep, ...]

    @property
    def blocked(self) -> tuple[PlannedStep, ...]:
        """The steps that the policy forbids: such a session is not started."""
        return tuple(step for step in self.steps if step.blocked)


def plan_session(start: Start) -> SessionPlan:
    """The whole session. Raises InvalidInputError naming the step that cannot run where it should."""
    if not start.lanes:
        raise InvalidInputError("There is no target to run on.", hint="Name one, or a ticket that leads to one.")
    steps = tuple(
        _planned(start, phase, step, lane, target)
        for lane, target in enumerate(start.lanes)
        for phase, _, step in start.runbook.all_steps()
    )
    session = NewSession(
        tenant_id=start.lanes[0].tenant_id,
        kind=KIND,
        title=_title(start),
        started_by=start.started_by,
        steps=tuple(planned.step for planned in steps),
        batch_size=start.batch_size,
        error_budget=start.error_budget,
        labels=start.labels,
        data=_data(start),
        idempotency_key=start.idempotency_key,
    )
    return SessionPlan(session, steps)


def _title(start: Start) -> str:
    places = ", ".join(target.name for target in start.lanes[:3])
    more = f" and {len(start.lanes) - 3} more" if len(start.lanes) > 3 else ""
    return f"{start.runbook.title} on {places}{more}"


def _data(start: Start) -> JsonObject:
    runbook = start.runbook
    return {
        "runbook_id": runbook.runbook_id,
        "version": runbook.version,
        "env": runbook.env.value,
        "risk": runbook.risk.value,
        "inputs": dict(start.inputs.values),
        "targets": [target.name for target in start.lanes],
    }


def _planned(start: Start, phase: Phase, step: AnyStep, lane: int, lane_target: Target) -> PlannedStep:
    common = NewStep(
        name=step.name,
        phase=phase,
        lane=lane,
        on_fail=step.on_fail,
        severity=step.severity.value,
        rule=_rule(start, step.requires_approval, step.approvers, step.other_than_starter),
    )
    if isinstance(step, ManualStep | ApprovalStep):
        return PlannedStep(step=_for_a_person(start, step, common), target=None)
    target = _target(start, step, lane_target)
    judgements = tuple(_judged(start, step, step.rollback))
    wants_approval = any(one.verdict is Verdict.NEEDS_APPROVAL for one in judgements)
    rule = replace(common.rule, needed=max(common.rule.needed, int(wants_approval)))
    expected = render.render_prose(step.expected_output, start.inputs) if step.expected_output else None
    made = replace(
        common,
        target_id=target.id,
        work=_work(start, step, target, phase, step),
        expected_output=expected,
        retries=step.retries,
        rule=rule,
        undo=_undo(start, step, target),
    )
    return PlannedStep(step=made, target=target, judgements=judgements)


def _rule(start: Start, required: bool, approvers: int, other: bool) -> ApprovalRule:
    """The step's own rule; whoever starts a runbook of high risk in production may not approve its steps alone."""
    strict = start.runbook.risk is Risk.HIGH
    needed = approvers if required else 0
    return ApprovalRule(needed=needed, other_than_starter=other or strict, valid_for=start.approval_for)


def _for_a_person(start: Start, step: ManualStep | ApprovalStep, common: NewStep) -> NewStep:
    if isinstance(step, ManualStep):
        text = render.render_prose(step.description, start.inputs)
        rule = replace(common.rule, needed=1, other_than_starter=step.other_than_starter)
        return replace(common, kind=StepKind.MANUAL, work=Work(text=text), rule=rule)
    text = render.render_prose(step.question, start.inputs)
    rule = replace(common.rule, needed=step.approvers)
    return replace(common, kind=StepKind.APPROVAL, work=Work(text=text), rule=rule)


def _target(start: Start, step: RunStep, lane_target: Target) -> Target:
    if step.target is None:
        return lane_target
    if step.target not in start.named:
        raise InvalidInputError(f"Step {step.name!r} runs on {step.target!r}, which is no target.", hint="Record it.")
    return start.named[step.target]


def _judged(start: Start, step: RunStep, rollback: AnyRollback | None) -> Iterator[Judgement]:
    """What the policy says of everything the step may run, with its values in place."""
    for work in (step, rollback):
        if isinstance(work, CommandWork | HttpWork | QueryWork):
            yield judge_work(work, start.runbook.env, start.inputs, shell_of(step))


def _undo(start: Start, step: RunStep, target: Target) -> Undo | None:
    rollback: AnyRollback | None = getattr(step, "rollback", None)
    if rollback is None:
        return None
    work = _work(start, rollback, target, Phase.ROLLBACK, step)
    rule = _rule(start, rollback.requires_approval, 1, False)
    return Undo(work=work, on_fail=OnFail(rollback.on_fail), rule=rule)


def _work(start: Start, work: AnyWork | AnyRollback | RunStep, target: Target, phase: Phase, step: RunStep) -> Work:
    """What is done, and for how long. Raises InvalidInputError where the target's connector cannot carry it out."""
    match work:
        case CommandWork() if issubclass(connector_class(target.connector).Spec, CommandSpec):
            spec, text = _command(render.render_command(work, start.inputs, shell_of(step)))
            usual_s = COMMAND_S
        case QueryWork() if target.connector == "postgres":
            spec, text = _query(render.render_query(work, start.inputs), phase)
            usual_s = QUERY_S
        case HttpWork() if target.connector == "http":
            spec, text = _http(render.render_http(work, start.inputs))
            usual_s = HTTP_S
        case _:
            raise InvalidInputError(
                f"Step {step.name!r} cannot run on {target.name!r}, a target of kind {target.connector!r}.",
                hint="Commands need a machine, queries a postgres target, requests an http target.",
            )
    seconds = float(getattr(work, "timeout", None) or step.timeout or usual_s)
    return Work(spec=spec | {"timeout_s": seconds}, text=text, timeout_s=seconds + _GRACE_S)


def _command(command: render.RenderedCommand) -> tuple[JsonObject, str]:
    return {"script": command.script, "env": dict(command.env)}, command.script


def _query(query: render.RenderedQuery, phase: Phase) -> tuple[JsonObject, str]:
    only_reads = phase in {Phase.PRECHECK, Phase.POSTCHECK}
    spec: JsonObject = {"query": query.query, "parameters": query.parameters or None, "read_only": only_reads}
    return spec, query.query


def _http(request: render.RenderedHttp) -> tuple[JsonObject, str]:
    spec: JsonObject = {
        "method": request.method,
        "path": request.url,
        "expected_status": list(request.expected_status),
    }
    if isinstance(request.body, str):
        spec["body"] = request.body
    elif request.body is not None:
        spec["json_body"] = request.body
    return spec, f"{request.method} {request.url}"


def target_names(runbook: Runbook) -> frozenset[str]:
    """The targets that steps name themselves."""
    steps = (step for _, _, step in runbook.all_steps())
    return frozenset(step.target for step in steps if isinstance(step, RunStep) and step.target)
