"""The instances of a pool that wait for a session, and how new ones come up."""

import asyncio

from .container import Container, StartError, start_container
from .model import Container as Kind
from .model import Template
from .world import World


class Instances:
    """Containers without a session; `crashed` counts those that did not come up, `started` those that did."""

    def __init__(self, kind: Kind, world: World) -> None:
        self._kind = kind
        self._world = world
        self._ready: list[Container] = []
        self._starting: set[asyncio.Task[None]] = set()
        self._wanted = 0
        self._template: Template | None = None
        self.started = 0
        self.crashed = 0

    @property
    def ready(self) -> list[Container]:
        """Those that wait."""
        return [one for one in self._ready if one.alive]

    @property
    def starting(self) -> int:
        """How many are on their way to wait."""
        return len(self._starting)

    def keep(self, wanted: int, template: Template | None) -> None:
        """See to it that so many made of this template wait; others go."""
        if template != self._template:
            self.empty()
        self._wanted, self._template, self._ready = max(wanted, 0), template, self.ready
        while len(self._ready) > self._wanted:
            self.end(self._ready.pop())
        for _ in range(self._wanted - len(self._ready) - len(self._starting)):
            task = asyncio.get_running_loop().create_task(self._bring_up())
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    async def take(self, template: Template | None) -> Container | None:
        """One that waits, else a new one; None when that does not come up."""
        waiting = self.ready if template == self._template else []
        if not waiting:
            return await self._start(template)
        self._ready = waiting[1:]
        return waiting[0]

    def empty(self, *, at_once: bool = False) -> None:
        """End those that wait."""
        while self._ready:
            self.end(self._ready.pop(), at_once=at_once)

    def end(self, container: Container, *, at_once: bool = False) -> None:
        """End one, beside the calls."""
        self._world.later(container.stop(at_once=at_once))

    async def close(self) -> None:
        """End all, those on their way too."""
        self._wanted = 0
        for task in self._starting:
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        self.empty()

    async def _start(self, template: Template | None) -> Container | None:
        world = self._world
        try:
            container = await start_container(
                world.command, self._kind, template, world.settings.start_timeout_s, world.folder
            )
        except StartError:
            self.crashed += 1
            return None
        self.started += 1
        return container

    async def _bring_up(self) -> None:
        container = await self._start(self._template)
        if container is not None and container.template == self._template and len(self.ready) < self._wanted:
            self._ready.append(container)
        elif container is not None:
            self.end(container)
        self._world.pulse.beat()
