"""The ledger, and the queue's tables."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from alembic import op

from afield.ledger.rules import OUTCOMES
from afield.model.states import ALLOWED
from afield.model.target import DEFAULT_TENANT

if TYPE_CHECKING:
    import psycopg

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    database: psycopg.Connection[tuple[object, ...]] = op.get_bind().connection.driver_connection  # type: ignore[assignment]
    for part in ("tables", "guards", "apply_moves", "create_executions", "driving", "findings"):
        sql = resources.files("afield.ledger.migrations") / "sql" / f"0001_{part}.sql"
        database.execute(sql.read_bytes())
    database.execute("insert into afield.tenant (id, name) values (%s, 'default')", [DEFAULT_TENANT])
    rules = [
        (before.value, after.value, OUTCOMES.get((before, after))) for before in ALLOWED for after in ALLOWED[before]
    ]
    database.cursor().executemany("insert into afield.move_rule values (%s, %s, %s)", rules)
    _queue(database)


def _queue(database: psycopg.Connection[tuple[object, ...]]) -> None:
    """The task queue's own tables, unless they are there."""
    from procrastinate.schema import SchemaManager  # noqa: PLC0415 - slow to import, needed once

    found = database.execute("select to_regclass('procrastinate_jobs')").fetchone()
    if found == (None,):
        database.execute(SchemaManager.get_schema())
