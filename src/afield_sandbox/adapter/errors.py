"""Answers that are no results: what was wrong with a request, in a form that names its cause."""

from __future__ import annotations

from collections.abc import Mapping

from afield_sandbox.errors import BadSubmissionError, SandboxError


class AdapterError(Exception):
    """A request that gets an error as answer. `more` are further members of the body."""

    status = 400
    code = "bad_request"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: str = "",
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or type(self).code
        self.headers = headers or {}
        self.more = more or {}


class BadRequestError(AdapterError):
    """The request cannot be understood, or asks for what is not allowed. Nothing ran."""


class UnauthorizedError(AdapterError):
    """The token is missing or another one."""

    status = 401
    code = "unauthorized"


class NotFoundError(AdapterError):
    """No such path, run or file."""

    status = 404
    code = "not_found"


class MethodError(AdapterError):
    """The path exists, but not for this method."""

    status = 405
    code = "method_not_allowed"


class ConflictError(AdapterError):
    """The run's id belongs to another run."""

    status = 409
    code = "run_id_in_use"


class TooLargeError(AdapterError):
    """The body, a file or what is kept would be larger than allowed."""

    status = 413
    code = "too_large"


class MediaTypeError(AdapterError):
    """The body is of a type that is not taken here."""

    status = 415
    code = "unsupported_media_type"


class FailedError(AdapterError):
    """Something went wrong that is nobody's fault but ours."""

    status = 500
    code = "internal_error"


class BusyAnswerError(AdapterError):
    """No room at present. Nothing ran."""

    status = 503
    code = "busy"

    def __init__(self, message: str, *, hint: str = "", code: str = "") -> None:
        super().__init__(message, hint=hint, code=code, headers={"Retry-After": "1"})


def of_jail(problem: SandboxError) -> AdapterError:
    """The answer to a submission that the jail did not run. Whatever kept it from that, it can be sent again."""
    if isinstance(problem, BadSubmissionError):
        return BadRequestError(problem.message, hint=problem.hint, code=problem.code)
    return BusyAnswerError(problem.message, hint=problem.hint)
