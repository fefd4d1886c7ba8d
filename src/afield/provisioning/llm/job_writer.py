"""A writer in the service of one job: it books what is used, and stops asking a provider that lets it down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

from afield.provisioning.llm.account import Account
from afield.provisioning.llm.errors import WriterError, WriterMalformedError, WriterRefusedError, WriterTooSlowError
from afield.provisioning.llm.opening import open_writer
from afield.provisioning.llm.port import T, Task, Writer
from afield.provisioning.llm.settings import LlmSettings
from afield.provisioning.llm.usage import Usage

_OF_THE_ANSWER = (WriterMalformedError, WriterRefusedError)
"""Failures after which the next task may do better. The others are the provider's, and would come again."""


class JobWriter:
    """A `Writer` for one agent's attempt, or one question. `seconds`: for all its tasks together."""

    def __init__(self, inner: Writer, account: Account, who: str, seconds: float) -> None:
        self._inner, self._account, self._who = inner, account, who
        self._seconds, self._until = seconds, monotonic() + seconds
        self._gone: WriterError | None = None

    @property
    def usage(self) -> Usage:
        """See `Writer.usage`."""
        return self._inner.usage

    async def complete(self, task: Task[T], output: type[T]) -> T:
        """See `Writer.complete`. After a failure of the provider it fails at once, for the same reason."""
        if self._gone is not None:
            raise self._gone
        before = self._inner.usage
        try:
            async with asyncio.timeout(self._until - monotonic()):
                return await self._inner.complete(task, output)
        except TimeoutError:
            self._gone = self._too_slow()
            raise self._gone from None
        except WriterError as error:
            self._gone = None if isinstance(error, _OF_THE_ANSWER) else error
            raise
        finally:
            await self._book(before)

    def _too_slow(self) -> WriterTooSlowError:
        message = f"The language model was not done within {self._seconds:.0f} s, which is all that there was."
        return WriterTooSlowError(message, hint="Take a faster model.")

    async def _book(self, before: Usage) -> None:
        used = self._inner.usage - before
        if used.requests:
            await asyncio.to_thread(self._account.book, self._who, used)


@asynccontextmanager
async def open_job_writer(
    settings: LlmSettings, account: Account, who: str, seconds: float, *, limited: bool = True
) -> AsyncIterator[Writer]:
    """A writer while the context is open. `limited`: what the job has used before counts against its limits.

    Raises WriterNotConfiguredError.
    """
    spent = await asyncio.to_thread(account.spent) if limited else Usage()
    async with open_writer(settings, spent) as inner:
        yield JobWriter(inner, account, who, seconds)
