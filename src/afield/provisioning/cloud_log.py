"""A job's log on standard output: one-line JSON, as Google's log collectors read it and everybody can."""

from __future__ import annotations

import re
import sys

import orjson

from afield.provisioning.job_log import Entry
from afield.provisioning.store import Job

_TRACE = re.compile(r"[0-9a-f]{32}")


def print_entry(job: Job, entry: Entry) -> None:
    """Print one entry. What looks like a secret was hidden when it was said."""
    sys.stdout.write(orjson.dumps(entry_json(job, entry)).decode() + "\n")
    sys.stdout.flush()


def entry_json(job: Job, entry: Entry) -> dict[str, object]:
    """The entry with its severity, its job, and the trace of the request that started it."""
    shown: dict[str, object] = {
        "severity": entry.severity.value,
        "message": entry.message,
        "timestamp": entry.at,
        "job_id": str(job.id),
        "agent": entry.agent,
        "kind": entry.kind.value,
        "number": entry.number,
        "data": entry.data,
        "logging.googleapis.com/labels": {"job_id": str(job.id)},
    }
    if job.trace_id:
        name = f"projects/{job.project_id}/traces/{job.trace_id}" if job.project_id else job.trace_id
        shown |= {"trace_id": job.trace_id, "logging.googleapis.com/trace": name}
    return shown


def trace_of(cloud: str | None, w3c: str | None) -> str:
    """The trace id of a request, from `X-Cloud-Trace-Context` (`TRACE/SPAN;o=1`) or the W3C's `traceparent`
    (`00-TRACE-SPAN-01`); empty without one that can be read."""
    candidates = [(cloud or "").partition("/")[0], *(w3c or "").split("-")[1:2]]
    return next((one.lower() for one in candidates if _TRACE.fullmatch(one.lower())), "")
