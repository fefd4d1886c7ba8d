"""Deleting what has expired: a job's dataset, its data agent and its files. The job and its log stay."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from afield.engine import control
from afield.errors import AfieldError, ConflictError, NotFoundError
from afield.kernel import Kernel
from afield.ledger.database import GONE
from afield.provisioning.agents.names import AgentName
from afield.provisioning.agents.places import HERE, Place, Placed, data_agents_at, in_project, warehouse_at
from afield.provisioning.assets import Shelf
from afield.provisioning.settings import ProvisionSettings
from afield.provisioning.store import ENDED, Job, JobStore
from afield.sessions import SessionDesk

log = structlog.get_logger(__name__)

_ACTOR = "provisioning"


class Cleaner:
    """Any number of processes may clean up: deleting twice is deleting once."""

    def __init__(self, kernel: Kernel, settings: ProvisionSettings | None = None) -> None:
        self._kernel = kernel
        self._settings = settings or ProvisionSettings()
        self._home = kernel.settings.home_folder
        self._jobs = JobStore(kernel.ledger.database)

    async def run(self, stop: asyncio.Event, every_s: float) -> None:
        """Clean up now and again until `stop` is set."""
        while not stop.is_set():
            try:
                await self.round()
            except (AfieldError, *GONE) as error:
                log.warning("provision.clean_up_failed", error=str(error))
            except Exception:  # the outermost edge of the loop; the next round may do better
                log.exception("provision.clean_up_failed")
            await self._kernel.clock.wait(stop, self._kernel.clock.now() + timedelta(seconds=every_s))

    async def round(self) -> int:
        """Delete what has expired; of how many jobs. One that goes on is stopped first, and cleaned up later; one whose
        data cannot be reached now holds the others not up."""
        cleaned = 0
        for job in await self._jobs.expired(self._kernel.clock.now()):
            if job.status not in ENDED:
                await self._stop(job)
                continue
            try:
                await self._clean(job)
            except AfieldError as error:
                log.warning("provision.clean_up_failed", job_id=str(job.id), error=str(error))
                continue
            cleaned += 1
        return cleaned

    async def _stop(self, job: Job) -> None:
        desk, now = SessionDesk(self._kernel, job.tenant_id), self._kernel.clock.now()
        try:
            await desk.control(
                job.session_id, lambda s, steps: control.cancel(s, steps, by=_ACTOR, note="It has expired.", now=now)
            )
        except ConflictError:
            return  # it is being stopped, or has just ended

    async def _clean(self, job: Job) -> None:
        for place in await asyncio.to_thread(self._places, job):
            async with warehouse_at(self._home, place, self._settings) as warehouse:
                await warehouse.drop(job.dataset_name)
            async with await asyncio.to_thread(data_agents_at, self._home, place, self._settings) as agents:
                await agents.delete(job.agent_id)
        await asyncio.to_thread(Shelf(self._home, job.id).remove)
        await self._jobs.cleaned(job.id, self._kernel.clock.now())
        log.info("provision.cleaned_up", job_id=str(job.id), dataset=job.dataset_name)

    def _places(self, job: Job) -> set[Place]:
        """Everywhere its data may be: here, and where it was placed. If that is not known, since loading never ended or
        an earlier clean-up did not, where it would be now."""
        try:
            return {HERE, Shelf(self._home, job.id).output(AgentName.INFRASTRUCTURE, Placed).place}
        except NotFoundError:
            in_google = self._settings.warehouse == "bigquery" and job.project_id
            return {HERE, in_project(job.project_id, self._settings)} if in_google else {HERE}
