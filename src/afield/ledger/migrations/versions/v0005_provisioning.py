"""Provisioning jobs, what was said about them, and conversations about their data."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from alembic import op

if TYPE_CHECKING:
    import psycopg

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    database: psycopg.Connection[tuple[object, ...]] = op.get_bind().connection.driver_connection  # type: ignore[assignment]
    folder = resources.files("afield.ledger.migrations") / "sql"
    database.execute((folder / "0005_provisioning.sql").read_bytes())
