"""Error answers of Resource Manager and Compute, in their words."""

from collections.abc import Mapping

import orjson

from .model import JsonObject
from .times import show_second, show_time

_AUDIENCES = "'https://management.core.windows.net/', 'https://management.azure.com'"
_GATEWAY = {"x-ms-failure-cause": "gateway"}


class ArmError(Exception):
    """An answer that is not a success."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        details: list[JsonObject] | None = None,
    ) -> None:
        super().__init__(status, code, message)
        self.status = status
        self.headers = dict(headers or {})
        error: JsonObject = {"code": code, "message": message}
        if details:
            error["details"] = details
        self.body: JsonObject = {"error": error}


def authentication_failed() -> ArmError:
    """401: there is no Authorization header, or none that can be read."""
    return _unauthorized("AuthenticationFailed", "Authentication failed.")


def invalid_token() -> ArmError:
    """401: a token nobody issued."""
    return _unauthorized("InvalidAuthenticationToken", "The access token is invalid.")


def wrong_audience(audience: str) -> ArmError:
    """401: a token for somebody else."""
    text = (
        f"The access token has been obtained for wrong audience or resource '{audience}'. It should exactly match "
        f"with one of the allowed audiences {_AUDIENCES}."
    )
    return _unauthorized("InvalidAuthenticationTokenAudience", text)


def expired_token(expired_at: float, now: float) -> ArmError:
    """401: a token that is too old; times in seconds since 1970."""
    text = (
        f"The access token expiry UTC time '{show_second(expired_at)}' is earlier than current UTC time "
        f"'{show_second(now)}'."
    )
    return _unauthorized("ExpiredAuthenticationToken", text)


def forbidden(client: str, principal: str, action: str, scope: str) -> ArmError:
    """403: a right is missing."""
    text = (
        f"The client '{client}' with object id '{principal}' does not have authorization to perform action "
        f"'{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh "
        "your credentials."
    )
    return ArmError(403, "AuthorizationFailed", text, headers=_GATEWAY)


def api_version_missing() -> ArmError:
    """400: no api-version in the query."""
    text = "The api-version query parameter (?api-version=) is required for all requests."
    return ArmError(400, "MissingApiVersionParameter", text, headers=_GATEWAY)


def bad_request(text: str) -> ArmError:
    """400: the body is not what it should be."""
    return ArmError(400, "BadRequest", text)


def location_required() -> ArmError:
    """400: a resource without location."""
    return ArmError(400, "LocationRequired", "The location property is required for this definition.")


def subscription_not_found(subscription: str) -> ArmError:
    """404: no such subscription."""
    return ArmError(
        404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found.", headers=_GATEWAY
    )


def group_not_found(group: str) -> ArmError:
    """404: no such resource group."""
    return ArmError(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.", headers=_GATEWAY)


def resource_not_found(resource: str, group: str) -> ArmError:
    """404: no such resource; `resource` is its type and name, such as `Microsoft.Compute/virtualMachines/vm-01`."""
    text = (
        f"The Resource '{resource}' under resource group '{group}' was not found. For more details please go to "
        "https://aka.ms/ARMResourceNotFoundFix"
    )
    return ArmError(404, "ResourceNotFound", text, headers=_GATEWAY)


def entity_not_found() -> ArmError:
    """404: a document or an operation this location does not know."""
    return ArmError(404, "NotFound", "The entity was not found in this Azure location.")


def no_such_route(path: str) -> ArmError:
    """404: a path nobody serves."""
    return ArmError(404, "InvalidResourceType", f"The resource type could not be found for '{path}'.", headers=_GATEWAY)


def action_in_progress() -> ArmError:
    """409: an action command runs, or seems to."""
    text = "Run command extension execution is in progress. Please wait for completion before invoking a run command."
    return ArmError(409, "Conflict", text)


def not_allowed(text: str) -> ArmError:
    """409: something this machine does not allow now."""
    return ArmError(409, "OperationNotAllowed", text)


def too_many_commands(current: int, limit: int) -> ArmError:
    """409: no room for another managed run command. The status is not documented; 409 is an assumption."""
    return not_allowed(
        f"The maximum number of managed Run commands (max={limit}, current={current}) has been exceeded. Use fewer "
        "Run commands and retry the request. To list Run commands, refer: https://aka.ms/managedruncommandlist and "
        "then delete a Run command: https://aka.ms/managedruncommanddelete"
    )


def too_many_requests(group: str, retry_after: int, now: float) -> ArmError:
    """429 of Compute."""
    measured = {
        "operationGroup": group,
        "startTime": show_time(now - 60),
        "endTime": show_time(now),
        "allowedRequestCount": 0,
        "measuredRequestCount": 1,
    }
    details: JsonObject = {
        "code": "TooManyRequests",
        "target": group,
        "message": orjson.dumps(measured).decode(),
    }
    return ArmError(
        429,
        "OperationNotAllowed",
        "The server rejected the request because too many requests have been received for this subscription.",
        headers={
            "Retry-After": str(retry_after),
            "x-ms-ratelimit-remaining-resource": f"Microsoft.Compute/{group};0",
            "x-ms-request-charge": "1",
        },
        details=[details],
    )


def too_much_traffic(traffic: str, retry_after: int) -> ArmError:
    """429 of Resource Manager itself."""
    text = f"Number of '{traffic}' requests exceeded the limit. Please try again after '{retry_after}' seconds."
    headers = {**_GATEWAY, "Retry-After": str(retry_after), f"x-ms-ratelimit-remaining-subscription-{traffic}": "0"}
    return ArmError(429, "TooManyRequests", text, headers=headers)


def unavailable() -> ArmError:
    """503."""
    return ArmError(503, "ServiceUnavailable", "The service is temporarily unavailable. Please retry the request.")


def internal() -> ArmError:
    """500."""
    return ArmError(500, "InternalServerError", "An internal error occurred.")


def _unauthorized(code: str, message: str) -> ArmError:
    challenge = (
        f'Bearer authorization_uri="https://login.windows.net/", error="invalid_token", error_description="{message}"'
    )
    return ArmError(401, code, message, headers={**_GATEWAY, "WWW-Authenticate": challenge})
