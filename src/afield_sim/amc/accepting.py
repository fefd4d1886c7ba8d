"""Turning a create request into an execution."""

import uuid
from collections.abc import Callable
from dataclasses import asdict

from ..clock import Clock
from .bodies import CreateExecution, Workflow
from .errors import no_such_workflow, refused
from .faults import FaultBox
from .lifecycle import Lifecycle
from .model import FAILED, REJECTED, Execution, Window
from .settings import InstanceSettings
from .store import ExecutionStore
from .windows import overlap, read_window

TOO_MANY = (
    'Execution "{id}" of workflow "{workflow_id}" could not be run because too many workflows have already '
    "been run against the same input data sources in the same or overlapping time windows."
)


class Acceptor:
    """Makes executions, with the faults planned into them, and hands them to the lifecycle."""

    def __init__(
        self,
        *,
        clock: Clock,
        store: ExecutionStore,
        lifecycle: Lifecycle,
        faults: FaultBox,
        settings_of: Callable[[str], InstanceSettings],
    ) -> None:
        self._clock = clock
        self._store = store
        self._lifecycle = lifecycle
        self._faults = faults
        self._settings_of = settings_of

    def accept(self, instance_id: str, body: CreateExecution, workflow: Workflow) -> Execution:
        """Create the execution (two of them under the fault `duplicated`); a 400 for a bad window."""
        try:
            window = read_window(body)
        except ValueError as error:
            raise refused(400, f"Invalid request: {error}") from None
        execution = self._admit(instance_id, body, workflow, window)
        if self._faults.strikes(self._faults.of(instance_id).duplicated):
            self._admit(instance_id, body, workflow, window)
        return execution

    def _admit(self, instance_id: str, body: CreateExecution, workflow: Workflow, window: Window) -> Execution:
        execution = self._make(instance_id, body, workflow, window)
        self._plan(execution)
        self._store.add(execution)
        self._lifecycle.admit(execution)
        return execution

    def _make(self, instance_id: str, body: CreateExecution, workflow: Workflow, window: Window) -> Execution:
        now = self._clock.now()
        skew = self._faults.of(instance_id).clock_skew
        return Execution(
            id=str(uuid.uuid4()),
            instance_id=instance_id,
            workflow_id=body.workflow_id or self._adhoc_name(instance_id, workflow),
            number=self._store.last_number + 1,
            source="api",
            arrived_at=now,
            updated_at=now,
            skew=skew.seconds if skew else 0.0,
            status="PENDING",
            window=window,
            sql=workflow.sql_query,
            parameters=workflow.parameters,
            parameter_values=body.parameter_values or {},
            timeout_seconds=body.workflow_execution_timeout_seconds,
            dry_run=body.dry_run,
            skip_publish=body.skip_publish,
            ignore_data_gaps=body.ignore_data_gaps,
            disable_aggregation_controls=body.disable_aggregation_controls,
            require_synthetic_data=body.require_synthetic_data,
            advertisers=[entry.model_dump(by_alias=True, exclude_none=True) for entry in body.advertisers]
            if body.advertisers
            else None,
            separator=workflow.separator,
        )

    def _adhoc_name(self, instance_id: str, workflow: Workflow) -> str:
        if workflow.workflow_id and self._settings_of(instance_id).echo_adhoc_workflow_id:
            return workflow.workflow_id
        return f"transient_{uuid.uuid4()}"

    def _plan(self, execution: Execution) -> None:
        """Decide at create what will go wrong with this execution."""
        faults = self._faults.of(execution.instance_id)
        strikes = self._faults.strikes
        if faults.rejected and strikes(faults.rejected):
            execution.planned_status, execution.planned_reason = REJECTED, faults.rejected.reason
        elif faults.failed and strikes(faults.failed):
            execution.planned_status, execution.planned_reason = FAILED, faults.failed.reason
        elif faults.too_many_runs and self._overlapping(execution) >= faults.too_many_runs.limit:
            execution.planned_status = REJECTED
            execution.planned_reason = TOO_MANY.format(**asdict(execution))
        if faults.unknown_status and strikes(faults.unknown_status):
            execution.word = faults.unknown_status.word
            execution.word_instead_of = list(faults.unknown_status.instead_of)
        execution.planned_empty = strikes(faults.empty_result)

    def _overlapping(self, execution: Execution) -> int:
        return sum(
            1
            for other in self._store
            if other.instance_id == execution.instance_id
            and other.status != REJECTED
            and overlap(other.window, execution.window)
        )


def choose_workflow(body: CreateExecution, saved: Callable[[str], Workflow | None]) -> Workflow:
    """The query a request names or carries; a 400 unless it does exactly one of the two."""
    if (body.workflow_id is None) == (body.workflow is None):
        raise refused(400, "Exactly one of workflowId and workflow must be provided.")
    if body.workflow is not None:
        return body.workflow
    workflow = saved(body.workflow_id or "")
    if workflow is None:
        raise no_such_workflow(body.workflow_id or "")
    return workflow
