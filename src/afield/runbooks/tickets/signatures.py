"""Whether a delivery is from whom it says. Pure; comparisons take the same time whatever is compared."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from afield.errors import AfieldError
from afield.runbooks.tickets.model import SourceKind

SIGNATURE_HEADER = "x-afield-signature"
TOKEN_HEADER = "x-afield-token"  # noqa: S105 - a header's name
PAGERDUTY_HEADER = "x-pagerduty-signature"
TOLERANCE = timedelta(minutes=5)
"""How old a signed delivery may be, so that one that was listened to cannot be sent again later."""


class SignatureError(AfieldError):
    """A delivery is not signed as it should be."""

    code = "bad_signature"
    status = 401


def sign(secret: str, body: bytes, at: datetime) -> str:
    """The value of SIGNATURE_HEADER: `t=SECONDS,v1=HEX`, HMAC-SHA256 over the seconds, a dot, and the body."""
    seconds = int(at.timestamp())
    return f"t={seconds},v1={_hmac(secret, str(seconds).encode() + b'.' + body)}"


def verify(kind: SourceKind, secret: str, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
    """Raises SignatureError unless the delivery bears what its kind demands. Names of headers are in lower case."""
    match kind:
        case SourceKind.GENERIC:
            _verify_signed(secret, headers.get(SIGNATURE_HEADER, ""), body, now)
        case SourceKind.PAGERDUTY:
            _verify_pagerduty(secret, headers.get(PAGERDUTY_HEADER, ""), body)
        case SourceKind.ALERTMANAGER | SourceKind.DATADOG:
            _verify_shared(secret, headers)


def _verify_signed(secret: str, value: str, body: bytes, now: datetime) -> None:
    parts = dict(part.strip().split("=", 1) for part in value.split(",") if "=" in part)
    seconds = parts.get("t", "")
    if not seconds.isdecimal() or len(seconds) > 12:
        raise SignatureError(f"The header {SIGNATURE_HEADER} is missing, or has no time.", hint="Send t=...,v1=...")
    expected = _hmac(secret, seconds.encode() + b"." + body)
    if not hmac.compare_digest(expected, parts.get("v1", "")):
        raise SignatureError("The signature does not fit the body.", hint="Is the secret the same on both sides?")
    if abs(now - datetime.fromtimestamp(int(seconds), UTC)) > TOLERANCE:
        raise SignatureError("The delivery was signed too long ago.", hint="Is the sender's clock right?")


def _verify_pagerduty(secret: str, value: str, body: bytes) -> None:
    expected = f"v1={_hmac(secret, body)}"
    if not any(hmac.compare_digest(expected, given.strip()) for given in value.split(",")):
        raise SignatureError(
            "The signature does not fit the body.", hint=f"Is {PAGERDUTY_HEADER} sent, and the secret right?"
        )


def _verify_shared(secret: str, headers: Mapping[str, str]) -> None:
    """Senders that sign nothing bear the secret itself: as a bearer token, a basic password, or a header."""
    if not any(hmac.compare_digest(secret.encode(), given.encode()) for given in _shared(headers)):
        raise SignatureError("The delivery does not bear the secret.", hint="Send it as a bearer token or password.")


def _shared(headers: Mapping[str, str]) -> Iterator[str]:
    yield headers.get(TOKEN_HEADER, "")
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        yield given.strip()
    elif scheme.lower() == "basic":
        try:
            yield base64.b64decode(given, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return


def _hmac(secret: str, data: bytes) -> str:
    return hmac.new(secret.encode(), data, hashlib.sha256).hexdigest()
