"""A pool as Resource Manager and Resource Graph show it. Pure."""

from dataclasses import dataclass

from ..arm.times import show_time
from .faults import PoolFaults
from .model import JsonObject, Resource
from .status import Population, shown_ingress, template_status

TYPE = "Microsoft.App/sessionpools"


@dataclass(frozen=True, slots=True)
class Sight:
    """A pool at one moment: what there is, what is wrong, where its requests go."""

    resource: Resource
    there: Population
    faults: PoolFaults
    endpoint: str
    now: float


def show_pool(sight: Sight) -> JsonObject:
    """The resource."""
    resource = sight.resource
    return {
        "id": resource.id,
        "name": resource.name,
        "type": TYPE,
        "location": resource.location,
        "tags": dict(resource.tags),
        "systemData": {"createdAt": show_time(resource.created_at), "createdByType": "User"},
        "identity": {"type": "None"},
        "properties": _show_properties(sight),
    }


def graph_row(sight: Sight, tenant_id: str) -> JsonObject:
    """The same as Resource Graph knows it."""
    resource = sight.resource
    return {
        **show_pool(sight),
        "type": TYPE.lower(),
        "tenantId": tenant_id,
        "kind": "",
        "location": resource.location.replace(" ", "").lower(),
        "resourceGroup": resource.resource_group.lower(),
        "subscriptionId": resource.subscription_id,
    }


def _show_properties(sight: Sight) -> JsonObject:
    resource, properties = sight.resource, sight.resource.properties
    template = properties.custom_container_template
    shown = properties.show()
    shown["secrets"] = [{"name": one.get("name")} for one in properties.secrets]
    shown["dynamicPoolConfiguration"] = {"lifecycleConfiguration": properties.lifecycle.show()}
    if template is not None:
        shown["customContainerTemplate"]["ingress"] = shown_ingress(template, sight.faults, active=False)
    return {
        **shown,
        "provisioningState": "Succeeded" if sight.now >= resource.provisioned_at else "InProgress",
        "nodeCount": 1,
        "poolManagementEndpoint": sight.endpoint,
        "templateUpdateStatus": _show_template_status(sight) if template is not None else None,
        "mcpServerSettings": None,
    }


def _show_template_status(sight: Sight) -> JsonObject:
    template = sight.resource.properties.custom_container_template
    assert template is not None
    active = {
        "details": "Running",
        "createdTime": show_time(sight.resource.provisioned_at),
        "status": dict(template_status(sight.resource.properties.scale_configuration, sight.there, sight.faults)),
        "containers": [{"image": one.image, "env": one.env, "probes": one.probes} for one in template.containers],
        "ingress": shown_ingress(template, sight.faults, active=True),
    }
    return {"activeTemplate": active}
