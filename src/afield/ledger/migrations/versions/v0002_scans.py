"""Comparisons that all processes know of."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from alembic import op

if TYPE_CHECKING:
    import psycopg

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    database: psycopg.Connection[tuple[object, ...]] = op.get_bind().connection.driver_connection  # type: ignore[assignment]
    sql = resources.files("afield.ledger.migrations") / "sql" / "0002_scans.sql"
    database.execute(sql.read_bytes())
