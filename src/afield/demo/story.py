"""What happens in the demo, in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from afield.client import ApiError, Client
from afield.demo.cloud import Cloud
from afield.demo.contest import ContestAct
from afield.demo.crew import Crew
from afield.demo.machines import MachinesAct
from afield.demo.patience import insist
from afield.demo.provisioning import ProvisioningAct
from afield.demo.report import Acts, Report, adopted, duplicated, resubmitted
from afield.demo.scene import Scene
from afield.errors import UnavailableError
from afield.model.jsontypes import JsonObject

EXECUTIONS = 48
_GIVE_UP_AFTER = 85.0

QUERIES = (
    "SELECT campaign, SUM(impressions) AS impressions FROM sponsored_ads_traffic GROUP BY campaign",
    "SELECT campaign, COUNT(DISTINCT user_id) AS reach FROM dsp_impressions GROUP BY campaign",
    "SELECT campaign, SUM(clicks) AS clicks, SUM(spend) AS spend FROM sponsored_ads_traffic GROUP BY campaign",
)


def target_settings() -> JsonObject:
    """Limits of a simulated instance: real life in fast motion."""
    return {
        "min_interval": 0.4,
        "max_interval": 2,
        "visibility_delay": 0.4,
        "max_visibility_delay": 4,
        "request_timeout": 3,
        "max_live": 10,
    }


def faults_for(instances: list[str]) -> JsonObject:
    """What goes wrong on each instance: replies and requests get lost, calls are throttled, work is refused."""
    hidden: JsonObject = {"get_seconds": 0.8, "list_seconds": 0.8}
    reply_lost: JsonObject = {"calls": ["create"], "probability": 0.3}
    request_lost: JsonObject = {"calls": ["create"], "probability": 0.15}
    throttled: JsonObject = {"calls": ["create", "list"], "probability": 0.1, "seconds": 1}
    rejected: JsonObject = {"next": 2, "skip": 4}
    first, second, third = instances
    return {
        first: {"visibility": hidden, "reply_lost": reply_lost},
        second: {"visibility": hidden, "throttled": throttled, "reply_lost": {"calls": ["create"], "next": 2}},
        third: {"visibility": hidden, "request_lost": request_lost, "rejected": rejected},
    }


def last_weeks() -> JsonObject:
    """The four weeks before today."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    return {"type": "EXPLICIT", "start": (today - timedelta(weeks=4)).isoformat(), "end": today.isoformat()}


