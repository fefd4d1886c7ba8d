"""The language model, as agents use it: there or not, and never a reason to fail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from time import monotonic

from afield.provisioning.agents.base import Bench
from afield.provisioning.agents.names import AgentName
from afield.provisioning.llm.account import Account
from afield.provisioning.llm.errors import WriterNotConfiguredError
from afield.provisioning.llm.job_writer import open_job_writer
from afield.provisioning.llm.port import Writer
from afield.provisioning.progress import Severity

_SPARE_S = 20.0  # before the agent's deadline, for what comes after
_MOST_LINES = 20


@asynccontextmanager
async def writing(bench: Bench, agent: AgentName) -> AsyncIterator[Writer | None]:
    """The language model for one agent; None if there is none, or it cannot be used, which the job's log says then; it
    also says what was used."""
    if not bench.llm.configured:
        yield None
        return
    account, seconds = Account(bench.shelf.folder), bench.until - monotonic() - _SPARE_S
    async with AsyncExitStack() as stack:
        try:
            writer = await stack.enter_async_context(open_job_writer(bench.llm, account, agent.value, seconds))
        except WriterNotConfiguredError as error:
            tell_all(bench, [f"It goes on without the language model. {error}"])
            yield None
            return
        try:
            yield writer
        finally:
            bench.tell.log(f"The language model {bench.llm.model}: {writer.usage}.", usage=writer.usage.model_dump())


def tell_all(bench: Bench, lines: Sequence[str], severity: Severity = Severity.WARNING) -> None:
    """Say in the job's log where the offline way was taken, or what else became of an answer."""
    for line in lines[:_MOST_LINES]:
        bench.tell.log(line, severity=severity)
    if len(lines) > _MOST_LINES:
        bench.tell.log(f"And {len(lines) - _MOST_LINES} more of the kind.", severity=severity)
