"""The session of an execution that names none."""

from __future__ import annotations

from afield.connectors.base import Intent

OWN = "afield-run-"


def own_session(intent: Intent) -> str:
    """All attempts of an execution use the same session, and nobody else does."""
    return f"{OWN}{intent.execution_id.hex}"
