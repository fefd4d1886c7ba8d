"""Managed run commands (v2): created, changed, read, listed, deleted."""

import asyncio

from aiohttp import web

from .admission import refuse_command
from .bodies import CommandBody, CommandPatch, CommandProperties
from .calls import Call
from .cloud import Cloud
from .errors import bad_request, location_required, resource_not_found
from .gate import Gate, Reply, Request
from .machine import Machine, RunCommand
from .managed import Job, carry_out
from .model import Operation, Provisioning, View
from .paging import show_page
from .polling import accepted, announce
from .vms import VM
from .wire_commands import show_command

_ALL = VM + "/runCommands"
_ONE = _ALL + "/{command}"
_NOTIFIED = {"azure-asyncnotification": "Enabled"}


class CommandRoutes:
    """PUT, PATCH, GET, DELETE of one; a list of all."""

    def __init__(self, cloud: Cloud, gate: Gate) -> None:
        self._cloud = cloud
        self._gate = gate

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        add = self._gate.add
        add(router, "PUT", _ONE, Call.COMMAND_PUT, self.put)
        add(router, "PATCH", _ONE, Call.COMMAND_PATCH, self.patch)
        add(router, "GET", _ONE, Call.COMMAND_GET, self.get)
        add(router, "DELETE", _ONE, Call.COMMAND_DELETE, self.delete)
        add(router, "GET", _ALL, Call.COMMAND_LIST, self.list_all)

    async def put(self, request: Request) -> Reply:
        """Create one (201), or give one that is there new properties (200)."""
        body = await request.read(CommandBody)
        if body.location is None:
            raise location_required()
        check(body.properties)
        machine, name = request.machine, request.part("command")
        self._admit(request, name)
        old = machine.commands.get(name.lower())
        if old is not None and old.provisioning is not Provisioning.DELETING:
            old.tags = body.tags or old.tags
            return await self._change(request, old, body.properties, Provisioning.UPDATING)
        now = self._cloud.clock.now()
        command = RunCommand(name, body.location, body.properties, now, dict(body.tags or {}))
        machine.commands[name.lower()] = command
        return self._start(request, command, 201)

    async def patch(self, request: Request) -> Reply:
        """Change some properties."""
        body = await request.read(CommandPatch)
        command = self._find(request)
        self._admit(request, command.name)
        before = command.properties.model_dump(by_alias=True, exclude_unset=True)
        changed = CommandBody.model_validate({"properties": {**before, **body.properties}}).properties
        check(changed)
        command.tags = body.tags or command.tags
        return await self._change(request, command, changed, Provisioning.UPDATING)

    async def get(self, request: Request) -> Reply:
        """One of them."""
        command = self._find(request)
        slow = request.faults.slow_to_show
        if slow is not None and slow.get and self._is_new(command, slow.seconds):
            raise self._missing(request)
        return Reply(show_command(request.machine.vm, command, expand=request.expand))

    async def list_all(self, request: Request) -> Reply:
        """All of them."""
        slow, machine = request.faults.slow_to_show, request.machine
        shown = [
            show_command(machine.vm, one, expand=request.expand)
            for one in machine.commands.values()
            if slow is None or not self._is_new(one, slow.seconds)
        ]
        return show_page(request, self._cloud.faults, shown, self._cloud.settings.command_page_size)

    async def delete(self, request: Request) -> Reply:
        """Kill its script and remove it (202); 204 when it is not there."""
        machine = request.machine
        command = machine.commands.get(request.part("command").lower())
        if command is None:
            return Reply(status=204)
        self._admit(request, command.name)
        command.provisioning = Provisioning.DELETING
        operation = self._cloud.begin(machine, request.call)
        self._cloud.later(self._remove(machine, command, operation))
        return accepted(request, self._cloud.settings, operation)

    async def _change(
        self, request: Request, command: RunCommand, properties: CommandProperties, state: Provisioning
    ) -> Reply:
        """New properties for a command; the same again does not run again, as on Linux."""
        if properties == command.properties:
            operation = self._cloud.begin(request.machine)
            self._cloud.operations.succeed(operation)
            return self._answer(request, command, operation, 200)
        if command.run is not None:
            await command.run.kill()
        command.properties, command.provisioning = properties, state
        return self._start(request, command, 200)

    def _start(self, request: Request, command: RunCommand, status: int) -> Reply:
        machine = request.machine
        machine.managed_used = True
        operation = self._cloud.begin(machine, request.call)
        command.view = View()
        reply = self._answer(request, command, operation, status)
        job = Job(self._cloud, machine, command, operation, request.faults, command.view)
        self._cloud.later(carry_out(job))
        return reply

    def _answer(self, request: Request, command: RunCommand, operation: Operation, status: int) -> Reply:
        headers = announce(request, self._cloud.settings, operation, location=False)
        body = show_command(request.machine.vm, command, expand=False)
        return Reply(body, status, {**headers, **_NOTIFIED})

    async def _remove(self, machine: Machine, command: RunCommand, operation: Operation) -> None:
        if command.run is not None:
            await command.run.kill()
        await asyncio.sleep(self._cloud.settings.operation_seconds)
        if machine.commands.get(command.name.lower()) is command:
            del machine.commands[command.name.lower()]
        self._cloud.operations.succeed(operation)

    def _admit(self, request: Request, name: str) -> None:
        machine = request.machine
        refusal = refuse_command(machine, name, request.faults, self._cloud.power_of(machine))
        if refusal is not None:
            raise refusal

    def _find(self, request: Request) -> RunCommand:
        command = request.machine.commands.get(request.part("command").lower())
        if command is None:
            raise self._missing(request)
        return command

    def _missing(self, request: Request) -> Exception:
        vm = request.machine.vm
        resource = f"Microsoft.Compute/virtualMachines/{vm.name}/runCommands/{request.part('command')}"
        return resource_not_found(resource, vm.resource_group)

    def _is_new(self, command: RunCommand, seconds: float) -> bool:
        return not command.planted and self._cloud.clock.now() - command.created_at < seconds


def check(properties: CommandProperties) -> None:
    """ArmError 400 when there is more than one source."""
    source = properties.source
    if source is None:
        return
    given = [source.script, source.script_uri, source.command_id, source.gallery_script_reference_id]
    if sum(one is not None for one in given) > 1:
        raise bad_request("Only one of 'script', 'scriptUri', 'commandId' and 'galleryScriptReferenceId' is allowed.")
