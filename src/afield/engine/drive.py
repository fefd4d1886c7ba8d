"""Driving one target: load, plan, act, apply, wait; until nothing is outstanding or somebody says stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterable, Sequence
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

import structlog

from afield.clock import Clock
from afield.connectors.base import Artifacts
from afield.connectors.registry import AnyConnector
from afield.engine.budget import CallBudget
from afield.engine.collect import cancel, collect
from afield.engine.look import look
from afield.engine.plan import Action, Admit, Cancel, Collect, Doubt, Drop, Look, Plan, Submit, View, plan
from afield.engine.submit import intend, settle_here, submit
from afield.engine.turn import Fenced, Turn
from afield.ledger.base import EngineLedger
from afield.model.execution import Tracked
from afield.model.states import ExecutionState
from afield.model.target import Target

log = structlog.get_logger(__name__)

_SETTLE_PAUSE = timedelta(milliseconds=20)
_MOST_SLEEP = timedelta(minutes=1)


class Outcome(StrEnum):
    """How a turn at driving a target ended."""

    DONE = "done"  # nothing is outstanding
    STOPPED = "stopped"  # asked to stop; work may be outstanding
    FENCED = "fenced"  # another driver has taken the target


class Driver:
    """One turn at driving one target. At most one is current at a time: taking the target raises its epoch, and
    every write of an earlier driver is refused from then on."""

    def __init__(
        self,
        ledger: EngineLedger,
        connector: AnyConnector,
        artifacts: Artifacts,
        target: Target,
        *,
        clock: Clock,
        stop: asyncio.Event,
        grace: timedelta,
        linger: timedelta,
    ) -> None:
        limits = connector.abilities.limits.overridden(target.settings)
        self.turn = Turn(
            ledger=ledger,
            connector=connector,
            artifacts=artifacts,
            target=target,
            limits=limits,
            clock=clock,
            budget=CallBudget(limits.calls_per_minute, clock.now()),
            calls=asyncio.Semaphore(limits.max_calls),
            stop=stop,
            look=target.look,
            throttled_until=target.throttled_until,
        )
        self.clock = clock
        self.grace = grace
        self.linger = linger
        self.wake = asyncio.Event()
        self._tasks: dict[asyncio.Task[None], frozenset[UUID]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._fenced = False
        self._failed: BaseException | None = None
        self._load_seconds = 0.0
        self._aside = 0  # queued rows that are set aside for now

    async def run(self) -> Outcome:
        """Drive until done, stopped or fenced. Raises what the ledger raises when it is away for too long."""
        with self.turn.ledger.waking(self.turn.target.id, self.wake):
            stopper = asyncio.create_task(self._wake_on_stop())
            try:
                return await self._loop()
            finally:
                stopper.cancel()
                await self._wind_up()

    async def _wake_on_stop(self) -> None:
        await self.turn.stop.wait()
        self.wake.set()

    async def _loop(self) -> Outcome:
        while True:
            self.wake.clear()
            if self._failed is not None:
                raise self._failed
            if self._fenced:
                return Outcome.FENCED
            if self.turn.stop.is_set():
                return Outcome.STOPPED
            rows, planned = await self._think()
            if not rows and not self._tasks:
                if await self._more():
                    continue
                return Outcome.DONE
            self._start(planned.actions)
            await self._rest(planned)

    async def _more(self) -> bool:
        """Stay for a moment after the last row: a session's next step follows at once, and would have to wait until
        the queue lets another driver begin."""
        if self.linger:
            await self.clock.wait(self.wake, self.clock.now() + self.linger)
        return self.wake.is_set()

    async def _think(self) -> tuple[list[Tracked], Plan]:
        """Load and plan. The rows are loaded after `busy` was read: a row whose action ends in between is seen
        with its new state, never planned for twice."""
        began = time.perf_counter()
        busy = self._busy()
        turn = self.turn
        rows = await self._load()
        now = self.clock.now()
        view = View(
            look=turn.look,
            throttled_until=turn.throttled_until,
            calls_left=turn.budget.left(now),
            busy=busy,
            looking=self._looking is not None,
            retired=turn.retired,
        )
        planned = plan(rows, now, turn.limits, turn.connector.abilities, view)
        self._load_seconds = time.perf_counter() - began
        return rows, planned

    async def _load(self) -> list[Tracked]:
        """The rows; of the queued ones a batch beside those that are set aside, or these would keep the others out."""
        turn = self.turn
        while True:
            rows = await turn.ledger.outstanding(turn.target.id, turn.limits.submit_batch + self._aside)
            now = self.clock.now()
            aside = sum(
                row.state is ExecutionState.QUEUED and row.retry_at is not None and row.retry_at > now for row in rows
            )
            if aside <= self._aside:
                self._aside = aside
                return rows
            self._aside = 2 * aside

    def _busy(self) -> frozenset[UUID]:
        busy: set[UUID] = set()
        for ids in self._tasks.values():
            busy |= ids
        return frozenset(busy)

    async def _rest(self, planned: Plan) -> None:
        """Wait for the first thing to happen; then a moment more, so that what happens together is thought of once.

        The moment is a few times what the last thought cost, so that thinking takes a bounded share of the time.
        """
        now = self.clock.now()
        until = min(planned.wake_at or now + _MOST_SLEEP, now + _MOST_SLEEP)
        await self.clock.wait(self.wake, until)
        if self._tasks and not self.turn.stop.is_set():
            pause = max(_SETTLE_PAUSE, timedelta(seconds=5 * self._load_seconds))
            await self.clock.wait(self.turn.idle, self.clock.now() + pause)

    # ------------------------------------------------------------------ starting actions

    def _start(self, actions: Sequence[Action]) -> None:
        submits: list[Tracked] = []
        collects: list[Tracked] = []
        at_once: list[Doubt | Drop | Admit] = []
        for action in actions:
            self.turn.budget.spend(self._cost(action))
            match action:
                case Submit(row):
                    submits.append(row)
                case Doubt() | Drop() | Admit():
                    at_once.append(action)
                case Look():
                    self._looking = self._spawn(look(self.turn, action), ())
                case Cancel(row):
                    self._spawn(cancel(self.turn, row), (row.id,))
                case Collect(row):
                    collects.append(row)
        if submits:
            self._spawn_submissions(submits)
        if collects:
            self._spawn_collections(collects)
        if at_once:
            self._spawn(settle_here(self.turn, at_once), [action.row.id for action in at_once])

    def _cost(self, action: Action) -> int:
        """The calls an action will make, taken out of the budget as it starts. A look tells its own afterwards."""
        match action:
            case Submit():
                return self.turn.connector.abilities.submit_calls
            case Collect():
                return self.turn.connector.abilities.collect_calls
            case Cancel():
                return 1
            case Doubt() | Drop() | Admit() | Look():
                return 0

    def _spawn_submissions(self, rows: Sequence[Tracked]) -> None:
        """One task commits the intents of all; then each row has a task of its own, so that none waits for another."""

        async def submissions() -> None:
            for row, intent in await intend(self.turn, rows):
                self._spawn(submit(self.turn, row, intent), (row.id,))

        self._spawn(submissions(), [row.id for row in rows])

    def _spawn_collections(self, rows: Sequence[Tracked]) -> None:
        """One task reads the attempts of all, which are released in the end; then each row has a task of its own."""

        async def collections() -> None:
            intents = await self.turn.ledger.intents(row.id for row in rows)
            for row in rows:
                self._spawn(collect(self.turn, row, intents[row.id]), (row.id,))

        self._spawn(collections(), [row.id for row in rows])

    def _spawn(self, work: Coroutine[None, None, None], ids: Iterable[UUID]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks[task] = frozenset(ids)
        self.turn.idle.clear()
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if task is self._looking:
            self._looking = None
        if not self._tasks:
            self.turn.idle.set()
        self.wake.set()
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, Fenced):
            self._fenced = True
        elif error is not None:
            self._failed = error

    # ------------------------------------------------------------------ the end

    async def _wind_up(self) -> None:
        """Let what is under way come to its end for a while; what does not is cut off, and its rows are left for
        the next driver to put in doubt."""
        if self._tasks and not self._fenced and self._failed is None:
            await self.clock.wait(self.turn.idle, self.clock.now() + self.grace)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not self._fenced and self._failed is None:
            await self.turn.ledger.release(self.turn.target.id, self.turn.target.epoch)


async def drive(
    ledger: EngineLedger,
    connector: AnyConnector,
    artifacts: Artifacts,
    target_id: UUID,
    *,
    driver: str,
    clock: Clock,
    stop: asyncio.Event,
    grace: timedelta = timedelta(seconds=8),
    linger: timedelta = timedelta(0),
) -> Outcome:
    """Take the target and drive it. See `Driver`. `linger`: how long to wait for more once nothing is outstanding."""
    target = await ledger.take(target_id, driver, clock.now())
    turn = Driver(ledger, connector, artifacts, target, clock=clock, stop=stop, grace=grace, linger=linger)
    log.info("driver.started", target_id=str(target_id), target=target.name, epoch=target.epoch, driver=driver)
    outcome = await turn.run()
    log.info("driver.ended", target_id=str(target_id), target=target.name, epoch=target.epoch, outcome=outcome)
    return outcome
