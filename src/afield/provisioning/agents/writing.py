"""The language model, as agents use it: there or not, and never a reason to fail."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
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
    """The language model for one agent; None if there is none, or it cannot be used, which the job's log says then. So
    does it what was used."""
    if not bench.llm.configured:
        yield None
        return
    account, seconds = Account(bench.shelf.folder), bench.until - monotonic() - _SPARE_S
    try:
        opened = open_job_writer(bench.llm, account, agent.value, seconds)
        writer = await opened.__aenter__()
    except WriterNotConfiguredError as error:
        fell_back(bench, [f"It goes on without the language model: {error}"])
        yield None
        return
    try:
        yield writer
    finally:
        await opened.__aexit__(None, None, None)
        bench.tell.log(f"The language model {bench.llm.model}: {writer.usage}.", usage=writer.usage.model_dump())


def fell_back(bench: Bench, why: Sequence[str]) -> None:
    """Say in the job's log where the offline way was taken."""
    for line in why[:_MOST_LINES]:
        bench.tell.log(line, severity=Severity.WARNING)
    if len(why) > _MOST_LINES:
        bench.tell.log(f"And {len(why) - _MOST_LINES} more of the kind.", severity=Severity.WARNING)
