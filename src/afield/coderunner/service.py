"""Running code, as faces use it: validated, in fair turns, in leased sessions, every run an execution of the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from time import monotonic
from typing import cast
from uuid import UUID, uuid4

import orjson
import structlog

from afield.coderunner.hangup import Line
from afield.coderunner.judge import Judge, JudgedCode
from afield.coderunner.judging import Judgement
from afield.coderunner.leases import Lease
from afield.coderunner.pool import Pool, PoolView
from afield.coderunner.pool_errors import QueueFullError
from afield.coderunner.problems import Problem
from afield.coderunner.requests import (
    DIGEST_LABEL,
    KEY_LABEL,
    MOST_BATCH,
    RUN_LABEL,
    USER_LABEL,
    Refusal,
    RunReport,
    RunRequest,
    check_request,
    digest_of,
    key_digest,
)
from afield.coderunner.runtimes import Runtime, choose
from afield.connectors.coding import CodeResult, CodeSpec
from afield.connectors.talk import Talk
from afield.errors import (
    AfieldError,
    ConflictError,
    CredentialError,
    IdempotencyError,
    InvalidInputError,
    NotFoundError,
)
from afield.inline import Inline
from afield.kernel import Kernel, Order
from afield.ledger.base import EventFilter, ExecutionFilter
from afield.model.execution import Event, Execution, Resubmit
from afield.model.jsontypes import JsonObject
from afield.model.states import OUTSTANDING
from afield.model.target import DEFAULT_TENANT, Target

log = structlog.get_logger(__name__)

__all__ = ["CodeRunner", "JudgedCode", "Judgement", "PoolView", "Refusal", "RunReport", "RunRequest", "Runtime"]

LOCAL_POOL = "local-pool"
_LOCAL_CONNECTOR = "local_pool"
_MOST_WHOLE = 256 * 1024 * 1024  # bytes of a result, as JSON, that is read whole
_STOP_S = 5.0  # for a run to end once it was told to
_FIRST_PAUSE_S = 0.02
_NOTHING_SENT = (InvalidInputError, NotFoundError, ConflictError, CredentialError)


class CodeRunner:
    """The product, for one process. Close it before the inline driver."""

    def __init__(
        self,
        kernel: Kernel,
        inline: Inline,
        *,
        patience: timedelta = timedelta(seconds=60),
        most_patience: timedelta = timedelta(hours=1),
    ) -> None:
        """`patience`: how long a caller waits for a run that goes on without us. `most_patience`: how long its
        session is left alone; then it is stopped."""
        self._kernel = kernel
        self._inline = inline
        self._patience = patience
        self._most_patience = most_patience
        self._pools: dict[UUID, Pool] = {}

    async def close(self) -> None:
        """Give back the places that are at rest. Runs that are still on are left to their targets' drivers."""
        for pool in self._pools.values():
            await pool.close()

    # ------------------------------------------------------------------ running

    async def run(
        self, request: RunRequest, *, user: str, tenant_id: UUID = DEFAULT_TENANT, talk: Talk | None = None
    ) -> RunReport:
        """Run it when it is the user's turn, and wait for its end; a run whose end does not come in time is told as it
        is. Cancelling the call stops the run.

        Raises InvalidInputError, NotFoundError (pool), IdempotencyError, QueueFullError; nothing is recorded then.
        Raises UnavailableError and LookError when the pool or the ledger cannot be asked.
        """
        return _reported(await self._executed(_Asked(request, user, tenant_id), talk))

    async def _executed(self, asked: _Asked, talk: Talk | None = None) -> Execution:
        request = asked.request
        check_request(request, asked.user)
        before = await self._asked_before(asked)
        if before is not None:
            return await self._followed(before)
        pool = await self._pool(request.pool, asked.tenant_id)
        choose(await pool.runtimes(), request.spec.language, request.spec.version)
        home = await pool.home(request, asked.tenant_id, asked.user)
        async with (await pool.desk()).lease(asked.user, home) as lease:
            return await self._driven(pool, lease, asked, talk)

    async def _driven(self, pool: Pool, lease: Lease, asked: _Asked, talk: Talk | None) -> Execution:
        """The execution as it is in the end; the lease knows whether something of ours may still run."""
        order = asked.order(pool.target, lease.identifier)
        line = None if talk is None else Line(talk)
        running = self._inline.start(order, tenant_id=asked.tenant_id, talk=line)
        running.add_done_callback(_over)
        try:
            execution = await asyncio.shield(running)
            if execution.complete:
                lease.ended()
                return execution
            lease.goes_on(lambda: self._comes_to_an_end(pool, execution))
            execution = await self._followed(execution)
            if execution.complete:
                lease.ended()
            return execution
        except asyncio.CancelledError:
            if line is not None:
                line.hang_up()
            lease.goes_on(lambda: self._stopped(pool, lease.identifier, order.labels[RUN_LABEL], running))
            raise
        except IdempotencyError as error:
            lease.ended()
            return await self._same_request(asked, error)
        except _NOTHING_SENT:
            lease.ended()
            raise

    async def _followed(self, execution: Execution) -> Execution:
        """The execution once it is complete; as it is, when that takes too long."""
        if execution.complete:
            return execution
        try:
            async with asyncio.timeout(self._patience.total_seconds()):
                return await self._completed(execution)
        except TimeoutError:
            return await self._kernel.ledger.execution(execution.id)

    async def _completed(self, execution: Execution) -> Execution:
        """Waits for it by the feed of events."""
        wanted = EventFilter(tenant_id=execution.tenant_id, execution_id=execution.id)
        followed = cast("AsyncGenerator[Event, None]", self._kernel.ledger.follow(wanted, after=0))
        async with aclosing(followed) as events:
            async for event in events:
                if event.to_state in OUTSTANDING:
                    continue
                row = await self._kernel.ledger.execution(execution.id)
                if row.complete:
                    return row
        raise AssertionError("a feed ends never")

    async def _comes_to_an_end(self, pool: Pool, execution: Execution) -> bool:
        """Whether it ended within the time a session is left alone; a wish to cancel it is written down if not."""
        patience = self._most_patience.total_seconds() if await pool.stops_sessions() else None
        try:
            async with asyncio.timeout(patience):
                await self._completed(execution)
                return True
        except TimeoutError:
            log.warning("run.does_not_end", execution_id=str(execution.id))
            await self._cancel(execution, "coderunner")
            return False

    async def _stopped(self, pool: Pool, identifier: str, label: str, running: asyncio.Task[Execution]) -> bool:
        """Stop a run that nobody waits for any more. Whether it is known to have ended."""
        execution = await self._told_to_end(pool, identifier, label, running)
        if running.done() and not running.cancelled() and running.exception() is None and running.result().complete:
            return True
        if execution is None:
            return running.done()
        await self._cancel(execution, "coderunner")
        return not await pool.stops_sessions() and await self._comes_to_an_end(pool, execution)

    async def _told_to_end(
        self, pool: Pool, identifier: str, label: str, running: asyncio.Task[Execution]
    ) -> Execution | None:
        """Ask for a run to be stopped, again and again for a while: it may not have come to the pool yet."""
        give_up, pause = monotonic() + _STOP_S, _FIRST_PAUSE_S
        while True:
            execution = await self._labelled(pool.target.tenant_id, {RUN_LABEL: label})
            if execution is not None and not execution.complete:
                await pool.cancel(execution.handle or f"{identifier}/{execution.key}")
            await asyncio.wait({running}, timeout=pause)
            if running.done() or monotonic() >= give_up:
                return execution
            pause = min(pause * 2, 1.0)

    async def _cancel(self, execution: Execution, actor: str) -> None:
        try:
            await self._kernel.cancel(execution.id, actor, execution.tenant_id)
        except ConflictError:
            return  # it has ended meanwhile

    # ------------------------------------------------------------------ the same request again

    async def _asked_before(self, asked: _Asked) -> Execution | None:
        """The execution of an earlier request with this idempotency key. Raises IdempotencyError (another request)."""
        key = asked.request.idempotency_key
        if key is None:
            return None
        found = await self._labelled(asked.tenant_id, {KEY_LABEL: key_digest(asked.user, key)})
        if found is not None and found.labels.get(DIGEST_LABEL) != digest_of(asked.request):
            raise IdempotencyError(f"The key {key!r} was used with another request.", hint="Use a new key.")
        return found

    async def _same_request(self, asked: _Asked, error: IdempotencyError) -> Execution:
        """Two came at the same time, each with a session of its own: the other one was first."""
        found = await self._asked_before(asked)
        if found is None:
            raise error
        return await self._followed(found)

    async def _labelled(self, tenant_id: UUID, labels: Mapping[str, str]) -> Execution | None:
        page = await self._kernel.ledger.executions(ExecutionFilter(tenant_id=tenant_id, labels=labels), limit=1)
        return page.items[0] if page.items else None

    # ------------------------------------------------------------------ many

    async def batch(
        self, requests: Sequence[RunRequest], *, user: str, tenant_id: UUID = DEFAULT_TENANT
    ) -> tuple[RunReport | Refusal, ...]:
        """Run up to 50, each in its own turn; what is wrong with one does not touch the others. Raises
        InvalidInputError for none or too many."""
        if not 1 <= len(requests) <= MOST_BATCH:
            raise InvalidInputError(f"A batch has 1 to {MOST_BATCH} runs, not {len(requests)}.")
        runs = (self.run(request, user=user, tenant_id=tenant_id) for request in requests)
        return tuple(map(_told, await asyncio.gather(*runs, return_exceptions=True)))

    async def judge(
        self,
        problem: Problem,
        submission: JudgedCode,
        *,
        user: str,
        pool: str | None = None,
        tenant_id: UUID = DEFAULT_TENANT,
    ) -> Judgement:
        """Run all tests of a problem and compare. Raises as `run`, for what is wrong before the first test runs;
        later trouble makes a test `internal_error`, and the submission not judged."""

        async def run(spec: CodeSpec, labels: Mapping[str, str]) -> RunReport:
            asked = _Asked(RunRequest(spec=spec, pool=pool), user, tenant_id, labels)
            return await self._with_all_output(_reported(await self._executed(asked)))

        return await Judge(uuid4().hex, problem, submission, run).judge()

    async def _with_all_output(self, report: RunReport) -> RunReport:
        """With the whole streams, where only their start is kept beside the execution."""
        artifact = (report.execution.output or {}).get("artifact")
        if report.result is None or not report.result.cut or not isinstance(artifact, str):
            return report
        data = bytearray()
        async for piece in self._kernel.artifacts.read(artifact):
            data += piece
            if len(data) > _MOST_WHOLE:
                return report
        return replace(report, result=await asyncio.to_thread(_result_of, bytes(data)))

    # ------------------------------------------------------------------ pools

    async def runtimes(self, pool: str | None = None, *, tenant_id: UUID = DEFAULT_TENANT) -> tuple[Runtime, ...]:
        """The languages of a pool. Raises NotFoundError, InvalidInputError (it runs no code), LookError."""
        return await (await self._pool(pool, tenant_id)).runtimes()

    async def pool_view(self, pool: str | None = None, *, tenant_id: UUID = DEFAULT_TENANT) -> PoolView:
        """How a pool stands. Raises as `runtimes`."""
        return await (await self._pool(pool, tenant_id)).view()

    async def _pool(self, name: str | None, tenant_id: UUID) -> Pool:
        name = name or self._kernel.settings.code_pool or LOCAL_POOL
        try:
            target = await self._inline.doors.target(name, tenant_id)
        except NotFoundError:
            if name != LOCAL_POOL:
                raise
            target = await self._local_pool(tenant_id)
        pool = self._pools.get(target.id)
        if pool is None:
            pool = self._pools[target.id] = Pool(
                self._kernel, target, lambda: self._inline.doors.connector(target)
            )  # fmt: skip
        return pool

    async def _local_pool(self, tenant_id: UUID) -> Target:
        """The pool of this machine, recorded at first use."""
        try:
            return await self._kernel.add_target(
                connector=_LOCAL_CONNECTOR,
                name=LOCAL_POOL,
                address={"home": str(self._kernel.settings.home_folder)},
                tenant_id=tenant_id,
            )
        except ConflictError:  # another process was faster
            return await self._inline.doors.target(LOCAL_POOL, tenant_id)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request, and who made it."""

    request: RunRequest
    user: str
    tenant_id: UUID
    labels: Mapping[str, str] = field(default_factory=dict)  # this product's own

    def order(self, target: Target, identifier: str) -> Order:
        """The execution to be recorded. It is never submitted again by itself: its lease may be over by then."""
        spec: JsonObject = self.request.spec.model_copy(update={"session": identifier}).model_dump(mode="json")
        labels = {**self.request.labels, **self.labels, USER_LABEL: self.user, RUN_LABEL: uuid4().hex}
        key = self.request.idempotency_key
        if key is not None:
            key = key_digest(self.user, key)
            labels |= {KEY_LABEL: key, DIGEST_LABEL: digest_of(self.request)}
        return Order(
            target=str(target.id), spec=spec, labels=labels, idempotency_key=key, resubmit=Resubmit.NEVER
        )  # fmt: skip


def _over(task: asyncio.Task[Execution]) -> None:
    """Nobody may be left to hear of an error."""
    if not task.cancelled() and task.exception() is not None:
        log.info("run.not_driven", error=type(task.exception()).__name__)


def _reported(execution: Execution) -> RunReport:
    detail = (execution.output or {}).get("detail")
    if not isinstance(detail, dict) or not detail:
        return RunReport(execution, None)
    try:
        return RunReport(execution, CodeResult.from_json(detail))
    except (KeyError, ValueError, TypeError) as error:
        log.warning("run.result_not_readable", execution_id=str(execution.id), error=type(error).__name__)
        return RunReport(execution, None)


def _result_of(data: bytes) -> CodeResult | None:
    try:
        return CodeResult.from_json(orjson.loads(data))
    except (KeyError, ValueError, TypeError):
        return None


def _told(answer: RunReport | BaseException) -> RunReport | Refusal:
    """One answer of a batch. Raises only what ends the whole process."""
    match answer:
        case RunReport():
            return answer
        case QueueFullError():
            return Refusal(
                code=answer.code,
                message=answer.message,
                hint=answer.hint,
                status=answer.status,
                retry_after=answer.retry_after,
            )
        case AfieldError():
            return Refusal(code=answer.code, message=answer.message, hint=answer.hint, status=answer.status)
        case Exception():
            log.error("batch.run_failed", error=type(answer).__name__, exc_info=answer)
            return Refusal(code="internal_error", message="This run failed for a reason of our own.")
    raise answer
