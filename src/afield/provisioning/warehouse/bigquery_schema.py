"""The model as BigQuery's schema: fields with descriptions, a partition for each day of a fact. Pure."""

from __future__ import annotations

from google.cloud.bigquery import Dataset, LoadJobConfig, SchemaField, Table, TimePartitioning

from afield.provisioning import datamodel
from afield.provisioning.datamodel import ColumnType, DataModel

OURS = {"made-by": "afield"}
"""The label of all datasets made here; others are never touched."""
_TYPES = {
    ColumnType.INTEGER: "INT64",
    ColumnType.DECIMAL: "NUMERIC",
    ColumnType.FLOAT: "FLOAT64",
    ColumnType.TEXT: "STRING",
    ColumnType.BOOLEAN: "BOOL",
    ColumnType.DATE: "DATE",
    ColumnType.TIMESTAMP: "TIMESTAMP",
}
_LONGEST = 1024  # of a field's description


def dataset_of(model: DataModel, address: str, location: str, expires_ms: int, labels: dict[str, str]) -> Dataset:
    """The dataset; its tables go after `expires_ms`."""
    dataset = Dataset(address)
    dataset.location = location
    dataset.labels = {**labels, **OURS}
    dataset.description = f"{model.title}. {model.description}"
    dataset.default_table_expiration_ms = expires_ms
    return dataset


def table_of(table: datamodel.Table, address: str) -> Table:
    """A table without rows."""
    made = Table(f"{address}.{table.name}", schema=fields_of(table))
    made.description = table.description
    if table.date_column:
        made.time_partitioning = _partitions(table.date_column)
    return made


def load_of(table: datamodel.Table) -> LoadJobConfig:
    """A load that replaces what is in the table, and keeps what is said of it."""
    config = LoadJobConfig(
        source_format="PARQUET", write_disposition="WRITE_TRUNCATE", schema=fields_of(table), labels=OURS
    )  # fmt: skip
    config.destination_table_description = table.description
    if table.date_column:
        config.time_partitioning = _partitions(table.date_column)
    return config


def fields_of(table: datamodel.Table) -> list[SchemaField]:
    """The columns."""
    return [
        SchemaField(column.name, _TYPES[column.type], description=column.description[:_LONGEST])
        for column in table.columns
    ]


def _partitions(column: str) -> TimePartitioning:
    return TimePartitioning(type_="DAY", field=column)
