"""What can go wrong with a pool before anything ran in it."""

from __future__ import annotations

from afield.errors import UnavailableError


class QueueFullError(UnavailableError):
    """So many runs wait already that another one is not taken. `retry_after`: seconds until it makes sense to ask."""

    code = "queue_full"

    def __init__(self, message: str, *, retry_after: int, hint: str = "") -> None:
        super().__init__(message, hint=hint or f"Ask again in {retry_after} s.")
        self.retry_after = retry_after


class UserQueueFullError(QueueFullError):
    """One user has too many runs waiting; others are not concerned."""

    code = "too_many_waiting"
    status = 429


class PoolClosedError(UnavailableError):
    """This process is about to end and takes no more runs."""

    code = "pool_closed"


class SessionNotStoppedError(UnavailableError):
    """A session had to be stopped before somebody else may have its place, and it could not be."""

    code = "session_not_stopped"
