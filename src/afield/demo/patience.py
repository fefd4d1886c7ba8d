"""Patience with a service that is being killed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from afield.errors import UnavailableError

P = ParamSpec("P")
T = TypeVar("T")


async def insist(call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call again while Afield is not there, as any client of a service should; give up after half a minute."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return await call(*args, **kwargs)
        except UnavailableError:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.2)
