"""Data agents: what answers questions about one dataset. They are created on staging, and published once validated."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from pydantic import Field, JsonValue

from afield.errors import InvalidInputError, NotFoundError
from afield.provisioning.assets import write_whole
from afield.provisioning.brief import Frozen

_ID = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")


class DataAgentRecord(Frozen):
    """A data agent, with the fields of Google's Conversational Analytics API (v1) in our spelling."""

    agent_id: str
    display_name: str
    description: str
    dataset: str
    labels: dict[str, str] = Field(default_factory=dict)
    staging_context: dict[str, JsonValue]
    published_context: dict[str, JsonValue] | None = None
    updated_at: datetime


class DataAgents(Protocol):
    """A service of data agents, as a context. Creating the same agent twice is creating it once, with the newer staging
    context."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def stage(self, agent: DataAgentRecord) -> DataAgentRecord:
        """Create it on staging, or renew its staging context; what is published stays."""
        ...

    async def publish(self, agent_id: str) -> DataAgentRecord:
        """Make the staging context the published one. Raises NotFoundError."""
        ...

    async def get(self, agent_id: str) -> DataAgentRecord:
        """Raises NotFoundError."""
        ...

    async def delete(self, agent_id: str) -> None:
        """Nothing happens when it is not there."""
        ...


class LocalDataAgents:
    """Data agents as files of a folder. The local chat answers for them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is open."""

    async def stage(self, agent: DataAgentRecord) -> DataAgentRecord:
        """See `DataAgents.stage`."""
        try:
            published = (await self.get(agent.agent_id)).published_context
        except NotFoundError:
            published = None
        return await self._put(agent.model_copy(update={"published_context": published}))

    async def publish(self, agent_id: str) -> DataAgentRecord:
        """See `DataAgents.publish`."""
        agent = await self.get(agent_id)
        changes = {"published_context": agent.staging_context, "updated_at": datetime.now(UTC)}
        return await self._put(agent.model_copy(update=changes))

    async def get(self, agent_id: str) -> DataAgentRecord:
        """See `DataAgents.get`."""
        path = self._path(agent_id)
        try:
            return DataAgentRecord.model_validate_json(await asyncio.to_thread(path.read_bytes))
        except FileNotFoundError:
            raise NotFoundError(f"There is no data agent {agent_id}.", hint="Its job's status names it.") from None

    async def delete(self, agent_id: str) -> None:
        """See `DataAgents.delete`."""
        path = self._path(agent_id)
        await asyncio.to_thread(path.unlink, missing_ok=True)

    async def _put(self, agent: DataAgentRecord) -> DataAgentRecord:
        path = self._path(agent.agent_id)
        await asyncio.to_thread(_write, path, agent.model_dump_json(indent=1).encode())
        return agent

    def _path(self, agent_id: str) -> Path:
        if not _ID.fullmatch(agent_id):
            hint = "Lower-case letters, digits and -, a letter first, at most 63."
            raise InvalidInputError(f"{agent_id[:80]!r} cannot name a data agent.", hint=hint)
        return self._folder / f"{agent_id}.json"


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data)
