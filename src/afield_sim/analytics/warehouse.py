"""Running SQL on the simulator's BigQuery, over its own REST interface, as the service would."""

import asyncio
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp

Json = dict[str, Any]
_TIMEOUT = aiohttp.ClientTimeout(total=60)
_MOST_SECONDS, _POLL_SECONDS = 60, 0.05
_HINT = "The table or the service is not there."


class WarehouseError(Exception):
    """The query could not be run; its text is for people."""


@dataclass(frozen=True, slots=True)
class Table:
    """What a query gave. `schema`: name and type of the columns; values are texts, as the wire has them."""

    schema: Sequence[Json]
    rows: Sequence[Sequence[Any]]
    job: Json | None = None


class Warehouse:
    """Asks BigQuery. Start it before, stop it after."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Get ready."""
        self._session = aiohttp.ClientSession(timeout=_TIMEOUT)

    async def stop(self) -> None:
        """Let go of connections."""
        if self._session is not None:
            await self._session.close()

    async def select(self, origin: str, project: str, sql: str, most_bytes: str | None = None) -> Table:
        """Run one query in a project of the simulator at `origin`. Raises WarehouseError."""
        body: Json = {
            "query": sql,
            "useLegacySql": False,
            "formatOptions": {"useInt64Timestamp": True},
            "requestId": str(uuid.uuid4()),
        }
        if most_bytes is not None:
            body["maximumBytesBilled"] = most_bytes
        url = f"{origin}/bigquery/v2/projects/{project}/queries"
        answer = await self._send("POST", url, json=body)
        deadline = time.monotonic() + _MOST_SECONDS
        while not answer.get("jobComplete"):
            if time.monotonic() > deadline:
                raise WarehouseError(f"The query took longer than {_MOST_SECONDS} s.")
            await asyncio.sleep(_POLL_SECONDS)
            answer = await self._send("GET", f"{url}/{answer['jobReference']['jobId']}")
        return _read(answer)

    async def _send(self, method: str, url: str, **fields: Any) -> Json:
        assert self._session is not None, "started before it is asked"
        try:
            async with self._session.request(method, url, **fields) as response:
                answer = await response.json(content_type=None) if response.content_type.endswith("json") else {}
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise WarehouseError(f"BigQuery cannot be reached: {type(error).__name__}.") from None
        if response.status != 200:
            message = answer.get("error", {}).get("message") or _HINT
            raise WarehouseError(f"BigQuery answered {response.status}: {message}")
        return dict(answer)


def _read(answer: Json) -> Table:
    fields = answer.get("schema", {}).get("fields", [])
    schema = [{"name": one["name"], "type": one["type"], "mode": one.get("mode", "NULLABLE")} for one in fields]
    rows = [[_cell(cell["v"], one["type"]) for cell, one in zip(row["f"], schema, strict=True)]
            for row in answer.get("rows", [])]  # fmt: skip
    reference = answer.get("jobReference")
    job = {key: reference[key] for key in ("projectId", "jobId", "location") if key in reference} if reference else None
    return Table(schema, rows, job)


def _cell(value: Any, kind: str) -> Any:
    """Plain values stay texts; a time stamp comes as microseconds and is shown as a time."""
    if value is not None and kind == "TIMESTAMP":
        return datetime.fromtimestamp(int(value) / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return value
