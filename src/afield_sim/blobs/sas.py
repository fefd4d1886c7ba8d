"""Service SAS: signing a query string for a container or a blob, and reading it back. Pure.

Source: Microsoft Learn, "Create a service SAS" (version 2020-12-06 and later).
"""

import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import urlencode

VERSION = "2021-12-02"
_FIRST_VERSION = "2020-12-06"
_TIMES = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d")


class Permission(StrEnum):
    """One letter of `sp`."""

    READ = "r"
    ADD = "a"
    CREATE = "c"
    WRITE = "w"
    DELETE = "d"


@dataclass(frozen=True, slots=True)
class Place:
    """What a signature is for."""

    account: str
    container: str
    blob: str


def make_sas(key: str, place: Place, permissions: str, expires_at: float) -> str:
    """A query string (without `?`) for a blob, or a whole container when the blob is empty; the key in base64."""
    query = {
        "sv": VERSION,
        "sr": "b" if place.blob else "c",
        "sp": permissions,
        "se": datetime.fromtimestamp(expires_at, UTC).strftime(_TIMES[0]),
    }
    return urlencode({**query, "sig": sign(key, string_to_sign(query, place))})


def granted(query: Mapping[str, str], place: Place, key: str, now: float) -> str | None:
    """The permissions a query string carries for a place; None when its signature or its span is not good."""
    if query.get("sr") not in {"b", "c"} or query.get("sv", "") < _FIRST_VERSION or not query.get("sp"):
        return None
    signature = sign(key, string_to_sign(query, place))
    if not hmac.compare_digest(signature.encode(), query.get("sig", "").encode()):
        return None
    start, end = _read_time(query.get("st", "")), _read_time(query.get("se", ""))
    good = end is not None and now < end and (start is None or start <= now)
    return query["sp"] if good else None


def string_to_sign(query: Mapping[str, str], place: Place) -> str:
    """What the signature of a query string covers."""
    path = f"/blob/{place.account}/{place.container}"
    resource = f"{path}/{place.blob}" if query["sr"] == "b" else path
    before = [query.get(name, "") for name in ("sp", "st", "se")]
    after = [query.get(name, "") for name in ("si", "sip", "spr", "sv", "sr", "snapshot", "ses")]
    overridden = [query.get(name, "") for name in ("rscc", "rscd", "rsce", "rscl", "rsct")]
    return "\n".join([*before, resource, *after, *overridden])


def sign(key: str, text: str) -> str:
    """The signature of a text by an account key, both in base64."""
    return b64encode(hmac.digest(b64decode(key), text.encode(), hashlib.sha256)).decode()


def _read_time(text: str) -> float | None:
    for form in _TIMES:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue
    return None
