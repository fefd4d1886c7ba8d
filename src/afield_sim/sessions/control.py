"""The control plane: Microsoft.App/sessionPools, and who holds which role at a pool."""

import re
import uuid
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from ..arm.calls import Call
from ..arm.cloud import LOCATION, SUBSCRIPTION_ID
from ..arm.errors import ArmError, bad_request, resource_not_found
from ..arm.gate import Gate, Reply, Request
from ..arm.vms import GROUP, SUBSCRIPTION
from ..entra.tokens import Tokens
from .faults import IMAGE_FAULTS, PORT_FAULTS
from .gate import PoolGate
from .model import Container, JsonObject, Properties, Resource, merge
from .pool import Pool
from .pools import Pools
from .status import Population
from .wire import Sight, graph_row, show_pool

_POOLS = "/providers/Microsoft.App/sessionPools"
_POOL = GROUP + _POOLS + "/{pool}"
_NAME = re.compile(r"[a-z][a-z0-9-]{1,61}[a-z0-9]")
ROLE = "0fb8eba5-a2bb-4abe-b1c1-49dfad359bb0"
"""The id of the built-in role Azure ContainerApps Session Executor."""
_DATA_ACTIONS = ["Microsoft.App/sessionPools/*/action", "Microsoft.App/sessionPools/*/read"]


class PoolBody(BaseModel):
    """The body of a PUT or PATCH."""

    model_config = ConfigDict(extra="ignore")

    location: str | None = None
    tags: dict[str, str] | None = None
    properties: dict[str, Any] = {}


