"""The Conversational Analytics API from a test's side: its address, and its part of the admin service."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from ..analytics.service import AnalyticsService
from ..app import Service, serve
from ..clock import Clock
from .caller import AdminCaller, Json


@dataclass(frozen=True, slots=True)
class AnalyticsAccess:
    """How to reach it: the `analytics` entry of the ready file. `host` has the port, too."""

    base_url: str
    host: str


def read_analytics_access(ready: Mapping[str, Any]) -> AnalyticsAccess:
    """The access out of a ready file's content."""
    return AnalyticsAccess(**ready["analytics"])


class AnalyticsAdmin(AdminCaller):
    """A client of the admin service, for everything about data agents."""

    async def fault(self, call: str, **faults: object) -> Json:
        """Replace the faults of a kind of call (`chat`, `create_agent`, ..., `*`)."""
        return await self.call("PUT", "/admin/analytics/faults", {call: faults})

    async def clear_faults(self) -> Json:
        """Take back all faults."""
        return await self.call("DELETE", "/admin/analytics/faults")

    async def answer(self, *answers: Mapping[str, object]) -> Json:
        """Replace the table of answers: question, after, text, sql, columns, rows, followups, error, messages."""
        return await self.call("PUT", "/admin/analytics/answers", list(answers))

    async def operation_seconds(self, seconds: float) -> Json:
        """How long operations take that begin from now on."""
        return await self.call("PUT", "/admin/analytics/settings", {"operation_seconds": seconds})

    async def counters(self) -> Json:
        """`calls` by project and kind, `faults` by kind of call and name."""
        return await self.call("GET", "/admin/analytics/counters")

    async def calls(self, project: str) -> dict[str, int]:
        """The calls for one project, by kind."""
        found: dict[str, int] = (await self.counters())["calls"].get(project, {})
        return found

    async def reset(self) -> Json:
        """Forget everything."""
        return await self.call("POST", "/admin/analytics/reset")

    async def wait(self, call: str = "chat", **query: object) -> int:
        """Wait for `at_least` calls; the count reached. AssertionError when they do not come."""
        found = await self.call("GET", "/admin/analytics/wait", call=call, **query)
        if not found["met"]:
            raise AssertionError(f"waited for calls of {call} {query}, there were {found['count']}")
        return int(found["count"])


@dataclass(frozen=True, slots=True)
class Analytics:
    """The service alone: how to reach it, its admin client, its clock."""

    access: AnalyticsAccess
    admin: AnalyticsAdmin
    clock: Clock


@asynccontextmanager
async def running_analytics(*beside: Service, clock: Clock | None = None) -> AsyncIterator[Analytics]:
    """The service without the rest of the simulator, which starts in no time; `beside`: what else is to be there."""
    used = clock or Clock()
    server = await serve([*beside, AnalyticsService(used)], "127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession() as session:
            access = read_analytics_access(server.describe())
            yield Analytics(access, AnalyticsAdmin(session, server.base_url), used)
    finally:
        await server.stop()
