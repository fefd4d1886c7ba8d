"""Jobs: their life and how they look on the wire. No HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .errors import BigQueryError
from .fields import Json
from .store import Rows

_MEGABYTE = 1024 * 1024
MINIMUM_BILLED = 10 * _MEGABYTE


@dataclass(slots=True)
class Job:
    """A load or a query. Its work is done when it is made; it shows as done at `done_at`."""

    project: str
    id: str
    location: str
    configuration: Mapping[str, object]
    created_at: float
    done_at: float
    statistics: Json = field(default_factory=dict)
    error: BigQueryError | None = None
    answer: Rows | None = None

    def state(self, now: float) -> str:
        """PENDING at first, RUNNING for the second half, then DONE."""
        if now >= self.done_at:
            return "DONE"
        return "RUNNING" if now >= (self.created_at + self.done_at) / 2 else "PENDING"

    def reference(self) -> Json:
        """How the job is called."""
        return {"projectId": self.project, "jobId": self.id, "location": self.location}

    def as_json(self, now: float) -> Json:
        """The job on the wire."""
        state = self.state(now)
        status: Json = {"state": state}
        if state == "DONE" and self.error:
            status |= {"errorResult": self.error.proto(), "errors": [self.error.proto()]}
        times = {"creationTime": _millis(self.created_at), "startTime": _millis(self.created_at)}
        if state == "DONE":
            times["endTime"] = _millis(self.done_at)
        shown = self.statistics if state == "DONE" else {}
        return {
            "kind": "bigquery#job",
            "id": f"{self.project}:{self.location}.{self.id}",
            "jobReference": self.reference(),
            "configuration": dict(self.configuration),
            "status": status,
            "statistics": {**times, **shown},
        }


def billed(size: int, tables: int) -> int:
    """Bytes billed: whole megabytes, at least ten for each table."""
    if not tables:
        return 0
    return max(-(-size // _MEGABYTE) * _MEGABYTE, MINIMUM_BILLED * tables)


def _millis(seconds: float) -> str:
    return str(int(seconds * 1000))
