"""What can be made to go wrong with any site for a while."""

from pydantic import Field

from ..striking import Fault, Striking


class Failing(Striking):
    """An answer with `status` and nothing else."""

    status: int = Field(default=503, ge=400, le=599)


class Slow(Striking):
    """An answer that begins after `seconds`."""

    seconds: float = Field(default=1, ge=0, le=300)


class SiteFaults(Fault):
    """All faults of one site."""

    failing: Failing | None = None
    slow: Slow | None = None
