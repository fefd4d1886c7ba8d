"""Whether a credential works, and what it may do: questions that only read."""

from __future__ import annotations

from collections.abc import Sequence

from afield.connectors.azure.api import AzureApi
from afield.connectors.azure.checks import failed, ok
from afield.connectors.azure.failure import AzureError, Trouble
from afield.connectors.azure.permissions import PERMISSIONS_VERSION, Grant, missing, parse_grant
from afield.connectors.azure.view import as_object, as_objects, as_text
from afield.connectors.base import CheckResult
from afield.model.jsontypes import JsonObject

SUBSCRIPTIONS_VERSION = "2022-12-01"
_MOST_PAGES = 200


async def read_token(api: AzureApi) -> CheckResult:
    """Whether a token can be had, and Azure accepts it. Raises AzureError, CredentialError."""
    asked = "GET the subscriptions, with an access token"
    try:
        found = await read_subscriptions(api)
    except AzureError as error:
        if error.trouble is Trouble.ANSWERED and error.status in {403, 404}:
            return ok(asked, f"a token, which Azure accepts ({error.status} for the list itself)")
        raise
    return ok(asked, f"a token, which Azure accepts; it shows {len(found)} subscriptions")


async def read_subscriptions(api: AzureApi) -> list[str]:
    """The ids of the subscriptions that the credential can read. Raises AzureError, CredentialError."""
    items = await read_all(api, "/subscriptions", SUBSCRIPTIONS_VERSION)
    return [identity for item in items if (identity := as_text(item.get("subscriptionId")))]


async def may_do(api: AzureApi, scope: str, wanted: Sequence[str]) -> CheckResult:
    """Whether the credential may do what is wanted on this resource. Raises AzureError, CredentialError."""
    asked = f"GET what the credential may do on {scope.rpartition('/')[2]}"
    lacking = missing(await read_grants(api, scope), wanted)
    if not lacking:
        return ok(asked, f"all of {', '.join(wanted)}")
    return failed(
        asked,
        f"not allowed: {', '.join(lacking)}",
        f"Permission denied: the credential may not {lacking[0]} on {scope.rpartition('/')[2]}.",
        "Assign the role Virtual Machine Contributor, or one with this action, to the credential. A new assignment "
        "takes some minutes to count.",
    )


async def read_grants(api: AzureApi, scope: str) -> tuple[Grant, ...]:
    """What the credential's roles give on a resource, group or subscription. Raises AzureError, CredentialError."""
    path = f"{scope}/providers/Microsoft.Authorization/permissions"
    return tuple(parse_grant(item) for item in await read_all(api, path, PERMISSIONS_VERSION))


async def read_all(api: AzureApi, path: str, version: str) -> list[JsonObject]:
    """The items of a listing, all pages. A page on another host is refused. Raises AzureError, CredentialError."""
    items: list[JsonObject] = []
    page = await api.get_json(path, {"api-version": version})
    for _ in range(_MOST_PAGES):
        items += as_objects(as_object(page).get("value"))
        following = as_text(page.get("nextLink"))
        if not following:
            return items
        page = await api.get_json(following)
    raise AzureError("the listing does not end", trouble=Trouble.UNREADABLE)
