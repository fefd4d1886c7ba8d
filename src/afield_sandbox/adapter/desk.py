"""The desk: takes runs, has each run once, however often it is asked for, and remembers what became of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

from afield_sandbox.adapter.activity import Activity
from afield_sandbox.adapter.clock import Clock
from afield_sandbox.adapter.errors import BusyAnswerError, ConflictError, FailedError, of_jail
from afield_sandbox.adapter.offload import handle
from afield_sandbox.adapter.programs import Programs
from afield_sandbox.adapter.records import Bounds, Record, Records, Status
from afield_sandbox.adapter.results import ASKED_TO_STOP, pack_result, refused
from afield_sandbox.adapter.submissions import Order
from afield_sandbox.adapter.watcher import Watcher
from afield_sandbox.errors import SandboxError, WorkerLostError
from afield_sandbox.jail import LocalJail
from afield_sandbox.model import MIB, Outcome, Program, Verdict
from afield_sandbox.verdicts import Stop

_WORKERS_LOST = 3
_MOST_BYTES = 512 * MIB


class Desk:
    """Runs in, results out."""

    def __init__(self, jail: LocalJail, clock: Clock, activity: Activity, *, most_runs: int, bounds: Bounds) -> None:
        self._jail = jail
        self._most_runs = most_runs
        self._bytes = 0
        self._activity = activity
        self._programs = Programs(jail)
        self._under_way: set[asyncio.Task[None]] = set()
        self.records = Records(clock, bounds)

    def take(self, order: Order, watcher: Watcher | None = None) -> Record:
        """Start a run that goes on whether or not anybody waits; or find the one that this id began before.

        Raises ConflictError when the id belongs to another submission, BusyAnswerError when too much waits.
        """
        record = self.records.get(order.run_id)
        if record is not None:
            if record.digest != order.digest:
                text = f"The run id {order.run_id} was used for another submission."
                raise ConflictError(text, hint="Use a new id for another run.")
            return record
        if len(self._under_way) >= self._most_runs or self._bytes + order.size > _MOST_BYTES:
            raise BusyAnswerError(f"{len(self._under_way)} runs go on or wait.", hint="Try again when some have ended.")
        record = self.records.add(order.run_id, order.digest)
        record.watcher = watcher
        record.task = asyncio.create_task(self._carry_out(record, order))
        record.task.add_done_callback(partial(self._over, record, order))
        self._under_way.add(record.task)
        self._bytes += order.size
        self._activity.begin()
        return record

    def _over(self, record: Record, order: Order, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._bytes -= order.size
        self._activity.end()
        if record.stopping and not record.ended.is_set():  # stopped before its task had begun
            result = pack_result(ASKED_TO_STOP, order.language)
            self.records.end(record, Status.STOPPED, Verdict.SIGNAL, result)

    def stop(self, record: Record) -> bool:
        """Ask a run to end; False when it has ended already."""
        if record.ended.is_set():
            return False
        record.stopping = True
        if record.run is not None:
            record.run.stop(Stop.ASKED)
        elif record.task is not None:
            record.task.cancel()
        else:
            return False
        return True

    async def close(self) -> None:
        """End all runs."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _carry_out(self, record: Record, order: Order) -> None:
        try:
            outcome = await self._outcome(record, order)
        except asyncio.CancelledError:
            if not record.stopping:  # the adapter ends
                raise
            outcome = ASKED_TO_STOP
        except SandboxError as problem:
            if not record.shown:
                self.records.drop(record, of_jail(problem))
                return
            outcome = refused(problem.message)
        except BaseException:
            self.records.drop(record, FailedError("The adapter failed.", hint="Look at its standard error."))
            raise
        record.task = None  # too late to stop it
        await self._end(record, order, outcome)

    async def _end(self, record: Record, order: Order, outcome: Outcome) -> None:
        result = await handle(len(outcome.merged), pack_result, outcome, order.language)
        stopped = record.stopping and outcome.verdict is Verdict.SIGNAL
        status = Status.STOPPED if stopped else Status.FINISHED
        self.records.end(record, status, outcome.verdict, result)

    async def _outcome(self, record: Record, order: Order) -> Outcome:
        program = await self._programs.program(order)
        compiled = program.compiled
        if compiled is None:
            return await self._run(record, program)
        if record.watcher is not None:
            record.watcher.compiled(compiled)
        if not program.ready:
            return replace(compiled, compile=compiled)
        return replace(await self._run(record, program), compile=compiled)

    async def _run(self, record: Record, program: Program) -> Outcome:
        """In another worker when one is lost before the program began; never a second time."""
        watcher = record.watcher
        printed = watcher.printed if watcher is not None else None
        interactive = watcher is not None and watcher.interactive
        for _ in range(_WORKERS_LOST):
            async with self._jail.started(program, printed, interactive=interactive) as run:
                record.run = run
                if watcher is not None:
                    watcher.running(run)
                try:
                    return await run.finish()
                except WorkerLostError:
                    if record.stopping:
                        return ASKED_TO_STOP
                finally:
                    record.run = None
        raise WorkerLostError(f"{_WORKERS_LOST} workers in turn were lost.", hint="Nothing of the submission ran.")
