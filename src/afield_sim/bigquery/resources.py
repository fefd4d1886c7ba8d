"""Datasets and tables on the wire. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from .fields import Json
from .names import DatasetName, TableName
from .store import Dataset, Store, Table

LOCATION = "US"


def show_dataset(name: DatasetName, dataset: Dataset) -> Json:
    """A dataset."""
    return {
        "location": LOCATION,
        **dataset.resource,
        "kind": "bigquery#dataset",
        "id": str(name),
        "datasetReference": {"projectId": name.project, "datasetId": name.dataset},
        "creationTime": _millis(dataset.created_at),
    }


def show_table(name: TableName, table: Table, store: Store) -> Json:
    """A table with what is in it."""
    shown: Json = {
        "location": LOCATION,
        **table.resource,
        "kind": "bigquery#table",
        "id": f"{name.dataset}.{name.table}",
        "type": "TABLE",
        "tableReference": reference(name),
        "schema": {"fields": [one.as_json() for one in table.fields]},
        "creationTime": _millis(table.created_at),
        "numRows": str(store.count(name)),
        "numBytes": str(store.size(name)),
    }
    return {**shown, "expirationTime": _millis(table.expires_at)} if table.expires_at else shown


def reference(name: TableName) -> Json:
    """How a table is called."""
    return {"projectId": name.dataset.project, "datasetId": name.dataset.dataset, "tableId": name.table}


def changed(resource: Json, change: Mapping[str, object]) -> Json:
    """A resource after a PATCH: what is null is taken away."""
    merged = {**resource, **change}
    return {key: value for key, value in merged.items() if value is not None}


def _millis(seconds: float) -> str:
    return str(int(seconds * 1000))
