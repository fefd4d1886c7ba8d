"""Reconciling: compare both sides, say what would settle the differences, and settle them on request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from afield.api.bodies import Given, GivenTime, Shown
from afield.api.comparing import ComparisonBody, comparison
from afield.api.runtime import PrincipalDep, Runtime, RuntimeDep, TenantDep
from afield.errors import InvalidInputError, LookError
from afield.model.finding import Finding, RepairKind
from afield.model.target import Target
from afield.reconcile.repair import Choice, PlannedRepair, Policy, Repaired, plan_repairs
from afield.reconcile.scan import Scan

router = APIRouter(tags=["reconcile"])


class ChosenRepair(Given):
    """The repair chosen for one finding; `handle` where several remote executions could be meant."""

    finding: Annotated[str, Field(description="The finding's fingerprint.")]
    repair: RepairKind
    handle: str | None = None


class ReconcileBody(Given):
    """What to compare, and what to settle. Without `apply` nothing is changed."""

    target: Annotated[str, Field(description="Name or id.", examples=["amc-north"])]
    since: Annotated[GivenTime | None, Field(description="How far back the remote is listed; a day if not given.")] = (
        None
    )
    apply: Annotated[
        Literal[False, "automatic"] | list[str | ChosenRepair],
        Field(
            description="`false`: dry run. `automatic`: what can neither lose nor start work. A list: kinds of "
            "repairs, fingerprints of findings (of which each offers one repair only), or chosen repairs.",
            examples=["automatic", ["resubmit"]],
        ),
    ] = False
    fresh: Annotated[bool, Field(description="Ask the remote now, or work with the last comparison.")] = True


class RepairedBody(Shown):
    """One repair: to be made (dry run), made, or not made and why."""

    finding: str
    execution_id: UUID | None
    kind: RepairKind
    handle: str | None
    risk: str
    done: bool
    text: str

    @classmethod
    def of(cls, planned: PlannedRepair, made: Repaired | None) -> Self:
        return cls(
            finding=planned.finding.fingerprint,
            execution_id=planned.finding.execution_id,
            kind=planned.repair.kind,
            handle=planned.repair.handle,
            risk=planned.repair.risk,
            done=made is not None and made.done,
            text=made.text if made else "Dry run: nothing was changed.",
        )


class ReconciledBody(ComparisonBody):
    """The comparison, and what was (or would be) settled."""

    dry_run: bool
    repairs: list[RepairedBody]


@router.post("/reconcile")
async def reconcile(
    body: ReconcileBody, runtime: RuntimeDep, tenant_id: TenantDep, principal: PrincipalDep
) -> ReconciledBody:
    """Compare both sides of a target; with `apply`, settle what was chosen. Applying twice changes nothing."""
    target = await runtime.kernel.find_target(body.target, tenant_id)
    scanned = await _compared(runtime, target, body)
    planned = plan_repairs(scanned.findings, policy_of(body.apply, scanned.findings))
    made: Sequence[Repaired | None] = [None] * len(planned)
    if body.apply is not False:
        made = await runtime.kernel.repair(target, planned, principal.name)
    repairs = [RepairedBody.of(plan, done) for plan, done in zip(planned, made, strict=True)]
    applied = {"dry_run": body.apply is False, "repairs": repairs}
    return ReconciledBody.model_validate(comparison(scanned) | applied)


async def _compared(runtime: Runtime, target: Target, body: ReconcileBody) -> Scan:
    if body.fresh:
        return await runtime.kernel.scan(target, since=body.since)
    last = await runtime.kernel.last_scan(target.id)
    if last is None:
        raise LookError(f"Target {target.name!r} was not compared yet.", hint="Send fresh: true to ask the remote.")
    return last


# ------------------------------------------------------------------------------------------- what was chosen


def policy_of(apply: Literal[False, "automatic"] | Sequence[str | ChosenRepair], findings: Sequence[Finding]) -> Policy:
    """Which repairs are asked for. Raises InvalidInputError for a word that is neither a kind nor a finding."""
    if not isinstance(apply, Sequence) or isinstance(apply, str):
        return Policy()
    known = {finding.fingerprint: finding for finding in findings}
    kinds = frozenset(RepairKind(item) for item in apply if isinstance(item, str) and item in set(RepairKind))
    choices = dict(_choice(item, known) for item in apply if item not in kinds)
    return Policy(automatic=False, kinds=kinds, choices=choices)


def _choice(item: str | ChosenRepair, known: Mapping[str, Finding]) -> tuple[str, Choice]:
    if isinstance(item, ChosenRepair):
        return item.finding, Choice(item.repair, item.handle)
    if item not in known:
        raise InvalidInputError(
            f"{item!r} is neither a kind of repair nor the fingerprint of a finding.",
            hint=f"Kinds: {', '.join(RepairKind)}. A finding may also be settled by now: compare again.",
        )
    offered = [repair for repair in known[item].repairs if repair.kind is not RepairKind.IGNORE]
    if len(offered) != 1:
        raise InvalidInputError(
            f"Finding {item!r} offers {len(offered) or 'no'} repairs.",
            hint='Choose one: {"finding": ..., "repair": ..., "handle": ...}.',
        )
    return item, Choice(offered[0].kind, offered[0].handle)
