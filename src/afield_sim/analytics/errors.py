"""Errors as Google's APIs write them."""

from collections.abc import Mapping
from enum import Enum


class Code(Enum):
    """A code of google.rpc: its number, and the HTTP status it goes with."""

    CANCELLED = (1, 499)
    INVALID_ARGUMENT = (3, 400)
    NOT_FOUND = (5, 404)
    ALREADY_EXISTS = (6, 409)
    PERMISSION_DENIED = (7, 403)
    RESOURCE_EXHAUSTED = (8, 429)
    FAILED_PRECONDITION = (9, 400)
    UNIMPLEMENTED = (12, 501)
    UNAVAILABLE = (14, 503)

    @property
    def number(self) -> int:
        """As in google.rpc.Status."""
        return self.value[0]

    @property
    def http(self) -> int:
        """The HTTP status."""
        return self.value[1]


class GoogleError(Exception):
    """A call that is refused. `headers` go with the answer."""

    def __init__(self, code: Code, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.headers = headers or {}

    def as_json(self) -> dict[str, object]:
        """The body of the answer."""
        return {"error": {"code": self.code.http, "message": self.message, "status": self.code.name}}

    def as_status(self) -> dict[str, object]:
        """The same as google.rpc.Status, as operations carry it."""
        return {"code": self.code.number, "message": self.message}


def invalid(message: str) -> GoogleError:
    """What was sent is wrong."""
    return GoogleError(Code.INVALID_ARGUMENT, message)


def not_found(name: str) -> GoogleError:
    """There is no such resource."""
    return GoogleError(Code.NOT_FOUND, f"Resource '{name}' was not found")
