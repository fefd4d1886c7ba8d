"""What can go wrong with a call to the service, in our errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from google.api_core import exceptions
from google.auth import exceptions as auth

from afield.errors import (
    AfieldError,
    ConflictError,
    CredentialError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)

_LATER = "It is tried again; if that goes on, look at the service's status and at the project's quota."
_ADVICE: tuple[tuple[int, type[AfieldError], str], ...] = (
    (400, InvalidInputError, "The message says what the service does not accept."),
    (401, CredentialError, "Renew the credential (GOOGLE_APPLICATION_CREDENTIALS)."),
    (403, CredentialError, "Give the caller the role Gemini Data Analytics Data Agent Creator, and read and job rights "
     "in BigQuery; see that the API is enabled."),
    (404, NotFoundError, "See that project, location and name are right."),
    (409, ConflictError, "Names of deleted data agents are kept for a while; use another one."),
)  # fmt: skip


class PassingError(UnavailableError):
    """It may work in a moment. `retry_after`: seconds the service wants to be left alone."""

    def __init__(self, message: str, *, hint: str = _LATER, retry_after: float = 0.0) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class BrokenAnswerError(UnavailableError):
    """A chat's stream ended before its end; what came before is no answer."""

    code = "answer_broken"


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn the library's exceptions into ours. `doing`: what was tried, for the message."""
    try:
        yield
    except exceptions.GoogleAPICallError as error:
        raise _refused(doing, error) from error
    except auth.TransportError as error:
        raise PassingError(f"{doing} failed: the token could not be fetched.") from error
    except auth.GoogleAuthError as error:
        hint = "Set GOOGLE_APPLICATION_CREDENTIALS to a service account's key, or log in with gcloud."
        raise CredentialError(f"{doing} failed: there is no usable Google credential.", hint=hint) from error
    except requests.exceptions.RequestException as error:
        raise PassingError(f"{doing} failed: no answer from the service ({type(error).__name__}).") from error


def _refused(doing: str, error: exceptions.GoogleAPICallError) -> AfieldError:
    status = int(error.code or 0)
    text = f"{doing} failed with {status}: {_message(error)}"
    for known, kind, hint in _ADVICE:
        if status == known:
            return kind(text, hint=hint)
    return PassingError(text, retry_after=_retry_after(error))


def _message(error: exceptions.GoogleAPICallError) -> str:
    """Without the method and the URL that the library puts before it."""
    return re.sub(r"^[A-Z]+ https?://\S+ ", "", str(error.message))[:500]


def _retry_after(error: exceptions.GoogleAPICallError) -> float:
    value = str(getattr(error.response, "headers", {}).get("Retry-After", ""))
    return float(value) if value.isdigit() else 0.0
