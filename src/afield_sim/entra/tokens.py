"""Access tokens of the one tenant: issued, checked, revoked."""

import hashlib
import hmac
import random
import secrets
import string
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import asdict, dataclass
from enum import StrEnum

import orjson

from ..clock import Clock

MANAGEMENT = "https://management.azure.com"
LIFETIME_SECONDS = 3_599

_SAME_AUDIENCE = {"https://management.core.windows.net": MANAGEMENT}
_HEADER = b'{"typ":"JWT","alg":"HS256"}'
_SECRET_ALPHABET = string.ascii_letters + string.digits + "_.~-"


class TokenProblem(StrEnum):
    """Why a request is not let in."""

    MISSING = "missing"
    MALFORMED = "malformed"
    INVALID = "invalid"
    EXPIRED = "expired"
    WRONG_AUDIENCE = "wrong_audience"


@dataclass(frozen=True, slots=True)
class Claims:
    """What an access token says: audience, tenant, object and application, its span in seconds since 1970."""

    aud: str
    tid: str
    oid: str
    appid: str
    iat: int
    exp: int
    uti: str


class Tokens:
    """Issues and checks access tokens; the tenant and its one application follow from `seed`.

    The signing key is made anew with every process, so a token does not outlive the simulator that issued it.
    """

    def __init__(self, clock: Clock, seed: int = 7) -> None:
        chance = random.Random(f"entra {seed}")  # noqa: S311 - stable credentials of an emulator
        self.tenant_id, self.client_id, self.object_id, self.identity_client_id, self.identity_object_id = (
            str(uuid.UUID(int=chance.getrandbits(128), version=4)) for _ in range(5)
        )
        self.client_secret = _make_secret(chance)
        self.lifetime_seconds = LIFETIME_SECONDS
        self._clock = clock
        self._key = secrets.token_bytes(32)

    def now(self) -> float:
        """The time tokens are measured by, in seconds since 1970."""
        return self._clock.now()

    def issue(self, audience: str, *, lifetime_seconds: float | None = None, identity: bool = False) -> str:
        """A token for `audience`, of the application or of the machine's identity; a negative lifetime is over."""
        lifetime = self.lifetime_seconds if lifetime_seconds is None else lifetime_seconds
        now = self.now()
        claims = Claims(
            aud=audience,
            tid=self.tenant_id,
            oid=self.identity_object_id if identity else self.object_id,
            appid=self.identity_client_id if identity else self.client_id,
            iat=int(now),
            exp=int(now + lifetime),
            uti=secrets.token_urlsafe(16),
        )
        signed = f"{_encode(_HEADER)}.{_encode(orjson.dumps(asdict(claims)))}"
        return f"{signed}.{self._sign(signed)}"

    def check(self, authorization: str | None, audience: str) -> TokenProblem | None:
        """What is wrong with an Authorization header for `audience`; None when it is good."""
        if not authorization:
            return TokenProblem.MISSING
        if not _token_of(authorization):
            return TokenProblem.MALFORMED
        claims = self.claims_of(authorization)
        if claims is None:
            return TokenProblem.INVALID
        if claims.exp <= self.now():
            return TokenProblem.EXPIRED
        return None if _plain(claims.aud) == _plain(audience) else TokenProblem.WRONG_AUDIENCE

    def claims_of(self, authorization: str | None) -> Claims | None:
        """What the token of an Authorization header says, be it expired; None when it is not one of ours."""
        signed, _, signature = _token_of(authorization or "").rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(signed).encode()):
            return None
        return Claims(**orjson.loads(_decode(signed.partition(".")[2])))

    def rotate_secret(self) -> str:
        """A new client secret; the old one is refused from now on."""
        self.client_secret = _make_secret(random.SystemRandom())
        return self.client_secret

    def revoke_all(self) -> None:
        """Make every token issued so far invalid."""
        self._key = secrets.token_bytes(32)

    def _sign(self, signed: str) -> str:
        return _encode(hmac.digest(self._key, signed.encode(), hashlib.sha256))


def _make_secret(chance: random.Random) -> str:
    return "".join(chance.choice(_SECRET_ALPHABET) for _ in range(40))


def _token_of(authorization: str) -> str:
    """The token of `Bearer <three parts>`; empty when it does not look so."""
    scheme, _, token = authorization.partition(" ")
    return token if scheme.lower() == "bearer" and token.count(".") == 2 else ""


def _plain(audience: str) -> str:
    trimmed = audience.rstrip("/")
    return _SAME_AUDIENCE.get(trimmed, trimmed)


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
