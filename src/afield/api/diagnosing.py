"""Diagnosing: why does it not work? Reads only."""

from __future__ import annotations

from typing import Annotated, Self

from fastapi import APIRouter
from pydantic import Field

from afield import diagnoses
from afield.api.access import asks, check
from afield.api.bodies import Given, Shown
from afield.api.executions import ExecutionId
from afield.api.runtime import KernelDep, PrincipalDep, TenantDep
from afield.api.targets import TargetName
from afield.connectors.base import CheckVerdict
from afield.diagnose.diagnosis import Diagnosis, to_json
from afield.security.people import Action

router = APIRouter(tags=["diagnose"])


class RungBody(Shown):
    """One check: what was asked, what came back (without secrets), what to do next."""

    name: str
    verdict: CheckVerdict
    asked: str
    answered: str
    next_step: str
    cause: str
    seconds: float


class DiagnosisBody(Shown):
    """All checks in order, and one sentence: the most likely cause and the next step."""

    subject: str
    verdict: CheckVerdict
    sentence: str
    rungs: list[RungBody]

    @classmethod
    def of(cls, diagnosis: Diagnosis) -> Self:
        return cls.model_validate(to_json(diagnosis))


class DiagnoseBody(Given):
    """Which checks may do more than read."""

    intrusive: Annotated[
        tuple[str, ...], Field(max_length=20, description="Names of intrusive checks; refused while something runs.")
    ] = ()


@router.post("/targets/{target}/diagnose")
@asks(Action.READ)
async def diagnose_target(
    target: TargetName,
    kernel: KernelDep,
    tenant_id: TenantDep,
    principal: PrincipalDep,
    body: DiagnoseBody | None = None,
) -> DiagnosisBody:
    """Climb the target's ladder of checks. Changes nothing, unless intrusive checks are named."""
    intrusive = (body or DiagnoseBody()).intrusive
    check(principal, Action.RUN if intrusive else Action.READ)
    found = await kernel.find_target(target, tenant_id)
    return DiagnosisBody.of(await diagnoses.of_target(kernel, found, intrusive))


@router.post("/executions/{execution_id}/diagnose")
@asks(Action.READ)
async def diagnose_execution(execution_id: ExecutionId, kernel: KernelDep, tenant_id: TenantDep) -> DiagnosisBody:
    """Why an execution is where it is, and what happens to it next. Changes nothing."""
    execution = await kernel.ledger.execution(execution_id, tenant_id)
    return DiagnosisBody.of(await diagnoses.of_execution(kernel, execution))