class ControlRoutes:
    """Get, list, put, patch, delete; permissions and role assignments."""

    def __init__(self, pools: Pools, gate: Gate, pool_gate: PoolGate, tokens: Tokens) -> None:
        self._pools = pools
        self._gate = gate
        self._pool_gate = pool_gate
        self._tokens = tokens

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        add, authorization = self._gate.add, "/providers/Microsoft.Authorization"
        add(router, "GET", SUBSCRIPTION + _POOLS, Call.POOL_LIST, self.list_all)
        add(router, "GET", GROUP + _POOLS, Call.POOL_LIST, self.list_all)
        add(router, "GET", _POOL, Call.POOL_GET, self.get)
        add(router, "PUT", _POOL, Call.POOL_PUT, self.put)
        add(router, "PATCH", _POOL, Call.POOL_PATCH, self.patch)
        add(router, "DELETE", _POOL, Call.POOL_DELETE, self.delete)
        add(router, "GET", _POOL + authorization + "/permissions", Call.PERMISSIONS, self.permissions)
        add(router, "GET", _POOL + authorization + "/roleAssignments", Call.ROLE_ASSIGNMENTS, self.assignments)

    def rows(self, tenant_id: str) -> list[JsonObject]:
        """All pools, as Resource Graph knows them."""
        return [graph_row(self._see(pool), tenant_id) for pool in self._pools]

    async def list_all(self, request: Request) -> Reply:
        """All pools, or those of a group."""
        group = request.http.match_info.get("group")
        found = [pool for pool in self._pools if group is None or pool.resource.resource_group.lower() == group.lower()]
        return Reply({"value": [show_pool(self._see(pool)) for pool in found]})

    async def get(self, request: Request) -> Reply:
        """One pool."""
        return Reply(show_pool(self._see(self._find(request))))

    async def put(self, request: Request) -> Reply:
        """Make a pool (201), or give it new properties as a whole (200)."""
        body = await request.read(PoolBody)
        properties = self._checked(body.properties)
        old = self._pools.find(request.part("pool"))
        if old is not None:
            self._same_group(old, request)
            await self._change(old, self._resource(request, body, properties, old.resource), body.properties)
            return Reply(show_pool(self._see(old)))
        if not _NAME.fullmatch(request.part("pool")):
            raise bad_request(f"The session pool name '{request.part('pool')}' is invalid.")
        fresh = self._pools.add(self._resource(request, body, properties, None))
        return Reply(show_pool(self._see(fresh)), 201)

    async def patch(self, request: Request) -> Reply:
        """Change what the body names."""
        pool, body = self._find(request), await request.read(PoolBody)
        properties = self._checked(merge(pool.resource.properties.show(), body.properties))
        await self._change(pool, self._resource(request, body, properties, pool.resource), body.properties)
        return Reply(show_pool(self._see(pool)))

    async def delete(self, request: Request) -> Reply:
        """Remove a pool with its sessions; 204 when it is not there."""
        pool = self._pools.find(request.part("pool"))
        if pool is None:
            return Reply(status=204)
        await self._pools.remove(pool)
        return Reply(status=200)

    async def permissions(self, request: Request) -> Reply:
        """What the caller may do at the pool, in agreement with the faults of the role."""
        pool = self._find(request)
        granted = _DATA_ACTIONS if pool.faults.role_missing is None else []
        entry = {"actions": ["*/read", "Microsoft.App/sessionPools/*"], "notActions": []}
        return Reply({"value": [{**entry, "dataActions": granted, "notDataActions": []}]})

    async def assignments(self, request: Request) -> Reply:
        """Who holds the role at the pool: the application and the machine's identity."""
        pool = self._find(request)
        principals = [self._tokens.object_id, self._tokens.identity_object_id]
        wanted = request.http.query.get("$filter", "")
        named = [one for one in principals if "principalid eq" not in wanted.lower() or one in wanted]
        held = named if pool.faults.role_missing is None else []
        return Reply({"value": [_show_assignment(pool.resource, one) for one in held]})

    async def _change(self, pool: Pool, resource: Resource, named: JsonObject) -> None:
        template = named.get("customContainerTemplate") or {}
        faults, name = self._pools.world.faults, pool.resource.name
        if "ingress" in template:
            faults.remove(name, *PORT_FAULTS)
        if "containers" in template:
            faults.remove(name, *IMAGE_FAULTS)
        pool.update(resource)

    def _checked(self, properties: JsonObject) -> Properties:
        try:
            checked = Properties.model_validate(properties)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            path = ".".join(str(part) for part in first["loc"])
            raise ArmError(400, "InvalidParameterValueInSessionPool", f"{first['msg']}. Path '{path}'.") from None
        scale, shortest = checked.scale_configuration, self._pools.world.settings.min_cooldown_s
        if checked.container_type is Container.CUSTOM and not 1 <= scale.ready_session_instances < (
            scale.max_concurrent_sessions
        ):
            text = "readySessionInstances must be at least 1 and less than maxConcurrentSessions."
            raise ArmError(400, "SessionPoolInvalidReadySessionInstances", text)
        if checked.lifecycle.cooldown_period_in_seconds < shortest:
            text = f"cooldownPeriodInSeconds must be between {shortest} and 3600."
            raise ArmError(400, "SessionPoolInvalidCooldownPeriod", text)
        return checked

    def _resource(self, request: Request, body: PoolBody, properties: Properties, old: Resource | None) -> Resource:
        world = self._pools.world
        now = world.clock.now()
        return Resource(
            name=old.name if old else request.part("pool"),
            resource_group=old.resource_group if old else request.part("group"),
            subscription_id=SUBSCRIPTION_ID,
            properties=properties,
            location=old.location if old else body.location or LOCATION,
            tags=body.tags if body.tags is not None else (old.tags if old else {}),
            created_at=old.created_at if old else now,
            provisioned_at=now + world.settings.provisioning_s,
        )

    def _find(self, request: Request) -> Pool:
        pool = self._pools.find(request.part("pool"))
        if pool is None:
            raise resource_not_found(f"Microsoft.App/sessionPools/{request.part('pool')}", request.part("group"))
        self._same_group(pool, request)
        return pool

    def _same_group(self, pool: Pool, request: Request) -> None:
        group = request.part("group")
        if pool.resource.resource_group.lower() != group.lower():
            raise resource_not_found(f"Microsoft.App/sessionPools/{request.part('pool')}", group)

    def _see(self, pool: Pool) -> Sight:
        pool.settle()
        there = Population(
            awake=pool.awake,
            ready=len(pool.instances.ready),
            starting=pool.instances.starting,
            sessions=len(pool.sessions),
            crashed=pool.crashed,
        )
        endpoint, now = self._pools.endpoint(pool), self._pools.world.clock.now()
        return Sight(pool.resource, there, pool.faults, endpoint, now)


def _show_assignment(pool: Resource, principal: str) -> JsonObject:
    name = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{pool.id.lower()} {principal}"))
    return {
        "id": f"{pool.id}/providers/Microsoft.Authorization/roleAssignments/{name}",
        "name": name,
        "type": "Microsoft.Authorization/roleAssignments",
        "properties": {
            "roleDefinitionId": f"/subscriptions/{pool.subscription_id}/providers/Microsoft.Authorization"
            f"/roleDefinitions/{ROLE}",
            "principalId": principal,
            "principalType": "ServicePrincipal",
            "scope": pool.id,
        },
    }
