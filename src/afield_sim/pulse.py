"""Waiting for something to change, without polling and without cost when nobody waits."""

import asyncio
from collections.abc import Callable


class Pulse:
    """Wakes everybody who waits whenever something changed."""

    def __init__(self) -> None:
        self._beats = 0
        self._waiters: list[asyncio.Future[None]] = []

    def beat(self) -> None:
        """Say that something changed."""
        self._beats += 1
        if self._waiters:
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    async def until(self, condition: Callable[[], bool], timeout: float) -> bool:  # noqa: ASYNC109
        """Wait until `condition` holds; False when `timeout` seconds passed before.

        A condition that is slow to tell is asked less often: it takes a tenth of the time at most.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while True:
            asked, seen = loop.time(), self._beats
            if condition():
                return True
            if asked >= deadline:
                return False
            await asyncio.sleep(9 * (loop.time() - asked))
            if seen == self._beats:
                await self._next_beat(deadline - loop.time())

    async def _next_beat(self, timeout: float) -> None:  # noqa: ASYNC109
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await asyncio.wait([waiter], timeout=max(0.0, timeout))
        if waiter in self._waiters:
            self._waiters.remove(waiter)
