"""Sessions, runbooks, tickets, machines, people, and the connectors' notes."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import TYPE_CHECKING, TypeVar

from alembic import op

from afield.model.session import SESSION_ALLOWED, STEP_ALLOWED, SessionState, StepState

if TYPE_CHECKING:
    import psycopg

State = TypeVar("State", SessionState, StepState)

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_PARTS = ("notes", "people", "machines", "tickets", "sessions", "runbooks")


def upgrade() -> None:
    database: psycopg.Connection[tuple[object, ...]] = op.get_bind().connection.driver_connection  # type: ignore[assignment]
    folder = resources.files("afield.ledger.migrations") / "sql"
    for part in _PARTS:
        database.execute((folder / f"0003_{part}.sql").read_bytes())
    _rules(database, "session_rule", SESSION_ALLOWED)
    _rules(database, "step_rule", STEP_ALLOWED)


def _rules(
    database: psycopg.Connection[tuple[object, ...]], table: str, allowed: Mapping[State, frozenset[State]]
) -> None:
    rules = [(before.value, after.value) for before in allowed for after in allowed[before]]
    database.cursor().executemany(f"insert into afield.{table} values (%s, %s)".encode(), rules)  # noqa: S608
