"""The cursor of a page of executions: where the page ended, as opaque text."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from uuid import UUID

from afield.errors import InvalidInputError


def encode_cursor(created_at: datetime, execution_id: UUID) -> str:
    """The text that continues after this row."""
    return base64.urlsafe_b64encode(f"{created_at.isoformat()}|{execution_id.hex}".encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[datetime, UUID]:
    """The row a cursor stands for. Raises InvalidInputError when it is not one of ours."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        at, _, hex_id = text.partition("|")
        created_at = datetime.fromisoformat(at)
        if created_at.tzinfo is None:
            raise ValueError("no time zone")
        return created_at, UUID(hex=hex_id)
    except (ValueError, binascii.Error) as error:
        raise InvalidInputError(
            f"{cursor[:80]!r} is not a cursor.", hint="Pass next_cursor of the page before, or none for the first page."
        ) from error
