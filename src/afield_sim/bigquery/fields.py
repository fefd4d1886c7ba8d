"""Fields of a schema: BigQuery's types, DuckDB's, and cells on the wire. Pure.

Source: BigQuery REST reference, "TableFieldSchema"; cells as in "tabledata: list".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal

from .errors import invalid, not_simulated

Json = dict[str, object]

TYPES = {
    "INTEGER": "BIGINT",
    "FLOAT": "DOUBLE",
    "NUMERIC": "DECIMAL(38, 9)",
    "BOOLEAN": "BOOLEAN",
    "STRING": "VARCHAR",
    "DATE": "DATE",
    "DATETIME": "TIMESTAMP",
    "TIMESTAMP": "TIMESTAMP WITH TIME ZONE",
    "TIME": "TIME",
}
_ALIASES = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "DECIMAL": "NUMERIC"}
_INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
_BACK = {**{duck: name for name, duck in TYPES.items()}, **dict.fromkeys(_INTEGERS, "INTEGER"), "FLOAT": "FLOAT"}
_WIDTHS = {"BOOLEAN": 1, "NUMERIC": 16}
_EIGHT = 8


@dataclass(frozen=True, slots=True)
class Field:
    """One column; types in the REST reference's old names, as the real service answers them."""

    name: str
    type: str
    mode: str = "NULLABLE"
    description: str = ""

    @property
    def duckdb(self) -> str:
        """DuckDB's type."""
        return TYPES[self.type] + ("[]" if self.mode == "REPEATED" else "")

    @property
    def width(self) -> int | None:
        """Bytes of a value; None for texts, whose bytes count."""
        return None if self.type == "STRING" or self.mode == "REPEATED" else _WIDTHS.get(self.type, _EIGHT)

    def as_json(self) -> Json:
        """On the wire."""
        shown: Json = {"name": self.name, "type": self.type, "mode": self.mode}
        return {**shown, "description": self.description} if self.description else shown


def read_fields(schema: object) -> tuple[Field, ...]:
    """A schema from the wire."""
    fields = schema.get("fields") if isinstance(schema, Mapping) else None
    return tuple(_read_field(one) for one in fields or ())


def _read_field(one: Mapping[str, object]) -> Field:
    name, kind = str(one.get("name", "")), str(one.get("type", "")).upper()
    kind = _ALIASES.get(kind, kind)
    if kind not in TYPES:
        raise not_simulated(f"a column of type {kind}")
    mode = str(one.get("mode") or "NULLABLE").upper()
    if mode not in {"NULLABLE", "REQUIRED", "REPEATED"}:
        raise invalid(f"Invalid mode {mode} of field {name}")
    return Field(name, kind, mode, str(one.get("description") or ""))


def field_of(name: str, duckdb_type: str) -> Field:
    """The field for a column that DuckDB computed or read."""
    if duckdb_type.endswith("[]"):
        return Field(name, _back(duckdb_type.removesuffix("[]")), "REPEATED")
    return Field(name, _back(duckdb_type))


def _back(duckdb_type: str) -> str:
    if duckdb_type.startswith("DECIMAL"):
        return "NUMERIC"
    if duckdb_type == '"NULL"':
        return "INTEGER"
    if duckdb_type not in _BACK:
        raise not_simulated(f"a value of type {duckdb_type}")
    return _BACK[duckdb_type]


def show_row(row: Sequence[object]) -> Json:
    """A row on the wire."""
    return {"f": [{"v": show_cell(cell)} for cell in row]}


def show_cell(value: object) -> object:  # noqa: PLR0911 - one line for each type
    """A cell on the wire: every scalar is a string. Time stamps with a zone come here as microseconds."""
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case float():
            return (
                repr(value) if math.isfinite(value) else {"inf": "Infinity", "-inf": "-Infinity"}.get(str(value), "NaN")
            )
        case Decimal():
            return f"{value.normalize():f}"
        case datetime():
            return value.isoformat()
        case date() | time():
            return value.isoformat()
        case list():
            return [{"v": show_cell(one)} for one in value]
    return str(value)
