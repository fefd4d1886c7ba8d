"""How executions move from PENDING to their end.

Nothing polls: what is due is kept in one heap, and worked off in the order of its due time whenever
somebody looks. So a move happens at its own time, however late it is noticed, and one alarm for the
earliest entry is all the simulator needs.
"""

import heapq
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Literal, Protocol

from ..pulse import Pulse
from .engine import CannotRunError, Result, fixed_result, header_only, split_evenly
from .faults import FaultBox
from .model import CANCELLED, FAILED, LIVE, PENDING, PUBLISHING, REJECTED, RUNNING, SUCCEEDED, Execution
from .results import ResultStore
from .runner import Outcome
from .settings import AccountSettings, InstanceSettings
from .store import ExecutionStore
from .windows import resolve_window

Step = Literal["ready", "ran", "published", "timeout"]


class StartsQueries(Protocol):
    """What runs the SQL."""

    def start(self, execution: Execution, settings: InstanceSettings) -> None:
        """Begin; the outcome comes to `Lifecycle.query_done`."""

    def stop(self, execution_id: str) -> None:
        """Stop, if it runs."""


class Lifecycle:
    """Moves executions; `settle(now)` does everything that is due by `now` (seconds since 1970)."""

    def __init__(
        self,
        *,
        now: Callable[[], float],
        store: ExecutionStore,
        results: ResultStore,
        settings_of: Callable[[str], InstanceSettings],
        account: AccountSettings,
        faults: FaultBox,
        pulse: Pulse,
    ) -> None:
        self._now = now
        self._store = store
        self._results = results
        self._settings_of = settings_of
        self._account = account
        self._faults = faults
        self._pulse = pulse
        self._runner: StartsQueries | None = None
        self.forget()

    def forget(self) -> None:
        """Drop all that is due, waiting or running."""
        self._due: list[tuple[float, int, str, Step]] = []
        self._order = 0
        self._waiting: defaultdict[str, deque[str]] = defaultdict(deque)
        self._running: defaultdict[str, set[str]] = defaultdict(set)
        self._computing: set[str] = set()
        self._outcomes: dict[str, Outcome] = {}

    def use(self, runner: StartsQueries) -> None:
        """Use this runner for the SQL."""
        self._runner = runner

    def admit(self, execution: Execution) -> None:
        """Take in a new execution that is already in the store."""
        settings = self._settings_of(execution.instance_id)
        if settings.instant:
            execution.instant = True
            execution.started_at = execution.arrived_at
            self._finish_at_once(execution)
        else:
            self._at(execution.arrived_at + settings.pending_seconds, execution, "ready")

    def _finish_at_once(self, execution: Execution) -> None:
        if execution.planned_status is not None:
            self._end(execution, execution.planned_status, execution.planned_reason, execution.arrived_at)
        else:
            self._finish_with(execution, fixed_result(execution), execution.arrived_at)

    def resume(self, execution: Execution) -> None:
        """Go on with an execution that was live when the simulator stopped."""
        if execution.held:
            return
        settings = self._settings_of(execution.instance_id)
        if execution.status == PENDING:
            self._at(execution.arrived_at + settings.pending_seconds, execution, "ready")
        elif execution.status == RUNNING:
            self._occupy(execution, execution.started_at or self._now())
        elif execution.status == PUBLISHING:
            self._running[execution.instance_id].add(execution.id)
            self._at(execution.updated_at + settings.publishing_seconds, execution, "published")

    def next_due(self) -> float | None:
        """When the next move is due; None when nothing is."""
        return self._due[0][0] if self._due else None

    def settle(self, now: float) -> None:
        """Do all moves due by `now`."""
        while self._due and self._due[0][0] <= now:
            due, _, execution_id, step = heapq.heappop(self._due)
            execution = self._store.get(execution_id)
            if execution is not None and execution.status in LIVE and not execution.held:
                self._step(execution, step, due)

    def cancel(self, execution: Execution, now: float) -> None:
        """End a live execution as CANCELLED."""
        self._end(execution, CANCELLED, None, now)

    def force(self, execution: Execution, status: str, reason: str | None, now: float) -> None:
        """Give an execution any status, as if something at the remote had; a live one then stays so."""
        execution.held = True
        self._end(execution, status, reason, now)

    def query_done(self, execution_id: str, outcome: Outcome) -> None:
        """Take the outcome of an execution's SQL."""
        execution = self._store.get(execution_id)
        if execution is None or execution_id not in self._computing:
            return
        self._computing.discard(execution_id)
        self._outcomes[execution_id] = outcome
        due = (execution.started_at or 0.0) + self._settings_of(execution.instance_id).running_seconds
        self._at(max(due, self._now()), execution, "ran")
        self.settle(self._now())
        self._pulse.beat()

    def _step(self, execution: Execution, step: Step, due: float) -> None:
        if step == "ready" and execution.status == PENDING:
            self._ready(execution, due)
        elif step == "ran" and execution.status == RUNNING and execution.id not in self._computing:
            self._ran(execution, due)
        elif step == "published" and execution.status == PUBLISHING:
            self._end(execution, SUCCEEDED, None, due)
        elif step == "timeout":
            self._end(execution, FAILED, "The execution exceeded its workflowExecutionTimeoutSeconds.", due)

    def _ready(self, execution: Execution, due: float) -> None:
        if not execution.computes:
            self._end(execution, SUCCEEDED, None, due)
            return
        self._waiting[execution.instance_id].append(execution.id)
        self.fill(due)

    def fill(self, now: float) -> None:
        """Give free slots to those that wait, in the order of their arrival."""
        busy = sum(len(running) for running in self._running.values())
        for instance_id, waiting in self._waiting.items():
            limit = self._settings_of(instance_id).concurrency
            while waiting and len(self._running[instance_id]) < limit and busy < self._account.concurrency:
                execution = self._store.get(waiting.popleft())
                if execution is not None and execution.status == PENDING:
                    self._begin(execution, now)
                    busy += execution.status == RUNNING

    def _begin(self, execution: Execution, now: float) -> None:
        if execution.planned_status == REJECTED:
            self._change(execution, REJECTED, execution.planned_reason, now)
            return
        execution.started_at = now
        execution.window = resolve_window(execution.window, execution.created_at)
        self._change(execution, RUNNING, None, now)
        self._occupy(execution, now)

    def _occupy(self, execution: Execution, started: float) -> None:
        settings = self._settings_of(execution.instance_id)
        self._running[execution.instance_id].add(execution.id)
        self._at(started + settings.running_seconds, execution, "ran")
        self._at(started + execution.timeout_seconds * settings.timeout_factor, execution, "timeout")
        if settings.run_sql and execution.sql is not None and self._runner is not None:
            self._computing.add(execution.id)
            self._runner.start(execution, settings)

    def _ran(self, execution: Execution, due: float) -> None:
        outcome = self._outcomes.pop(execution.id, None) or fixed_result(execution)
        if isinstance(outcome, CannotRunError):
            self._end(execution, outcome.status, outcome.reason, due)
        elif execution.planned_status == FAILED:
            self._end(execution, FAILED, execution.planned_reason, due)
        else:
            self._finish_with(execution, outcome, due)

    def _finish_with(self, execution: Execution, result: Result, now: float) -> None:
        """Keep the result, then publish it or end."""
        publishing = 0.0 if execution.instant else self._settings_of(execution.instance_id).publishing_seconds
        self._keep_result(execution, result)
        if publishing > 0:
            self._change(execution, PUBLISHING, None, now)
            self._at(now + publishing, execution, "published")
        else:
            self._end(execution, SUCCEEDED, None, now)

    def _keep_result(self, execution: Execution, result: Result) -> None:
        if execution.planned_empty:
            result = header_only(result)
        split = self._faults.of(execution.instance_id).result_files
        if split is not None:
            result = split_evenly(result, split.count)
        execution.columns = result.columns
        if execution.skip_publish:
            return
        execution.files = len(result.files)
        if not execution.instant or split is not None:
            self._results.put(execution.id, result.files)

    def _end(self, execution: Execution, status: str, reason: str | None, now: float) -> None:
        """Give the status, free the slot and stop the SQL, then let the next one in."""
        self._change(execution, status, reason, now)
        if status in LIVE:
            return
        execution.finished_at = now
        self._store.save(execution)
        self._running[execution.instance_id].discard(execution.id)
        self._outcomes.pop(execution.id, None)
        if execution.id in self._computing:
            self._computing.discard(execution.id)
            if self._runner is not None:
                self._runner.stop(execution.id)
        self.fill(now)

    def _change(self, execution: Execution, status: str, reason: str | None, now: float) -> None:
        execution.status = status
        execution.status_reason = reason
        execution.updated_at = now
        if status in LIVE or status == REJECTED:
            self._store.save(execution)
        self._pulse.beat()

    def _at(self, due: float, execution: Execution, step: Step) -> None:
        self._order += 1
        heapq.heappush(self._due, (due, self._order, execution.id, step))
