"""Error answers of the identity service, in its words.

Source: Microsoft Learn, "Microsoft Entra authentication and authorization error codes".
"""

import re
import uuid
from datetime import UTC, datetime


class EntraError(Exception):
    """An answer that is not a success."""

    def __init__(self, status: int, body: dict[str, object]) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


def unknown_tenant(tenant: str) -> EntraError:
    """400: no such directory."""
    return _error(
        400,
        "invalid_request",
        f"AADSTS90002: Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing "
        "into the correct cloud. Check with your subscription administrator, this may happen if there are no active "
        "subscriptions for the tenant.",
    )


def missing_parameter(name: str) -> EntraError:
    """400: a field is missing."""
    text = f"AADSTS900144: The request body must contain the following parameter: '{name}'."
    return _error(400, "invalid_request", text)


def unsupported_grant(grant: str) -> EntraError:
    """400: another grant than client credentials."""
    text = f"AADSTS70003: The app requested an unsupported grant type '{grant}'."
    return _error(400, "unsupported_grant_type", text)


def unknown_client(client_id: str, tenant: str) -> EntraError:
    """400: the directory has no such application."""
    return _error(
        400,
        "unauthorized_client",
        f"AADSTS700016: Application with identifier '{client_id}' was not found in the directory '{tenant}'. This can "
        "happen if the application has not been installed by the administrator of the tenant or consented to by any "
        "user in the tenant. You may have sent your authentication request to the wrong tenant.",
    )


def missing_secret() -> EntraError:
    """401: the client does not prove who it is."""
    return _error(
        401,
        "invalid_client",
        "AADSTS7000218: The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
    )


def bad_secret(client_id: str) -> EntraError:
    """401: not the application's secret."""
    return _error(
        401,
        "invalid_client",
        "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client "
        f"secret value, not the client secret ID, for a secret added to app '{client_id}'.",
    )


def bad_scope(scope: str) -> EntraError:
    """400: a scope without `/.default`."""
    return _error(
        400,
        "invalid_scope",
        f"AADSTS1002012: The provided value for scope {scope} is not valid. Client credential flows must have a scope "
        "value with /.default suffixed to the resource identifier (application ID URI).",
    )


def unknown_resource(resource: str, tenant: str) -> EntraError:
    """400: tokens for a resource the tenant does not know."""
    return _error(
        400,
        "invalid_resource",
        f"AADSTS500011: The resource principal named {resource} was not found in the tenant named {tenant}. This can "
        "happen if the application has not been installed by the administrator of the tenant or consented to by any "
        "user in the tenant. You might have sent your authentication request to the wrong tenant.",
    )


def unavailable() -> EntraError:
    """503."""
    return _error(503, "temporarily_unavailable", "AADSTS90033: A transient error has occurred. Please try again.")


def identity_error(text: str) -> EntraError:
    """400 of the managed identity endpoint, which words its errors more briefly."""
    return EntraError(400, {"error": "invalid_request", "error_description": text})


def _error(status: int, error: str, text: str) -> EntraError:
    trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
    time = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    found = re.match(r"AADSTS(\d+)", text)
    assert found is not None
    body: dict[str, object] = {
        "error": error,
        "error_description": f"{text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {time}",
        "error_codes": [int(found[1])],
        "timestamp": time,
        "trace_id": trace,
        "correlation_id": correlation,
    }
    return EntraError(status, body)
