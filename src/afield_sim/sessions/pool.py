"""A pool at work: its sessions, from the first request of an identifier to their end."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from . import errors
from .container import Container
from .faults import PoolFaults
from .instances import Instances
from .model import Resource, Template
from .session import Session
from .world import World


@dataclass(slots=True)
class Tally:
    """What happened at a pool, since the start; `runs` are those of containers that ended, by identifier and run id."""

    allocated: Counter[str] = field(default_factory=Counter)
    rejected: int = 0
    stopped: int = 0
    expired: int = 0
    died: int = 0
    forwarded: int = 0
    runs: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))


class Pool:
    """Sessions by identifier. No process is started before the first of them, or `wake`."""

    def __init__(self, resource: Resource, world: World) -> None:
        self.resource = resource
        self.world = world
        self.sessions: dict[str, Session] = {}
        self.instances = Instances(resource.properties.container_type, world)
        self.tally = Tally()
        self.awake = False

    @property
    def faults(self) -> PoolFaults:
        """What is wrong with it now."""
        return self.world.faults.of(self.resource.name)

    @property
    def template(self) -> Template | None:
        """What new containers are made of."""
        return self.resource.properties.custom_container_template

    @property
    def crashed(self) -> int:
        """How many containers ended by themselves, or did not come up."""
        return self.tally.died + self.instances.crashed

    def wake(self) -> None:
        """Start the instances that are to wait."""
        self.awake = True
        self._replenish()

    async def enter(self, identifier: str) -> Session:
        """The session of an identifier, allocated when it has none.

        Its cooldown begins anew. PoolError when there is no room (404 or 429), or no container comes up (502).
        """
        self.settle()
        session = self.sessions.get(identifier) or self._allocate(identifier)
        session.last_at = self.world.clock.now()
        session.requests += 1
        if await asyncio.shield(session.place) is None:
            raise errors.bad_gateway()
        return session

    def leave(self, session: Session) -> None:
        """A request is over: the cooldown begins anew."""
        session.last_at = self.world.clock.now()
        self.world.pulse.beat()

    def settle(self) -> None:
        """End the sessions whose time is up or whose container is dead."""
        now, lifecycle = self.world.clock.now(), self.resource.properties.lifecycle
        for session in list(self.sessions.values()):
            if session.failed:
                self._drop(session)
            elif session.dead:
                self.tally.died += 1
                self._drop(session)
            elif session.over(lifecycle, now):
                self.tally.expired += 1
                self._drop(session)

    def next_end(self) -> float:
        """When the next session ends by itself, in seconds since 1970."""
        lifecycle = self.resource.properties.lifecycle
        return min((one.ends_at(lifecycle) for one in self.sessions.values()), default=float("inf"))

    def stop(self, identifier: str) -> bool:
        """End a session; False when there is none."""
        self.settle()
        session = self.sessions.get(identifier)
        if session is None:
            return False
        self.tally.stopped += 1
        self._drop(session)
        return True

    def update(self, resource: Resource) -> None:
        """A new version of the resource. Waiting instances of another template are replaced."""
        changed = resource.properties.custom_container_template != self.template
        self.resource = resource
        if changed and self.world.settings.update_ends_sessions:
            self._drop_all()
        self._replenish()
        self.world.pulse.beat()

    async def meet_faults(self) -> None:
        """Make what is running fit the faults that are set: kill what they kill, start what they let live."""
        faults = self.faults
        if faults.starts_nothing:
            self.instances.empty(at_once=True)
        if faults.kills:
            self._drop_all(at_once=True)
        await self.world.finish()
        self._replenish()
        self.world.pulse.beat()

    async def close(self) -> None:
        """End everything."""
        self.awake = False
        for session in self.sessions.values():
            session.place.cancel()
        await self.instances.close()
        self._drop_all()
        await self.world.finish()

    async def runs(self) -> Mapping[str, Mapping[str, int]]:
        """Runs accepted, by identifier and run id; more than 1 for a run id that ran in several containers."""
        await self.world.finish()
        found = {identifier: Counter(runs) for identifier, runs in self.tally.runs.items()}
        for session in list(self.sessions.values()):
            if session.container is not None:
                runs = await session.container.runs(self.world.http)
                found.setdefault(session.identifier, Counter()).update(runs)
        return {identifier: runs for identifier, runs in found.items() if runs}

    def _allocate(self, identifier: str) -> Session:
        self._check_room(identifier)
        self.awake = True
        now = self.world.clock.now()
        place = asyncio.get_running_loop().create_task(self._find_place())
        self.sessions[identifier] = session = Session(identifier, now, now, place)
        self.tally.allocated[identifier] += 1
        self.world.pulse.beat()
        return session

    def _check_room(self, identifier: str) -> None:
        faults = self.faults
        full = len(self.sessions) >= self.resource.properties.scale_configuration.max_concurrent_sessions
        if full or faults.full_404 or faults.full_429:
            self.tally.rejected += 1
            self.world.pulse.beat()
            status = 404 if faults.full_404 else 429 if faults.full_429 else self.world.settings.when_full
            raise errors.full(status, identifier, self.resource.name)
        if faults.starts_nothing:
            raise errors.bad_gateway()

    async def _find_place(self) -> Container | None:
        slow = self.faults.slow_allocation_s
        if slow and self.world.faults.strikes(slow):
            await asyncio.sleep(slow.seconds)
        container = await self.instances.take(self.template)
        self._replenish()
        self.world.pulse.beat()
        return container

    def _replenish(self) -> None:
        """Let as many instances wait as the scale wants and there is room for."""
        if not self.awake:
            return
        scale = self.resource.properties.scale_configuration
        room = scale.max_concurrent_sessions - len(self.sessions)
        wanted = 0 if self.faults.starts_nothing else min(scale.ready_session_instances, room)
        self.instances.keep(wanted, self.template)

    def _drop_all(self, *, at_once: bool = False) -> None:
        for session in list(self.sessions.values()):
            self._drop(session, at_once=at_once)

    def _drop(self, session: Session, *, at_once: bool = False) -> None:
        self.sessions.pop(session.identifier, None)
        self.world.later(self._end_session(session, at_once=at_once))
        self.world.pulse.beat()

    async def _end_session(self, session: Session, *, at_once: bool) -> None:
        await asyncio.wait([session.place])
        container = session.container
        if container is not None:
            self.tally.runs[session.identifier].update(await container.runs(self.world.http))
            await container.stop(at_once=at_once)
        self._replenish()
        self.world.pulse.beat()
