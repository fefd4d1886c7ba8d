"""Load jobs: the bytes of a file into a table, by the rules of its format. It blocks: for threads.

Parquet columns must have the type of the table's columns, as the real service demands; CSV and JSON are cast.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import errors
from .fields import Field, Json, field_of, read_fields
from .names import DatasetName, TableName, quoted
from .store import Store

_PARQUET = "SELECT * FROM read_parquet(?)"


@dataclass(frozen=True, slots=True)
class Load:
    """What a load job asks for."""

    table: TableName
    source: str
    fields: tuple[Field, ...]
    write: str
    create: str
    skip: int
    delimiter: str
    description: str

    @classmethod
    def read(cls, configuration: Mapping[str, object]) -> Load:
        """From the wire; BigQueryError 400."""
        place = configuration.get("destinationTable")
        if not isinstance(place, Mapping):
            raise errors.invalid("Required parameter is missing: destinationTable")
        name = TableName(DatasetName(str(place["projectId"]), str(place["datasetId"])), str(place["tableId"]))
        properties = configuration.get("destinationTableProperties")
        return cls(
            table=name,
            source=str(configuration.get("sourceFormat") or "CSV"),
            fields=read_fields(configuration.get("schema")),
            write=str(configuration.get("writeDisposition") or "WRITE_APPEND"),
            create=str(configuration.get("createDisposition") or "CREATE_IF_NEEDED"),
            skip=int(str(configuration.get("skipLeadingRows") or 0)),
            delimiter=str(configuration.get("fieldDelimiter") or ","),
            description=str(properties.get("description") or "") if isinstance(properties, Mapping) else "",
        )


def load(store: Store, asked: Load, content: bytes, now: float) -> Json:
    """Run a load job; its statistics. BigQueryError, and then the table is as it was."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        path = Path(file.name)
        fields = _fields(store, asked, path)
        select = _select(store, asked, fields, path)
        _provide_table(store, asked, fields, now)
        if asked.write == "WRITE_EMPTY" and store.count(asked.table):
            raise errors.duplicate("Table", str(asked.table))
        rows = store.fill(asked.table, select, path, truncate=asked.write == "WRITE_TRUNCATE")
    return {
        "inputFiles": "1",
        "inputFileBytes": str(len(content)),
        "outputRows": str(rows),
        "outputBytes": str(store.size(asked.table)),
        "badRecords": "0",
    }


def _fields(store: Store, asked: Load, path: Path) -> tuple[Field, ...]:
    """Of the job, of the table, or of the Parquet file itself."""
    there = asked.table.table in store.dataset(asked.table.dataset).tables
    if asked.fields:
        return asked.fields
    if there:
        return store.table(asked.table).fields
    if asked.source == "PARQUET":
        return tuple(field_of(name, kind) for name, kind in store.describe(_PARQUET, path).items())
    raise errors.not_simulated("finding out the schema of CSV and JSON")


def _provide_table(store: Store, asked: Load, fields: tuple[Field, ...], now: float) -> None:
    if asked.table.table in store.dataset(asked.table.dataset).tables:
        there = {one.name: one.type for one in store.table(asked.table).fields}
        if there != {one.name: one.type for one in fields}:
            raise errors.invalid(f"Provided Schema does not match Table {asked.table}.")
        return
    if asked.create == "CREATE_NEVER":
        raise errors.not_found("Table", str(asked.table))
    store.add_table(asked.table, fields, {"description": asked.description} if asked.description else {}, now)


def _select(store: Store, asked: Load, fields: tuple[Field, ...], path: Path) -> str:
    names = ", ".join(quoted(one.name) for one in fields)
    match asked.source:
        case "PARQUET":
            _check_parquet(fields, store.describe(_PARQUET, path))
            return f"SELECT {names} FROM read_parquet(?)"  # noqa: S608 - quoted
        case "CSV":
            return _csv(asked, fields)
        case "NEWLINE_DELIMITED_JSON":
            columns = ", ".join(f"{quoted(one.name)}: '{one.duckdb}'" for one in fields)
            return f"SELECT {names} FROM read_json(?, format = 'newline_delimited', columns = {{{columns}}})"  # noqa: S608
    raise errors.not_simulated(f"loading {asked.source}")


def _csv(asked: Load, fields: tuple[Field, ...]) -> str:
    if any(one.mode == "REPEATED" for one in fields):
        raise errors.invalid("CSV cannot hold repeated fields.")
    columns = ", ".join(f"{quoted(one.name)}: '{one.duckdb}'" for one in fields)
    delimiter = asked.delimiter.replace("'", "''")
    options = (
        f"header = false, skip = {asked.skip}, delim = '{delimiter}', auto_detect = false, quote = '\"', escape = '\"'"
    )
    return f"SELECT * FROM read_csv(?, {options}, columns = {{{columns}}})"  # noqa: S608 - quoted


def _check_parquet(fields: tuple[Field, ...], found: Mapping[str, str]) -> None:
    for one in fields:
        if one.name not in found:
            if one.mode == "REQUIRED":
                raise errors.invalid(f"Parquet file lacks the required field {one.name}.")
            raise errors.not_simulated(f"a Parquet file without column {one.name}")
        kind = field_of(one.name, found[one.name])
        if (kind.type, kind.mode == "REPEATED") != (one.type, one.mode == "REPEATED"):
            raise errors.invalid(
                f"Error while reading data, error message: Parquet column '{one.name}' has type {found[one.name]} "
                f"which does not match the target cpp_type {one.type}."
            )
