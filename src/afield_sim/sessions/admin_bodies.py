"""The bodies of admin calls about session pools; anything else is answered 422 with what is wrong."""

from typing import Literal

from pydantic import Field

from ..admin.bodies import AdminBody


class SessionsWait(AdminBody):
    """What to wait for: at least `at_least` of something at a pool (None: at all), for `timeout` seconds at most.

    `what` is `sessions` (allocated now), `ready` (instances that wait now), `in_flight` (requests in containers now),
    `forwarded` (requests that went to a container), `allocated`, `stopped`, `expired`, `rejected` or `crashed` (all
    since the start), or `idle` (1 when no session is there).
    """

    what: Literal[
        "sessions",
        "ready",
        "in_flight",
        "forwarded",
        "allocated",
        "stopped",
        "expired",
        "rejected",
        "crashed",
        "idle",
    ] = "sessions"
    at_least: int = Field(default=1, ge=0)
    pool: str | None = None
    timeout: float = Field(default=10, ge=0, le=300)
