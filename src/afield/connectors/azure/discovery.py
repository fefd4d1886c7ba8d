"""The virtual machines of an Azure account: by Resource Graph in one question, or subscription by subscription.

Resource Graph answers for all subscriptions at once and tells power states; what it knows is seconds to minutes old.
Where it is refused, the lists of virtual machines are read instead; those tell no power states.
Source: Microsoft Learn, Azure Resource Graph (queries, paging); Microsoft.Compute, virtual machines - list all.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence

from afield.connectors.accounts import Machine, Trail
from afield.connectors.azure.address import AzureAccountAddress
from afield.connectors.azure.api import AzureApi
from afield.connectors.azure.failure import AzureError, Trouble
from afield.connectors.azure.grants import read_all, read_subscriptions
from afield.connectors.azure.view import as_int, as_object, as_objects, as_text, parse_os, parse_tags
from afield.model.jsontypes import JsonObject, JsonValue

CONNECTOR = "azure_vm"
GRAPH_PATH = "/providers/Microsoft.ResourceGraph/resources"
GRAPH_VERSION = "2024-04-01"
VMS_VERSION = "2024-07-01"
QUERY = (
    "Resources | where type =~ 'microsoft.compute/virtualmachines' "
    "| project id,name,resourceGroup,subscriptionId,location,tags,properties | order by id asc"
)
_PAGE = 1000
_MOST_PAGES = 200
_MOST_SUBSCRIPTIONS = 500  # named in one question

_VM_ID = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/(?P<group>[^/]+)/providers/Microsoft\.Compute/virtualMachines/(?P<name>[^/]+)",
    re.IGNORECASE,
)


class AzureDiscovery:
    """One look for all virtual machines of some subscriptions; of all that can be read when none is named."""

    def __init__(
        self, api: AzureApi, address: AzureAccountAddress, subscriptions: Sequence[str], trail: Trail, page: int = _PAGE
    ) -> None:
        self._api = api
        own = set(AzureAccountAddress.model_fields)
        self._base: JsonObject = address.model_dump(mode="json", include=own, exclude_defaults=True)
        self._named = list(subscriptions)
        self._trail = trail
        self._page = page

    async def machines(self) -> AsyncIterator[Machine]:
        """The machines as they are found; one may come twice. Raises CredentialError."""
        try:
            subscriptions = self._named or await read_subscriptions(self._api)
        except AzureError as error:
            self._trail.problem = _told("The subscriptions could not be listed", error)
            return
        if not subscriptions:
            self._trail.problem = "The credential can read no subscription."
            return
        refused = False
        try:
            async for item in self._by_graph(subscriptions):
                yield self._machine(item)
        except AzureError as error:
            refused = True
            self._trail.notes.append(_told("Resource Graph was not to be had, so the lists were read", error))
        if refused:
            async for item in self._by_lists(subscriptions):
                yield self._machine(item)

    async def _by_graph(self, subscriptions: list[str]) -> AsyncIterator[JsonObject]:
        self._trail.way = "resource graph"
        complete = True
        for start in range(0, len(subscriptions), _MOST_SUBSCRIPTIONS):
            found = total = 0
            async for page in self._graph_pages(subscriptions[start : start + _MOST_SUBSCRIPTIONS]):
                for item in _vms(page.get("data")):
                    found += 1
                    yield item
                total = max(total, as_int(page.get("totalRecords")) or 0)
            if found < total:
                complete = False
                self._trail.problem = f"Resource Graph announced {total} machines and showed {found}."
        self._trail.complete = complete

    async def _graph_pages(self, subscriptions: list[str]) -> AsyncIterator[JsonObject]:
        options: JsonObject = {"$top": self._page, "resultFormat": "objectArray"}
        named: list[JsonValue] = [*subscriptions]
        for _ in range(_MOST_PAGES):
            body: JsonObject = {"subscriptions": named, "query": QUERY, "options": options}
            page = await self._api.post_json(GRAPH_PATH, body, {"api-version": GRAPH_VERSION})
            if not isinstance(page.get("data"), list):
                raise AzureError("the reply has no rows", trouble=Trouble.UNREADABLE)
            yield page
            token = as_text(page.get("$skipToken"))
            if not token:
                return
            options = {**options, "$skipToken": token}
        raise AzureError("the listing does not end", trouble=Trouble.UNREADABLE)

    async def _by_lists(self, subscriptions: list[str]) -> AsyncIterator[JsonObject]:
        self._trail.way = "lists of virtual machines"
        problems: list[str] = []
        for subscription in subscriptions:
            path = f"/subscriptions/{subscription}/providers/Microsoft.Compute/virtualMachines"
            try:
                items = await read_all(self._api, path, VMS_VERSION)
            except AzureError as error:
                problems.append(_told(f"The machines of subscription {subscription} could not be listed", error))
                continue
            for item in _vms(list(items)):
                yield item
        self._trail.problem = " ".join(problems)
        self._trail.complete = not problems

    def _machine(self, item: JsonObject) -> Machine:
        return machine_of(item, self._base)


def machine_of(item: JsonObject, base: JsonObject) -> Machine:
    """The machine of one row, of either way. `base` is what its target's address takes over from the account."""
    resource_id = as_text(item.get("id")).rstrip("/")
    parts = _VM_ID.fullmatch(resource_id)
    assert parts is not None, "only rows with a VM's id come here"
    properties = as_object(item.get("properties"))
    disk = as_object(as_object(properties.get("storageProfile")).get("osDisk"))
    instance = as_object(as_object(properties.get("extended")).get("instanceView"))
    return Machine(
        remote_id=resource_id,
        name=as_text(item.get("name")) or parts["name"],
        connector=CONNECTOR,
        address={**base, "resource_id": resource_id},
        kind=parse_os(disk.get("osType")),
        location=as_text(item.get("location")),
        group=parts["group"],
        power=as_text(as_object(instance.get("powerState")).get("code")).partition("/")[2],
        tags=parse_tags(item.get("tags")),
    )


def _vms(rows: JsonValue) -> list[JsonObject]:
    """Rows that are virtual machines; others cannot be reached, so they are left out."""
    return [row for row in as_objects(rows) if _VM_ID.fullmatch(as_text(row.get("id")).rstrip("/"))]


def _told(what: str, error: AzureError) -> str:
    said = f"{error.status} {error.code}".strip() if error.status else error.trouble.value
    return f"{what} ({said}: {error.message.rstrip('.')})."
