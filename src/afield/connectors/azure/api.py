"""Azure Resource Manager's calls as Afield needs them: plain JSON in and out, every failure an AzureError.

One account's connections are shared by all targets of a process that use it.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self, TypeAlias, cast
from weakref import WeakKeyDictionary

from afield.connectors.azure.address import AzureAccountAddress, VmAddress
from afield.connectors.azure.credential import fingerprint
from afield.connectors.azure.failure import AzureError, Trouble
from afield.connectors.azure.power_wire import PowerOperation
from afield.connectors.base import TargetContext
from afield.errors import UnavailableError
from afield.faultpoints import FaultPoint, reach
from afield.model.jsontypes import JsonObject, JsonValue

if TYPE_CHECKING:
    import aiohttp

    from afield.connectors.azure.arm import Arm

REQUEST_TIMEOUT = timedelta(seconds=30)
_MOST_PAGES = 50  # a listing that never ends is a mistake

_Key: TypeAlias = tuple[str, ...]


@dataclass(slots=True)
class _Shared:
    """One account's connections, and how many hold them."""

    arm: Arm
    holders: int = 0


_accounts: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[_Key, _Shared]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Listing:
    """All pages of a listing."""

    items: tuple[JsonObject, ...]
    calls: int


class AzureApi:
    """One holder's view of an account. Every method raises AzureError, and CredentialError where a token is refused."""

    def __init__(self, key: _Key, arm: Arm, patience: timedelta) -> None:
        self._key = key
        self._arm = arm
        self._patience = patience
        self._closed = False
        self.calls = 0  # that this holder made

    @classmethod
    async def open(
        cls, context: TargetContext, address: AzureAccountAddress, patience: timedelta = REQUEST_TIMEOUT
    ) -> Self:
        """Join the account's connections. Makes no remote call; `patience` is how long one call may take."""
        key = (
            address.management_url.lower(),
            address.authority_url.lower(),
            address.ca_file or "",
            address.identity,
            address.imds_url or "",
            fingerprint(context.secret),
        )
        shared = _accounts.setdefault(asyncio.get_running_loop(), {})
        if key not in shared:
            arm = await asyncio.to_thread(_import_sdk)
            tls = await asyncio.to_thread(arm.tls_context, address.ca_file)
            if key not in shared:  # another target may have been quicker
                shared[key] = _Shared(arm.Arm(address, context.tokens, context.name, context.clock, tls))
        shared[key].holders += 1
        return cls(key, shared[key].arm, patience)

    async def close(self) -> None:
        """Let go; the last holder closes the connections."""
        if self._closed:
            return
        self._closed = True
        accounts = _accounts[asyncio.get_running_loop()]
        shared = accounts[self._key]
        shared.holders -= 1
        if shared.holders == 0:
            del accounts[self._key]
            await shared.arm.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        """The account's connections, for addresses that carry their own right: no token is sent."""
        return self._arm.session

    # ------------------------------------------------------------------ anything

    async def get_json(self, path: str, query: Mapping[str, str] | None = None) -> JsonObject:
        """GET of a path (from `/`) or a full address on the same host. Put `api-version` into `query`."""
        return await self._object("GET", path, query)

    async def post_json(self, path: str, body: JsonValue = None, query: Mapping[str, str] | None = None) -> JsonObject:
        """POST, sent once; the reply's object, empty when the reply has no body."""
        return await self._object("POST", path, query, body)

    async def _object(
        self, method: str, path: str, query: Mapping[str, str] | None, body: JsonValue = None
    ) -> JsonObject:
        self.calls += 1
        reply = await self._arm.send(method, path, query=query, body=body, patience=self._patience)
        if reply.body is None and (reply.status in {202, 204} or reply.headers.get("Content-Length") == "0"):
            return {}
        return _object(reply.body)

    # ------------------------------------------------------------------ the VM

    async def get_vm(self, vm: VmAddress) -> JsonObject:
        """The VM with its instance view."""
        operations = self._arm.compute(vm.subscription_id).virtual_machines
        async with self._told():
            found = await operations.get(vm.resource_group, vm.vm_name, expand="instanceView", cls=_json_of)
        return _object(cast(JsonValue, found))

    # ------------------------------------------------------------------ managed run commands

    async def list_run_commands(self, vm: VmAddress) -> Listing:
        """All run commands of the VM with their instance views, all pages. A page on another host is an error."""
        operations = self._arm.compute(vm.subscription_id).virtual_machine_run_commands
        items: list[JsonObject] = []
        pages = 0
        async with self._told():
            paged = operations.list_by_virtual_machine(vm.resource_group, vm.vm_name, expand="instanceView")
            async for page in paged.by_page():
                items += [_object(one.as_dict()) async for one in page]
                pages += 1
                reach(FaultPoint.DURING_LOOK)
                if pages >= _MOST_PAGES:
                    raise AzureError("the listing does not end", trouble=Trouble.UNREADABLE)
        self.calls += max(0, pages - 1)
        return Listing(tuple(items), max(pages, 1))

    async def get_run_command(self, vm: VmAddress, name: str) -> JsonObject | None:
        """One run command with its instance view; None when there is none of this name."""
        operations = self._arm.compute(vm.subscription_id).virtual_machine_run_commands
        try:
            async with self._told():
                found = await operations.get_by_virtual_machine(
                    vm.resource_group, vm.vm_name, name, expand="instanceView", cls=_json_of
                )
        except AzureError as error:
            if error.status == 404 and name.lower() in error.message.lower():
                return None
            raise
        return _object(cast(JsonValue, found))

    async def put_run_command(self, vm: VmAddress, name: str, body: JsonObject) -> tuple[JsonObject, str]:
        """Create a run command, which starts it; the resource as Azure shows it at once, and the address of the
        operation that delivers the script: a capability, never logged."""
        operations = self._arm.compute(vm.subscription_id).virtual_machine_run_commands
        seen = _Seen(starts_work=True)
        async with self._told():
            await operations.begin_create_or_update(
                vm.resource_group, vm.vm_name, name, cast(Any, body), polling=False, raw_response_hook=seen
            )
        return seen.body(), seen.header("Azure-AsyncOperation")

    async def delete_run_command(self, vm: VmAddress, name: str) -> None:
        """Delete a run command, which stops it. That there is none is no error."""
        operations = self._arm.compute(vm.subscription_id).virtual_machine_run_commands
        async with self._told():
            await operations.begin_delete(vm.resource_group, vm.vm_name, name, polling=False)

    # ------------------------------------------------------------------ power

    async def post_power(self, vm: VmAddress, operation: PowerOperation) -> str:
        """Begin a power operation; its address, which is a capability: keep it sealed."""
        operations = self._arm.compute(vm.subscription_id).virtual_machines
        begin = {
            PowerOperation.RESTART: operations.begin_restart,
            PowerOperation.START: operations.begin_start,
            PowerOperation.POWER_OFF: operations.begin_power_off,
            PowerOperation.DEALLOCATE: operations.begin_deallocate,
            PowerOperation.REAPPLY: operations.begin_reapply,
            PowerOperation.REDEPLOY: operations.begin_redeploy,
        }[operation]
        seen = _Seen(starts_work=True)
        async with self._told():
            await begin(vm.resource_group, vm.vm_name, polling=False, raw_response_hook=seen)
        return seen.header("Azure-AsyncOperation") or seen.header("Location")

    # ------------------------------------------------------------------ action run commands

    async def post_run_command(self, vm: VmAddress, body: JsonObject) -> str:
        """Start an action run command; the address of its operation, which is a capability: keep it sealed."""
        operations = self._arm.compute(vm.subscription_id).virtual_machines
        seen = _Seen(starts_work=True)
        async with self._told():
            await operations.begin_run_command(
                vm.resource_group, vm.vm_name, cast(Any, body), polling=False, raw_response_hook=seen
            )
        return seen.header("Azure-AsyncOperation") or seen.header("Location")

    async def get_operation(self, url: str) -> JsonObject:
        """How far an operation is. An address on another host is an error."""
        return await self._object("GET", url, None)

    def _told(self) -> AbstractAsyncContextManager[None]:
        self.calls += 1
        return self._arm.told(self._patience)


