"""Error answers of BigQuery, in its words.

Source: Google Cloud, "BigQuery error messages".
"""

from __future__ import annotations


class BigQueryError(Exception):
    """An answer that is not a success, or the error of a job."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(status, reason, message)
        self.status = status
        self.reason = reason
        self.message = message

    def proto(self) -> dict[str, str]:
        """As it stands in a job's status."""
        return {"reason": self.reason, "message": self.message}

    def body(self) -> dict[str, object]:
        """The answer's JSON."""
        error = {"message": self.message, "domain": "global", "reason": self.reason}
        return {"error": {"code": self.status, "message": self.message, "errors": [error]}}


def invalid(message: str) -> BigQueryError:
    """400: a request that makes no sense."""
    return BigQueryError(400, "invalid", message)


def invalid_query(message: str) -> BigQueryError:
    """400: SQL that cannot be run."""
    return BigQueryError(400, "invalidQuery", message)


def not_simulated(what: str) -> BigQueryError:
    """400: the real one can do this, this one cannot, and says so."""
    return BigQueryError(400, "invalidQuery", f"Not simulated: {what}")


def not_found(kind: str, name: str) -> BigQueryError:
    """404: no such dataset, table or job."""
    return BigQueryError(404, "notFound", f"Not found: {kind} {name}")


def duplicate(kind: str, name: str) -> BigQueryError:
    """409: it is there already."""
    return BigQueryError(409, "duplicate", f"Already Exists: {kind} {name}")


def in_use(name: str) -> BigQueryError:
    """400: a dataset with tables in it."""
    return BigQueryError(400, "resourceInUse", f"Dataset {name} is still in use")


def too_many_bytes(limit: int, billed: int) -> BigQueryError:
    """400: the query would cost more than it may."""
    message = f"Query exceeded limit for bytes billed: {limit}. {billed} or higher required."
    return BigQueryError(400, "bytesBilledLimitExceeded", message)


def unavailable() -> BigQueryError:
    """503: try again."""
    return BigQueryError(503, "backendError", "The service is currently unavailable.")
