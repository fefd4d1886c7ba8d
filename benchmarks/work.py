"""What every contestant is given to do, and how it says what it cost. Needs nothing but aiohttp and the standard
library, because the peers run in a virtual environment of their own.

A contestant is started with its task as JSON in its one argument; it prints `ready`, waits for a line on its standard
input, does the task, and prints the result as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp

SQL = "SELECT campaign, SUM(impressions) AS impressions FROM dsp_impressions GROUP BY campaign"
EXECUTIONS_TYPE = "application/vnd.amcworkflowexecutions.v1+json"
WORKFLOWS_TYPE = "application/vnd.amcworkflows.v1+json"


@dataclass(frozen=True, slots=True)
class Task:
    """Bring `n` executions from their start to their downloaded result."""

    amc: Mapping[str, Any]  # how to reach the simulator: the `amc` entry of its ready file
    instance: str
    n: int
    at_once: int  # submissions and collections under way at once
    live: int  # executions at the remote at once
    interval: float  # seconds between two looks
    folder: str  # for files
    database_url: str = ""
    redis_url: str = ""
    variant: str = ""  # where a contestant can do it in more than one way

    @classmethod
    def given(cls) -> Self:
        """The task this process was started with."""
        return cls(**json.loads(sys.argv[1]))

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(slots=True)
class Cost:
    """What the timed part cost: wall-clock seconds, and seconds of CPU of this process and the given ones."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    detail: dict[str, Any] = field(default_factory=dict)

    def tell(self) -> None:
        """Print the result's line."""
        print(json.dumps(asdict(self)), flush=True)


@contextmanager
def measured(*pids: int) -> Iterator[Cost]:
    """Time what happens inside, in this process and in the processes `pids`.

    Says so first, and waits for the word to go: whoever started this process takes its own readings in between, so
    that nothing of what went before counts.
    """
    print("ready", flush=True)
    sys.stdin.readline()
    cost = Cost()
    cpu, began = _cpu(pids), time.perf_counter()
    yield cost
    cost.seconds = time.perf_counter() - began
    cost.cpu_seconds = _cpu(pids) - cpu


def _cpu(pids: tuple[int, ...]) -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime + sum(process_cpu(pid) for pid in pids)


def process_cpu(pid: int) -> float:
    """CPU seconds of a process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


class Amc:
    """The calls of one execution's life, over one aiohttp session. Raises aiohttp.ClientResponseError."""

    def __init__(self, session: aiohttp.ClientSession, task: Task, token: str) -> None:
        self._session = session
        self._root = f"{task.amc['base_url']}/amc/reporting/{task.instance}"
        account = {
            "Authorization": f"Bearer {token}",
            "Amazon-Advertising-API-ClientId": task.amc["client_id"],
            "Amazon-Advertising-API-AdvertiserId": task.amc["entity_id"],
            "Amazon-Advertising-API-MarketplaceId": task.amc["marketplace_id"],
        }
        self._executions = account | {"Content-Type": EXECUTIONS_TYPE, "Accept": EXECUTIONS_TYPE}
        self._workflows = account | {"Content-Type": WORKFLOWS_TYPE, "Accept": WORKFLOWS_TYPE}

    async def submit(self, name: str) -> str:
        """Save the query under `name` and run it; returns the execution's id."""
        await self._call("POST", "/workflows", self._workflows, body={"workflowId": name, "sqlQuery": SQL})
        body = {"workflowId": name, "timeWindowType": "MOST_RECENT_DAY", "timeWindowTimeZone": "UTC"}
        started = await self._call("POST", "/workflowExecutions", self._executions, body=body)
        return str(started["workflowExecutionId"])

    async def status(self, handle: str) -> str:
        """One execution's status: a poll."""
        return str((await self._call("GET", f"/workflowExecutions/{handle}", self._executions))["status"])

    async def page(self, since: float, token: str | None) -> tuple[list[dict[str, Any]], str | None]:
        """One page of the listing of all that was created since then (seconds since 1970)."""
        query = {
            "minCreationTime": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(since)),
            "sortAscending": "true",
            "includeCancelled": "true",
            "limit": "100",
        }
        if token is not None:
            query["nextToken"] = token
        listed = await self._call("GET", "/workflowExecutions", self._executions, query=query)
        return listed["executions"], listed.get("nextToken")

    async def finish(self, handle: str, name: str) -> int:
        """Download the result and delete the workflow; returns how many bytes there were."""
        answer = await self._call("GET", f"/workflowExecutions/{handle}/downloadUrls", self._executions)
        size = 0
        for url in answer["downloadUrls"]:
            async with self._session.get(url, raise_for_status=True) as response:
                size += len(await response.read())
        await self._call("DELETE", f"/workflows/{name}", self._workflows)
        return size

    async def _call(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        *,
        body: object = None,
        query: Mapping[str, str] | None = None,
    ) -> Any:
        data = None if body is None else json.dumps(body)
        async with self._session.request(
            method, self._root + path, params=query, data=data, headers=headers, raise_for_status=True
        ) as response:
            return json.loads(await response.read())


@asynccontextmanager
async def open_amc(task: Task) -> AsyncIterator[Amc]:
    """A session that is signed in."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        names = ("client_id", "client_secret", "refresh_token")
        form = {"grant_type": "refresh_token"} | {name: task.amc[name] for name in names}
        async with session.post(task.amc["lwa_token_url"], data=form, raise_for_status=True) as response:
            token = (await response.json())["access_token"]
        yield Amc(session, task, token)


async def poll_until_over(amc: Amc, handle: str, interval: float) -> None:
    """One poll an execution, again and again. Raises RuntimeError when it did not succeed."""
    while (status := await amc.status(handle)) in {"PENDING", "RUNNING"}:  # noqa: ASYNC110 - a poll is a poll
        await asyncio.sleep(interval)
    if status != "SUCCEEDED":
        raise RuntimeError(f"execution {handle} ended {status}")
