"""AMC as a service of the simulator."""

import asyncio
from collections.abc import Mapping

from aiohttp import web

from .catalog import AccountRoutes, ScheduleRoutes, WorkflowRoutes
from .cloud import Account
from .executions import DownloadRoutes, ExecutionRoutes
from .gate import Gate
from .login import LoginRoutes

_IDLE_SECONDS = 3_600.0


class AmcService:
    """The reporting API under `/amc`, its token endpoint under `/auth`, its files under `/downloads`."""

    name = "amc"

    def __init__(self, account: Account) -> None:
        self.account = account
        self._alarm: asyncio.Task[None] | None = None

    def mount(self, app: web.Application) -> None:
        """Add all routes."""
        gate = Gate(self.account)
        for routes in (
            ExecutionRoutes(self.account, gate),
            WorkflowRoutes(self.account, gate),
            ScheduleRoutes(self.account, gate),
            AccountRoutes(self.account, gate),
            LoginRoutes(self.account),
            DownloadRoutes(self.account),
        ):
            routes.mount(app.router)

    def describe(self, base_url: str) -> Mapping[str, object]:
        """Where it is and how to get in."""
        client = self.account.tokens.client
        return {
            "base_url": base_url,
            "lwa_token_url": f"{base_url}/auth/o2/token",
            "client_id": client.client_id,
            "client_secret": client.client_secret,
            "refresh_token": client.refresh_token,
            "entity_id": self.account.entity_id,
            "marketplace_id": self.account.marketplace_id,
            "instances": self.account.instance_ids,
        }

    async def start(self) -> None:
        """Make the data, go on with what was live, and keep moving what is due."""
        await asyncio.get_running_loop().run_in_executor(None, lambda: self.account.compute)
        self.account.resume()
        self._alarm = asyncio.create_task(self._move_on())

    async def stop(self) -> None:
        """Stop moving, stop the queries."""
        if self._alarm is not None:
            self._alarm.cancel()
            await asyncio.wait([self._alarm])
        await self.account.runner.close()

    async def _move_on(self) -> None:
        """Settle whenever something is due; every change wakes it up to look when that is."""
        account = self.account
        while True:
            account.settle()
            due = account.lifecycle.next_due()
            wait = _IDLE_SECONDS if due is None else max(0.005, due - account.clock.now())

            def earlier(due: float | None = due) -> bool:
                now_due = account.lifecycle.next_due()
                return now_due is not None and (due is None or now_due < due)

            await account.pulse.until(earlier, wait)
