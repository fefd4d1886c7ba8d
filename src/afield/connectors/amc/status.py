"""AMC's words for the state of an execution, in one table."""

from __future__ import annotations

from collections.abc import Mapping

from afield.connectors.base import RemoteState

STATES: Mapping[str, RemoteState] = {
    "PENDING": RemoteState.WAITING,
    "RUNNING": RemoteState.RUNNING,
    "PUBLISHING": RemoteState.RUNNING,  # computed, the output is being written
    "SUCCEEDED": RemoteState.SUCCEEDED,
    "FAILED": RemoteState.FAILED,
    "CANCELLED": RemoteState.CANCELLED,
    "REJECTED": RemoteState.REJECTED,  # too many runs over the same data, or SQL that does not compile
}

ENDED = frozenset({RemoteState.SUCCEEDED, RemoteState.FAILED, RemoteState.CANCELLED, RemoteState.REJECTED})
"""States AMC never leaves."""


def state_of(status: str) -> RemoteState:
    """What a status says. A word that is not in the table is unknown: neither success nor failure."""
    return STATES.get(status, RemoteState.UNKNOWN)
