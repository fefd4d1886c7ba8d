"""What a crash test of sessions kills: a whole worker, in a process of its own (see crash_nursery)."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from crash_victim import settings_for

from afield.config import LogFormat, Settings
from afield.engine.worker import WorkerSettings
from afield.faultpoints import arm
from afield.kernel import open_worker
from afield.telemetry.logs import set_up_logs

TAKEOVER_AFTER = timedelta(seconds=1)


def live(url: str, home: str, faultpoints: str) -> None:
    """Be a worker until death."""
    arm(faultpoints)
    set_up_logs(level="CRITICAL", form=LogFormat.JSON, stream=sys.stderr)
    asyncio.run(_work(settings_for(url, Path(home))))


async def _work(settings: Settings) -> None:
    how = WorkerSettings(name=f"victim-{uuid4()}", takeover_after=TAKEOVER_AFTER)
    async with open_worker(settings, how) as worker:
        await worker.run()
