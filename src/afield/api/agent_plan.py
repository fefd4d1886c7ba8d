"""A dry run as it is shown: every step with what exactly would run, where, and what the policy says of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field

from afield.api.agent_bodies import ApprovalRuleBody
from afield.api.bodies import Json, Shown
from afield.ledger.session_json import numbered
from afield.model.session import OnFail, Phase, Step, StepKind
from afield.runbooks.plan import PlannedStep, SessionPlan
from afield.runbooks.policy import Verdict
from afield.runbooks.versions import RunbookVersion, Status
from afield.sessions import complete

RunbookStatus: TypeAlias = Literal["draft", "approved", "archived"]
"""How far a version is; spelled out, since another product shows a `Status` of its own."""


class PolicyMatchBody(Shown):
    """One reason for a verdict."""

    pattern: str
    verdict: Verdict
    why: str
    command: Annotated[str, Field(description="What matched, as it was understood.")]


class PlannedUndoBody(Shown):
    """How the step would be undone."""

    command: str
    spec: Json
    digest: str
    on_fail: OnFail
    rule: ApprovalRuleBody


class PlannedStepBody(Shown):
    """One step as it would be recorded."""

    number: int
    name: str
    kind: StepKind
    phase: Phase
    lane: int
    target: Annotated[str | None, Field(description="The target's name; null: a person does it.")]
    connector: str | None
    command: Annotated[str, Field(description="What would run, or would be asked.")]
    spec: Annotated[Json, Field(description="All of what would run.")]
    digest: Annotated[str, Field(description="What an approval would be bound to.")]
    timeout_s: float | None
    on_fail: OnFail
    retries: int
    rule: ApprovalRuleBody
    undo: PlannedUndoBody | None
    verdict: Verdict
    matches: list[PolicyMatchBody]

    @classmethod
    def of(cls, number: int, planned: PlannedStep) -> Self:
        """Raises InvalidInputError where the target's connector does not take the work."""
        step = as_recorded(number, planned)
        target = planned.target
        matches = [match for judgement in planned.judgements for match in judgement.matches]
        return cls(
            number=number,
            name=step.name,
            kind=step.kind,
            phase=step.phase,
            lane=step.lane,
            target=target.name if target else None,
            connector=target.connector if target else None,
            command=step.work.text,
            spec=step.work.spec,
            digest=step.digest,
            timeout_s=step.work.timeout_s,
            on_fail=step.on_fail,
            retries=step.retries,
            rule=ApprovalRuleBody.of(step.rule),
            undo=_undo(step),
            verdict=_strictest(planned),
            matches=[PolicyMatchBody.model_validate(match) for match in matches],
        )


class PlanBody(Shown):
    """What would happen. Nothing was recorded."""

    title: str
    runbook_id: str
    version: str
    status: Annotated[RunbookStatus, Field(description="Only an approved version can be started.")]
    batch_size: int
    error_budget: int
    inputs: Annotated[Json, Field(description="With defaults filled in.")]
    targets: list[str]
    steps: list[PlannedStepBody]
    can_start: bool
    blocked: Annotated[list[int], Field(description="Numbers of the steps that the policy forbids.")]

    @classmethod
    def of(cls, kept: RunbookVersion, plan: SessionPlan) -> Self:
        steps = [PlannedStepBody.of(number, planned) for number, planned in enumerate(plan.steps, 1)]
        session, blocked = plan.session, [step.number for step in steps if step.verdict is Verdict.BLOCKED]
        return cls.model_validate(
            {
                "title": session.title,
                "runbook_id": kept.runbook_id,
                "version": kept.version,
                "status": kept.status,
                "batch_size": session.batch_size,
                "error_budget": session.error_budget,
                "inputs": session.data["inputs"],
                "targets": session.data["targets"],
                "steps": steps,
                "can_start": kept.status is Status.APPROVED and not blocked,
                "blocked": blocked,
            }
        )


def as_recorded(number: int, planned: PlannedStep) -> Step:
    """The step as the ledger will hold it: numbered, its specs complete, so that its digest is the one to come."""
    new = planned.step if planned.target is None else complete(planned.step, planned.target.connector)
    return numbered(new, number)


def _undo(step: Step) -> PlannedUndoBody | None:
    if step.undo is None:
        return None
    work = step.undo.work
    return PlannedUndoBody(
        command=work.text,
        spec=work.spec,
        digest=replace(step, work=work, kind=StepKind.RUN).digest,
        on_fail=step.undo.on_fail,
        rule=ApprovalRuleBody.of(step.undo.rule),
    )


def _strictest(planned: PlannedStep) -> Verdict:
    verdicts = {judgement.verdict for judgement in planned.judgements}
    order = (Verdict.BLOCKED, Verdict.NEEDS_APPROVAL)
    return next((verdict for verdict in order if verdict in verdicts), Verdict.OK)
