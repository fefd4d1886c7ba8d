"""Routes of jobs, queries and uploads."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from uuid import uuid4

from aiohttp import BodyPartReader, web

from ..clock import Clock
from . import errors
from .answering import answering, as_object, read_json, reply
from .desk import Desk
from .fields import Json, show_row
from .jobs import Job
from .routes import BASE

UPLOAD = "/upload" + BASE + "/jobs"
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_PAGE = 10_000


@dataclass(slots=True)
class _Upload:
    """A resumable upload, and the job it became: who did not hear of that may ask again."""

    resource: Json
    content: bytearray = field(default_factory=bytearray)
    job: Job | None = None


class JobRoutes:
    """Jobs, queries, uploads."""

    def __init__(self, desk: Desk, clock: Clock) -> None:
        self._desk = desk
        self._clock = clock
        self._uploads: dict[str, _Upload] = {}

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        routes = [
            ("POST", BASE + "/jobs", self.insert),
            ("GET", BASE + "/jobs", self.list),
            ("GET", BASE + "/jobs/{job}", self.get),
            ("POST", BASE + "/jobs/{job}/cancel", self.cancel),
            ("POST", BASE + "/queries", self.query),
            ("GET", BASE + "/queries/{job}", self.results),
            ("POST", UPLOAD, self.upload),
            ("PUT", UPLOAD, self.put_bytes),
        ]
        for method, path, handler in routes:
            router.add_route(method, path, answering(handler, self._desk.mishaps))

    async def insert(self, http: web.Request) -> web.StreamResponse:
        """A new job without bytes: a query."""
        return await self._insert(http, await read_json(http), None)

    async def list(self, http: web.Request) -> web.Response:
        """All jobs of the project, the latest first, in one page."""
        now, project = self._clock.now(), http.match_info["project"]
        found = [job.as_json(now) for job in self._desk.jobs.values() if job.project == project]
        return reply({"kind": "bigquery#jobList", "jobs": found[::-1]})

    async def get(self, http: web.Request) -> web.Response:
        """One job."""
        return reply(self._job(http).as_json(self._clock.now()))

    async def cancel(self, http: web.Request) -> web.Response:
        """Cancel a job. What it did is done; if it still shows as running, it ends as stopped."""
        job, now = self._job(http), self._clock.now()
        if job.state(now) != "DONE":
            job.done_at, job.answer = now, None
            job.error = errors.BigQueryError(499, "stopped", "Job execution was cancelled: User requested cancellation")
        return reply({"kind": "bigquery#jobCancelResponse", "job": job.as_json(now)})

    async def query(self, http: web.Request) -> web.Response:
        """A query and its first page in one call."""
        asked = await read_json(http)
        configuration: Json = {"query": {**asked, "useLegacySql": asked.get("useLegacySql", True)}}
        if asked.get("dryRun"):
            configuration["dryRun"] = True
        job_id = f"job_{uuid4().hex}"
        resource: Json = {"jobReference": {"jobId": job_id}, "configuration": configuration}
        job = await self._desk.insert(http.match_info["project"], resource, None, self._clock.now())
        if asked.get("dryRun"):
            return reply({"jobComplete": True, "jobReference": job.reference(), **_statistics(job)})
        return reply(self._page(job, 0, int(str(asked.get("maxResults") or _PAGE))))

    async def results(self, http: web.Request) -> web.Response:
        """A page of a query's answer; 400 with the job's error when it failed."""
        job, query = self._job(http), http.query
        start = int(query.get("pageToken") or query.get("startIndex") or 0)
        return reply(self._page(job, start, int(query.get("maxResults") or _PAGE)))

    async def upload(self, http: web.Request) -> web.StreamResponse:
        """A job with its bytes (`multipart`), or the beginning of one (`resumable`)."""
        match http.query.get("uploadType"):
            case "multipart":
                resource, content = await _read_parts(http)
                return await self._insert(http, resource, content)
            case "resumable":
                upload_id = uuid4().hex
                self._uploads[upload_id] = _Upload(await read_json(http))
                place = http.url.update_query(upload_id=upload_id)
                return web.Response(headers={"Location": str(place)})
        raise errors.invalid("uploadType has to be multipart or resumable.")

    async def put_bytes(self, http: web.Request) -> web.StreamResponse:
        """More bytes of a resumable upload; the last of them make the job."""
        upload = self._uploads.get(http.query.get("upload_id", ""))
        found = _RANGE.fullmatch(http.headers.get("Content-Range", ""))
        if upload is None or found is None:
            raise errors.not_found("Upload", http.query.get("upload_id", ""))
        if upload.job:
            return reply(upload.job.as_json(self._clock.now()))
        first, _, size = found.groups()
        if first is not None and int(first) != len(upload.content):
            raise errors.invalid(f"Expected byte {len(upload.content)}, got {first}.")
        async for chunk in http.content.iter_any():
            upload.content += chunk
        if size == "*" or len(upload.content) < int(size):
            have = {"Range": f"bytes=0-{len(upload.content) - 1}"} if upload.content else {}
            return web.Response(status=308, headers=have)
        return await self._insert(http, upload.resource, bytes(upload.content), upload)

    async def _insert(
        self, http: web.Request, resource: Json, content: bytes | None, upload: _Upload | None = None
    ) -> web.StreamResponse:
        job = await self._desk.insert(http.match_info["project"], resource, content, self._clock.now())
        if upload:
            upload.job, upload.content = job, bytearray()
        mishaps = self._desk.mishaps
        if mishaps.strikes(mishaps.faults.reply_lost):
            assert http.transport
            http.transport.abort()
        return reply(job.as_json(self._clock.now()))

    def _job(self, http: web.Request) -> Job:
        return self._desk.job(http.match_info["project"], http.match_info["job"])

    def _page(self, job: Job, start: int, count: int) -> Json:
        shown: Json = {"kind": "bigquery#queryResponse", "jobReference": job.reference(), "cacheHit": False}
        if job.state(self._clock.now()) != "DONE":
            return {**shown, "jobComplete": False}
        if job.error:
            raise job.error
        if job.answer is None:
            raise errors.invalid("The job is not a query.")
        rows = job.answer.rows[start : start + count]
        end = start + len(rows)
        if end < len(job.answer.rows) and rows:
            shown["pageToken"] = str(end)
        if rows:  # an empty page has none; clients take that as "ask again"
            shown["rows"] = [show_row(row) for row in rows]
        return {
            **shown,
            **_statistics(job),
            "jobComplete": True,
            "schema": {"fields": [one.as_json() for one in job.answer.fields]},
            "totalRows": str(len(job.answer.rows)),
        }


def _statistics(job: Job) -> Json:
    return {"totalBytesProcessed": job.statistics.get("totalBytesProcessed", "0")}


async def _read_parts(http: web.Request) -> tuple[Json, bytes]:
    """The JSON and the bytes of a multipart upload."""
    parts = []
    reader = await http.multipart()
    async for part in reader:
        if not isinstance(part, BodyPartReader):
            raise errors.invalid("Multipart upload inside a multipart upload.")
        parts.append(bytes(await part.read()))
    if len(parts) != 2:
        raise errors.invalid(f"Multipart upload has to have two parts, got {len(parts)}.")
    return as_object(parts[0]), parts[1]
