"""Who gets in: the holder of a SAS that allows the operation, or of the account's key."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from . import errors, shared_key
from .sas import Permission, Place, granted


@dataclass(frozen=True, slots=True)
class StorageAccount:
    """A storage account's name and its key in base64."""

    name: str
    key: str


class BlobGate:
    """Checks requests against one account."""

    def __init__(self, account: StorageAccount, now: Callable[[], float]) -> None:
        self._account = account
        self._now = now

    def check(self, http: web.Request, *any_of: Permission) -> None:
        """Nothing when one of the permissions is held; BlobError 401 or 403 otherwise. None given: the key alone."""
        place = Place(*(http.match_info.get(name, "") for name in ("account", "container", "blob")))
        if place.account != self._account.name:
            raise errors.authentication_failed()
        if "Authorization" in http.headers:
            self._check_key(http)
        elif "sig" in http.query:
            self._check_sas(http.query, place, any_of)
        else:
            raise errors.no_authentication()

    def _check_key(self, http: web.Request) -> None:
        if not shared_key.is_good(http.method, http.url, http.headers, self._account.name, self._account.key):
            raise errors.authentication_failed()

    def _check_sas(self, query: Mapping[str, str], place: Place, any_of: tuple[Permission, ...]) -> None:
        held = granted(query, place, self._account.key, self._now())
        if held is None:
            raise errors.authentication_failed()
        if not any(permission in held for permission in any_of):
            raise errors.permission_mismatch()
