"""The error of a query that cannot be computed."""

from __future__ import annotations

from afield.errors import InvalidInputError


class QueryError(InvalidInputError):
    """A query the model cannot answer. `options` are names that could stand where the wrong one does."""

    code = "query_refused"

    def __init__(self, message: str, *, hint: str = "", options: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.options = options


def listed(names: tuple[str, ...], limit: int = 12) -> str:
    """Names in a sentence; `none` for none."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more if names else "none"
