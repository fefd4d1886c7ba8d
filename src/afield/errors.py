"""The errors a user of Afield can meet. Each says what happened, to what, and what to do next."""

from __future__ import annotations


class AfieldError(Exception):
    """Something the user can act on. `code` is stable and machine readable, `hint` says what to do next."""

    code = "error"
    status = 500

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class NotFoundError(AfieldError):
    """What was asked for is not in the ledger (or belongs to another tenant)."""

    code = "not_found"
    status = 404


class InvalidInputError(AfieldError):
    """The input was refused before anything was recorded."""

    code = "invalid_input"
    status = 422


class ConflictError(AfieldError):
    """The request contradicts what is recorded: another body under the same key, a state that moved on."""

    code = "conflict"
    status = 409


class IdempotencyError(ConflictError):
    """The idempotency key was used before with a different body."""

    code = "idempotency_key_reused"


class CredentialError(AfieldError):
    """The remote system does not accept the credential. Trying again will not help; a person has to act."""

    code = "credential_refused"
    status = 424


class LookError(AfieldError):
    """A remote system could not be asked. Says nothing about what runs there."""

    code = "could_not_look"
    status = 502


class UnavailableError(AfieldError):
    """A part Afield needs is not there right now (the database, a worker). Try again."""

    code = "unavailable"
    status = 503
