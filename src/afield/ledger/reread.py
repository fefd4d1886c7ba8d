"""Waiting to be told of news, without trusting that one is."""

from __future__ import annotations

import asyncio

REREAD_AFTER = 5.0
"""Seconds after which whoever follows the events reads on without having been woken. A notification can be lost with
the connection that would have brought it; that may cost a moment, never silence."""


async def news(wake: asyncio.Event, within: float = REREAD_AFTER) -> None:
    """Return when woken, and after `within` seconds anyway."""
    try:
        async with asyncio.timeout(within):
            await wake.wait()
    except TimeoutError:
        return