def _import_sdk() -> ModuleType:
    try:
        return importlib.import_module("afield.connectors.azure.arm")
    except ImportError as error:
        if not (error.name or "").startswith(("azure", "msal")):
            raise
        text = f"Azure targets need packages that are not installed here ({error.name})."
        raise UnavailableError(text, hint="Install afield with its extra `azure`.") from None


class _Seen:
    """Takes the raw reply of a call, which the SDK's pollers hide. For a request that starts work, the moment at which
    the remote has it and nothing was read yet is a point at which a test may end this process."""

    def __init__(self, *, starts_work: bool) -> None:
        self._response: Any = None
        self._starts_work = starts_work

    def __call__(self, response: Any) -> None:
        self._response = response.http_response
        if self._starts_work:
            reach(FaultPoint.AFTER_SEND)

    def header(self, name: str) -> str:
        return str(self._response.headers.get(name) or "")

    def body(self) -> JsonObject:
        return _object(self._response.json())


def _json_of(response: Any, _: object, __: object) -> JsonValue:
    """The reply itself, in place of the SDK's model of it: words the model does not know stay readable."""
    value: JsonValue = response.http_response.json()
    return value


def _object(value: JsonValue) -> JsonObject:
    if not isinstance(value, dict):
        raise AzureError("the reply is not a JSON object", trouble=Trouble.UNREADABLE)
    return value
