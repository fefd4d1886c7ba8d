"""Executions driven in line: the process that is asked for one runs it at once, without a queue in between.

The rules are those of every driver. The intent is committed before the request leaves, together with the execution
itself; the end is one more commit; both are shared with whoever else writes at that moment. While the request is on
its way, the row is held: the target's driver leaves it alone. A process that dies lets go of it by doing nothing, and
the driver then finds out what became of the attempt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

import structlog

from afield.connectors.base import Intent, Limits, NotSent, Ran, Submission, Unknown
from afield.connectors.registry import AnyConnector, check_spec
from afield.connectors.talk import Talk
from afield.doors import Doors
from afield.engine.answer import answered, ran
from afield.engine.plan import send_window
from afield.engine.turn import CREDENTIAL_PAUSE
from afield.errors import CredentialError
from afield.faultpoints import FaultPoint, reach
from afield.kernel import Kernel, Order, check_labels, limits_of
from afield.ledger import rules
from afield.model.execution import Execution, Move, NewExecution, Reason
from afield.model.ids import attempt_key, uuid7
from afield.model.states import ExecutionState
from afield.model.target import DEFAULT_TENANT, Target

log = structlog.get_logger(__name__)

HOLD_S = 20.0
"""How long a row is held at a time, in seconds: so long after this process died, a driver takes over."""

Answer = Ran | Submission
Result = TypeVar("Result")


class _Call:
    """A call on its way, which can be given up."""

    def __init__(self) -> None:
        self._sending: asyncio.Task[Answer] | None = None
        self._given_up = False

    async def answer(self, call: Coroutine[object, object, Answer]) -> Answer:
        """The call's answer; Unknown when it was given up meanwhile, NotSent when it was before."""
        if self._given_up:
            call.close()
            return NotSent(Reason("held_back", "Nobody waited for it any more."), timedelta(0))
        self._sending = asyncio.create_task(call)
        await asyncio.wait({self._sending})
        if self._sending.cancelled():
            return Unknown(Reason("handed_over", "The process that sent it does not wait for its end."))
        return self._sending.result()

    def give_up(self) -> None:
        self._given_up = True
        if self._sending is not None:
            self._sending.cancel()


