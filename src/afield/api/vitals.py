"""What the database tells of itself and of the workers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

from alembic.script import ScriptDirectory

from afield.ledger import migrations
from afield.ledger.database import Database

_VITALS = """
select (select version_num from afield.version),
    (select now() - max(last_heartbeat) from procrastinate_workers)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """The schema's version, whether it is the one this program needs, and how old the newest sign of life of any
    worker is."""

    schema: str
    schema_current: bool
    newest_beat: timedelta | None


async def vitals(database: Database) -> Vitals:
    """Ask the database. Raises UnavailableError when it stays away."""
    row = await database.one(_VITALS)
    version, beat = row if row else ("", None)
    return Vitals(schema=str(version), schema_current=version == needed_schema(), newest_beat=beat)


@cache
def needed_schema() -> str:
    """The version this program was written for. Reads files: call it once before the event loop is busy."""
    folder = Path(migrations.__file__).parent
    return ScriptDirectory(str(folder)).get_current_head() or ""
