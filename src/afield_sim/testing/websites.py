"""Company websites from a test's side: their addresses, and their part of the admin service."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson

from .caller import AdminCaller, Json


@dataclass(frozen=True, slots=True)
class SiteAccess:
    """A site as the ready file names it. `trick` is what is wrong with it, or `none`."""

    name: str
    trick: str
    http: str
    https: str


@dataclass(frozen=True, slots=True)
class WebsitesAccess:
    """How to reach the sites: the `websites` entry of the ready file."""

    sites: Mapping[str, SiteAccess]
    ca_file: str

    def ordinary(self) -> list[SiteAccess]:
        """Those with which nothing is wrong."""
        return [site for site in self.sites.values() if site.trick == "none"]


def read_websites_access(ready: Mapping[str, Any]) -> WebsitesAccess:
    """The access to the sites out of a ready file's content."""
    entry = ready["websites"]
    return WebsitesAccess({one["name"]: SiteAccess(**one) for one in entry["sites"]}, entry["ca_file"])


class WebsitesAdmin(AdminCaller):
    """A client of the admin service, for everything about the sites."""

    async def counters(self) -> Json:
        """`requests` by site and path, `sent` bytes by site, `agents` by site."""
        return await self.call("GET", "/admin/websites/counters")

    async def requests(self, site: str) -> dict[str, int]:
        """How often each path of a site was asked for."""
        found: dict[str, int] = (await self.counters())["requests"].get(site, {})
        return found

    async def reset(self) -> None:
        """All counters back to zero."""
        await self.call("DELETE", "/admin/websites/counters")

    async def fault(self, site: str, **faults: object) -> Json:
        """Replace a site's faults: `failing` ({"status": 503, "next": 1}), `slow` ({"seconds": 2})."""
        return await self.call("PUT", "/admin/websites/faults", {site: faults})

    async def clear_faults(self) -> Json:
        """Take back all faults."""
        return await self.call("DELETE", "/admin/websites/faults")

    async def wait(self, site: str | None = None, **query: object) -> int:
        """Wait for `at_least` requests (of a `path`); the count reached. AssertionError when they do not come."""
        asked = {"site": site, **query}
        found = orjson.loads(await self.send("GET", f"/admin/websites/wait?{_written(asked)}"))
        if not found["met"]:
            raise AssertionError(f"waited for requests to {site} {query}, there were {found['count']}")
        return int(found["count"])


def _written(query: Mapping[str, object]) -> str:
    return urlencode({key: str(value) for key, value in query.items() if value is not None})
