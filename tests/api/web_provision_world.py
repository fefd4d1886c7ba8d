"""Provisioning over real HTTP. Nothing is worked on here unless a test runs a worker: jobs are recorded and told of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from web_world import Json, Web

from afield.api.provision_runtime import Provisioning
from afield.kernel import Kernel
from afield.ledger.people import People
from afield.model.target import DEFAULT_TENANT
from afield.provisioning.job_log import Entry, Said
from afield.provisioning.progress import Line, LineKind
from afield.security.people import Role

PATH = "/api/provision"
URL = "https://www.example.com"
CONTEXT = "Find out why returns of winter jackets rose in the last two quarters, by store."


def provisioning_of(app: FastAPI) -> Provisioning:
    found: Provisioning = app.state.provisioning
    return found


async def a_person(kernel: Kernel, name: str, role: Role = Role.OPERATOR) -> dict[str, Any]:
    """What a person sends with a request."""
    _, token = await People(kernel.ledger.database).add(DEFAULT_TENANT, name, role)
    return {"headers": {"authorization": f"Bearer {token}"}}


async def started(web: Web, body: Json | None = None, verb: str = "start", **more: Any) -> Json:
    answer = await web.post(f"{PATH}/{verb}", body or {"customer_url": URL}, **more)
    assert answer.status == 202, answer.content
    shown: Json = answer.json
    return shown


async def tell(web: Web, job_id: str, *kinds: LineKind) -> list[Entry]:
    """Things that were said about a job."""
    log = provisioning_of(web.app).jobs.log
    before = len(await log.after(UUID(job_id), 0))
    now = datetime.now(UTC)
    said = [
        Said(origin=f"test:{before + n}", line=Line(at=now, kind=kind, message=f"{kind} {n}", data={"n": n}))
        for n, kind in enumerate(kinds)
    ]
    return await log.tell(UUID(job_id), said)