class Story:
    """Runs the demo against a started cloud and crew, and keeps the scene."""

    def __init__(self, cloud: Cloud, crew: Crew, scene: Scene) -> None:
        self.cloud = cloud
        self.crew = crew
        self.scene = scene

    async def run(self) -> Report:
        """All of it. Never raises for what the demo breaks; what does not land in time is reported as lost.

        Raises UnavailableError when something does not start.
        """
        self.scene.say("Starting the simulated cloud, the database, the web process and a worker.")
        await self._start()
        async with Client(self.crew.url) as client:
            await self._prepare(client)
            ids = await self._submit_all(client)
            await self._break_things(client)
            await self._until(client, lambda: self.scene.landed == len(ids), self.scene.started + _GIVE_UP_AFTER)
            await self._reconcile(client)
            await self._refresh(client)
            machines = await MachinesAct(self.cloud, self.crew, self.scene).run(client)
            act = ContestAct(self.cloud, self.crew, self.scene)
            contest = await act.run(client)
            provisioning = await ProvisioningAct(self.cloud, self.crew, self.scene).run(client)
            acts = Acts(machines=machines, contest=contest, provisioning=provisioning)
            return await self._report(client, len(ids), act.ran, acts)

    async def _start(self) -> None:
        """Cloud and crew, side by side; when one of them does not start, the other one is not waited for."""
        starting = [asyncio.create_task(self.cloud.start()), asyncio.create_task(self.crew.start())]
        try:
            await asyncio.gather(*starting)
        finally:
            for one in starting:
                one.cancel()
            await asyncio.gather(*starting, return_exceptions=True)
        self.scene.say("All of them are there.")

    async def _prepare(self, client: Client) -> None:
        amc = self.cloud.amc
        secret = {name: str(amc[name]) for name in ("client_id", "client_secret", "refresh_token")}
        await insist(client.add_credential, "demo", "amc", secret)
        pace: JsonObject = {
            instance: {"pending_seconds": 0.5, "running_seconds": 2.0, "publishing_seconds": 0.3}
            for instance in self.cloud.instances
        }
        await self.cloud.set_pace(pace)
        for instance in self.cloud.instances:
            address: JsonObject = {
                "instance_id": instance,
                "entity_id": amc["entity_id"],
                "marketplace_id": amc["marketplace_id"],
                "base_url": amc["base_url"],
                "token_url": amc["lwa_token_url"],
            }
            await insist(client.add_target, instance, "amc", address, settings=target_settings(), credential="demo")
        self.scene.say(f"Three AMC instances are simulated: {', '.join(self.cloud.instances)}.")
        await self.cloud.break_it(faults_for(self.cloud.instances))
        self.scene.say("Faults are on: lost replies, lost requests, throttling, rejections, late visibility.")

    async def _submit_all(self, client: Client) -> list[str]:
        ids: list[str] = []
        for number in range(EXECUTIONS):
            instance = self.cloud.instances[number % 3]
            spec: JsonObject = {"sql_query": QUERIES[number % len(QUERIES)], "time_window": last_weeks()}
            labels = {"user_email": "demo@example.com"}
            created = await insist(client.submit, instance, spec, key=f"demo-{number}", labels=labels)
            ids.append(str(created["id"]))
        await self.cloud.plant(self.cloud.instances[0], "somebody-elses-query")
        self.scene.say(
            f"{len(ids)} executions are recorded; somebody else started one more on {self.cloud.instances[0]}."
        )
        return ids

    async def _break_things(self, client: Client) -> None:
        soon = time.monotonic() + _GIVE_UP_AFTER / 2
        await self._until(client, lambda: self.scene.landed >= EXECUTIONS // 6, soon)
        await self.crew.kill_worker()
        self.scene.say("The worker is killed with SIGKILL, requests on the wire.")
        await self._until(client, lambda: self.scene.landed >= EXECUTIONS // 3, soon)
        await self.crew.kill_database()
        self.scene.say("The database is killed with SIGKILL; it recovers, everything else waits.")
        await self._until(client, lambda: self.scene.landed >= EXECUTIONS // 2, soon)
        await self.crew.kill_worker()
        self.scene.say("The worker is killed again.")

    async def _reconcile(self, client: Client) -> None:
        for instance in self.cloud.instances:
            answer = await insist(client.reconcile, instance, apply="automatic")
            found = answer.get("findings")
            for finding in found if isinstance(found, list) else []:
                if isinstance(finding, dict):
                    self.scene.findings[str(finding.get("kind"))] += 1
        told = ", ".join(f"{number} {kind.replace('_', ' ')}" for kind, number in sorted(self.scene.findings.items()))
        self.scene.say(f"Both sides are compared: {told}.")

    async def _report(self, client: Client, submitted: int, runs: list[str], acts: Acts) -> Report:
        events = await _all_events(client)
        ran = await self.cloud.executions()
        return Report(
            submitted=submitted,
            landed=self.scene.landed,
            lost=submitted - self.scene.landed,
            duplicated=duplicated([*(str(one["workflow_id"]) for one in ran), *runs]),
            worker_kills=self.crew.worker_kills,
            database_kills=self.crew.database_kills,
            adopted=adopted(events),
            resubmitted=resubmitted(events),
            acts=acts,
            seconds=round(time.monotonic() - self.scene.started, 1),
        )

    # ------------------------------------------------------------------ patience

    async def _until(self, client: Client, met: Callable[[], bool], deadline: float) -> None:
        """Watch until the condition is met or it is late."""
        while time.monotonic() < deadline:
            await self._refresh(client)
            if met():
                return
            await asyncio.sleep(0.25)

    async def _refresh(self, client: Client) -> None:
        try:
            self.scene.rows = [row async for row in client.executions()]
        except (UnavailableError, ApiError):
            return  # the database was just killed; the next look shows more


async def _all_events(client: Client) -> list[JsonObject]:
    """The whole history, page by page."""
    events: list[JsonObject] = []
    while True:
        after = str(events[-1]["seq"]) if events else "0"
        answer = await insist(client.call, "GET", "/api/v1/events", query={"after": after, "limit": "1000"})
        items = answer.get("items") if isinstance(answer, dict) else None
        if not isinstance(items, list) or not items:
            return events
        events += [event for event in items if isinstance(event, dict)]
