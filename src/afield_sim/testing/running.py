"""A simulator in this process."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from ..app import Server
from ..arm.service import ArmService
from ..clock import Clock
from ..entra.tokens import Tokens
from ..simulator import SimulatorOptions, simulator
from .amc import Admin, AmcAccess, read_access
from .analytics import AnalyticsAccess, AnalyticsAdmin, read_analytics_access
from .arm import ArmAccess, ArmAdmin, read_arm_access
from .bigquery import BigQueryAccess, BigQueryAdmin, read_bigquery_access
from .llm import LlmAccess, LlmAdmin, read_llm_access
from .sessions import SessionsAccess, SessionsAdmin, read_sessions_access
from .websites import WebsitesAccess, WebsitesAdmin, read_websites_access


@dataclass(frozen=True, slots=True)
class Simulator:
    """A running simulator: how to reach its services, its admin clients, the ready file's content."""

    amc: AmcAccess
    admin: Admin
    arm: ArmAccess
    arm_admin: ArmAdmin
    sessions: SessionsAccess
    sessions_admin: SessionsAdmin
    websites: WebsitesAccess
    websites_admin: WebsitesAdmin
    llm: LlmAccess
    llm_admin: LlmAdmin
    analytics: AnalyticsAccess
    analytics_admin: AnalyticsAdmin
    bigquery: BigQueryAccess
    bigquery_admin: BigQueryAdmin
    ready: Mapping[str, Any]
    clock: Clock
    tokens: Tokens

    @property
    def instances(self) -> list[str]:
        """The instance ids."""
        return self.amc.instances

    @property
    def base_url(self) -> str:
        """Where everything listens."""
        return self.amc.base_url


class ManualClock(Clock):
    """A clock that stands still until it is advanced; through `Admin.advance`, work that is due is done."""

    def __init__(self, start: float | None = None) -> None:
        begin = time.time() if start is None else start
        super().__init__(lambda: begin)


@asynccontextmanager
async def running_simulator(clock: Clock | None = None, **options: Any) -> AsyncIterator[Simulator]:
    """A simulator in this process, on a free port; `options` are those of SimulatorOptions."""
    used = clock or Clock()
    async with (
        simulator(SimulatorOptions(**options), used) as server,
        aiohttp.ClientSession() as session,
    ):
        ready = server.describe()
        address = str(ready["admin"]["base_url"])
        yield Simulator(
            amc=read_access(ready),
            admin=Admin(session, address),
            arm=read_arm_access(ready),
            arm_admin=ArmAdmin(session, address),
            sessions=read_sessions_access(ready),
            sessions_admin=SessionsAdmin(session, address),
            websites=read_websites_access(ready),
            websites_admin=WebsitesAdmin(session, address),
            llm=read_llm_access(ready),
            llm_admin=LlmAdmin(session, address),
            analytics=read_analytics_access(ready),
            analytics_admin=AnalyticsAdmin(session, address),
            bigquery=read_bigquery_access(ready),
            bigquery_admin=BigQueryAdmin(session, address),
            ready=ready,
            clock=used,
            tokens=_tokens(server),
        )


def _tokens(server: Server) -> Tokens:
    return next(service.tokens for service in server.services if isinstance(service, ArmService))
