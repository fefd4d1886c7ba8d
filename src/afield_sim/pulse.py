"""Waiting for something to change, without polling and without cost when nobody waits."""

import asyncio
from collections.abc import Callable


class Pulse:
    """Wakes everybody who waits whenever something changed."""

    def __init__(self) -> None:
        self._waiters: list[asyncio.Future[None]] = []

    def beat(self) -> None:
        """Say that something changed."""
        if self._waiters:
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    async def until(self, condition: Callable[[], bool], timeout: float) -> bool:  # noqa: ASYNC109
        """Wait until `condition` holds; False when `timeout` seconds passed before."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while not condition():
            waiter: asyncio.Future[None] = loop.create_future()
            self._waiters.append(waiter)
            await asyncio.wait([waiter], timeout=deadline - loop.time())
            if not waiter.done():
                self._waiters.remove(waiter)
                return condition()
        return True
