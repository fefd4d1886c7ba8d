"""What the routes of one web process share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from afield.api.access import Doorkeeper, principal_of
from afield.api.lag import LoopLag
from afield.kernel import Kernel
from afield.ledger.people import People
from afield.peeks import Peeks
from afield.security.people import Principal


@dataclass(frozen=True, slots=True)
class Runtime:
    """The kernel, whose rows are served, and what ends with the process."""

    kernel: Kernel
    tenant_id: UUID
    closing: asyncio.Event
    doorkeeper: Doorkeeper
    peeks: Peeks
    lag: LoopLag = field(default_factory=LoopLag)

    @classmethod
    def of(cls, kernel: Kernel, tenant_id: UUID, closing: asyncio.Event) -> Runtime:
        """With the door that the kernel's settings ask for."""
        token = kernel.settings.api_token
        known = token.get_secret_value().encode() if token else None
        doorkeeper = Doorkeeper(People(kernel.ledger.database), tenant_id, known)
        return cls(kernel, tenant_id, closing, doorkeeper, Peeks(kernel))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Runtime]:
        """While inside, the event loop's lag is measured."""
        measuring = asyncio.create_task(self.lag.measure())
        try:
            yield self
        finally:
            measuring.cancel()
            await asyncio.gather(measuring, return_exceptions=True)


def runtime_of(request: Request) -> Runtime:
    """The runtime behind a request."""
    runtime: Runtime = request.app.state.runtime
    return runtime


def kernel_of(request: Request) -> Kernel:
    """The kernel behind a request."""
    return runtime_of(request).kernel


def tenant_of(request: Request) -> UUID:
    """Whose rows the request is about."""
    return runtime_of(request).tenant_id


RuntimeDep = Annotated[Runtime, Depends(runtime_of)]
KernelDep = Annotated[Kernel, Depends(kernel_of)]
PrincipalDep = Annotated[Principal, Depends(principal_of)]
TenantDep = Annotated[UUID, Depends(tenant_of)]
