"""What a crash test kills: one turn at one target, in a process of its own.

Run in the children of a nursery (see crash_nursery) that has imported all of this already.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from uuid import UUID

from pydantic import SecretStr

from afield.config import LogFormat, Settings
from afield.connectors.registry import preload
from afield.engine.drive import drive
from afield.faultpoints import arm
from afield.kernel import open_kernel
from afield.telemetry.logs import set_up_logs

preload()  # imported once, in the nursery, and not in each life


def settings_for(url: str, home: Path) -> Settings:
    """The settings of everything in a crash test."""
    return Settings(database_url=SecretStr(url), home=home, secret_key=SecretStr("a passphrase for tests only"))


def live(url: str, home: str, target_id: str, faultpoints: str) -> None:
    """Drive the target until nothing is outstanding, or until death."""
    arm(faultpoints)
    set_up_logs(level="CRITICAL", form=LogFormat.JSON, stream=sys.stderr)
    asyncio.run(_drive(settings_for(url, Path(home)), UUID(target_id)))


async def _drive(settings: Settings, target_id: UUID) -> None:
    async with open_kernel(settings) as kernel:
        connector = await kernel.open_connector(await kernel.ledger.target(target_id))
        try:
            await drive(
                kernel.ledger,
                connector,
                kernel.artifacts,
                target_id,
                driver="victim",
                clock=kernel.clock,
                stop=asyncio.Event(),
            )
        finally:
            await connector.close()
