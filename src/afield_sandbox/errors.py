"""What can go wrong around a run. What goes wrong inside one is a verdict, never an exception."""

from __future__ import annotations


class SandboxError(Exception):
    """Something the operator or the caller can act on. `code` is stable, `hint` says what to do next."""

    code = "sandbox_error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class TooWeakError(SandboxError):
    """This host does not allow the protections that are asked for, so nothing is run."""

    code = "protection_too_weak"


class BadSubmissionError(SandboxError):
    """The submission was refused before anything ran: a file name, a limit, a missing file."""

    code = "bad_submission"


class UnknownLanguageError(BadSubmissionError):
    """No tool chain for this language was found."""

    code = "unknown_language"


class BusyError(SandboxError):
    """Too many runs wait already."""

    code = "busy"


class ClosedError(SandboxError):
    """The jail is closed, or could not be built again after it died."""

    code = "closed"


class WorkerLostError(SandboxError):
    """A worker died before it was given any code. Nothing ran; another worker can be asked."""

    code = "worker_lost"
