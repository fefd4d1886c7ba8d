"""Provisioning in one web process. It records, reads and asks; the work is done elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from fastapi import Depends, FastAPI
from fastapi.requests import HTTPConnection

from afield.api.provision_stream import Streams
from afield.errors import UnavailableError
from afield.kernel import Kernel
from afield.provisioning.branding_process import Brander
from afield.provisioning.cloud_log import print_entry
from afield.provisioning.jobs import Jobs
from afield.provisioning.settings import ProvisionSettings

if TYPE_CHECKING:
    from afield.provisioning.conversations import Conversations


@dataclass(slots=True)
class Provisioning:
    """What the routes of provisioning share."""

    kernel: Kernel
    settings: ProvisionSettings
    jobs: Jobs
    brander: Brander = field(default_factory=Brander)
    streams: Streams = field(default_factory=Streams)
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    _conversations: Conversations | None = None

    async def conversations(self) -> Conversations:
        """The chat, opened at the first question. Raises UnavailableError when its libraries are not there."""
        async with self._opening:
            if self._conversations is None:
                self._conversations = await asyncio.to_thread(self._opened)
        return self._conversations

    def _opened(self) -> Conversations:
        try:
            from afield.provisioning.conversations import Conversations  # noqa: PLC0415 - its libraries take a second
        except ModuleNotFoundError as error:
            if str(error.name).startswith("afield"):
                raise
            hint = "pip install 'afield[provisioning]'"
            raise UnavailableError(f"The chat needs {error.name}, which is not installed.", hint=hint) from error
        return Conversations(self.kernel, self.jobs, self.settings)

    async def close(self) -> None:
        """Let go of everything."""
        if self._conversations is not None:
            await self._conversations.close()
        await self.jobs.close()


@asynccontextmanager
async def running_provisioning(app: FastAPI, kernel: Kernel, tenant_id: UUID) -> AsyncIterator[None]:
    """While inside, the application's routes can provision."""
    settings = ProvisionSettings()
    provisioning = Provisioning(kernel, settings, Jobs(kernel, tenant_id, settings, told=print_entry))
    app.state.provisioning = provisioning
    try:
        yield
    finally:
        await provisioning.close()


def provisioning_of(connection: HTTPConnection) -> Provisioning:
    """Provisioning behind a request."""
    found: Provisioning = connection.app.state.provisioning
    return found


ProvisioningDep = Annotated[Provisioning, Depends(provisioning_of)]
