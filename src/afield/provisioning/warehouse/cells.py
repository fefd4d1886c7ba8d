"""Cells as they are handed on. Pure."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal

from afield.provisioning.warehouse.base import Value


def plain(value: object) -> Value:
    """No decimals, no zones, and nothing that is not a number among the numbers."""
    match value:
        case Decimal():
            return float(value)
        case float():
            return value if math.isfinite(value) else None
        case datetime():
            return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        case None | str() | int() | date():
            return value
    return str(value)