class Inline:
    """Drives executions in this process. Close it before the kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.doors = Doors(kernel)
        self._calls: dict[UUID, _Call] = {}
        self._work: set[asyncio.Task[object]] = set()
        self._holder: asyncio.Task[None] | None = None

    async def run(self, order: Order, *, tenant_id: UUID = DEFAULT_TENANT, talk: Talk | None = None) -> Execution:
        """Record the order with its intent, run it, record its end.

        Returns the execution as it then is: final; or submitted, unconfirmed or queued, when it goes on without us
        and the target's driver follows it. It is handed over so when somebody asks to cancel it, when its time is
        over, and when the calling task is cancelled. Raises as `Kernel.submit`, and then nothing is recorded.
        """
        call = _Call()
        work = self._track(self._run(call, order, tenant_id, talk))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            call.give_up()
            raise

    def start(
        self, order: Order, *, tenant_id: UUID = DEFAULT_TENANT, talk: Talk | None = None
    ) -> asyncio.Task[Execution]:
        """The same as a task of its own, which is finished even if nobody waits for it. Not to be cancelled."""
        return self._track(self._run(_Call(), order, tenant_id, talk))

    def _track(self, work: Coroutine[object, object, Result]) -> asyncio.Task[Result]:
        """Work that is finished even if nobody waits for it; `close` does."""
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    async def _run(self, call: _Call, order: Order, tenant_id: UUID, talk: Talk | None) -> Execution:
        check_labels(order)
        target = await self.doors.target(order.target, tenant_id)
        new = _new(order, target, tenant_id)
        limits = limits_of(target)
        async with self.doors.through(target) as connector:
            reach(FaultPoint.BEFORE_INTENT)
            created = await self._kernel.ledger.begin(new, self._intent(new), HOLD_S)
            reach(FaultPoint.AFTER_INTENT)
            row = created.execution
            if created.replayed:
                return row
            intent = Intent(
                execution_id=row.id, attempt=1, key=attempt_key(row.id, 1), spec=row.spec, sent_after=row.state_at
            )
            answer = await self._answer(call, self._send(connector, target, intent, limits, talk), intent)
        if isinstance(answer, Ran):
            self._track(self._release(target, intent))
        return await self._record(target, row, intent, answer, limits)

    def _intent(self, new: NewExecution) -> Move:
        at = self._kernel.clock.now()
        return Move(
            execution_id=new.id,
            expect=ExecutionState.QUEUED,
            to=ExecutionState.SUBMITTING,
            attempt=1,
            at=at,
            deadline_at=None if new.timeout_s is None else at + timedelta(seconds=new.timeout_s),
        )

    async def _answer(self, call: _Call, sending: Coroutine[object, object, Answer], intent: Intent) -> Answer:
        self._calls[intent.execution_id] = call
        if self._holder is None or self._holder.done():
            self._holder = asyncio.create_task(self._hold(), name="inline hold")
        try:
            answer = await call.answer(sending)
        finally:
            del self._calls[intent.execution_id]
        reach(FaultPoint.AFTER_REPLY)
        return answer

    async def _send(
        self, connector: AnyConnector, target: Target, intent: Intent, limits: Limits, talk: Talk | None
    ) -> Answer:
        """One call. An intent that waited too long is not sent: see `plan.send_window`."""
        if self._kernel.clock.now() - intent.sent_after > send_window(limits):
            return NotSent(Reason("held_back", "It was not sent in time."), timedelta(0))
        sink = self._kernel.artifacts.sink(f"{target.id}/{intent.execution_id}")
        try:
            return await connector.run(intent, sink, talk)
        except CredentialError as error:
            return NotSent(Reason(error.code, str(error)), CREDENTIAL_PAUSE)
        except Exception as error:  # whatever a connector does wrong, the attempt is in doubt, not lost
            log.exception("connector.run_failed", execution_id=str(intent.execution_id), target=target.name)
            return Unknown(Reason("connector_error", f"{type(error).__name__}: {error}"))

    async def _record(
        self, target: Target, row: Execution, intent: Intent, answer: Answer, limits: Limits
    ) -> Execution:
        """Write down what came of it. When it goes on without us, or somebody else has moved it, the driver is told."""
        now = self._kernel.clock.now()
        if isinstance(answer, Ran):
            moves = ran(row, intent, answer, now, limits)
        else:
            moves = [answered(row, intent, answer, now, limits)]
        applied = await self._kernel.ledger.apply_all(moves)
        moved = rules.after(row, moves)
        if not moved.complete or not all(one.ok for one in applied):
            self._kernel.nudger.nudge(target.id)
        return moved if all(one.ok for one in applied) else await self._kernel.ledger.execution(row.id)

    async def _release(self, target: Target, intent: Intent) -> None:
        """Remove what a run left behind at the remote. Best effort, as in `engine.collect`."""
        try:
            async with self.doors.through(target) as connector:
                await connector.release(intent)
        except Exception as error:  # noqa: BLE001 - what stays there costs only tidiness
            log.warning("connector.release_failed", execution_id=str(intent.execution_id), error=str(error))

    async def _hold(self) -> None:
        """Hold what takes long, and hand over what is to be stopped; ends when nothing is on its way any more."""
        while True:
            await asyncio.sleep(HOLD_S / 20)
            if not self._calls:
                return
            try:
                held = await self._kernel.ledger.hold(list(self._calls), HOLD_S)
            except Exception as error:  # noqa: BLE001 - a loop that ends would lose its rows to a driver
                log.warning("inline.not_held", error=str(error))
                continue
            for execution_id, stop in held.items():
                if stop and execution_id in self._calls:
                    self._calls[execution_id].give_up()

    async def close(self) -> None:
        """Hand over what is running to the targets' drivers, and close all connectors."""
        for call in self._calls.values():
            call.give_up()
        while self._work:
            await asyncio.wait(self._work)
        if self._holder is not None:
            self._holder.cancel()
            await asyncio.wait({self._holder})
        await self.doors.close()


def _new(order: Order, target: Target, tenant_id: UUID) -> NewExecution:
    return NewExecution(
        id=uuid7(),
        tenant_id=tenant_id,
        target_id=target.id,
        spec=check_spec(target.connector, order.spec),
        labels=dict(order.labels),
        idempotency_key=order.idempotency_key,
        resubmit=order.resubmit,
        timeout_s=order.timeout_s,
    )
