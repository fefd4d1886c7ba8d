"""Answers of the platform that are not a success, in its words.

Three shapes are known: JSON with a code (also in `x-ms-error-code`), plain text, and an empty body. All carry the
server's name and none has a header of the program in the container.
"""

import uuid
from collections.abc import Mapping

import orjson

SERVER = "Kestrel"


class PoolError(Exception):
    """An answer of the platform that is not a success."""

    def __init__(
        self, status: int, body: bytes = b"", content_type: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body
        self.headers = {"Server": SERVER, **({"Content-Type": content_type} if body else {}), **(headers or {})}


def coded(status: int, code: str, message: str) -> PoolError:
    """The shape with a code."""
    body = {"error": {"code": code, "message": message, "traceId": uuid.uuid4().hex}}
    return PoolError(status, orjson.dumps(body), "application/json; charset=utf-8", {"x-ms-error-code": code})


def text(status: int, message: str) -> PoolError:
    """The shape of plain text."""
    return PoolError(status, message.encode(), "text/plain; charset=utf-8")


def no_token() -> PoolError:
    """401: no token, one nobody issued, or one that is over."""
    return PoolError(401, headers={"WWW-Authenticate": "Bearer"})


def wrong_audience(status: int) -> PoolError:
    """401 or 403: a token for somebody else."""
    return coded(status, "Unauthenticated", "The request is not authenticated: the token is for another audience.")


def no_role() -> PoolError:
    """403: the caller may not use the pool."""
    return PoolError(403)


def identifier_missing() -> PoolError:
    """400."""
    return coded(400, "SessionRequestValidationFailed", "Missing required parameter 'identifier'")


def identifier_bad(rule: str) -> PoolError:
    """400: not an identifier."""
    return invalid(f"Query parameter 'identifier' is invalid: {rule}")


def invalid(message: str) -> PoolError:
    """400: the request is not what it should be."""
    return coded(400, "SessionRequestValidationFailed", message)


def properties_missing() -> PoolError:
    """400: the old wrapper, or nothing, was sent to the new contract."""
    return coded(400, "SessionPropertiesMissing", "Required properties of the session request are missing.")


def not_supported(what: str, kind: str) -> PoolError:
    """400: a call this type of pool does not offer."""
    return coded(400, "SessionRequestNotSupported", f"{what} is not supported for session pools of type '{kind}'.")


def session_not_found(identifier: str) -> PoolError:
    """400: a management call about a session that is not there."""
    return coded(400, "SessionWithIdentifierNotFound", f"Session with identifier '{identifier}' was not found.")


def stop_failed() -> PoolError:
    """400: a session stopped twice."""
    return text(400, "Failed to stop session, session not found.")


def not_dynamic(status: int, pool: str) -> PoolError:
    """The regional endpoint was used for a custom pool."""
    message = f"Dynamic API calls are not allowed for session pool '{pool}': 'the pool is not dynamic'."
    return coded(status, "DynamicApisNotAllowed", message)


def full(status: int, identifier: str, pool: str) -> PoolError:
    """404 (documented) or 429 (seen): there are as many sessions as there may be."""
    if status == 404:
        return PoolError(404)
    return text(429, f"Error happened when allocating pod for identifier {identifier} in pool {pool}")


def bad_gateway() -> PoolError:
    """502: nothing listens on the target port, or the container does not live."""
    return PoolError(502)


def no_route(status: int) -> PoolError:
    """There is no target port to send a request to."""
    return PoolError(status)


def no_such_path() -> PoolError:
    """404: a path no endpoint has."""
    return coded(404, "NotFound", "The requested resource was not found.")


def too_large() -> PoolError:
    """413: an upload over the limit."""
    return coded(413, "PayloadTooLarge", "The file is larger than allowed.")
