"""`afield provision watch`: a job until it is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from uuid import UUID

from rich.live import Live

from afield.cli.provision_show import entry_json, status_card
from afield.cli.run import out, print_json
from afield.provisioning.job_log import Entry
from afield.provisioning.jobs import Jobs
from afield.provisioning.store import ENDED, JobStatus
from afield.security.people import Principal

_EVERY_S = 0.5


async def watch_job(jobs: Jobs, job_id: UUID, who: Principal, *, as_json: bool) -> JobStatus:
    """Show the job until it has ended; how it ended. Raises NotFoundError."""
    entries = await jobs.follow(job_id, who, 0)
    async with aclosing(entries):
        if as_json:
            async for entry in entries:
                print_json({"job_id": job_id} | entry_json(entry))
        else:
            await _pictures(jobs, job_id, who, asyncio.ensure_future(_last(entries)))
    return (await jobs.get(job_id, who)).status


async def _last(entries: AsyncGenerator[Entry, None]) -> None:
    async for _ in entries:
        pass


async def _pictures(jobs: Jobs, job_id: UUID, who: Principal, told: asyncio.Future[None]) -> None:
    """A picture now and again, and one of the end."""
    with Live(console=out, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            view, recent = await jobs.status(job_id, who)
            live.update(status_card(view, recent), refresh=True)
            if view.job.status in ENDED and told.done():
                return
            await asyncio.wait({told}, timeout=_EVERY_S)
