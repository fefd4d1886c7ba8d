"""Work on large data is done beside the event loop, so that it never holds others up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from afield_sandbox.model import MIB

_LARGE = MIB

P = ParamSpec("P")
R = TypeVar("R")


async def handle(size: int, work: Callable[P, R], *args: P.args, **named: P.kwargs) -> R:
    """Do the work: here, or in a thread when it is about many bytes."""
    if size < _LARGE:
        return work(*args, **named)
    return await asyncio.to_thread(work, *args, **named)
