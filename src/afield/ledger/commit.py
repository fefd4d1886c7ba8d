"""Group commit: callers that write at the same time share one transaction, and each is answered after its commit."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import psycopg
import structlog

from afield.errors import AfieldError, InvalidInputError, UnavailableError

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Group(Generic[Answer]):
    """What one caller writes together, encoded, and where the answers go."""

    items: Sequence[bytes]
    answers: asyncio.Future[list[Answer | Exception]]


class GroupCommit(Generic[Answer]):
    """One writer that flushes whatever has gathered while it was busy, at once when it is idle."""

    def __init__(self, flush: Callable[[Sequence[bytes]], Awaitable[list[Answer]]], *, limit: int = 500) -> None:
        """`flush` writes at most `limit` items (JSON) in one transaction and returns their answers in order; it deals
        with lost connections itself, and raises psycopg.Error for a batch the database does not accept."""
        self._flush = flush
        self._limit = limit
        self._waiting: deque[_Group[Answer]] = deque()
        self._work = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._closing = False

    async def write(self, items: Sequence[bytes]) -> list[Answer]:
        """Write items in their order; returns their answers after the commit.

        Raises the error of the first item that failed; the others are written all the same.
        """
        groups = [self._enqueue(items[i : i + self._limit]) for i in range(0, len(items), self._limit)]
        answers = [answer for group in groups for answer in await group]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers  # type: ignore[return-value]

    def _enqueue(self, items: Sequence[bytes]) -> asyncio.Future[list[Answer | Exception]]:
        if self._closing:
            raise UnavailableError("The ledger is closed.")
        loop = asyncio.get_running_loop()
        group = _Group[Answer](items, loop.create_future())
        self._waiting.append(group)
        self._work.set()
        if self._writer is None or self._writer.done():
            self._writer = loop.create_task(self._run(), name="group-commit")
        return group.answers

    async def close(self) -> None:
        """Write what is waiting, then stop."""
        self._closing = True
        self._work.set()
        if self._writer is not None:
            await self._writer

    async def _run(self) -> None:
        while True:
            await self._work.wait()
            while self._waiting:
                groups = self._take()
                try:
                    answers = await self._write([item for group in groups for item in group.items])
                except BaseException:  # whatever ends the writer: nobody must wait for one that is gone
                    self._abandon(groups)
                    raise
                self._answer(groups, answers)
            self._work.clear()
            if self._closing:
                return

    def _abandon(self, groups: Sequence[_Group[Answer]]) -> None:
        for group in (*groups, *self._waiting):
            if not group.answers.done():
                gone = UnavailableError("The ledger's writer ended.", hint="What was written, the rows say.")
                group.answers.set_exception(gone)
        self._waiting.clear()

    def _take(self) -> list[_Group[Answer]]:
        groups = [self._waiting.popleft()]
        size = len(groups[0].items)
        while self._waiting and size + len(self._waiting[0].items) <= self._limit:
            groups.append(self._waiting.popleft())
            size += len(groups[-1].items)
        return groups

    async def _write(self, items: Sequence[bytes]) -> list[Answer | Exception]:
        try:
            return [*await self._flush(items)]
        except psycopg.Error as error:
            if len(items) == 1:
                return [_refused(error)]
            log.warning("batch_refused", items=len(items), error=type(error).__name__)
            return [answer for item in items for answer in await self._write([item])]
        except AfieldError as error:
            return [error] * len(items)
        except Exception as error:  # the writer must live on; the callers get the error
            log.exception("batch_failed", items=len(items))
            return [error] * len(items)

    @staticmethod
    def _answer(groups: Sequence[_Group[Answer]], answers: Sequence[Answer | Exception]) -> None:
        start = 0
        for group in groups:
            end = start + len(group.items)
            if not group.answers.done():
                group.answers.set_result(list(answers[start:end]))
            start = end


def _refused(error: psycopg.Error) -> InvalidInputError:
    message = (error.diag.message_primary or type(error).__name__).rstrip(".")
    return InvalidInputError(f"The database does not accept this: {message}.")
