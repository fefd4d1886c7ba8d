"""What an access token says of itself: read here, by decoding it, and never shown. Pure.

Nobody checks the signature: the token is our own, and the question is only what was asked for and what came.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson

from afield.connectors.azure.view import as_text
from afield.connectors.base import CheckResult
from afield.connectors.session_pool.checks import Fix, failed, ok, warned
from afield.connectors.session_pool.evidence import AUDIENCE, AUDIENCES
from afield.model.jsontypes import JsonValue

_ASKED = "the audience and the end of the access token, read here"
_SHORT = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What is in a token. Empty texts and None: not told."""

    audience: str = ""
    object_id: str = ""  # of whoever the token is for: what a role is assigned to
    tenant_id: str = ""
    user: bool = False  # a person's, not a program's
    issued_at: datetime | None = None
    starts_at: datetime | None = None
    expires_at: datetime | None = None


def read_claims(token: str) -> Claims | None:
    """The claims of a JSON web token (RFC 7519); None when it is not one."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        body = orjson.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    if not isinstance(body, dict):
        return None
    audience = body.get("aud")
    return Claims(
        audience=as_text(audience[0] if isinstance(audience, list) and audience else audience),
        object_id=as_text(body.get("oid")),
        tenant_id=as_text(body.get("tid")),
        user=body.get("idtyp") == "user" or "upn" in body,
        issued_at=_time(body.get("iat")),
        starts_at=_time(body.get("nbf")),
        expires_at=_time(body.get("exp")),
    )


def judge_token(claims: Claims | None, now: datetime, audience: str = AUDIENCE) -> CheckResult:
    """Whether the token can be good at a session pool now; `audience` is whom the target wants tokens for."""
    if claims is None:
        cause = "The access token is no JSON web token, so its audience cannot be read here."
        return warned(_ASKED, "a token that cannot be read", Fix(cause, "See what the pool itself says to it."))
    answered = f"for {claims.audience or 'nobody'}, {_until(claims, now)}, of {claims.object_id or 'nobody named'}"
    wrong = _what_is_wrong(claims, now, audience)
    return failed(_ASKED, answered, wrong) if wrong else ok(_ASKED, answered)


def _what_is_wrong(claims: Claims, now: datetime, audience: str) -> Fix | None:
    clock = "Set this machine's clock by NTP, and look at whoever issues the tokens."
    if claims.audience.rstrip("/") not in {*AUDIENCES, audience.rstrip("/")}:
        return Fix(
            f"The access token is for {claims.audience or 'nobody'}, and session pools want {audience}.",
            f"Ask for the scope {audience}/.default, as `az account get-access-token --resource {audience}` does.",
        )
    if claims.expires_at is not None and claims.expires_at <= now:
        return Fix("The access token is over already as it is fetched.", clock)
    if claims.starts_at is not None and claims.starts_at > now + _SHORT:
        return Fix("The access token is not valid yet: the clocks differ.", clock)
    return None


def _until(claims: Claims, now: datetime) -> str:
    if claims.expires_at is None:
        return "without an end"
    left = int((claims.expires_at - now).total_seconds())
    return f"good for {left // 60} min {left % 60} s" if left > 0 else f"over since {-left} s"


def _time(value: JsonValue) -> datetime | None:
    """Seconds since 1970; what is out of any calendar is not told."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError, ValueError):
        return None
