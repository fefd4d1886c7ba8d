"""The simulated cloud: one subscription, its machines, and everything that is set about them."""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from ..clock import Clock
from ..counters import Counters
from ..pulse import Pulse
from . import shell
from .bodies import CommandProperties, Source
from .calls import Call
from .errors import group_not_found, resource_not_found
from .faults import FaultBox, VmFaults
from .machine import Machine, RunCommand
from .model import JsonObject, Operation, Os, Power, Provisioning, State, View, Vm
from .operations import Operations
from .settings import ArmSettings
from .throttle import Throttle
from .wire import graph_row

SUBSCRIPTION_ID = "5b1f6c3e-0d2a-4c57-9a41-7e8d6f2b9c10"
RESOURCE_GROUPS = ("rg-shop", "rg-data")
LOCATION = "westeurope"
_TEMPORARY = "afield-sim-arm-"


@dataclass(frozen=True, slots=True)
class CloudOptions:
    """How many machines of each kind there are at first, the seed of chance, where files go (None: temporary)."""

    vms: int = 4
    windows_vms: int = 0
    seed: int = 7
    folder: Path | None = None


class Cloud:
    """Machines by resource group and name, both in any case."""

    def __init__(self, options: CloudOptions, clock: Clock) -> None:
        self.options = options
        self.clock = clock
        self.pulse = Pulse()
        self.counters = Counters()
        self.faults = FaultBox(options.seed, self.counters)
        self.settings = ArmSettings()
        self.throttle = Throttle()
        self.operations = Operations(clock.now, self.pulse.beat)
        self.folder = Path()
        self.confinement = shell.Confinement.SESSION
        self.more_rows: list[Callable[[str], list[JsonObject]]] = []
        self._machines: dict[tuple[str, str], Machine] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._http: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Make the folder of all machines, find out how scripts can be confined."""
        self.folder = await asyncio.to_thread(_new_folder, self.options.folder)
        self.confinement = await shell.probe()
        self._create_machines()

    async def stop(self) -> None:
        """Kill everything that runs, remove all files."""
        await self._end_work()
        if self._http is not None:
            await self._http.close()
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)

    async def reset(self) -> None:
        """Back to the beginning: new machines, no faults, the first settings."""
        await self._end_work()
        self.faults.clear()
        self.settings = ArmSettings()
        self.throttle.reset(self.settings.limit_scale)
        self.counters.reset()
        self.operations.clear()
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)
        self._create_machines()
        self.pulse.beat()

    def change_settings(self, settings: ArmSettings) -> None:
        """New settings; the budgets start over when their width changes."""
        if settings.limit_scale != self.throttle.scale:
            self.throttle.reset(settings.limit_scale)
        self.settings = settings

    @property
    def machines(self) -> list[Machine]:
        """All machines."""
        return list(self._machines.values())

    @property
    def groups(self) -> list[str]:
        """The names of the resource groups, those without machines too."""
        named = {group.lower(): group for group in RESOURCE_GROUPS}
        return list(
            {**{one.vm.resource_group.lower(): one.vm.resource_group for one in self.machines}, **named}.values()
        )

    @property
    def http(self) -> aiohttp.ClientSession:
        """What the machines reach the rest of the world with."""
        if self._http is None:
            self._http = aiohttp.ClientSession()
        return self._http

    def add(self, vm: Vm) -> Machine:
        """A new machine, in place of one with its name."""
        vm.created_at = self.clock.now()
        key = vm.resource_group.lower(), vm.name.lower()
        folder = self.folder / "-".join(key)
        self._machines[key] = machine = Machine(vm, folder, self.clock.now, self.pulse.beat)
        return machine

    def find(self, group: str, name: str) -> Machine:
        """A machine; ArmError 404 when the group or the machine is not there, or is made to be missing."""
        if group.lower() not in {one.lower() for one in self.groups}:
            raise group_not_found(group)
        machine = self._machines.get((group.lower(), name.lower()))
        if machine is None or self.faults.of(name).vm_missing:
            raise resource_not_found(f"Microsoft.Compute/virtualMachines/{name}", group)
        return machine

    def named(self, name: str) -> Machine | None:
        """The first machine with this name, in any case."""
        return next((one for one in self.machines if one.vm.name.lower() == name.lower()), None)

    def visible(self) -> Iterator[Machine]:
        """The machines that lists show."""
        return (one for one in self.machines if not self.faults.of(one.vm.name).vm_missing)

    def power_of(self, machine: Machine) -> Power:
        """Its power state, faults included."""
        return Power.DEALLOCATED if self.faults.of(machine.vm.name).deallocated else machine.vm.power

    def graph_rows(self, tenant_id: str) -> list[JsonObject]:
        """All machines, and what other services add, as Resource Graph knows them."""
        machines = [graph_row(one.vm, self.power_of(one), tenant_id) for one in self.visible()]
        return machines + [row for rows in self.more_rows for row in rows(tenant_id)]

    def later(self, work: Coroutine[object, object, None]) -> None:
        """Do some work beside the calls; it ends with the simulator at the latest."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def begin(self, machine: Machine, call: Call | None = None) -> Operation:
        """A new operation, endless when a fault says so (only for calls that run something)."""
        operation = self.operations.begin(machine.vm)
        faults = self.faults.of(machine.vm.name)
        operation.endless = call is not None and self.faults.strikes(faults.operation_never_ends, call)
        return operation

    def plant(
        self, machine: Machine, name: str, *, state: State, age_seconds: float, script: str = "true"
    ) -> RunCommand:
        """A managed run command nobody created over the API."""
        at = self.clock.now() - age_seconds
        ended = None if state in {State.RUNNING, State.PENDING} else at
        command = RunCommand(
            name=name,
            location=machine.vm.location,
            properties=CommandProperties(source=Source(script=script)),
            created_at=at,
            provisioning=Provisioning.SUCCEEDED,
            view=View(state=state, message="Execution in progress", started_at=at, ended_at=ended),
            planted=True,
        )
        machine.commands[name.lower()] = command
        machine.managed_used = True
        self.pulse.beat()
        return command

    def plant_for(self, vm: str, faults: VmFaults) -> None:
        """Plant the run commands that come with a fault, at the machines of this name."""
        for machine in (one for one in self.machines if vm in {"*", one.vm.name.lower()}):
            if faults.limit_25 is not None:
                for number in range(faults.limit_25.count):
                    name = f"{faults.limit_25.prefix}{number + 1:02}"
                    self.plant(machine, name, state=State.SUCCEEDED, age_seconds=86_400)
            if faults.foreign_command is not None and faults.foreign_command.managed:
                age = faults.foreign_command.age_minutes * 60
                self.plant(machine, "somebody-elses", state=State.RUNNING, age_seconds=age, script="sleep 3600")

    def describe(self) -> Mapping[str, object]:
        """What a client is told of it."""
        return {
            "subscription_id": SUBSCRIPTION_ID,
            "resource_groups": self.groups,
            "vms": [
                {
                    "name": one.vm.name,
                    "resource_group": one.vm.resource_group,
                    "id": one.vm.id,
                    "os_type": str(one.vm.os),
                    "location": one.vm.location,
                }
                for one in self.machines
            ],
        }

    def _create_machines(self) -> None:
        self._machines.clear()
        names = [(f"vm-{number + 1:02}", Os.LINUX) for number in range(self.options.vms)]
        names += [(f"win-{number + 1:02}", Os.WINDOWS) for number in range(self.options.windows_vms)]
        for number, (name, os) in enumerate(names):
            group = RESOURCE_GROUPS[number % len(RESOURCE_GROUPS)]
            self.add(Vm(name, group, SUBSCRIPTION_ID, LOCATION, os))

    async def _end_work(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(machine.kill_all() for machine in self.machines))
        await asyncio.to_thread(shell.kill_marked, self.folder)


def _new_folder(wanted: Path | None) -> Path:
    """An empty folder; what a simulator that was killed left there is removed."""
    if wanted is None:
        return Path(tempfile.mkdtemp(prefix=_TEMPORARY))
    shutil.rmtree(wanted, ignore_errors=True)
    wanted.mkdir(parents=True)
    return wanted
