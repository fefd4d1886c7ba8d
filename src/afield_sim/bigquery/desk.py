"""Where jobs are made: one at a time, in a thread, so that the server goes on answering."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from uuid import uuid4

from . import errors
from .errors import BigQueryError
from .faults import Mishaps
from .fields import Json
from .jobs import Job, billed
from .loading import Load, load
from .names import DatasetName
from .store import Prepared, Store

LOCATION = "US"


class Desk:
    """Jobs of all projects, by their id."""

    def __init__(self, store: Store, mishaps: Mishaps) -> None:
        self.store = store
        self.mishaps = mishaps
        self.jobs: dict[tuple[str, str], Job] = {}
        self.lock = asyncio.Lock()

    def job(self, project: str, job_id: str) -> Job:
        """One job; BigQueryError 404."""
        found = self.jobs.get((project, job_id))
        if found is None:
            raise errors.not_found("Job", f"{project}:{job_id}")
        return found

    async def insert(self, project: str, resource: Mapping[str, object], content: bytes | None, now: float) -> Job:
        """Make a job and do its work; BigQueryError for one that cannot even begin. Dry runs are not kept."""
        reference, configuration = _mapping(resource, "jobReference"), _mapping(resource, "configuration")
        job_id = str(reference.get("jobId") or uuid4())
        if (project, job_id) in self.jobs:
            raise errors.duplicate("Job", f"{project}:{LOCATION}.{job_id}")
        seconds = self.mishaps.job_seconds()
        job = Job(project, job_id, LOCATION, configuration, now, now + seconds)
        async with self.lock:
            await asyncio.to_thread(self._do, job, content, now)
        if not configuration.get("dryRun"):
            self.jobs[project, job_id] = job
        return job

    def _do(self, job: Job, content: bytes | None, now: float) -> None:
        self.store.expire(now)
        if "load" in job.configuration:
            self._load(job, content, now)
        elif "query" in job.configuration:
            self._query(job)
        else:
            raise errors.not_simulated("jobs other than loads and queries")

    def _load(self, job: Job, content: bytes | None, now: float) -> None:
        if content is None:
            raise errors.not_simulated("loads from addresses")
        asked = Load.read(_mapping(job.configuration, "load"))
        try:
            if self.mishaps.strikes(self.mishaps.faults.load_fails):
                raise BigQueryError(
                    500, "internalError", "An internal error occurred and the request could not be completed."
                )
            job.statistics = {"load": load(self.store, asked, content, now)}
        except BigQueryError as error:
            job.error = error

    def _query(self, job: Job) -> None:
        """Bad SQL is refused at once; what goes wrong while it runs is the job's error."""
        asked = _mapping(job.configuration, "query")
        if asked.get("useLegacySql"):
            raise errors.not_simulated("legacy SQL")
        prepared = self.store.prepare(str(asked.get("query", "")), job.project, _default(asked, job.project))
        job.statistics = _statistics(prepared)
        if job.configuration.get("dryRun"):
            return
        try:
            _check_cost(asked, prepared)
            job.answer = self.store.run(prepared)
        except BigQueryError as error:
            job.error = error


def _check_cost(asked: Mapping[str, object], prepared: Prepared) -> None:
    limit = asked.get("maximumBytesBilled")
    cost = billed(prepared.size, len(prepared.tables))
    if limit and cost > int(str(limit)):
        raise errors.too_many_bytes(int(str(limit)), cost)


def _statistics(prepared: Prepared) -> Json:
    cost = billed(prepared.size, len(prepared.tables))
    return {
        "totalBytesProcessed": str(prepared.size),
        "query": {
            "totalBytesProcessed": str(prepared.size),
            "totalBytesBilled": str(cost),
            "cacheHit": False,
            "statementType": "SELECT",
            "schema": {"fields": [one.as_json() for one in prepared.fields]},
        },
    }


def _default(asked: Mapping[str, object], project: str) -> DatasetName | None:
    place = asked.get("defaultDataset")
    if not isinstance(place, Mapping):
        return None
    return DatasetName(str(place.get("projectId") or project), str(place["datasetId"]))


def _mapping(resource: Mapping[str, object], key: str) -> Mapping[str, object]:
    found = resource.get(key)
    return found if isinstance(found, Mapping) else {}
