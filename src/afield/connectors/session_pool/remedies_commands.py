"""Commands of the Azure CLI that look at a session pool or change it, ready to be run. Pure.

Sources: the references of `az containerapp sessionpool`, `az role assignment`, and the REST interface, whose PATCH is a
merge. What is not known is a word in capitals.
"""

from __future__ import annotations

import shlex

import orjson

from afield.connectors.session_pool.evidence import PoolPlace
from afield.connectors.session_pool.token_checks import Claims
from afield.model.jsontypes import JsonObject

ROLE = "Azure ContainerApps Session Executor"
STATUS = "properties.templateUpdateStatus.activeTemplate"
PATCH_VERSION = "2025-07-01"
NO_ID = "POOL_ID"


def update(place: PoolPlace, *options: str) -> str:
    """Change the pool."""
    return f"az containerapp sessionpool update {_named(place)} {' '.join(options)}"


def show(place: PoolPlace, query: str) -> str:
    """Print one part of the pool."""
    return f"az containerapp sessionpool show {_named(place)} --query {query}"


def show_endpoint(place: PoolPlace) -> str:
    """Print the pool's endpoint."""
    return show(place, "properties.poolManagementEndpoint --output tsv")


def set_port(place: PoolPlace, port: int) -> str:
    """Give the pool a target port, or the one it has once more, which rolls its template out again."""
    url = f"{place.arm_id or NO_ID}?api-version={PATCH_VERSION}"  # the CLI adds the cloud's own host
    ingress: JsonObject = {"targetPort": port}
    body = orjson.dumps({"properties": {"customContainerTemplate": {"ingress": ingress}}}).decode()
    return f"az rest --method patch --url {shlex.quote(url)} --body {shlex.quote(body)}"


def new_image(place: PoolPlace, image: str) -> str:
    """Let the pool run an image built anew. Images are kept by their tag, so it needs another one."""
    return update(place, "--image", shlex.quote(f"{_without_tag(image) or 'REGISTRY/IMAGE'}:NEW_TAG"))


def stop_session(place: PoolPlace) -> str:
    """End one session, which frees its place."""
    return f"az containerapp session stop {_named(place)} --identifier IDENTIFIER"


def assign_role(place: PoolPlace, claims: Claims | None, role: str = ROLE) -> str:
    """Give whoever the token is for the right to use the pool."""
    who = claims.object_id if claims is not None and claims.object_id else "OBJECT_ID"
    kind = "User" if claims is not None and claims.user else "ServicePrincipal"
    return (
        f"az role assignment create --assignee-object-id {shlex.quote(who)} --assignee-principal-type {kind} "
        f'--role "{role}" --scope {place.arm_id or NO_ID}'
    )


def list_roles(place: PoolPlace) -> str:
    """Print who holds which role at the pool."""
    return f"az role assignment list --scope {place.arm_id or NO_ID}"


def console_log(pool: str) -> str:
    """What the containers printed last; it comes two to five minutes late."""
    table = f"AppEnvSessionConsoleLogs | where SessionPoolName == '{pool}' | top 50 by TimeGenerated"
    return f'az monitor log-analytics query --workspace WORKSPACE_ID --analytics-query "{table}"'


def pull_image(place: PoolPlace, image: str) -> str:
    """Name the image anew, with the registry it is in and the identity that may read there."""
    registry = image.partition("/")[0] if "." in image.partition("/")[0] else "REGISTRY"
    named = shlex.quote(image or "REGISTRY/IMAGE:TAG")
    return update(place, "--image", named, "--registry-server", registry, "--registry-identity", "system")


def _named(place: PoolPlace) -> str:
    return f"--name {shlex.quote(place.pool)} --resource-group {shlex.quote(place.group or 'RESOURCE_GROUP')}"


def _without_tag(image: str) -> str:
    """The image without tag and digest; a port of the registry is none."""
    name = image.partition("@")[0]
    head, colon, tail = name.rpartition(":")
    return head if colon and "/" not in tail else name
