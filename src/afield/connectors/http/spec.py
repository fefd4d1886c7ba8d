"""Which service, and what a request looks like, checked before anything is recorded."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, JsonValue, StringConstraints, model_validator

from afield.connectors.base import StrictModel


class Method(StrEnum):
    """The methods of RFC 9110 and RFC 5789 that make sense as a step."""

    GET = "GET"
    HEAD = "HEAD"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


_REPEATABLE = frozenset({Method.GET, Method.HEAD, Method.PUT, Method.DELETE})
"""Idempotent by RFC 9110, section 9.2.2."""

IDEMPOTENCY_KEY = "Idempotency-Key"
_OURS = frozenset({IDEMPOTENCY_KEY.lower(), "host", "content-length", "transfer-encoding", "connection"})


def _base_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
        raise ValueError("must be a URL like https://host/path, without a user name")
    if parts.query or parts.fragment:
        raise ValueError("must have no query and no fragment")
    return url.rstrip("/")


def _path(path: str) -> str:
    bare = path.partition("?")[0]
    if not path.startswith("/") or path.startswith("//") or "\\" in path or "#" in path:
        raise ValueError("must begin with one / and stay on the target's host")
    if ".." in bare.replace("%2e", ".").replace("%2E", ".").split("/"):
        raise ValueError("must not climb out of the target's base_url")
    if any(ord(sign) <= 32 for sign in path):
        raise ValueError("must not contain spaces or control characters")
    return path


def _headers(headers: dict[str, str]) -> dict[str, str]:
    for name in headers:
        if name.lower() in _OURS:
            raise ValueError(f"{name} is set by the connector")
    return headers


HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", max_length=128)]
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[\t -~]*$", max_length=8192)]
Headers = Annotated[dict[HeaderName, HeaderValue], AfterValidator(_headers)]
Status = Annotated[int, Field(ge=100, le=599)]


class HttpAddress(StrictModel):
    """One service. A request can go to no other host, and redirects are not followed."""

    base_url: Annotated[str, AfterValidator(_base_url)] = Field(max_length=2048)
    allow_plain_http: bool = Field(default=False, description="Accept http:// although the network can read along.")
    health_path: Annotated[str, AfterValidator(_path)] | None = Field(default=None, description="Asked by a diagnosis.")

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        host = urlsplit(self.base_url).hostname or ""
        near = host in {"127.0.0.1", "::1", "localhost"}
        if self.base_url.startswith("http:") and not (near or self.allow_plain_http):
            raise ValueError("base_url must be https, or allow_plain_http be set")
        return self


class HttpSpec(StrictModel):
    """One request, and the answer that counts as success."""

    method: Method
    path: Annotated[str, AfterValidator(_path)] = Field(max_length=8192)
    headers: Headers = Field(default_factory=dict)
    body: str | None = Field(default=None, max_length=1_000_000)
    json_body: JsonValue = None
    expected_status: tuple[Status, ...] = Field(default=(), description="Empty: any 2xx.")
    expected_body: str | None = Field(default=None, max_length=4096, description="Text that the answer contains.")
    timeout_s: float = Field(default=30, gt=0, le=300)
    idempotent: bool | None = Field(default=None, description="A repeat does no harm; by the method if not said.")

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if self.body is not None and self.json_body is not None:
            raise ValueError("body and json_body exclude each other")
        return self

    @property
    def repeatable(self) -> bool:
        return self.method in _REPEATABLE if self.idempotent is None else self.idempotent

    def expects(self, status: int) -> bool:
        return status in self.expected_status if self.expected_status else 200 <= status <= 299
