"""All pools: found by name, made, removed, and settled in time."""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..arm.cloud import SUBSCRIPTION_ID
from ..clock import Clock
from ..counters import Counters
from .container import COMMAND
from .faults import FaultBox
from .model import Container, Properties, Resource
from .pool import Pool
from .settings import SessionSettings
from .world import World

GROUP = "rg-data"
NAMES: Mapping[str, str] = {"custom": "custom-1", "interpreter": "interpreter-1", "shell": "shell-1"}
_LONGEST_NAP, _SHORTEST_NAP = 1.0, 0.05
_KINDS = {"custom": Container.CUSTOM, "interpreter": Container.PYTHON, "shell": Container.SHELL}


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """How many pools start their waiting instances at once, the seed of chance, what a container is started with."""

    awake: int = 0
    seed: int = 7
    command: Sequence[str] = COMMAND


class Pools:
    """Pools by name, in any case."""

    def __init__(self, options: PoolOptions, clock: Clock) -> None:
        self._options = options
        counters = Counters()
        self.world = World(clock, FaultBox(options.seed, counters), counters, command=options.command)
        self.base_url = ""
        self._pools: dict[str, Pool] = {}
        self._keeper: asyncio.Task[None] | None = None

    def __iter__(self) -> Iterator[Pool]:
        return iter(list(self._pools.values()))

    async def start(self) -> None:
        """Make the pools; no process is started but for those that are to be awake."""
        self.world.folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="afield-sim-pools-"))
        self._create()
        self._keeper = asyncio.get_running_loop().create_task(self._keep_house())

    async def stop(self) -> None:
        """End everything, remove all files."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        await self._end_all()
        await self.world.close()
        await asyncio.to_thread(shutil.rmtree, self.world.folder, ignore_errors=True)

    async def reset(self) -> None:
        """Back to the beginning: the first pools, no sessions, no faults, the first settings, no counts."""
        await self._end_all()
        self.world.faults.clear()
        self.world.settings = SessionSettings()
        self.world.counters.reset()
        self._create()
        self.world.pulse.beat()

    def find(self, name: str) -> Pool | None:
        """A pool by its name, in any case."""
        return self._pools.get(name.lower())

    def add(self, resource: Resource) -> Pool:
        """A new pool."""
        pool = Pool(resource, self.world)
        self._pools[resource.name.lower()] = pool
        self.world.pulse.beat()
        return pool

    async def remove(self, pool: Pool) -> None:
        """A pool goes, with its sessions."""
        self._pools.pop(pool.resource.name.lower(), None)
        await pool.close()

    def endpoint(self, pool: Pool) -> str:
        """Where its requests go, by its kind."""
        resource = pool.resource
        if resource.custom:
            return f"{self.base_url}/pools/{resource.name}"
        return f"{self.base_url}{regional_path(resource)}"

    def _create(self) -> None:
        self._pools.clear()
        now = self.world.clock.now()
        for number, (kind, name) in enumerate(NAMES.items()):
            properties = first_properties(_KINDS[kind], self.world.settings.container_port)
            pool = self.add(Resource(name, GROUP, SUBSCRIPTION_ID, properties, created_at=now, provisioned_at=now))
            if number < self._options.awake:
                pool.wake()

    async def _end_all(self) -> None:
        await asyncio.gather(*(pool.close() for pool in self))

    async def _keep_house(self) -> None:
        clock, pulse = self.world.clock, self.world.pulse
        while True:
            nap = min((pool.next_end() for pool in self), default=float("inf")) - clock.now()
            await pulse.until(lambda: self._next_end() <= clock.now(), min(max(nap, _SHORTEST_NAP), _LONGEST_NAP))
            for pool in self:
                pool.settle()
            await asyncio.sleep(_SHORTEST_NAP)

    def _next_end(self) -> float:
        return min((pool.next_end() for pool in self), default=float("inf"))


def regional_path(resource: Resource) -> str:
    """The path of a pool at the regional endpoint."""
    group = f"/subscriptions/{resource.subscription_id}/resourceGroups/{resource.resource_group}"
    return f"/dynamicsessions{group}/sessionPools/{resource.name}"


def first_properties(kind: Container, port: int) -> Properties:
    """The properties of a pool that is there from the start."""
    template = {
        "containers": [{"image": "afield-sandbox:1", "name": "sandbox", "resources": {"cpu": 0.5, "memory": "1Gi"}}],
        "ingress": {"targetPort": port},
    }
    return Properties.model_validate(
        {
            "environmentId": _environment_id() if kind is Container.CUSTOM else None,
            "containerType": kind,
            "customContainerTemplate": template if kind is Container.CUSTOM else None,
        }
    )


def _environment_id() -> str:
    group = f"/subscriptions/{SUBSCRIPTION_ID}/resourceGroups/{GROUP}"
    return f"{group}/providers/Microsoft.App/managedEnvironments/env-1"
