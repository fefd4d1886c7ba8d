"""Routes of datasets and tables."""

from __future__ import annotations

import asyncio

from aiohttp import web

from ..clock import Clock
from . import errors
from .answering import answering, read_json, reply
from .desk import Desk
from .fields import read_fields
from .names import DatasetName, TableName
from .resources import changed, reference, show_dataset, show_table
from .store import check_labels

BASE = "/bigquery/v2/projects/{project}"
_DATASET = BASE + "/datasets/{dataset}"
_TABLE = _DATASET + "/tables/{table}"


class DatasetRoutes:
    """Everything under a project's `datasets`."""

    def __init__(self, desk: Desk, clock: Clock) -> None:
        self._desk = desk
        self._store = desk.store
        self._clock = clock

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        routes = [
            ("POST", BASE + "/datasets", self.add),
            ("GET", BASE + "/datasets", self.list),
            ("GET", _DATASET, self.get),
            ("PATCH", _DATASET, self.patch),
            ("DELETE", _DATASET, self.delete),
            ("POST", _DATASET + "/tables", self.add_table),
            ("GET", _DATASET + "/tables", self.list_tables),
            ("GET", _TABLE, self.get_table),
            ("PATCH", _TABLE, self.patch_table),
            ("DELETE", _TABLE, self.delete_table),
        ]
        for method, path, handler in routes:
            router.add_route(method, path, answering(handler, self._desk.mishaps))

    async def add(self, http: web.Request) -> web.Response:
        """A new dataset."""
        resource = await read_json(http)
        place = resource.get("datasetReference")
        if not isinstance(place, dict) or not place.get("datasetId"):
            raise errors.invalid("Required parameter is missing: datasetReference.datasetId")
        name = DatasetName(http.match_info["project"], str(place["datasetId"]))
        async with self._desk.lock:
            return reply(show_dataset(name, self._store.add_dataset(name, resource, self._clock.now())))

    async def list(self, http: web.Request) -> web.Response:
        """All datasets of the project, in one page."""
        project = http.match_info["project"]
        found = [show_dataset(name, one) for name, one in self._store.datasets.items() if name.project == project]
        return reply({"kind": "bigquery#datasetList", "datasets": found})

    async def get(self, http: web.Request) -> web.Response:
        """One dataset."""
        name = _dataset(http)
        return reply(show_dataset(name, self._store.dataset(name)))

    async def patch(self, http: web.Request) -> web.Response:
        """Change what is named of a dataset."""
        name, change = _dataset(http), await read_json(http)
        check_labels(change)
        dataset = self._store.dataset(name)
        dataset.resource = changed(dataset.resource, change)
        return reply(show_dataset(name, dataset))

    async def delete(self, http: web.Request) -> web.Response:
        """Remove a dataset, with its tables if `deleteContents` says so."""
        contents = http.query.get("deleteContents", "").lower() == "true"
        async with self._desk.lock:
            self._store.expire(self._clock.now())
            self._store.delete_dataset(_dataset(http), contents=contents)
        return web.Response(status=204)

    async def add_table(self, http: web.Request) -> web.Response:
        """A new, empty table."""
        resource = await read_json(http)
        place = resource.get("tableReference")
        if not isinstance(place, dict) or not place.get("tableId"):
            raise errors.invalid("Required parameter is missing: tableReference.tableId")
        name = TableName(_dataset(http), str(place["tableId"]))
        fields = read_fields(resource.get("schema"))
        async with self._desk.lock:
            self._store.expire(self._clock.now())
            table = self._store.add_table(name, fields, resource, self._clock.now())
            return reply(show_table(name, table, self._store))

    async def list_tables(self, http: web.Request) -> web.Response:
        """All tables of a dataset, in one page."""
        dataset = _dataset(http)
        self._store.expire(self._clock.now())
        names = [TableName(dataset, table) for table in self._store.dataset(dataset).tables]
        tables = [{"id": str(name), "type": "TABLE", "tableReference": reference(name)} for name in names]
        return reply({"kind": "bigquery#tableList", "tables": tables, "totalItems": len(tables)})

    async def get_table(self, http: web.Request) -> web.Response:
        """One table."""
        name = TableName(_dataset(http), http.match_info["table"])
        async with self._desk.lock:
            self._store.expire(self._clock.now())
            return reply(await asyncio.to_thread(show_table, name, self._store.table(name), self._store))

    async def patch_table(self, http: web.Request) -> web.Response:
        """Change what is named of a table; not its columns, only what is said of them."""
        name, change = TableName(_dataset(http), http.match_info["table"]), await read_json(http)
        async with self._desk.lock:
            table = self._store.table(name)
            fields = read_fields(change.pop("schema", None)) or table.fields
            if [(one.name, one.type) for one in fields] != [(one.name, one.type) for one in table.fields]:
                raise errors.not_simulated("changing the columns of a table")
            table.fields, table.resource = fields, changed(table.resource, change)
            return reply(show_table(name, table, self._store))

    async def delete_table(self, http: web.Request) -> web.Response:
        """Remove a table."""
        async with self._desk.lock:
            self._store.delete_table(TableName(_dataset(http), http.match_info["table"]))
        return web.Response(status=204)


def _dataset(http: web.Request) -> DatasetName:
    return DatasetName(http.match_info["project"], http.match_info["dataset"])
