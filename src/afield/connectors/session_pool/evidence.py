"""What the ladder of a session pool is climbed on: answers as they came, and the questions that bring them.

The ladder knows nothing of how a pool is reached; `PoolProbe` does, and never raises for what a remote may do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from urllib.parse import urlsplit

import orjson

from afield.model.jsontypes import JsonObject, JsonValue

AUDIENCE = "https://dynamicsessions.io"
AUDIENCES = frozenset({AUDIENCE, "https://acasessions.io"})  # the second is the older name, found in clients

_REGIONAL = re.compile(
    r"(?P<id>/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+))/sessionPools/(?P<pool>[^/]+)/?$",
    re.IGNORECASE,
)
_POOL_ID = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/(?P<group>[^/]+)/providers/Microsoft\.App/sessionPools/(?P<pool>[^/]+)/?$",
    re.IGNORECASE,
)


class PoolKind(StrEnum):
    """Who wrote what runs in a session: you, or Azure. Each kind has its own form of endpoint."""

    CUSTOM = "custom"  # https://<pool>.<environment>.<region>.azurecontainerapps.io
    INTERPRETER = "interpreter"  # https://<region>.dynamicsessions.io/subscriptions/…/sessionPools/<pool>


class Silence(StrEnum):
    """Why there is no answer."""

    NO_NAME = "no_name"  # DNS knows no such host
    REFUSED = "refused"  # the host is there and takes no connection, or no way leads to it
    TLS = "tls"  # it shows no certificate that can be trusted
    TOO_LATE = "too_late"  # connected, and nothing came within the time
    LOST = "lost"  # the connection broke before the answer was whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back. Header names are in lower case; the body is its beginning, when it is long."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> JsonValue:
        """The body, if it is JSON; None for anything else."""
        try:
            value: JsonValue = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None
        return value

    def json_object(self) -> JsonObject:
        """The body's object, or an empty one."""
        value = self.json()
        return value if isinstance(value, dict) else {}

    def text(self, most: int = 120) -> str:
        """The beginning of the body, fit for one line."""
        line = " ".join(self.body[: 4 * most].decode("utf-8", "replace").split())
        shown = "".join(char for char in line if char.isprintable())
        return shown if len(shown) <= most else f"{shown[:most]}…"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """Nothing came back, and why."""

    silence: Silence
    text: str
    seconds: float = 0.0


Reply = Answer | NoAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolPlace:
    """What the target says of where its pool is: a resource id, an endpoint, or both."""

    pool_id: str | None = None
    endpoint: str | None = None
    kind: PoolKind | None = None
    audience: str = AUDIENCE  # whom the target has its tokens made for
    probe_identifier: str  # of the one session that diagnoses of this target use

    @property
    def arm_id(self) -> str | None:
        """The resource id; an endpoint of the regional form tells it, too."""
        if self.pool_id:
            return self.pool_id.rstrip("/")
        found = _REGIONAL.search(urlsplit(self.endpoint or "").path)
        return f"{found['id']}/providers/Microsoft.App/sessionPools/{found['pool']}" if found else None

    @property
    def pool(self) -> str:
        """The pool's name, as far as it is known."""
        found = _POOL_ID.search(self.arm_id or "")
        return found["pool"] if found else first_label(self.endpoint or "")

    @property
    def group(self) -> str:
        """The resource group; empty when it is not known."""
        found = _POOL_ID.search(self.arm_id or "")
        return found["group"] if found else ""


def form_of(endpoint: str) -> PoolKind:
    """The kind of pool that an endpoint of this form is for: only the regional form names subscription and pool."""
    return PoolKind.INTERPRETER if _REGIONAL.search(urlsplit(endpoint).path) else PoolKind.CUSTOM


def first_label(endpoint: str) -> str:
    """The first part of the host, which in the custom form is the pool's name; else the last part of the path."""
    parts = urlsplit(endpoint)
    last = parts.path.rstrip("/").rpartition("/")[2]
    return last or (parts.hostname or "").partition(".")[0] or "the pool"


class PoolProbe(Protocol):
    """Asks one pool, for a diagnosis. What a remote may do is told in replies; without a token CredentialError, or
    another AfieldError, is raised."""

    @property
    def place(self) -> PoolPlace:
        """Where the pool is, as the target says."""
        ...

    def now(self) -> datetime: ...

    async def connect(self, endpoint: str) -> NoAnswer | None:
        """Find the host, connect, shake hands; None when that worked. Nothing is asked."""
        ...

    async def token(self) -> str:
        """The token that requests to the pool carry."""
        ...

    async def arm(self, path: str, query: Mapping[str, str]) -> Reply:
        """GET of a path of Azure Resource Manager, with a token of its own."""
        ...

    async def ask(
        self, method: str, url: str, query: Mapping[str, str], body: JsonObject | None = None, *, patience_s: float = 20
    ) -> Reply:
        """One request to the pool, with the token, sent once; redirects are not followed."""
        ...
