"""Shared Key: the Authorization header made with an account's own key. Pure.

Source: Microsoft Learn, "Authorize with Shared Key" (version 2015-02-21 and later).
"""

import hmac
from collections.abc import Mapping

from yarl import URL

from .sas import sign

_HEADERS = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)


def authorization(method: str, url: URL, headers: Mapping[str, str], account: str, key: str) -> str:
    """The header's value for a request; headers whose names differ only in case count as one."""
    return f"SharedKey {account}:{sign(key, string_to_sign(method, url, headers, account))}"


def is_good(method: str, url: URL, headers: Mapping[str, str], account: str, key: str) -> bool:
    """Whether a request's own Authorization header is the right one."""
    given = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
    return hmac.compare_digest(given.encode(), authorization(method, url, headers, account, key).encode())


def string_to_sign(method: str, url: URL, headers: Mapping[str, str], account: str) -> str:
    """What the signature of a request covers."""
    lower = {name.lower(): value.strip() for name, value in headers.items()}
    standard = [lower.get(name, "") for name in _HEADERS]
    standard[2] = "" if standard[2] == "0" else standard[2]
    own = sorted(f"{name}:{value}" for name, value in lower.items() if name.startswith("x-ms-"))
    query: dict[str, list[str]] = {}
    for name, value in url.query.items():
        query.setdefault(name.lower(), []).append(value)
    asked = [f"{name}:{','.join(sorted(values))}" for name, values in sorted(query.items())]
    return "\n".join([method.upper(), *standard, *own, "\n".join([f"/{account}{url.raw_path}", *asked])])
