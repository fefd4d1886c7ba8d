"""What can go wrong on purpose."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from ..counters import Counters
from ..striking import Chance, Striking


class SlowJobs(Striking):
    """Jobs take so long until they show as done."""

    seconds: float = Field(default=1.0, ge=0)


class BigQueryFaults(BaseModel):
    """All faults of the service; None: not set."""

    model_config = ConfigDict(extra="forbid")

    reply_lost: Striking | None = None  # of a new job: it is made, and the connection is cut
    unavailable: Striking | None = None  # 503 for any call
    load_fails: Striking | None = None  # the job ends with an error
    slow_jobs: SlowJobs | None = None


class Mishaps:
    """Faults that are set, and whether one strikes now."""

    def __init__(self, seed: int) -> None:
        self.faults = BigQueryFaults()
        self._chance = Chance(seed, Counters())

    def put(self, faults: Mapping[str, object]) -> None:
        """Replace them all; pydantic's ValidationError."""
        self.faults = BigQueryFaults.model_validate(faults)

    def strikes(self, fault: Striking | None) -> bool:
        """Whether it strikes this call."""
        return fault is not None and self._chance.strikes(fault)

    def job_seconds(self) -> float:
        """How long a job takes."""
        slow = self.faults.slow_jobs
        return slow.seconds if slow and self.strikes(slow) else 0.0
