"""What can be done with saved queries and their runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from afield.connectors.registry import check_spec
from afield.errors import AfieldError, CredentialError, LookError, NotFoundError, UnavailableError
from afield.kernel import Kernel, Order
from afield.ledger.base import Created, EventFilter, ExecutionFilter, Page
from afield.model.execution import Event, Execution
from afield.model.ids import uuid7
from afield.model.states import OUTSTANDING, ExecutionState, OutputState
from afield.model.target import Target
from afield.outputs import stored_artifact
from afield.workflows.crossref import NOT_LOOKED_YET, cross_reference, not_looked
from afield.workflows.model import WORKFLOW_ID, Run, Workflow, labels_of, spec_of
from afield.workflows.preview import Preview, read_preview
from afield.workflows.shapes import CrossReference, ExecutionStatus
from afield.workflows.store import WorkflowStore
from afield.workflows.views import MAY_MISS_ID, execution_status, misses_id

_RECENT = 10
_PAGE = 1000
_COULD_NOT_LOOK = (CredentialError, LookError, UnavailableError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A workflow as somebody writes it down; `instance` is the target's name or id, or the AMC instance's id."""

    name: str
    instance: str
    sql_query: str
    description: str = ""
    run: Run  # default values of its runs, and who made it


class Workflows:
    """The product, for one tenant."""

    def __init__(self, kernel: Kernel, tenant_id: UUID) -> None:
        self._kernel = kernel
        self._tenant_id = tenant_id
        self._store = WorkflowStore(kernel.ledger.database)

    # ------------------------------------------------------------------ saved queries

    async def create(self, draft: Draft) -> tuple[Workflow, Target]:
        """Save a query. Raises InvalidInputError, NotFoundError (instance); nothing is saved then."""
        workflow, target = await self._checked(draft)
        await self._store.add(workflow)
        return workflow, target

    async def replace(self, workflow_id: UUID, draft: Draft) -> tuple[Workflow, Target]:
        """Save it in place of another. Raises as `create`, and NotFoundError (workflow)."""
        before = await self._store.get(workflow_id, self._tenant_id)
        workflow, target = await self._checked(draft)
        after = replace(
            workflow,
            id=workflow_id,
            created_at=before.created_at,
            created_by=workflow.created_by or before.created_by,
        )
        await self._store.replace(after)
        return after, target

    async def get(self, workflow_id: UUID) -> tuple[Workflow, Target]:
        """Raises NotFoundError."""
        workflow = await self._store.get(workflow_id, self._tenant_id)
        return workflow, await self._target(workflow.target_id)

    async def page(
        self, instance: str | None, limit: int, cursor: str | None
    ) -> tuple[list[tuple[Workflow, Target]], str | None]:
        """Saved queries, newest first, and the next cursor."""
        target_id = (await self._instance(instance)).id if instance else None
        found, more = await self._store.page(self._tenant_id, target_id=target_id, limit=limit, cursor=cursor)
        targets = {target.id: target for target in await self._kernel.ledger.targets(self._tenant_id)}
        return [(workflow, targets[workflow.target_id]) for workflow in found], more

    async def delete(self, workflow_id: UUID) -> None:
        """Forget a saved query; its runs stay. Raises NotFoundError."""
        await self._store.delete(workflow_id, self._tenant_id)

    async def _checked(self, draft: Draft) -> tuple[Workflow, Target]:
        target = await self._instance(draft.instance)
        now = self._kernel.clock.now()
        workflow = Workflow(
            id=uuid7(),
            tenant_id=self._tenant_id,
            target_id=target.id,
            name=draft.name,
            sql_query=draft.sql_query,
            description=draft.description,
            parameters=draft.run.parameters,
            time_window=draft.run.time_window,
            options=draft.run.options,
            created_by=draft.run.user_email,
            created_at=now,
            updated_at=now,
        )
        check_spec(target.connector, spec_of(workflow, Run()))
        return workflow, target

    async def _instance(self, text: str) -> Target:
        return await self._kernel.find_target(text, self._tenant_id)

    async def _target(self, target_id: UUID) -> Target:
        return await self._kernel.ledger.target(target_id, self._tenant_id)

    # ------------------------------------------------------------------ runs

    async def execute(self, workflow_id: UUID, run: Run) -> tuple[Created, Target]:
        """Record one run. Raises NotFoundError, InvalidInputError, IdempotencyError; nothing is recorded then."""
        workflow, target = await self.get(workflow_id)
        order = Order(
            target=str(target.id),
            spec=spec_of(workflow, run),
            labels=labels_of(workflow, run),
            idempotency_key=run.idempotency_key,
        )
        return await self._kernel.submit(order, self._tenant_id), target

    async def runs(self, workflow_id: UUID, limit: int, cursor: str | None) -> Page:
        """Runs of a workflow, newest first. Raises NotFoundError."""
        await self._store.get(workflow_id, self._tenant_id)
        return await self._kernel.ledger.executions(self._of(workflow_id), limit=limit, cursor=cursor)

    async def run(self, execution_id: UUID) -> tuple[Execution, Target]:
        """One run. Raises NotFoundError, also for an execution that is no workflow's."""
        execution = await self._kernel.ledger.execution(execution_id, self._tenant_id)
        if WORKFLOW_ID not in execution.labels:
            raise NotFoundError(
                f"Execution {execution_id} is no workflow's run.", hint="See it at /api/v1/executions/{id}."
            )
        return execution, await self._target(execution.target_id)

    async def history(self, execution_id: UUID) -> list[Event]:
        """What happened to a run, in order."""
        mine = EventFilter(tenant_id=self._tenant_id, execution_id=execution_id)
        return await self._kernel.ledger.events(mine, limit=_PAGE)

    async def results(self, execution_id: UUID, most_rows: int) -> tuple[Execution, Preview]:
        """A run, and the first rows of its results. Raises ConflictError when they may still come, NotFoundError."""
        execution, _ = await self.run(execution_id)
        pieces = self._kernel.artifacts.read(stored_artifact(execution))
        return execution, await read_preview(pieces, most_rows)

    async def cancel(self, execution_id: UUID, actor: str) -> tuple[Execution, Target]:
        """Ask for a cancel. Raises NotFoundError, ConflictError when it has ended."""
        _, target = await self.run(execution_id)
        return await self._kernel.cancel(execution_id, actor, self._tenant_id), target

    # ------------------------------------------------------------------ where things stand

    async def status(self, workflow_id: UUID) -> ExecutionStatus:
        """Where all runs of a workflow stand, by the ledger alone: AMC is not called."""
        workflow, target = await self.get(workflow_id)
        mine = self._of(workflow_id)
        live = await self._all(replace(mine, states=OUTSTANDING)) + await self._collecting(workflow)
        doubtful = await self._all(replace(mine, states=MAY_MISS_ID))
        return execution_status(
            workflow,
            target,
            counts=await self._kernel.ledger.count_by_state(mine),
            live=sorted(live, key=lambda row: (row.created_at, row.id), reverse=True),
            recent=(await self._kernel.ledger.executions(mine, limit=_RECENT)).items,
            missing=[row for row in doubtful if misses_id(row)],
        )

    async def _collecting(self, workflow: Workflow) -> list[Execution]:
        """Runs that ended well and whose results are still to be fetched."""
        incomplete = await self._kernel.ledger.outstanding(workflow.target_id, 0)
        handles = frozenset(
            row.handle
            for row in incomplete
            if row.handle and row.state is ExecutionState.SUCCEEDED and row.output_state is OutputState.PENDING
        )
        return await self._all(replace(self._of(workflow.id), handles=handles)) if handles else []

    async def cross_reference(self, instance: str, *, fresh: bool) -> CrossReference:
        """The database and AMC side by side: of the last comparison, or of a fresh one that all callers share."""
        target = await self._instance(instance)
        try:
            scanned = await (self._kernel.scan(target) if fresh else self._kernel.last_scan(target.id))
        except _COULD_NOT_LOOK as error:
            return await self._without_amc(target, error)
        return cross_reference(target, scanned) if scanned else await self._without_amc(target, None)

    async def _without_amc(self, target: Target, error: AfieldError | None) -> CrossReference:
        here = ExecutionFilter(tenant_id=self._tenant_id, target_id=target.id)
        doubtful = await self._all(replace(here, states=MAY_MISS_ID))
        counts = await self._kernel.ledger.count_by_state(here)
        return not_looked(
            target,
            error=str(error) if error else NOT_LOOKED_YET,
            database_count=sum(counts.values()),
            missing=[row for row in doubtful if misses_id(row)],
        )

    # ------------------------------------------------------------------ reading

    def _of(self, workflow_id: UUID) -> ExecutionFilter:
        return ExecutionFilter(tenant_id=self._tenant_id, labels={WORKFLOW_ID: str(workflow_id)})

    async def _all(self, wanted: ExecutionFilter) -> list[Execution]:
        found: list[Execution] = []
        cursor: str | None = None
        while True:
            page = await self._kernel.ledger.executions(wanted, limit=_PAGE, cursor=cursor)
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                return found
