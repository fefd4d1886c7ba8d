"""Executions driven in line, and the places of session pools."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from alembic import op

if TYPE_CHECKING:
    import psycopg

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_PARTS = ("inline", "pool_slots")


def upgrade() -> None:
    database: psycopg.Connection[tuple[object, ...]] = op.get_bind().connection.driver_connection  # type: ignore[assignment]
    folder = resources.files("afield.ledger.migrations") / "sql"
    for part in _PARTS:
        database.execute((folder / f"0004_{part}.sql").read_bytes())
