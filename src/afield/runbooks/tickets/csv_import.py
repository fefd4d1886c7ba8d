"""Tickets from a CSV file. Pure; every row is checked before any is taken."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from afield.errors import InvalidInputError
from afield.runbooks.tickets.mapping import FIELDS, checked
from afield.runbooks.tickets.model import TicketIn

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "external_id": ("external_id", "id", "number", "ticket", "ticket_id", "key"),
    "title": ("title", "short_description", "summary", "subject"),
    "description": ("description", "body", "details"),
    "status": ("status", "state"),
    "severity": ("severity", "priority", "urgency"),
    "ci_name": ("ci_name", "cmdb_ci", "configuration_item", "host", "hostname", "server", "vm"),
}
"""Names under which a column is recognised, without regard to case, spaces for underscores."""

MOST_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be taken, and why. `line`: in the file, the header is line 1."""

    line: int
    problem: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file holds."""

    tickets: tuple[TicketIn, ...]
    bad: tuple[BadRow, ...]


def read_csv(text: str) -> Imported:
    """All rows of a file with a header line. Raises InvalidInputError when it is no such file."""
    if len(text) > MOST_BYTES:
        raise InvalidInputError(f"The file is larger than {MOST_BYTES // 2**20} MiB.", hint="Import it in parts.")
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    try:
        places = _places(reader.fieldnames or ())
        return _rows(reader, places)
    except csv.Error as error:
        raise InvalidInputError(f"Line {reader.line_num} is not CSV: {error}.") from error


def _places(header: Sequence[str]) -> dict[str, str]:
    """Which column holds which field."""
    plain = {name.strip().lower().replace(" ", "_"): name for name in header}
    places = {
        field: next(plain[known] for known in COLUMNS[field] if known in plain)
        for field in FIELDS
        if any(known in plain for known in COLUMNS[field])
    }
    missing = [field for field in ("external_id", "title") if field not in places]
    if missing:
        wanted = "; ".join(f"{field}: {', '.join(COLUMNS[field])}" for field in missing)
        raise InvalidInputError(
            f"The header has no column for {' and '.join(missing)}.", hint=f"Known names: {wanted}."
        )
    return places


def _rows(reader: csv.DictReader[str], places: Mapping[str, str]) -> Imported:
    tickets: dict[str, TicketIn] = {}
    bad: list[BadRow] = []
    for row in reader:
        try:
            ticket = _ticket(row, places)
            if ticket.external_id in tickets:
                raise InvalidInputError(f"The id {ticket.external_id!r} is there twice.")
            tickets[ticket.external_id] = ticket
        except InvalidInputError as error:
            bad.append(BadRow(reader.line_num, error.message))
    return Imported(tuple(tickets.values()), tuple(bad))


def _ticket(row: Mapping[str, str | list[str] | None], places: Mapping[str, str]) -> TicketIn:
    if None in row or None in row.values():
        raise InvalidInputError("It has more or fewer cells than the header.")
    values = {field: str(row[places[field]]).strip() if field in places else "" for field in FIELDS}
    others = {name: str(cell) for name, cell in row.items() if name not in places.values()}
    return checked(values, dict(others), "The row")
