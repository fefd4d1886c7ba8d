"""Extensions of a machine: the one that runs action commands."""

from aiohttp import web

from .actions import remove_extension
from .calls import Call
from .cloud import Cloud
from .errors import resource_not_found
from .gate import Gate, Reply, Request
from .vms import VM
from .wire import action_extension, show_extension

_ALL = VM + "/extensions"


class ExtensionRoutes:
    """List, get, delete."""

    def __init__(self, cloud: Cloud, gate: Gate) -> None:
        self._cloud = cloud
        self._gate = gate

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        self._gate.add(router, "GET", _ALL, Call.EXTENSION_LIST, self.list_all)
        self._gate.add(router, "GET", _ALL + "/{extension}", Call.EXTENSION_GET, self.get)
        self._gate.add(router, "DELETE", _ALL + "/{extension}", Call.EXTENSION_DELETE, self.delete)

    async def list_all(self, request: Request) -> Reply:
        """All there are: none or one."""
        extension = action_extension(request.machine, request.faults, self._cloud.clock.now())
        return Reply({"value": [show_extension(request.machine.vm, extension)] if extension else []})

    async def get(self, request: Request) -> Reply:
        """One of them."""
        extension = action_extension(request.machine, request.faults, self._cloud.clock.now())
        vm, name = request.machine.vm, request.part("extension")
        if extension is None or name.lower() != vm.action_extension.lower():
            raise resource_not_found(
                f"Microsoft.Compute/virtualMachines/{vm.name}/extensions/{name}", vm.resource_group
            )
        return Reply(show_extension(vm, extension))

    async def delete(self, request: Request) -> Reply:
        """Remove it (202), with what runs in it; 204 when it is not there."""
        extension = action_extension(request.machine, request.faults, self._cloud.clock.now())
        if extension is None or request.part("extension").lower() != request.machine.vm.action_extension.lower():
            return Reply(status=204)
        return await remove_extension(self._cloud, request)
