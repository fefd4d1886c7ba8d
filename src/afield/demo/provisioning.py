"""The demo's fourth act: companies' websites become demos with data and a chat, a worker dies, one site is refused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from afield.client import ApiError, Client
from afield.demo.agents import at_work, lines_in, refused_certificate, repeated, verdicts_of
from afield.demo.cloud import Cloud
from afield.demo.crew import Crew
from afield.demo.patience import insist
from afield.demo.pulse import Pulse, p99
from afield.demo.report import ProvisioningReport
from afield.demo.scene import Scene
from afield.errors import UnavailableError
from afield.model.jsontypes import JsonObject
from afield.provisioning.agents.names import AgentName
from afield.provisioning.agents.report import Badge
from afield.provisioning.assets import Shelf
from afield.provisioning.progress import Line
from afield.provisioning.store import ENDED, JobStatus

COMPANIES = ("fjordwear", "limoncella", "quickhaul")
REFUSED = "expired"
"""A site whose certificate ended a year ago."""

QUESTIONS = ("What was the total revenue?", "and by month?", "Which 5 products bring in the most revenue?")

_CALLS_BEFORE = 300  # that are timed before any job is started
_GIVE_UP_AFTER = 150.0
_LOOK_EVERY_S = 0.25
_ENDED = frozenset(status.value for status in ENDED)


class ProvisioningAct:
    """Runs the act against a started cloud and crew, and keeps the scene."""

    def __init__(self, cloud: Cloud, crew: Crew, scene: Scene) -> None:
        self.cloud = cloud
        self.crew = crew
        self.scene = scene
        self._jobs: dict[str, str] = {}  # job ids by site

    async def run(self, client: Client) -> ProvisioningReport:
        """All of it. What does not end in time counts as not completed."""
        deadline = time.monotonic() + _GIVE_UP_AFTER
        self.scene.say("/healthz is timed, fifty times a second, from a process of its own.")
        async with Pulse(f"{self.crew.url}/healthz") as pulse:
            before = p99(await pulse.gathered(_CALLS_BEFORE))
            self.scene.pulses = (before, pulse)
            await self._start(client)
            await self._until(client, deadline, self._being_made)
            await self.crew.kill_worker()
            killed_at = datetime.now(UTC)
            self.scene.say("The worker is killed with SIGKILL while data is made.")
            await self._until(client, deadline, self._all_ended)
            ratio = p99(pulse.so_far) / before
        self._tell_ends()
        answered = await self._chat(client)
        return await self._report(client, killed_at, ratio, answered)

    # ------------------------------------------------------------------ the jobs

    async def _start(self, client: Client) -> None:
        for site in (*COMPANIES, REFUSED):
            body: JsonObject = {"customer_url": self.cloud.website(site)}
            headers = {"Idempotency-Key": f"demo {site}"}
            made = await insist(client.call, "POST", "/api/provision/start", body, headers=headers)
            assert isinstance(made, dict)
            self._jobs[site] = str(made["job_id"])
        self.scene.say(f"Demos are wanted for {', '.join(COMPANIES)}, and for a site whose certificate has expired.")

    async def _until(self, client: Client, deadline: float, met: Callable[[], bool]) -> None:
        """Watch until the condition is met or it is late."""
        while time.monotonic() < deadline:
            await self._refresh(client)
            if await asyncio.to_thread(met):
                return
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _refresh(self, client: Client) -> None:
        for site, job_id in self._jobs.items():
            if self._status(site) in _ENDED:
                continue
            try:
                found = await client.call("GET", f"/api/provision/status/{job_id}")
            except (UnavailableError, ApiError):
                continue  # the next round shows more
            if isinstance(found, dict):
                self.scene.jobs[site] = found

    def _status(self, site: str) -> str:
        return str(self.scene.jobs.get(site, {}).get("status"))

    def _all_ended(self) -> bool:
        return all(self._status(site) in _ENDED for site in self._jobs)

    def _being_made(self) -> bool:
        """Whether data is made for anybody at this moment; also when it cannot happen any more."""
        return at_work(self._said(), AgentName.DATA, datetime.now(UTC)) > 0 or self._all_ended()

    def _said(self) -> dict[str, list[Line]]:
        """What the agents of each job wrote themselves."""
        return {job_id: lines_in(Shelf(self.crew.home, UUID(job_id)).spool) for job_id in self._jobs.values()}

    def _tell_ends(self) -> None:
        for site in self._jobs:
            job = self.scene.jobs.get(site, {})
            errors = job.get("errors")
            why = f": {errors[0]}" if isinstance(errors, list) and errors else ""
            self.scene.say(f"{job.get('company_name') or site}: {self._status(site)}{why}")

    # ------------------------------------------------------------------ the chat

    async def _chat(self, client: Client) -> int:
        """How many questions were answered with figures."""
        agent, answered = self.scene.jobs.get(COMPANIES[0], {}).get("capi_agent_id"), 0
        body: JsonObject = {"agent_id": agent}
        for question in QUESTIONS if agent else ():
            try:
                answer = await insist(client.call, "POST", "/api/chat", body | {"message": question})
            except ApiError as error:
                self.scene.say(f"“{question}” {error}")
                continue
            assert isinstance(answer, dict)
            body = {"conversation_id": answer["conversation_id"]}
            answered += bool(answer.get("data"))
            self.scene.say(f"“{question}” {answer.get('response')}")
        return answered

    # ------------------------------------------------------------------ counting

    async def _report(self, client: Client, killed_at: datetime, ratio: float, answered: int) -> ProvisioningReport:
        completed = [job_id for site, job_id in self._jobs.items() if self._status(site) == JobStatus.COMPLETED]
        golden: list[JsonObject] = []
        for job_id in completed:
            found = await insist(client.call, "GET", f"/api/provision/metadata/{job_id}")
            golden += verdicts_of(found) if isinstance(found, dict) else []
        said = await asyncio.to_thread(self._said)
        return ProvisioningReport(
            jobs=len(self._jobs),
            jobs_completed=len(completed),
            jobs_failed_as_planned=int(refused_certificate(self.scene.jobs.get(REFUSED, {}))),
            making_when_killed=at_work(said, AgentName.DATA, killed_at),
            agents_repeated_after_kill=repeated(said, killed_at),
            golden_passed=sum(verdict.get("badge") == Badge.PASSED for verdict in golden),
            golden=len(golden),
            questions_answered=answered,
            questions=len(QUESTIONS),
            healthz_p99_ratio=round(ratio, 2),
        )
