"""The workflows product over HTTP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field, StringConstraints

from afield.api.bodies import Given, Json, Label, LabelValue, Name
from afield.api.executions import REPLAYED, ExecutionId, IdempotencyKey
from afield.api.runtime import PrincipalDep, RuntimeDep
from afield.workflows.model import Run
from afield.workflows.service import Draft, Workflows
from afield.workflows.shapes import (
    CrossReference,
    EntryPage,
    ExecutionStatus,
    RunDetail,
    RunResults,
    RunStatus,
    WorkflowPage,
    WorkflowShape,
)
from afield.workflows.views import entry, run_detail, run_results, run_status, workflow_shape

router = APIRouter(prefix="/api/workflows", tags=["workflows"])


def _workflows(runtime: RuntimeDep) -> Workflows:
    return Workflows(runtime.kernel, runtime.tenant_id)


WorkflowsDep = Annotated[Workflows, Depends(_workflows)]
Limit = Annotated[int, Query(ge=1, le=1000)]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before.")]


class _Values(Given):
    """What a workflow presets and a run may change."""

    parameters: Json = Field(
        default_factory=dict, description="Values of the SQL's parameters.", examples=[{"country": "DE"}]
    )
    time_window: Annotated[
        Json | None,
        Field(
            description="The span of data.",
            examples=[{"type": "EXPLICIT", "start": "2026-01-01T00:00:00", "end": "2026-01-08T00:00:00"}],
        ),
    ] = None
    options: Json = Field(
        default_factory=dict, description="Further fields of an AMC execution.", examples=[{"dry_run": True}]
    )
    user_email: Annotated[LabelValue | None, Field(examples=["ann@example.com"])] = None


class WorkflowBody(_Values):
    """A saved query."""

    name: Annotated[Name, Field(examples=["Weekly reach"])]
    instance_id: Annotated[
        str, Field(description="AMC instance id, or a target's name or id.", examples=["amcabc1234"])
    ]
    sql_query: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1),
        Field(examples=["SELECT campaign, COUNT(DISTINCT user_id) AS reach FROM dsp_impressions GROUP BY campaign"]),
    ]
    description: Annotated[str, StringConstraints(max_length=5000)] = ""

    def draft(self) -> Draft:
        run = Run(
            parameters=self.parameters,
            time_window=self.time_window,
            options=self.options,
            user_email=self.user_email,
        )
        return Draft(
            name=self.name, instance=self.instance_id, sql_query=self.sql_query, description=self.description, run=run
        )


class ExecuteBody(_Values):
    """What this run changes, and who wanted it. All of it may be left out."""

    triggered_by: Annotated[Label | None, Field(description="`manual` if not given.", examples=["schedule"])] = None

    def run(self, idempotency_key: str | None) -> Run:
        return Run(
            parameters=self.parameters,
            time_window=self.time_window,
            options=self.options,
            user_email=self.user_email,
            triggered_by=self.triggered_by,
            idempotency_key=idempotency_key,
        )


# ------------------------------------------------------------------------------------------- saved queries


@router.post("/", status_code=201)
async def create_workflow(body: WorkflowBody, workflows: WorkflowsDep, response: Response) -> WorkflowShape:
    """Save a query. It is checked against what AMC executions look like before anything is written."""
    shape = workflow_shape(*await workflows.create(body.draft()))
    response.headers["location"] = f"/api/workflows/{shape.workflow_id}"
    return shape


@router.get("/")
async def list_workflows(
    workflows: WorkflowsDep,
    instance_id: Annotated[str | None, Query(description="Only those of this instance.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> WorkflowPage:
    """Saved queries, newest first."""
    found, more = await workflows.page(instance_id, limit, cursor)
    return WorkflowPage(items=[workflow_shape(*one) for one in found], next_cursor=more)


@router.get("/{workflow_id}")
async def show_workflow(workflow_id: UUID, workflows: WorkflowsDep) -> WorkflowShape:
    """One saved query."""
    return workflow_shape(*await workflows.get(workflow_id))


@router.put("/{workflow_id}")
async def replace_workflow(workflow_id: UUID, body: WorkflowBody, workflows: WorkflowsDep) -> WorkflowShape:
    """Replace it, whole. Runs that were recorded before keep what they were recorded with."""
    return workflow_shape(*await workflows.replace(workflow_id, body.draft()))


@router.delete("/{workflow_id}", status_code=204)
async def delete_workflow(workflow_id: UUID, workflows: WorkflowsDep) -> None:
    """Forget it. Its runs go on, and stay visible as executions."""
    await workflows.delete(workflow_id)


# ------------------------------------------------------------------------------------------- runs


@router.post("/{workflow_id}/execute", status_code=201, responses=dict(REPLAYED), response_model=RunStatus)
async def execute_workflow(
    workflow_id: UUID,
    workflows: WorkflowsDep,
    response: Response,
    body: ExecuteBody | None = None,
    idempotency_key: IdempotencyKey = None,
) -> RunStatus:
    """Record a run; a worker takes it from there. 201 the first time, 200 when the key was used before."""
    created, target = await workflows.execute(workflow_id, (body or ExecuteBody()).run(idempotency_key))
    response.status_code = 200 if created.replayed else 201
    response.headers["location"] = f"/api/workflows/executions/{created.execution.id}/status"
    return run_status(created.execution, target)


@router.get("/{workflow_id}/executions")
async def list_runs(workflow_id: UUID, workflows: WorkflowsDep, limit: Limit = 100, cursor: Cursor = None) -> EntryPage:
    """Runs of a workflow, newest first."""
    page = await workflows.runs(workflow_id, limit, cursor)
    return EntryPage(workflow_id=workflow_id, items=[entry(row) for row in page.items], next_cursor=page.next_cursor)


@router.get("/{workflow_id}/execution-status")
async def show_execution_status(workflow_id: UUID, workflows: WorkflowsDep) -> ExecutionStatus:
    """Where all runs of a workflow stand. Never calls AMC."""
    return await workflows.status(workflow_id)


@router.get("/executions/cross-reference")
async def show_cross_reference(
    workflows: WorkflowsDep,
    instance_id: Annotated[str, Query(description="AMC instance id, or a target's name or id.")],
    fresh: Annotated[bool, Query(description="Ask AMC now; many callers at once share one look.")] = False,
) -> CrossReference:
    """The database and AMC side by side, by the last comparison or, with `fresh=true`, by one made now."""
    return await workflows.cross_reference(instance_id, fresh=fresh)


@router.get("/executions/{execution_id}/status")
async def show_run_status(execution_id: ExecutionId, workflows: WorkflowsDep) -> RunStatus:
    """Where a run stands."""
    return run_status(*await workflows.run(execution_id))


@router.get("/executions/{execution_id}/detail")
async def show_run_detail(execution_id: ExecutionId, workflows: WorkflowsDep) -> RunDetail:
    """A run, whole, with its history."""
    execution, target = await workflows.run(execution_id)
    return run_detail(execution, target, await workflows.history(execution_id))


@router.get("/executions/{execution_id}/results")
async def show_run_results(
    execution_id: ExecutionId, workflows: WorkflowsDep, limit: Annotated[int, Query(ge=0, le=1000)] = 100
) -> RunResults:
    """The first rows of a run's results, and where all of them are. 409 when they are not here yet."""
    execution, preview = await workflows.results(execution_id, limit)
    return run_results(execution, preview)


@router.post("/executions/{execution_id}/cancel", status_code=202)
async def cancel_run(execution_id: ExecutionId, workflows: WorkflowsDep, principal: PrincipalDep) -> RunStatus:
    """Ask for a cancel. What comes of it shows in the status. 409 when the run has ended."""
    return run_status(*await workflows.cancel(execution_id, principal.name))
