"""Names of sessions, derived here and never taken from a caller: who can name a session is in it. Pure."""

from __future__ import annotations

import hashlib
import hmac
from uuid import UUID

from afield.errors import InvalidInputError
from afield.ledger.pool_slots import Home

KEY_BYTES = 32
LONGEST_NAME = 128
SHARED = Home()
"""A session without state: runs of all users, one after the other, each in a jail of its own."""


def own_home(tenant_id: UUID, user: str) -> Home:
    """Sessions of one user's runs, where what a run leaves behind can be seen by the next."""
    return Home("u-" + _digest("user", str(tenant_id), user))


def kept_home(tenant_id: UUID, user: str, name: str) -> Home:
    """The one session of this user that has this name. Raises InvalidInputError for a name that cannot be one."""
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidInputError(f"The name of a session has 1 to {LONGEST_NAME} printable characters.")
    return Home("k-" + _digest("kept", str(tenant_id), user, name), sole=True)


def identifier(key: bytes, target_id: UUID, slot: int, home: Home, generation: int) -> str:
    """The session's name at the pool: `af-` and 40 hex digits, within `[A-Za-z0-9-]{4,128}`.

    A place's generation never comes back, so neither does a name.
    """
    text = _joined("session", str(target_id), str(slot), home.session, str(int(home.sole)), str(generation))
    return "af-" + hmac.new(key, text, hashlib.sha256).hexdigest()[:40]


def _digest(*parts: str) -> str:
    return hashlib.sha256(_joined(*parts)).hexdigest()[:40]


def _joined(*parts: str) -> bytes:
    """With lengths, so that no two lists of parts give the same."""
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
