"""What is above machines: subscriptions, resource groups, and the caller's rights."""

from aiohttp import web

from .calls import Call
from .cloud import LOCATION, SUBSCRIPTION_ID, Cloud
from .errors import group_not_found
from .gate import Gate, Reply, Request
from .model import JsonObject
from .vms import GROUP, SUBSCRIPTION, VM

_PERMISSIONS = "/providers/Microsoft.Authorization/permissions"
_ACTIONS = [
    "*/read",
    "Microsoft.Compute/locations/*",
    "Microsoft.Compute/virtualMachines/*",
    "Microsoft.Resources/subscriptions/resourceGroups/read",
]


class AccountRoutes:
    """Subscriptions, resource groups, permissions."""

    def __init__(self, cloud: Cloud, gate: Gate, tenant_id: str) -> None:
        self._cloud = cloud
        self._gate = gate
        self._tenant_id = tenant_id

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        add = self._gate.add
        add(router, "GET", "/subscriptions", Call.SUBSCRIPTIONS, self.subscriptions)
        add(router, "GET", SUBSCRIPTION, Call.SUBSCRIPTIONS, self.subscription)
        add(router, "GET", SUBSCRIPTION + "/resourceGroups", Call.GROUPS, self.groups)
        add(router, "GET", GROUP, Call.GROUPS, self.group)
        for scope in (SUBSCRIPTION, GROUP, VM):
            add(router, "GET", scope + _PERMISSIONS, Call.PERMISSIONS, self.permissions)

    async def subscriptions(self, _: Request) -> Reply:
        """The one subscription, as a list."""
        return Reply({"value": [self._show_subscription()], "count": {"type": "Total", "value": 1}})

    async def subscription(self, _: Request) -> Reply:
        """The one subscription."""
        return Reply(self._show_subscription())

    async def groups(self, _: Request) -> Reply:
        """All resource groups."""
        return Reply({"value": [_show_group(name) for name in self._cloud.groups]})

    async def group(self, request: Request) -> Reply:
        """One resource group."""
        return Reply(_show_group(self._group_name(request.part("group"))))

    async def permissions(self, request: Request) -> Reply:
        """What the caller may do at a scope, in agreement with the fault `forbidden`."""
        group = request.http.match_info.get("group")
        if group is not None:
            self._group_name(group)
        denied = list(request.faults.forbidden.actions) if request.faults.forbidden else []
        entry: JsonObject = {
            "actions": list(_ACTIONS),
            "notActions": denied,
            "dataActions": [],
            "notDataActions": [],
        }
        return Reply({"value": [entry]})

    def _group_name(self, wanted: str) -> str:
        found = next((one for one in self._cloud.groups if one.lower() == wanted.lower()), None)
        if found is None:
            raise group_not_found(wanted)
        return found

    def _show_subscription(self) -> JsonObject:
        return {
            "id": f"/subscriptions/{SUBSCRIPTION_ID}",
            "subscriptionId": SUBSCRIPTION_ID,
            "tenantId": self._tenant_id,
            "displayName": "Simulated subscription",
            "state": "Enabled",
            "authorizationSource": "RoleBased",
        }


def _show_group(name: str) -> JsonObject:
    return {
        "id": f"/subscriptions/{SUBSCRIPTION_ID}/resourceGroups/{name}",
        "name": name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": LOCATION,
        "properties": {"provisioningState": "Succeeded"},
    }
