"""BigQuery from a test's side: how to reach it, and its part of the admin service."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from .caller import AdminCaller, Json


@dataclass(frozen=True, slots=True)
class BigQueryAccess:
    """How to reach it: the `bigquery` entry of the ready file. `endpoint` is a client's `api_endpoint`."""

    endpoint: str
    project: str
    location: str


def read_bigquery_access(ready: Mapping[str, Any]) -> BigQueryAccess:
    """The access to BigQuery out of a ready file's content."""
    return BigQueryAccess(**{field.name: ready["bigquery"][field.name] for field in fields(BigQueryAccess)})


class BigQueryAdmin(AdminCaller):
    """A client of the admin service, for everything about BigQuery."""

    async def fault(self, **faults: object) -> Json:
        """Replace all faults: `reply_lost={"next": 1}`."""
        return await self.call("PUT", "/admin/bigquery/faults", faults)

    async def clear_faults(self) -> Json:
        """Take back all faults."""
        return await self.call("DELETE", "/admin/bigquery/faults")

    async def jobs(self) -> list[Json]:
        """All jobs that were made, in order."""
        found: list[Json] = (await self.call("GET", "/admin/bigquery/jobs"))["jobs"]
        return found
